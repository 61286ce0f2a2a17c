//! What can go wrong on the store's side of the crate.

use std::io;
use std::path::Path;

/// An error of the store, of unpacking, or of a snapshot. The cause stays in `source`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The kernel refused an operation on a file.
    #[error("{operation} {object}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The path, or what stands for one.
        object: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A layer's archive can't be accepted: damaged, hostile, or beyond a cap.
    #[error("layer entry {entry:?}: {reason}")]
    Entry {
        /// The name in the archive.
        entry: String,
        /// Why it is refused.
        reason: String,
    },
    /// A layer's stream can't be decompressed or read as an archive.
    #[error("read layer: {reason}")]
    Stream {
        /// What is wrong with it.
        reason: String,
    },
    /// Bytes are not what their descriptor says.
    #[error("{object}: expected {expected}, got {actual}")]
    Mismatch {
        /// What was checked.
        object: String,
        /// The promised digest or size.
        expected: String,
        /// The real one.
        actual: String,
    },
    /// Something that has to be in the store is not.
    #[error("{object} is not in the store")]
    Missing {
        /// What is missing.
        object: String,
    },
    /// A stored document can't be understood.
    #[error("{object} is malformed: {reason}")]
    Malformed {
        /// Which document.
        object: String,
        /// Why.
        reason: String,
    },
    /// A short id that fits several images.
    #[error("image id {prefix} is ambiguous: it fits {fits}")]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// The ids that fit, comma separated.
        fits: String,
    },
    /// An image that containers still use.
    #[error("image {image} is in use by container {container}")]
    InUse {
        /// The image's name or id.
        image: String,
        /// One of the containers.
        container: String,
    },
    /// More layers than the kernel's overlay file system takes.
    #[error("the image has {count} layers, and overlayfs takes at most {limit}")]
    TooManyLayers {
        /// Layers of the image.
        count: usize,
        /// What the kernel takes.
        limit: usize,
    },
}

/// The store's results.
pub type StoreResult<T> = Result<T, StoreError>;

impl StoreError {
    /// The disk, or the user's share of it, is full.
    pub fn is_no_space(&self) -> bool {
        matches!(self, StoreError::Io { source, .. } if matches!(source.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT)))
    }

    /// The content is at fault, not this machine: trying again gives the same answer.
    pub fn is_invalid_content(&self) -> bool {
        matches!(
            self,
            StoreError::Entry { .. }
                | StoreError::Stream { .. }
                | StoreError::Mismatch { .. }
                | StoreError::TooManyLayers { .. }
        )
    }

    /// For `map_err` on operations that have a path.
    pub(crate) fn io<E: Into<io::Error>>(
        operation: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> StoreError {
        let object = path.display().to_string();
        move |source| StoreError::Io {
            operation,
            object,
            source: source.into(),
        }
    }

    pub(crate) fn malformed(object: impl ToString, reason: impl ToString) -> StoreError {
        StoreError::Malformed {
            object: object.to_string(),
            reason: reason.to_string(),
        }
    }
}
