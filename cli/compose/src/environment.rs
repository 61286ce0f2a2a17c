//! The variables that files are filled in with.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::rc::Rc;

use crate::dotenv;
use crate::error::{Fault, Result};
use crate::place::{At, File, Notes, Path};

/// Variables. What was there first stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(Rc<BTreeMap<String, String>>);

impl Environment {
    pub(crate) fn new(variables: BTreeMap<String, String>) -> Environment {
        Environment(Rc::new(variables))
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// With the variables of a file beside its own. One that is not there adds nothing unless it was `named`.
    pub(crate) fn with_file(
        &self,
        notes: &Notes,
        path: &FilePath,
        named: Option<(At, &Path)>,
        must: bool,
    ) -> Result<Environment> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if !must && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(self.clone());
            }
            Err(error) => return Err(unreadable_file(path, named, error)),
        };
        let mut variables = BTreeMap::clone(&self.0);
        for (name, value) in lines(notes, path, text, &|name| self.get(name))? {
            if let Some(value) = value
                && !self.0.contains_key(&name)
            {
                variables.insert(name, value);
            }
        }
        Ok(Environment::new(variables))
    }

    /// With one more, unless it is there.
    pub(crate) fn with(&self, name: &str, value: &str) -> Environment {
        let mut variables = BTreeMap::clone(&self.0);
        variables
            .entry(name.to_owned())
            .or_insert_with(|| value.to_owned());
        Environment::new(variables)
    }
}

/// The lines of a file of variables; a mistake in it is told with its line.
pub(crate) fn lines(
    notes: &Notes,
    path: &FilePath,
    text: String,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<dotenv::Lines> {
    dotenv::parse(&text, lookup).map_err(|error| {
        let line = text.lines().nth(error.line - 1).unwrap_or_default();
        let length = line.trim_end().chars().count();
        let file = notes.add(File::new(
            path.display().to_string(),
            text.clone(),
            path.parent().unwrap_or(path).to_owned(),
        ));
        let at = At {
            file,
            line: u32::try_from(error.line).unwrap_or(1),
            column: 1,
            length: 1,
        };
        Fault::new(at.part(0, length), &Path::default(), error.message)
    })
}

/// A file that is named somewhere and cannot be read.
pub(crate) fn unreadable_file(
    path: &FilePath,
    named: Option<(At, &Path)>,
    error: std::io::Error,
) -> Fault {
    let why = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        std::io::ErrorKind::InvalidData => "it is not text in UTF-8".to_owned(),
        _ => error.to_string(),
    };
    let message = format!("read {}: {why}", path.display());
    match named {
        Some((at, path)) => Fault::new(at, path, message),
        None => Fault::bare(message),
    }
    .because(error)
}
