//! An image's name becomes a root file system: a registry's client, a store of plain files, layers, snapshots.
//!
//! [`pull`] brings an image into a [`Store`]; [`Store::prepare`] makes the directories of a container's root from it, which the runtime
//! mounts with overlayfs inside the container's own mount namespace.
//!
//! It never trusts a registry: sizes are bounded, every digest is checked before content is believed, and nothing in an archive reaches
//! anything outside the directory it is unpacked in. It never mounts anything where others can see it, and it knows no containers
//! besides the names of their snapshots, and no cluster.

mod auth;
mod config_file;
mod digest;
mod error;
mod gc;
pub mod layer;
mod media_type;
mod platform;
mod progress;
mod pull;
mod reference;
mod registry;
mod snapshot;
pub mod store;
mod verify;

pub use auth::Credentials;
pub use digest::{Digest, DigestError};
pub use error::{Error, ErrorKind, Result};
pub use gc::{GcItem, GcKind, GcOptions, GcReport, GcVerdict};
pub use platform::{Platform, PlatformError};
pub use progress::{LayerState, Progress, PullEvent, Silent};
pub use pull::{CredentialSource, Policy, PullOptions, RemoteImage, credentials, look_up, pull};
pub use reference::{DEFAULT_REGISTRY, Reference, ReferenceError};
pub use snapshot::Snapshot;
pub use store::{DiskUsage, Image, ImageSummary, Lease, Removed, Store, StoreError};
pub use verify::{Damage, Remedy, VerifyOptions};
