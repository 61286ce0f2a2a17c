//! How much disk is held, and by what.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Store, StoreError, StoreResult};

/// Bytes on the disk, by part of the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskUsage {
    /// Compressed layers, manifests, configurations.
    pub blobs: u64,
    /// Unpacked layers.
    pub layers: u64,
    /// Containers' writable layers.
    pub snapshots: u64,
    /// Downloads that are not complete, and what is being made or deleted.
    pub transient: u64,
}

impl Store {
    /// Measures the store. Walks all of it.
    ///
    /// # Errors
    /// The kernel's refusals.
    pub fn disk_usage(&self) -> StoreResult<DiskUsage> {
        let part = |name: &str| disk_size(&self.root().join(name));
        Ok(DiskUsage {
            blobs: part("blobs")?,
            layers: part("layers")?,
            snapshots: part("active")?,
            transient: part("ingest")? + part("staging")? + part("trash")?,
        })
    }

    /// Bytes that a container's writable layer takes.
    ///
    /// # Errors
    /// The kernel's refusals.
    pub fn snapshot_size(&self, container: &str) -> StoreResult<u64> {
        disk_size(&self.active_path(container).join("upper"))
    }
}

/// Bytes that a file or tree takes on the disk; what vanishes meanwhile counts nothing.
pub(crate) fn disk_size(path: &Path) -> StoreResult<u64> {
    let mut total = 0;
    let mut rest = vec![path.to_owned()];
    while let Some(path) = rest.pop() {
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(StoreError::io("stat", &path)(error)),
        };
        total += metadata.blocks() * 512;
        if !metadata.is_dir() {
            continue;
        }
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(StoreError::io("list", &path)(error)),
        };
        for entry in entries {
            rest.push(entry.map_err(StoreError::io("list", &path))?.path());
        }
    }
    Ok(total)
}

/// Gone, or too deep for a path: nothing that a sum should fail for.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENAMETOOLONG)
}
