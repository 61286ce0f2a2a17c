//! The files of `tests/files`, loaded and rendered; what is expected of each lies in `tests/expected`. `UPDATE=1` writes that
//! anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use compose::{Request, Source, load, render};
use proptest::prelude::*;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn request(files: &[&str]) -> Request {
    let env = [
        ("HOME", "/home/me"),
        ("TOKEN", "s3cret"),
        ("C", "from outside"),
    ];
    Request {
        stack: "shop".to_owned(),
        files: files.iter().map(|file| Source::File(file.into())).collect(),
        env: BTreeMap::from(env.map(|(name, value)| (name.to_owned(), value.to_owned()))),
        directory: directory().join("files"),
        ..Request::default()
    }
}

/// Renders it, with its warnings, and compares that with what is expected under that name. What is rendered is the same stack.
fn check(name: &str, request: &Request) {
    let loaded = load(request).unwrap_or_else(|error| panic!("{name}: {error}"));
    let rendered = render(request).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(
        rendered,
        render(request).expect("again"),
        "{name}: twice the same"
    );

    let again = Request {
        files: vec![Source::Stdin(rendered.clone())],
        env_file: None,
        ..request.clone()
    };
    let again = load(&again).unwrap_or_else(|error| panic!("{name}: {error}\n{rendered}"));
    assert!(
        again.stack == loaded.stack,
        "{name}: what is rendered is another stack"
    );

    let warnings = loaded
        .warnings
        .iter()
        .map(|warning| format!("# {warning}\n"));
    let told = format!("{rendered}{}", warnings.collect::<String>());
    let told = told.replace(&directory().join("files").display().to_string(), "/project");
    let path = directory().join("expected").join(format!("{name}.yml"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &told).expect("the expectation is written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(told, expected, "{name}: other than {}", path.display());
}

#[test]
fn a_blog() {
    check("blog", &request(&["blog.yml"]));
}

#[test]
fn anchors_and_words_that_yaml_could_misread() {
    check("anchors", &request(&["anchors.yml"]));
}

#[test]
fn variables() {
    let request = Request {
        env_file: Some("variables.env".into()),
        ..request(&["variables.yml"])
    };
    check("variables", &request);
}

#[test]
fn short_and_long_forms() {
    check("forms", &request(&["forms.yml"]));
}

#[test]
fn what_belongs_to_a_node() {
    check("node", &request(&["node.yml"]));
}

#[test]
fn files_laid_over_each_other() {
    check("layers", &request(&["layers/base.yml", "layers/more.yml"]));
}

#[test]
fn services_that_extend_others() {
    check("extends", &request(&["extends/main.yml"]));
}

#[test]
fn files_that_include_others() {
    check("include", &request(&["include/main.yml"]));
}

#[test]
fn profiles() {
    check("profiles-none", &request(&["profiles/main.yml"]));
    let with = |profiles: &[&str]| Request {
        profiles: profiles.iter().map(|name| (*name).to_owned()).collect(),
        ..request(&["profiles/main.yml"])
    };
    check("profiles-debug", &with(&["debug"]));
    check("profiles-all", &with(&["*"]));
    let mut by_variable = request(&["profiles/main.yml"]);
    by_variable
        .env
        .insert("COMPOSE_PROFILES".to_owned(), "x, debug".to_owned());
    check("profiles-debug", &by_variable);
}

#[test]
fn what_is_not_done_is_told() {
    check("unsupported", &request(&["unsupported.yml"]));
}

#[test]
fn every_file_is_tried() {
    let tried = [
        "anchors.yml",
        "blog.yml",
        "forms.yml",
        "node.yml",
        "unsupported.yml",
        "variables.yml",
    ];
    let found = std::fs::read_dir(directory().join("files")).expect("the files");
    for entry in found.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(
            !name.ends_with(".yml") || tried.contains(&name.as_str()),
            "{name} is tried nowhere"
        );
    }
}

proptest! {
    /// Whatever becomes of a file on its way: it is loaded or refused.
    #[test]
    fn nothing_panics(
        file in prop::sample::select(vec!["forms.yml", "blog.yml", "anchors.yml", "unsupported.yml"]),
        place in 0.0..1.0_f64,
        removed in 0..12_usize,
        put in "[-a-z0-9:{}\\[\\]\"'*&!$<>|?# \n]{0,6}",
    ) {
        let text = std::fs::read_to_string(directory().join("files").join(file)).expect("the file");
        let chars: Vec<char> = text.chars().collect();
        let start = (place * chars.len() as f64) as usize;
        let end = (start + removed).min(chars.len());
        let text: String = chars[..start].iter().copied().chain(put.chars()).chain(chars[end..].iter().copied()).collect();
        let request = Request { files: vec![Source::Stdin(text)], ..request(&[]) };
        if let Err(error) = load(&request) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
