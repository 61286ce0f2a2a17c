//! What can go wrong between a name and an image in the store, and which kind of trouble it is.

use crate::digest::{Digest, DigestError};
use crate::platform::{Platform, PlatformError};
use crate::reference::ReferenceError;
use crate::store::StoreError;

/// An error of this crate. Each names the operation and the object, and what to do where something can be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A text that names no image.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A text that names no platform.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// A text that is no digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The store or the unpacking of a layer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A layer that came from a registry can't be unpacked.
    #[error("unpack layer {digest}")]
    Layer {
        /// The layer's digest, compressed.
        digest: Digest,
        /// What is wrong with it, or with the disk.
        source: StoreError,
    },
    /// The disk with the store is full.
    #[error(
        "pull {reference}: the file system of {store} is full; make room there, or take unused images away"
    )]
    NoSpace {
        /// The image.
        reference: String,
        /// The store's directory.
        store: String,
        /// Where it became full.
        source: Box<Error>,
    },
    /// The image is not here, and must not be pulled.
    #[error("image {reference} is not in the store, and the pull policy is never to pull")]
    NotPulled {
        /// The image.
        reference: String,
    },
    /// The registry knows no such image.
    #[error(
        "{object} not found: {registry} knows no such {noun} ({detail}); check the name and the tag"
    )]
    NotFound {
        /// `image localhost:5000/web:9`.
        object: String,
        /// The host that was asked.
        registry: String,
        /// `repository or tag`, `blob`.
        noun: &'static str,
        /// The registry's own words, or its status.
        detail: String,
    },
    /// The registry lets nobody in without, or with these, credentials.
    #[error("access to {object} denied by {registry}: {detail}; {advice}")]
    Unauthorized {
        /// The image.
        object: String,
        /// The host that refused.
        registry: String,
        /// The registry's own words, or its status.
        detail: String,
        /// What the user can do.
        advice: String,
    },
    /// The registry asks to come back later than is worth waiting for.
    #[error("{registry} refuses more requests for now ({detail}); {advice}")]
    RateLimited {
        /// The host that refused.
        registry: String,
        /// The registry's own words, or its status.
        detail: String,
        /// What the user can do.
        advice: String,
    },
    /// No connection, or one that broke more often than is worth trying.
    #[error("{operation} from {registry}: {detail}; {advice}")]
    Unreachable {
        /// `get manifest of localhost:5000/web:9`.
        operation: String,
        /// The host.
        registry: String,
        /// The innermost cause.
        detail: String,
        /// What the user can do.
        advice: String,
    },
    /// An answer that no registry gives.
    #[error("{operation}: unexpected answer of {registry}: {detail}")]
    UnexpectedAnswer {
        /// `get manifest of localhost:5000/web:9`.
        operation: String,
        /// The host.
        registry: String,
        /// What it answered.
        detail: String,
    },
    /// A document that can't be accepted: malformed, too large, or of a kind that is not supported.
    #[error("{object}: {reason}")]
    Invalid {
        /// `manifest sha256:...`.
        object: String,
        /// Why.
        reason: String,
    },
    /// Content that is not what its name says.
    #[error(
        "{object}: expected digest {expected}, got {actual}; the registry or something on the way to it is faulty"
    )]
    DigestMismatch {
        /// `manifest of redis:7`.
        object: String,
        /// What it should have been.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// An image, but not for this platform.
    #[error("image {reference} is not made for {wanted}; it is made for {}", list(.available))]
    NoPlatform {
        /// The image.
        reference: String,
        /// What was asked for.
        wanted: Platform,
        /// What there is.
        available: Vec<Platform>,
    },
    /// Something the user configured can't be used: a certificate, a credentials file, a mirror's name.
    #[error("{object}: {reason}")]
    Configuration {
        /// The file or setting.
        object: String,
        /// Why.
        reason: String,
    },
}

/// The results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Kinds of trouble, for whoever has to tell the user's faults from the environment's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No such image, at the registry or in the store.
    NotFound,
    /// Credentials are missing, or not good enough.
    Unauthorized,
    /// No connection to the registry.
    Unreachable,
    /// The registry wants to be asked less often.
    RateLimited,
    /// A malformed name, or content that can't be accepted.
    Invalid,
    /// Content that is not what its digest says.
    DigestMismatch,
    /// No image for this platform.
    NoPlatform,
    /// The disk or a quota is full.
    NoSpace,
    /// Containers still use it.
    InUse,
    /// A short id that fits several.
    Ambiguous,
    /// Something configured can't be used.
    Configuration,
    /// The kernel refused.
    Io,
}

impl Error {
    /// Which kind of trouble it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Reference(_) | Error::Platform(_) | Error::Digest(_) => ErrorKind::Invalid,
            Error::Store(error) | Error::Layer { source: error, .. } => store_kind(error),
            Error::NoSpace { .. } => ErrorKind::NoSpace,
            Error::NotPulled { .. } | Error::NotFound { .. } => ErrorKind::NotFound,
            Error::Unauthorized { .. } => ErrorKind::Unauthorized,
            Error::RateLimited { .. } => ErrorKind::RateLimited,
            Error::Unreachable { .. } => ErrorKind::Unreachable,
            Error::UnexpectedAnswer { .. } | Error::Invalid { .. } => ErrorKind::Invalid,
            Error::DigestMismatch { .. } => ErrorKind::DigestMismatch,
            Error::NoPlatform { .. } => ErrorKind::NoPlatform,
            Error::Configuration { .. } => ErrorKind::Configuration,
        }
    }
}

fn store_kind(error: &StoreError) -> ErrorKind {
    match error {
        error if error.is_no_space() => ErrorKind::NoSpace,
        StoreError::Io { .. } => ErrorKind::Io,
        StoreError::Mismatch { .. } => ErrorKind::DigestMismatch,
        StoreError::Missing { .. } => ErrorKind::NotFound,
        StoreError::InUse { .. } => ErrorKind::InUse,
        StoreError::Ambiguous { .. } => ErrorKind::Ambiguous,
        _ => ErrorKind::Invalid,
    }
}

fn list(platforms: &[Platform]) -> String {
    if platforms.is_empty() {
        return "no platform at all".to_owned();
    }
    let names: Vec<String> = platforms.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// The cause of all causes.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
