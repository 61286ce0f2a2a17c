//! Directories that are being made, and those that are being deleted.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Locked, Store, StoreError, StoreResult, names_in, removal};

/// A directory below `staging/` in which a layer is unpacked. Dropped without being committed, it is deleted.
#[derive(Debug)]
pub struct StagingDir {
    path: PathBuf,
    /// The directory `fs` in it.
    root: File,
    /// Carries the lock that says that its maker lives.
    _lock: File,
    kept: bool,
}

impl Store {
    /// Makes a directory to unpack a layer in.
    ///
    /// # Errors
    /// The kernel's refusals.
    pub fn staging(&self) -> StoreResult<StagingDir> {
        let path = self.root.join("staging").join(unique_name());
        let lock = {
            // Under the store's lock, so that no sweep sees the directory without its own.
            let _locked = self.lock()?;
            DirBuilder::new()
                .mode(0o700)
                .create(&path)
                .map_err(StoreError::io("create", &path))?;
            let lock = File::open(&path).map_err(StoreError::io("open", &path))?;
            lock.lock().map_err(StoreError::io("lock", &path))?;
            lock
        };
        // A set-group-id bit inherited from above would decide the group of everything in it.
        fs::set_permissions(&path, Permissions::from_mode(0o700))
            .map_err(StoreError::io("set mode of", &path))?;
        let content = path.join("fs");
        DirBuilder::new()
            .mode(0o755)
            .create(&content)
            .map_err(StoreError::io("create", &content))?;
        let root = File::open(&content).map_err(StoreError::io("open", &content))?;
        Ok(StagingDir {
            path,
            root,
            _lock: lock,
            kept: false,
        })
    }

    /// Deletes what dead processes left in `staging/` and `trash/`.
    pub(super) fn sweep(&self) -> StoreResult<()> {
        let staging = self.root.join("staging");
        let mut dead = Vec::new();
        if !names_in(&staging)?.is_empty() {
            let locked = self.lock()?;
            for name in names_in(&staging)? {
                let path = staging.join(name);
                if !is_held(&path) {
                    dead.extend(self.to_trash(&locked, &path)?);
                }
            }
        }
        for name in names_in(&self.root.join("trash"))? {
            let path = self.root.join("trash").join(name);
            if !is_held(&path) {
                dead.push(path);
            }
        }
        for path in dead {
            self.delete(&path)?;
        }
        self.sweep_leases()
    }

    /// Takes something out of sight; the result is to be given to [`Store::delete`] once the lock is released.
    pub(crate) fn to_trash(&self, _locked: &Locked, path: &Path) -> StoreResult<Option<PathBuf>> {
        let trash = self.root.join("trash").join(unique_name());
        match fs::rename(path, &trash) {
            Ok(()) => Ok(Some(trash)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("move to trash", path)(error)),
        }
    }

    /// Deletes something in `trash/`. Needs no lock, and two may do it at once.
    pub(crate) fn delete(&self, path: &Path) -> StoreResult<()> {
        let lock = File::open(path).ok();
        if let Some(Err(_)) = lock.as_ref().map(File::try_lock) {
            return Ok(());
        }
        let name = path
            .file_name()
            .map(|name| name.as_encoded_bytes())
            .unwrap_or_default();
        let trash = self.root.join("trash");
        let directory = File::open(&trash).map_err(StoreError::io("open", &trash))?;
        removal::remove_at(directory.as_fd(), name).map_err(StoreError::io("delete", path))
    }
}

impl StagingDir {
    /// The directory that becomes the layer's root.
    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the directory its final name.
    pub(crate) fn publish(mut self, target: &Path) -> StoreResult<()> {
        fs::rename(&self.path, target).map_err(StoreError::io("rename to", target))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for StagingDir {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // Best effort: the next opening sweeps it else.
        let (Some(above), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return;
        };
        if let Ok(directory) = File::open(above) {
            let _ = removal::remove_at(directory.as_fd(), name.as_encoded_bytes());
        }
    }
}

/// Does a living process hold the lock on it?
pub(crate) fn is_held(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)),
        Err(_) => false,
    }
}

/// A name that no other process or moment uses.
pub(crate) fn unique_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    format!(
        "{}-{}-{now}",
        std::process::id(),
        COUNTER.fetch_add(1, Ordering::Relaxed)
    )
}
