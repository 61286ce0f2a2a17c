//! `include`: other projects as a part of this one.

use std::path::PathBuf;

use crate::environment::{Environment, unreadable_file};
use crate::error::{Fault, Result};
use crate::merge::{merge, settle};
use crate::place::{At, Notes, Path};
use crate::project::{Layer, load as load_file, parent};
use crate::suggest::did_you_mean;
use crate::tree::{Map, Node, Value};

/// Everything that a list of includes names, as one document; none when it names nothing. `path` is the file that has the list.
pub(crate) fn load(
    list: &Node,
    path: &Option<PathBuf>,
    environment: &Environment,
    chain: &[PathBuf],
    notes: &Notes,
) -> Result<Option<Node>> {
    let chain: Vec<PathBuf> = chain.iter().chain(path).cloned().collect();
    let mut total: Option<Node> = None;
    for (index, item) in list.as_list().unwrap_or_default().iter().enumerate() {
        let entry = Entry::read(item, &Path::of("include").index(index), notes)?;
        let mut node = entry.load(environment, &chain, notes)?;
        settle(&mut node);
        // Its name is not ours.
        if let Some(map) = node.as_map_mut() {
            map.remove("name");
        }
        total = Some(match total {
            None => node,
            Some(total) => merge(node, total, &[], notes)?,
        });
    }
    Ok(total)
}

/// Files that are laid over each other, from one directory.
struct Entry {
    files: Vec<(PathBuf, At)>,
    directory: PathBuf,
    env_files: Vec<(PathBuf, At)>,
    path: Path,
}

impl Entry {
    fn read(item: &Node, path: &Path, notes: &Notes) -> Result<Entry> {
        let map = match &item.value {
            Value::Map(map) => map.clone(),
            Value::Scalar(_) => {
                let mut map = Map::default();
                map.put("path", item.clone());
                map
            }
            _ => {
                let why = format!("must be a path or a mapping, and is {}", item.kind());
                return Err(Fault::new(item.at, path, why));
            }
        };
        const KEYS: [&str; 3] = ["path", "project_directory", "env_file"];
        for (key, _) in &map.0 {
            if !KEYS.contains(&key.text.as_str()) {
                let hint = did_you_mean(&key.text, KEYS);
                let why = format!("`{}` means nothing here{hint}", key.text);
                return Err(Fault::new(key.at, &path.key(&key.text), why));
            }
        }
        let files = paths(map.given("path"), &path.key("path"), notes)?;
        let Some((first, _)) = files.first() else {
            let why = "`path` must say which file is included";
            return Err(Fault::new(item.at, path, why));
        };
        let directories = paths(
            map.given("project_directory"),
            &path.key("project_directory"),
            notes,
        )?;
        let directory = match directories.into_iter().next() {
            Some((directory, _)) => directory,
            None => parent(first),
        };
        let env_files = paths(map.given("env_file"), &path.key("env_file"), notes)?;
        Ok(Entry {
            files,
            directory,
            env_files,
            path: path.clone(),
        })
    }

    fn load(&self, environment: &Environment, chain: &[PathBuf], notes: &Notes) -> Result<Node> {
        let mut inner = environment.clone();
        if self.env_files.is_empty() {
            inner = inner.with_file(notes, &self.directory.join(".env"), None, false)?;
        }
        for (file, at) in &self.env_files {
            let named = Some((*at, &self.path));
            inner = inner.with_file(notes, file, named, true)?;
        }
        let mut total: Option<Node> = None;
        for (file, at) in &self.files {
            if chain.contains(file) {
                let names: Vec<String> = chain
                    .iter()
                    .chain([file])
                    .map(|file| file.display().to_string())
                    .collect();
                let why = format!(
                    "files include each other in a circle: {}",
                    names.join(" -> ")
                );
                return Err(Fault::new(*at, &self.path, why));
            }
            let text = std::fs::read_to_string(file)
                .map_err(|error| unreadable_file(file, Some((*at, &self.path)), error))?;
            let layer = Layer {
                name: file.display().to_string(),
                path: Some(file.clone()),
                text,
            };
            let node = load_file(layer, &self.directory, &inner, chain, total.as_ref(), notes)?;
            total = Some(match total {
                None => node,
                Some(total) => merge(total, node, &[], notes)?,
            });
        }
        Ok(total.expect("there is at least one file"))
    }
}

fn paths(node: Option<&Node>, path: &Path, notes: &Notes) -> Result<Vec<(PathBuf, At)>> {
    let Some(node) = node else {
        return Ok(Vec::new());
    };
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let resolved = items.iter().map(|item| match item.as_text() {
        Some(text)
            if text.contains("://") || text.starts_with("oci:") || text.starts_with("git@") =>
        {
            let why = "only files of this machine can be included";
            Err(Fault::new(item.at, path, why))
        }
        Some(text) => Ok((notes.resolve(item.at, text), item.at)),
        None => {
            let why = format!("must be a path, and is {}", item.kind());
            Err(Fault::new(item.at, path, why))
        }
    });
    resolved.collect()
}
