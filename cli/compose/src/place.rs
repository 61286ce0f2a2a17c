//! Where in which file something stands.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::rc::Rc;

/// One of the files that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId(u32);

/// A place in a file. Lines and columns count characters from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub(crate) file: FileId,
    pub(crate) line: u32,
    pub(crate) column: u32,
    /// How many characters are meant, on this line.
    pub(crate) length: u32,
}

impl At {
    /// The part of it from `offset` characters on.
    pub(crate) fn part(self, offset: usize, length: usize) -> At {
        At {
            column: self.column + u32::try_from(offset).unwrap_or(u32::MAX / 2),
            length: u32::try_from(length).unwrap_or(1).max(1),
            ..self
        }
    }
}

/// A file that was read.
pub(crate) struct File {
    /// As a person named it.
    pub(crate) name: String,
    pub(crate) text: String,
    /// What its relative paths are relative to; absolute.
    pub(crate) directory: PathBuf,
    /// Where its lines begin.
    lines: Vec<usize>,
}

impl File {
    pub(crate) fn new(name: String, text: String, directory: PathBuf) -> File {
        let feeds = text.match_indices('\n').map(|(index, _)| index + 1);
        let lines = std::iter::once(0).chain(feeds).collect();
        File {
            name,
            text,
            directory,
            lines,
        }
    }

    /// A line, counted from 1, without its end.
    pub(crate) fn line(&self, number: u32) -> Option<&str> {
        let begin = *self.lines.get((number as usize).checked_sub(1)?)?;
        self.text[begin..].lines().next()
    }
}

/// All files that were read, and what is to be told about them.
#[derive(Default)]
pub(crate) struct Notes {
    files: RefCell<Vec<Rc<File>>>,
    warnings: RefCell<Vec<(At, Path, String)>>,
    unset: RefCell<Vec<(At, String)>>,
}

impl Notes {
    pub(crate) fn add(&self, file: File) -> FileId {
        let mut files = self.files.borrow_mut();
        files.push(Rc::new(file));
        FileId(u32::try_from(files.len() - 1).expect("fewer files than numbers"))
    }

    pub(crate) fn file(&self, id: FileId) -> Rc<File> {
        Rc::clone(&self.files.borrow()[id.0 as usize])
    }

    /// A path as the file that names it means it.
    pub(crate) fn resolve(&self, at: At, path: &str) -> PathBuf {
        clean(&self.file(at.file).directory.join(path))
    }

    /// A variable is named there and not set.
    pub(crate) fn unset(&self, at: At, name: &str) {
        self.unset.borrow_mut().push((at, name.to_owned()));
    }

    /// The variables that are named in a line and not set.
    pub(crate) fn unset_in(&self, at: At) -> Vec<String> {
        let unset = self.unset.borrow();
        let here = unset
            .iter()
            .filter(|(place, _)| (place.file, place.line) == (at.file, at.line));
        let mut names: Vec<String> = here.map(|(_, name)| name.clone()).collect();
        names.dedup();
        names
    }

    pub(crate) fn warn(&self, at: At, path: &Path, message: impl Into<String>) {
        self.warnings
            .borrow_mut()
            .push((at, path.clone(), message.into()));
    }

    /// What is to be told, in the order of files and lines, each once.
    pub(crate) fn warnings(&self) -> Vec<(At, Path, String)> {
        let mut warnings = self.warnings.borrow().clone();
        warnings.sort_by(|a, b| (a.0, &a.1.0, &a.2).cmp(&(b.0, &b.1.0, &b.2)));
        warnings.dedup();
        warnings
    }
}

/// Without `.` and `..`, as the names say and without a look at the disk.
pub(crate) fn clean(path: &FilePath) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                cleaned.pop();
            }
            part => cleaned.push(part),
        }
    }
    cleaned
}

/// The way to a value: `services.web.ports[0]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path(pub(crate) String);

impl Path {
    pub(crate) fn of(text: &str) -> Path {
        Path(text.to_owned())
    }

    pub(crate) fn key(&self, key: &str) -> Path {
        match self.0.is_empty() {
            true => Path(key.to_owned()),
            false => Path(format!("{}.{key}", self.0)),
        }
    }

    pub(crate) fn index(&self, index: usize) -> Path {
        Path(format!("{}[{index}]", self.0))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
