//! What can be wrong with a log.

use std::io;

/// A log that cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// The disk said no.
    #[error("{action} {name}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// What was synced is not there any more.
    #[error(
        "the log is damaged: {segment} at byte {offset}: {reason}; nothing was changed; restore this manager from a backup, or remove it from the cluster and let it join again"
    )]
    Corrupt {
        /// The file.
        segment: String,
        /// Where in it.
        offset: u64,
        /// How it shows.
        reason: String,
    },
    /// Sealed under another key.
    #[error(
        "the log {segment} does not open with this manager's key: the key file belongs to another manager or to another time"
    )]
    WrongKey {
        /// The file.
        segment: String,
    },
    /// Another process has it open.
    #[error("the log in {directory} is in use by another process")]
    InUse {
        /// The directory.
        directory: String,
    },
    /// An earlier write or sync failed.
    #[error("the log is closed since a write failed ({0}); it has to be opened again")]
    Poisoned(String),
    /// Positions do not follow each other.
    #[error("entry {found} cannot follow entry {last}")]
    Gap {
        /// The last one.
        last: u64,
        /// The one that was to follow.
        found: u64,
    },
    /// More than a record can hold.
    #[error(
        "an entry, a vote or a marker of {bytes} bytes is too long for the log: it takes {limit}"
    )]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
}

impl WalError {
    pub(crate) fn io(action: &'static str, name: &str) -> impl FnOnce(io::Error) -> WalError {
        let name = name.to_owned();
        move |source| WalError::Io {
            action,
            name,
            source,
        }
    }
}
