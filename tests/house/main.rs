//! The rules of the house that the compiler does not hold: who may depend on whom, and which crates do without `unsafe`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tests::images::repository;

/// Every crate of the workspace, and the crates of the workspace it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("runtime", &[]),
    ("images", &[]),
    ("network", &[]),
    ("engine", &["images", "network", "runtime"]),
    ("worker", &["api", "engine", "model"]),
    ("lab", &["network"]),
    ("model", &[]),
    ("wal", &[]),
    ("identity", &[]),
    ("base2histogram", &[]),
    ("consensus", &["wal"]),
    ("store", &["model"]),
    ("orchestrator", &["model", "store"]),
    ("api", &["model"]),
    (
        "server",
        &[
            "api",
            "consensus",
            "identity",
            "model",
            "orchestrator",
            "store",
            "wal",
        ],
    ),
    (
        "minid",
        &[
            "api", "engine", "identity", "model", "server", "store", "worker",
        ],
    ),
    ("compose", &["model"]),
    (
        "cli",
        &["api", "compose", "engine", "identity", "lab", "model"],
    ),
    ("tests", &[]),
    ("simulation", &["consensus", "wal"]),
    ("world", &["model", "orchestrator", "store"]),
    (
        "cluster-bench",
        &[
            "api",
            "consensus",
            "identity",
            "model",
            "orchestrator",
            "store",
            "wal",
        ],
    ),
];

/// Crates that decide: they know no clock, no file, no task.
const PURE: &[&str] = &["model", "store", "orchestrator", "world"];
/// What gives a crate a clock, files or tasks.
const IMPURE: &[&str] = &["tokio", "nix", "libc", "tonic", "rand"];

/// Crates whose every file does without `unsafe`.
const FORBID_UNSAFE: &[&str] = &[
    "model",
    "wal",
    "identity",
    "base2histogram",
    "consensus",
    "store",
    "orchestrator",
    "world",
    "compose",
    "api",
    "server",
    "minid",
    "lab",
];

/// Files a person can read in one sitting.
const LONGEST_FILE: usize = 600;

fn packages() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let printed = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(repository())
        .output()
        .expect("cargo metadata runs");
    assert!(
        printed.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&printed.stderr)
    );
    let metadata: Value =
        serde_json::from_slice(&printed.stdout).expect("cargo metadata prints JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

fn name(package: &Value) -> &str {
    package["name"].as_str().expect("a package has a name")
}

fn sources(package: &Value) -> Vec<std::path::PathBuf> {
    let manifest = Path::new(package["manifest_path"].as_str().expect("a manifest"));
    let mut found = Vec::new();
    walk(manifest.parent().expect("a directory"), &mut found);
    found.sort();
    found
}

fn walk(directory: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(directory)
        .expect("a directory of sources")
        .flatten()
    {
        let path = entry.path();
        if path.is_dir() && entry.file_name() != "target" {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn crates_depend_only_downwards() {
    let packages = packages();
    let rooms: BTreeSet<&str> = packages.iter().map(name).collect();
    let may_use: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    for package in &packages {
        let Some(allowed) = may_use.get(name(package)) else {
            panic!("{} is not in the table of who may use whom", name(package));
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let used = name(dependency);
            assert!(
                !rooms.contains(used) || allowed.contains(&used),
                "{} may not use {used}: see \"The rooms\" in ARCHITECTURE.md",
                name(package)
            );
        }
    }
}

#[test]
fn crates_that_decide_touch_nothing() {
    for package in packages()
        .iter()
        .filter(|package| PURE.contains(&name(package)))
    {
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            assert!(
                !IMPURE.contains(&name(dependency)),
                "{} decides, and must do without {}",
                name(package),
                name(dependency)
            );
        }
    }
}

#[test]
fn a_crate_without_unsafe_forbids_it() {
    for package in packages() {
        let files = sources(&package);
        let uses = |path: &std::path::PathBuf| {
            let text = std::fs::read_to_string(path).expect("a source file");
            text.lines().any(|line| {
                let code = line.trim_start();
                let comment = code.starts_with("//");
                !comment
                    && (code.contains("unsafe {")
                        || code.contains("unsafe fn")
                        || code.contains("unsafe impl"))
            })
        };
        let forbids = files.iter().any(|path| {
            std::fs::read_to_string(path)
                .expect("a source file")
                .contains("#![forbid(unsafe_code)]")
        });
        let user = files.iter().find(|path| uses(path));
        if user.is_none() {
            assert!(
                forbids,
                "{} needs no unsafe code: say #![forbid(unsafe_code)] at its head",
                name(&package)
            );
        }
        if FORBID_UNSAFE.contains(&name(&package)) {
            assert!(
                user.is_none(),
                "{} does without unsafe code: {user:?}",
                name(&package)
            );
        }
    }
}

#[test]
fn files_stay_readable() {
    for package in packages() {
        for path in sources(&package) {
            let lines = std::fs::read_to_string(&path)
                .expect("a source file")
                .lines()
                .count();
            assert!(
                lines <= LONGEST_FILE,
                "{} has {lines} lines: it is two nouns by now",
                path.display()
            );
        }
    }
}

#[test]
fn every_crate_says_what_it_is_for() {
    for package in packages() {
        assert!(
            package["description"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{} has no description",
            name(&package)
        );
        assert!(
            package["publish"] == serde_json::json!([]),
            "{} could be published by mistake",
            name(&package)
        );
    }
}
