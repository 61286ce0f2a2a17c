//! What went wrong, by kind, with the operation and its object named.

use std::fmt::Display;

use nix::errno::Errno;

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// A failed operation: its kind, a sentence that names operation and object, and the cause as `source`.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    #[source]
    source: Option<Source>,
}

/// What callers tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// No container of this id.
    NotFound,
    /// A container of this id is there already.
    AlreadyExists,
    /// The bundle, its `config.json` or an argument can't be meant.
    InvalidSpec,
    /// The container is not in a status in which this can be done.
    WrongStatus,
    /// The program is not in the container: exit code 127.
    CommandNotFound,
    /// The program is there but can't be executed: exit code 126.
    CommandNotExecutable,
    /// The kernel or the machine refuses a limit that was asked for.
    Limit,
    /// Not allowed to whoever asked.
    Permission,
    /// The kernel or the machine lacks what this needs.
    Unsupported,
    /// Anything else that a system call refused.
    Io,
}

impl ErrorKind {
    const ALL: [(ErrorKind, &'static str); 10] = [
        (ErrorKind::NotFound, "not_found"),
        (ErrorKind::AlreadyExists, "already_exists"),
        (ErrorKind::InvalidSpec, "invalid_spec"),
        (ErrorKind::WrongStatus, "wrong_status"),
        (ErrorKind::CommandNotFound, "command_not_found"),
        (ErrorKind::CommandNotExecutable, "command_not_executable"),
        (ErrorKind::Limit, "limit"),
        (ErrorKind::Permission, "permission"),
        (ErrorKind::Unsupported, "unsupported"),
        (ErrorKind::Io, "io"),
    ];

    /// The name used in reports between processes, as `command_not_found`.
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("io", |(_, name)| name)
    }

    /// The kind of a name that [`ErrorKind::as_str`] gave.
    pub fn from_name(name: &str) -> Option<ErrorKind> {
        Self::ALL
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(kind, _)| *kind)
    }

    fn of(errno: Errno) -> ErrorKind {
        match errno {
            Errno::EPERM | Errno::EACCES => ErrorKind::Permission,
            Errno::ENOSYS | Errno::EOPNOTSUPP => ErrorKind::Unsupported,
            _ => ErrorKind::Io,
        }
    }
}

impl Error {
    /// An error without a further cause.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// An error with its cause.
    pub fn caused(kind: ErrorKind, message: impl Into<String>, source: impl Into<Source>) -> Error {
        Error {
            kind,
            message: message.into(),
            source: Some(source.into()),
        }
    }

    /// The request can't be meant.
    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::InvalidSpec, message)
    }

    /// For `map_err`: `operation` on `object`, refused with an error number or an I/O error.
    pub(crate) fn sys<E: Into<std::io::Error>>(
        operation: &str,
        object: impl Display,
    ) -> impl FnOnce(E) -> Error {
        let message = format!("{operation} {object}");
        move |error| {
            let error: std::io::Error = error.into();
            let kind = error
                .raw_os_error()
                .map_or(ErrorKind::Io, |code| ErrorKind::of(Errno::from_raw(code)));
            Error::caused(kind, message, error)
        }
    }

    /// What callers tell apart.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The same failure seen as another kind.
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Error {
        self.kind = kind;
        self
    }

    /// The same failure as part of something larger.
    pub(crate) fn within(self, message: impl Display) -> Error {
        Error {
            kind: self.kind,
            message: message.to_string(),
            source: Some(Box::new(self)),
        }
    }

    /// The code that a command line exits with: 127 and 126 as a shell has them, else 1.
    pub fn exit_code(&self) -> i32 {
        match self.kind {
            ErrorKind::CommandNotFound => 127,
            ErrorKind::CommandNotExecutable => 126,
            _ => 1,
        }
    }

    /// The whole chain in one line: `mount /proc: permission denied`.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&plain(&cause.to_string()));
            source = cause.source();
        }
        text
    }
}

/// Without the number that the standard library adds, and in lower case as all else: `Permission denied (os error 13)`.
fn plain(text: &str) -> String {
    let Some((words, _)) = text.split_once(" (os error ") else {
        return text.to_owned();
    };
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_reads_as_one_sentence() {
        let error = Error::sys("mount", "/proc")(Errno::EACCES).within("start c1");
        assert_eq!(error.chain(), "start c1: mount /proc: permission denied");
        assert_eq!(error.kind(), ErrorKind::Permission);
    }

    #[test]
    fn kinds_survive_their_names() {
        for (kind, name) in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_name(kind.as_str()), Some(kind), "{name}");
        }
    }
}
