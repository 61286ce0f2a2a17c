//! Layers: a compressed archive becomes a directory that overlayfs can take as one of its lower ones.
//!
//! [`unpack`] writes a layer's entries while they arrive, into a directory of its own, knowing nothing of the layers below, so that all
//! layers of an image can be unpacked side by side. What needs the layers below (whiteouts, hard links to their files, directories that
//! the archive leaves undescribed) is remembered, and done by a short second pass when the image is committed.
//!
//! Invariant: no name, link, device or attribute in an archive reaches anything outside the staging directory.

mod archive;
mod attributes;
mod finalise;
mod lower;
mod path;
mod pax;
mod stream;
#[cfg(test)]
mod tests;
mod tree;
mod unpack;

use std::io::Read;

pub(crate) use attributes::Attributes;
pub(crate) use finalise::finalise;
pub(crate) use lower::Lower;
pub(crate) use unpack::Pending;

use crate::digest::Digest;
use crate::store::{StagingDir, StoreError, StoreResult};

/// Caps against archives made to exhaust the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Entries in the archive.
    pub entries: u64,
    /// Bytes of the expanded archive, and of all its files with their holes.
    pub expanded: u64,
    /// Extended attributes of one entry.
    pub xattrs: usize,
    /// Directories in one name.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            entries: 5_000_000,
            expanded: 256 << 30,
            xattrs: 256,
            depth: 512,
        }
    }
}

/// A layer that lies in its staging directory, still to be committed with its image.
#[derive(Debug)]
pub struct Unpacked {
    /// SHA-256 of the expanded archive, which the image's configuration lists.
    pub diff_id: Digest,
    /// Bytes of the expanded archive.
    pub expanded: u64,
    /// Bytes of the files in it.
    pub size: u64,
    /// Entries in the archive.
    pub entries: u64,
    pub(crate) pending: Pending,
}

/// Writes the layer that `reader` yields, compressed or not, into `staging`, and hashes it on the way.
///
/// gzip (of one or more members), zstd and plain archives are told apart by their first bytes; `media_type` only has to be one of a
/// layer (image-spec, layer.md; Docker's schema 2). `reader` is read to its end. `progress` is told the expanded bytes so far.
///
/// # Errors
/// A damaged or hostile archive, a cap exceeded, the kernel's refusals (a full disk among them), or whatever `reader` returns.
pub fn unpack(
    reader: impl Read + Send,
    media_type: &str,
    staging: &StagingDir,
    limits: &Limits,
    progress: &mut dyn FnMut(u64),
) -> StoreResult<Unpacked> {
    check_media_type(media_type)?;
    let written = stream::expand(reader, limits.expanded, progress, |stream| {
        unpack::write(stream, staging.root(), limits)
    });
    let written = written.map_err(|source| StoreError::Io {
        operation: "start a thread for",
        object: "unpacking".to_owned(),
        source,
    })??;
    Ok(Unpacked {
        diff_id: Digest::from_sha256(written.sha256),
        expanded: written.expanded,
        size: written.size,
        entries: written.entries,
        pending: written.pending,
    })
}

/// Is it a layer, and not encrypted?
fn check_media_type(media_type: &str) -> StoreResult<()> {
    let layer = [
        "application/vnd.oci.image.layer.",
        "application/vnd.docker.image.rootfs.",
    ];
    if layer.iter().any(|start| media_type.starts_with(start))
        && !media_type.ends_with("+encrypted")
    {
        return Ok(());
    }
    Err(StoreError::Stream {
        reason: format!("media type {media_type:?} is not that of a file system layer"),
    })
}
