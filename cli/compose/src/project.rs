//! From the files that a person names to one document: read, filled in, made long, extended, with what they include, laid over
//! each other.

use std::path::{Path as FilePath, PathBuf};

use crate::canonical::canonical;
use crate::environment::{Environment, unreadable_file};
use crate::error::{Fault, Result};
use crate::extends::Extender;
use crate::include;
use crate::interpolate::interpolate;
use crate::merge::{merge, settle};
use crate::place::{At, File, FileId, Notes, Path, clean};
use crate::read::read;
use crate::tree::{Map, Node, Value};
use crate::{Request, Source};

/// One document made of all files.
pub(crate) struct Project {
    pub(crate) root: Map,
    pub(crate) environment: Environment,
    /// The beginning of the first file.
    pub(crate) at: At,
}

/// Larger files are no compose files.
const LARGEST: usize = 8 << 20;

pub(crate) fn gather(request: &Request, notes: &Notes) -> Result<Project> {
    let working = std::path::absolute(&request.directory)
        .map_err(|error| unreadable_file(&request.directory, None, error))?;
    let Some(first) = request.files.first() else {
        return Err(Fault::bare("no compose file is given; name one with -f"));
    };
    // Paths in all files are relative to the first one, as in Docker.
    let base = match first {
        Source::File(path) => parent(&working.join(path)),
        Source::Stdin(_) => working.clone(),
    };
    let environment = environment(request, &working, &base, notes)?;
    let mut total: Option<Node> = None;
    for source in &request.files {
        let layer = match source {
            Source::Stdin(text) => Layer {
                name: "stdin".to_owned(),
                path: None,
                text: text.clone(),
            },
            Source::File(path) => {
                let full = clean(&working.join(path));
                let text = std::fs::read_to_string(&full)
                    .map_err(|error| unreadable_file(path, None, error))?;
                Layer {
                    name: path.display().to_string(),
                    path: Some(full),
                    text,
                }
            }
        };
        let node = load(layer, &base, &environment, &[], total.as_ref(), notes)?;
        total = Some(match total {
            None => node,
            Some(total) => merge(total, node, &[], notes)?,
        });
    }
    let mut total = total.expect("at least one file was read");
    settle(&mut total);
    let at = total.at;
    match total.value {
        Value::Map(root) => Ok(Project {
            root,
            environment,
            at,
        }),
        _ => Err(Fault::new(at, &Path::default(), "the file is empty")),
    }
}

fn environment(
    request: &Request,
    working: &FilePath,
    base: &FilePath,
    notes: &Notes,
) -> Result<Environment> {
    let environment = Environment::new(request.env.clone());
    let (path, must) = match &request.env_file {
        Some(path) => (working.join(path), true),
        None => (base.join(".env"), false),
    };
    let environment = environment.with_file(notes, &path, None, must)?;
    Ok(match request.stack.is_empty() {
        true => environment,
        false => environment.with("COMPOSE_PROJECT_NAME", &request.stack),
    })
}

pub(crate) fn parent(path: &FilePath) -> PathBuf {
    clean(path.parent().unwrap_or(path))
}

/// A file that is laid over others.
pub(crate) struct Layer {
    pub(crate) name: String,
    /// None for standard input.
    pub(crate) path: Option<PathBuf>,
    pub(crate) text: String,
}

/// One file, with what it extends and includes. `chain` are the files that led to it by `include`; `below` is what it will be
/// laid over, where its services may find what they extend.
pub(crate) fn load(
    layer: Layer,
    directory: &FilePath,
    environment: &Environment,
    chain: &[PathBuf],
    below: Option<&Node>,
    notes: &Notes,
) -> Result<Node> {
    let path = layer.path.clone();
    let mut node = documents(layer, directory, environment, notes)?;
    let Value::Map(map) = &mut node.value else {
        return Ok(node);
    };
    let included = match map.remove("include") {
        Some(list) => include::load(&list, &path, environment, chain, notes)?,
        None => None,
    };
    let below: Vec<&Node> = included.iter().chain(below).collect();
    Extender::new(environment, notes).extend(map, &below)?;
    match included {
        Some(included) => merge(included, node, &[], notes),
        None => Ok(node),
    }
}

/// The documents of one file, laid over each other.
pub(crate) fn documents(
    layer: Layer,
    directory: &FilePath,
    environment: &Environment,
    notes: &Notes,
) -> Result<Node> {
    let text = layer.text;
    let file = notes.add(File::new(layer.name, text.clone(), directory.to_owned()));
    let beginning = beginning(file);
    if text.len() > LARGEST {
        let why = format!("a compose file has at most {} MiB", LARGEST >> 20);
        return Err(Fault::new(beginning, &Path::default(), why));
    }
    let mut total = Node::null(beginning);
    for mut document in read(&text, file)? {
        match &document.value {
            Value::Null => continue,
            Value::Map(_) => {}
            _ => {
                let why = format!(
                    "a compose file is a mapping with `services`, and this is {}",
                    document.kind()
                );
                return Err(Fault::new(document.at, &Path::default(), why));
            }
        }
        interpolate(&mut document, environment, notes)?;
        if let Some(map) = document.as_map_mut() {
            canonical(map, notes)?;
        }
        total = merge(total, document, &[], notes)?;
    }
    total.at = beginning;
    Ok(total)
}

fn beginning(file: FileId) -> At {
    At {
        file,
        line: 1,
        column: 1,
        length: 1,
    }
}
