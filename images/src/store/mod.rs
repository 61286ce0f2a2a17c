//! The image store: plain files, of which the file system is the only index.
//!
//! ```text
//! oci-layout, index.json     derived, so that other tools read the store as `oci:`
//! blobs/sha256/HEX           what registries sent; mode 0444 once it is known to be on the disk
//! ingest/HEX/data            a download that is not complete
//! refs/NAME.json             one file per tag, written last
//! layers/HEX/{fs,meta}       an unpacked layer under its chain id; `meta` came with it in one rename
//! staging/  trash/           being made, being deleted
//! leases/                    what running pulls hold on to
//! active/CONTAINER/          {upper,work,snapshot.json}
//! ```
//!
//! Invariants:
//! - Content reaches its final name only whole and checked; a name in `refs/` only after one `syncfs` of all it leads to.
//! - Whatever a crash leaves is either complete or recognised as incomplete: a blob that is not sealed is hashed again before it is
//!   believed, a download is hashed again and resumed, staging and trash that nobody holds a lock on are swept at the next opening.
//! - The store's lock is held for renames and small files alone, never while bytes come in or trees are written or deleted.

mod commit;
mod error;
mod images;
mod ingest;
mod leases;
mod oci_layout;
mod records;
pub(crate) mod removal;
mod staging;
pub(crate) mod sys;
#[cfg(test)]
mod tests;
mod usage;

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

pub use commit::{ImageCommit, chain_id};
pub use error::{StoreError, StoreResult};
pub use images::{Image, ImageSummary, Removed};
pub use ingest::{Admission, Ingest};
pub use leases::Lease;
pub(crate) use records::{
    LayerMeta, Manifest, RefRecord, SnapshotRecord, parse_digest, to_json, unix_now,
};
pub use staging::StagingDir;
pub(crate) use staging::is_held;
pub use usage::DiskUsage;
pub(crate) use usage::disk_size;

use crate::digest::Digest;

/// Mode of a blob that is known to be on the disk.
const SEALED: u32 = 0o444;
/// Mode of a blob that a power cut could still damage.
const UNSEALED: u32 = 0o600;

/// A store in one directory. Any number of processes and threads may use the same one.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// The store's lock, held until dropped.
pub(crate) struct Locked {
    _file: File,
}

impl Store {
    /// Opens the store in `root`, making it if need be, and sweeps what dead processes left.
    ///
    /// # Errors
    /// The kernel's refusals.
    pub fn open(root: impl Into<PathBuf>) -> StoreResult<Store> {
        let store = Store { root: root.into() };
        if !store.root.join("oci-layout").exists() {
            store.create_directories()?;
        }
        store.sweep()?;
        Ok(store)
    }

    /// The directory the store is in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a blob for reading; `None` when it is not there. One that a crash may have damaged is checked first, and dropped if it was.
    ///
    /// # Errors
    /// The kernel's refusals.
    pub fn blob(&self, digest: &Digest) -> StoreResult<Option<File>> {
        let path = self.blob_path(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("open", &path)(error)),
        };
        let metadata = file.metadata().map_err(StoreError::io("stat", &path))?;
        if metadata.permissions().mode() & 0o777 == SEALED
            || hash_file(&path)? == digest.to_string()
        {
            return Ok(Some(file));
        }
        remove_file(&path)?;
        Ok(None)
    }

    /// Bytes of a blob, `None` when it is not there.
    ///
    /// # Errors
    /// The kernel's refusals.
    pub fn blob_size(&self, digest: &Digest) -> StoreResult<Option<u64>> {
        let path = self.blob_path(digest);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("stat", &path)(error)),
        }
    }

    /// Reads a small blob (a manifest, a configuration) whole.
    ///
    /// # Errors
    /// [`StoreError::Missing`], or the kernel's refusals.
    pub fn read_blob(&self, digest: &Digest) -> StoreResult<Vec<u8>> {
        const LIMIT: u64 = 16 << 20;
        let file = self.blob(digest)?.ok_or_else(|| StoreError::Missing {
            object: format!("blob {digest}"),
        })?;
        let mut bytes = Vec::new();
        file.take(LIMIT)
            .read_to_end(&mut bytes)
            .map_err(StoreError::io("read", &self.blob_path(digest)))?;
        Ok(bytes)
    }

    /// Is a layer with this chain id unpacked here?
    pub fn has_layer(&self, chain: &Digest) -> bool {
        self.layer_path(chain).join("meta").exists()
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    pub(crate) fn layer_path(&self, chain: &Digest) -> PathBuf {
        self.root.join("layers").join(chain.hex())
    }

    pub(crate) fn active_path(&self, container: &str) -> PathBuf {
        self.root.join("active").join(container)
    }

    /// Waits for the store's lock.
    pub(crate) fn lock(&self) -> StoreResult<Locked> {
        let path = self.root.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        file.lock().map_err(StoreError::io("lock", &path))?;
        Ok(Locked { _file: file })
    }

    fn create_directories(&self) -> StoreResult<()> {
        for name in [
            "",
            "blobs/sha256",
            "ingest",
            "refs",
            "layers",
            "staging",
            "trash",
            "leases",
            "active",
            "empty",
        ] {
            let path = self.root.join(name);
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(StoreError::io("create", &path))?;
        }
        let empty = self.root.join("empty");
        fs::set_permissions(&empty, fs::Permissions::from_mode(0o755))
            .map_err(StoreError::io("set mode of", &empty))?;
        let locked = self.lock()?;
        self.write_oci_layout(&locked)
    }
}

/// The digest of a file's content, in its usual form.
pub(crate) fn hash_file(path: &Path) -> StoreResult<String> {
    let mut file = File::open(path).map_err(StoreError::io("open", path))?;
    let mut hasher = Sha256::new();
    hash_rest(&mut file, &mut hasher).map_err(StoreError::io("read", path))?;
    Ok(Digest::from_sha256(hasher.finalize().into()).to_string())
}

/// Feeds what is left of a file to a hasher; returns the number of bytes.
pub(crate) fn hash_rest(file: &mut File, hasher: &mut Sha256) -> io::Result<u64> {
    let mut buffer = vec![0u8; 1 << 20];
    let mut total = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(length) => {
                hasher.update(&buffer[..length]);
                total += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes a file; its absence is success.
pub(crate) fn remove_file(path: &Path) -> StoreResult<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// The names in a directory, sorted; none when it is not there.
pub(crate) fn names_in(path: &Path) -> StoreResult<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("list", path)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::io("list", path))?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Makes a directory's entries durable.
pub(crate) fn sync_directory(path: &Path) -> StoreResult<()> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(StoreError::io("sync", path))
}

/// Are two paths' objects one and the same?
fn same_object(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(held), Ok(named)) => held.dev() == named.dev() && held.ino() == named.ino(),
        _ => false,
    }
}
