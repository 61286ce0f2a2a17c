//! What is told about a file: why it is refused, and what of it is not done.

use std::fmt;

use crate::place::{At, Notes, Path};

/// Why a file is refused.
#[derive(Debug)]
pub struct Error(Box<Told>);

#[derive(Debug)]
struct Told {
    place: Option<Place>,
    message: String,
    snippet: Option<Snippet>,
    source: Option<std::io::Error>,
}

/// Where something stands. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as a person named it.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
    /// The way to the value: `services.web.ports[0]`. Empty for the file as a whole.
    pub path: String,
}

/// Something that is loaded otherwise than it is written, or not done at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where it stands.
    pub place: Place,
    /// What is done in place of it.
    pub message: String,
}

#[derive(Debug)]
struct Snippet {
    line: u32,
    text: String,
    column: usize,
    length: usize,
}

impl Error {
    /// Where the mistake stands; none when no file could be read.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.0.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.0.message)?;
        match &self.0.snippet {
            Some(snippet) => write!(f, "\n{snippet}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)?;
        match self.path.is_empty() {
            true => Ok(()),
            false => write!(f, ": {}", self.path),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl fmt::Display for Snippet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(self.column - 1);
        let carets = "^".repeat(self.length);
        write!(
            f,
            "{margin} |\n{number} | {}\n{margin} | {indent}{carets}",
            self.text
        )
    }
}

/// An error while it is on its way out.
#[derive(Debug)]
pub(crate) struct Fault(Box<Inner>);

#[derive(Debug)]
struct Inner {
    at: Option<(At, Path)>,
    message: String,
    source: Option<std::io::Error>,
}

pub(crate) type Result<T, E = Fault> = std::result::Result<T, E>;

impl Fault {
    pub(crate) fn new(at: At, path: &Path, message: impl Into<String>) -> Fault {
        Fault(Box::new(Inner {
            at: Some((at, path.clone())),
            message: message.into(),
            source: None,
        }))
    }

    /// Of nothing that is written in a file.
    pub(crate) fn bare(message: impl Into<String>) -> Fault {
        Fault(Box::new(Inner {
            at: None,
            message: message.into(),
            source: None,
        }))
    }

    pub(crate) fn because(mut self, source: std::io::Error) -> Fault {
        self.0.source = Some(source);
        self
    }

    pub(crate) fn told(self, notes: &Notes) -> Error {
        let Inner {
            at,
            mut message,
            source,
        } = *self.0;
        let unset = at.as_ref().map(|(at, _)| notes.unset_in(*at));
        if let Some(names @ [_, ..]) = unset.as_deref() {
            message.push_str(&format!(" ({} not set)", names.join(", ")));
        }
        Error(Box::new(Told {
            snippet: at.as_ref().and_then(|(at, _)| snippet(notes, *at)),
            place: at.map(|(at, path)| place(notes, at, &path)),
            message,
            source,
        }))
    }
}

pub(crate) fn told(notes: &Notes) -> Vec<Warning> {
    let warnings = notes.warnings();
    let told = |(at, path, message): (At, Path, String)| Warning {
        place: place(notes, at, &path),
        message,
    };
    warnings.into_iter().map(told).collect()
}

fn place(notes: &Notes, at: At, path: &Path) -> Place {
    Place {
        file: notes.file(at.file).name.clone(),
        line: at.line,
        column: at.column,
        path: path.0.clone(),
    }
}

/// More of a line than fits a terminal would hide the mistake.
const WIDEST: usize = 160;

fn snippet(notes: &Notes, at: At) -> Option<Snippet> {
    let file = notes.file(at.file);
    let line = file.line(at.line)?;
    let column = at.column as usize;
    let cut = column.saturating_sub(WIDEST / 2);
    let cut = if line.chars().count() > WIDEST {
        cut
    } else {
        0
    };
    let shown = line.chars().skip(cut).take(WIDEST);
    let text: String = shown.map(|c| if c == '\t' { ' ' } else { c }).collect();
    let column = (column - cut).clamp(1, text.chars().count() + 1);
    let room = (text.chars().count() + 1).saturating_sub(column).max(1);
    Some(Snippet {
        line: at.line,
        text: text.trim_end().to_owned(),
        column,
        length: (at.length as usize).clamp(1, room),
    })
}
