//! Errors of the engine: what was done, to which object, why it failed and what to do next; classified once here.

use std::io;
use std::path::{Path, PathBuf};

use crate::parse::ParseError;

/// The engine's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Of which kind a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object does not exist.
    NotFound,
    /// The object, its name or its port is taken, or it is in the wrong state.
    Conflict,
    /// What was asked for makes no sense.
    Invalid,
    /// The machine or the network did not allow it: no permission, no space, no connection.
    Environment,
    /// Possible, but refused.
    Refused,
    /// The container's command could not be executed: exit code 126.
    CommandNotExecutable,
    /// The container's command does not exist: exit code 127.
    CommandNotFound,
    /// A state on the disk that should not be.
    Internal,
}

/// A failure of the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value that a person typed.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// No such container, volume, ...
    #[error("no such {what}: {name}")]
    NotFound {
        /// The noun.
        what: &'static str,
        /// As it was asked for.
        name: String,
    },
    /// A prefix of an id that several objects share.
    #[error("{prefix} is the beginning of several {what} ids: give more digits")]
    Ambiguous {
        /// The noun.
        what: &'static str,
        /// As it was asked for.
        prefix: String,
    },
    /// The container's name is taken.
    #[error(
        "the container name \"{name}\" is already in use by container {id}: remove or rename that container, or choose another name"
    )]
    NameTaken {
        /// The name.
        name: String,
        /// Who has it; its first twelve digits.
        id: String,
    },
    /// The object is in a state in which this cannot be done.
    #[error("cannot {operation} {object}: {why}")]
    State {
        /// The verb.
        operation: &'static str,
        /// The noun and its name.
        object: String,
        /// The reason and what to do.
        why: String,
    },
    /// What was asked for contradicts itself or the image.
    #[error("{0}")]
    Invalid(String),
    /// Possible, but refused.
    #[error("{0}")]
    Refused(String),
    /// Something of the machine is missing.
    #[error("{0}")]
    Environment(String),
    /// The container's first process could not be executed.
    #[error("cannot start container {container}: {message}")]
    Start {
        /// Name or short id.
        container: String,
        /// 126, 127, limits, ...
        kind: ErrorKind,
        /// What the runtime said.
        message: String,
    },
    /// A system call on a file or a process.
    #[error("{operation} {object}")]
    Io {
        /// The verb.
        operation: &'static str,
        /// The path or process.
        object: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file of ours that cannot be read.
    #[error("{path} is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A container whose record cannot be read.
    #[error(
        "the record of container {id} is damaged ({why}); remove the container with: minictl rm -f {id}"
    )]
    DamagedContainer {
        /// Its id's first twelve digits.
        id: String,
        /// What is wrong with the record.
        why: serde_json::Error,
    },
    /// The image store or a registry.
    #[error(transparent)]
    Image(#[from] images::Error),
    /// The network.
    #[error(transparent)]
    Network(#[from] network::Error),
    /// The runtime.
    #[error("{operation} container {container}")]
    Runtime {
        /// The verb.
        operation: &'static str,
        /// The name or short id.
        container: String,
        /// What the runtime said.
        source: runtime::Error,
    },
}

impl From<images::StoreError> for Error {
    fn from(error: images::StoreError) -> Self {
        Error::Image(error.into())
    }
}

impl Error {
    /// Whether a registry wants a name and a password, or others than it was given.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Error::Image(error) if error.kind() == images::ErrorKind::Unauthorized)
    }

    /// Of which kind this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Parse(_) | Error::Ambiguous { .. } | Error::Invalid(_) => ErrorKind::Invalid,
            Error::NotFound { .. } => ErrorKind::NotFound,
            Error::NameTaken { .. } | Error::State { .. } => ErrorKind::Conflict,
            Error::Refused(_) => ErrorKind::Refused,
            Error::Environment(_) | Error::Io { .. } => ErrorKind::Environment,
            Error::Start { kind, .. } => *kind,
            Error::Damaged { .. } | Error::DamagedContainer { .. } => ErrorKind::Internal,
            Error::Image(error) => crate::classify::image(error),
            Error::Network(error) => crate::classify::network(error),
            Error::Runtime { source, .. } => crate::classify::runtime(source.kind()),
        }
    }

    /// The exit code of a `run` or `exec` that failed so: 126 and 127 for the container's command, else 125.
    pub fn exit_code(&self) -> i32 {
        match self.kind() {
            ErrorKind::CommandNotExecutable => 126,
            ErrorKind::CommandNotFound => 127,
            _ => 125,
        }
    }

    pub(crate) fn container(name: &str) -> Error {
        Error::NotFound {
            what: "container",
            name: name.to_owned(),
        }
    }

    pub(crate) fn io(
        operation: &'static str,
        object: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Error {
        let object = object.as_ref().display().to_string();
        move |source| Error::Io {
            operation,
            object,
            source,
        }
    }

    pub(crate) fn errno(
        operation: &'static str,
        object: impl AsRef<Path>,
    ) -> impl FnOnce(nix::errno::Errno) -> Error {
        let map = Error::io(operation, object);
        move |errno| map(errno.into())
    }
}
