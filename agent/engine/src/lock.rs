//! Locks of the kernel (flock(2)): gone with whoever held them.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::error::{Error, Result};

/// A held lock.
#[derive(Debug)]
pub(crate) struct Lock {
    flock: Flock<File>,
}

impl Lock {
    /// Waits for the lock on a file or directory that exists; `None` when it is gone (or goes while we wait).
    pub(crate) fn wait(path: &Path) -> Result<Option<Lock>> {
        take(path, FlockArg::LockExclusive)
    }

    /// The same without waiting; `None` too when somebody else holds it.
    pub(crate) fn attempt(path: &Path) -> Result<Option<Lock>> {
        take(path, FlockArg::LockExclusiveNonblock)
    }

    /// The locked file or directory.
    pub(crate) fn file(&self) -> &File {
        &self.flock
    }

    /// Whether the locked file or directory still has its name.
    pub(crate) fn is_linked(&self) -> bool {
        self.file().metadata().is_ok_and(|meta| meta.nlink() > 0)
    }
}

fn take(path: &Path, how: FlockArg) -> Result<Option<Lock>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("open", path)(error)),
    };
    let mut file = file;
    loop {
        match Flock::lock(file, how) {
            Ok(flock) => {
                let lock = Lock { flock };
                return Ok(lock.is_linked().then_some(lock));
            }
            Err((again, Errno::EINTR)) => file = again,
            Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
            Err((_, errno)) => return Err(Error::errno("lock", path)(errno)),
        }
    }
}

/// Whether somebody holds the lock on `path`; not when the file is missing. It is held by us while we look.
pub(crate) fn is_held(path: &Path) -> Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::io("open", path)(error)),
    };
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_) => Ok(false),
        Err((_, Errno::EWOULDBLOCK)) => Ok(true),
        Err((_, errno)) => Err(Error::errno("look at the lock on", path)(errno)),
    }
}

/// Waits until nobody holds the lock on the open file `file`.
pub(crate) fn wait_free(file: File, path: &Path) -> Result<File> {
    let mut file = file;
    loop {
        match Flock::lock(file, FlockArg::LockShared) {
            Ok(flock) => {
                return flock
                    .unlock()
                    .map_err(|(_, errno)| Error::errno("unlock", path)(errno));
            }
            Err((again, Errno::EINTR)) => file = again,
            Err((_, errno)) => return Err(Error::errno("wait for the lock on", path)(errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_has_one_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert!(Lock::attempt(&path).unwrap().is_none(), "missing");
        assert!(!is_held(&path).unwrap());
        std::fs::write(&path, "").unwrap();
        let held = Lock::attempt(&path).unwrap().unwrap();
        assert!(is_held(&path).unwrap());
        assert!(Lock::attempt(&path).unwrap().is_none(), "held");
        drop(held);
        assert!(!is_held(&path).unwrap());
        assert!(Lock::wait(&path).unwrap().is_some());
    }

    #[test]
    fn a_removed_directory_is_not_locked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d");
        std::fs::create_dir(&path).unwrap();
        let lock = Lock::wait(&path).unwrap().unwrap();
        std::fs::remove_dir(&path).unwrap();
        assert!(!lock.is_linked());
    }
}
