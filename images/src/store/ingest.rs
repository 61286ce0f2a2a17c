//! Downloads on their way into the store: one writer per digest over all processes, resumable after any crash.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::{Store, StoreError, StoreResult, UNSEALED, hash_rest, remove_file, same_object};
use crate::digest::Digest;

/// The answer to the wish to download a blob.
#[derive(Debug)]
pub enum Admission {
    /// It is here already, whole and checked.
    Present,
    /// This caller is to download it.
    Granted(Ingest),
    /// Another one is downloading it at the moment; ask again later.
    Busy,
}

/// A blob being written. Dropped without [`Ingest::commit`], what was written stays for the next one to resume.
#[derive(Debug)]
pub struct Ingest {
    digest: Digest,
    size: u64,
    directory: PathBuf,
    target: PathBuf,
    /// Carries the lock.
    _lock: File,
    file: File,
    hasher: Box<Sha256>,
    offset: u64,
    /// What is written must not stay: it is wrong, or the disk is full.
    discard: bool,
}

impl Store {
    /// Asks to write the blob `digest` of `size` bytes. Never waits.
    ///
    /// # Errors
    /// The kernel's refusals.
    pub fn ingest(&self, digest: &Digest, size: u64) -> StoreResult<Admission> {
        let directory = self.root.join("ingest").join(digest.hex());
        let lock = loop {
            if self.blob_is_whole(digest, size)? {
                return Ok(Admission::Present);
            }
            match DirBuilder::new().mode(0o700).create(&directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(StoreError::io("create", &directory)(error));
                }
                _ => {}
            }
            let lock = match File::open(&directory) {
                Ok(lock) => lock,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(StoreError::io("open", &directory)(error)),
            };
            match lock.try_lock() {
                // The last holder may have finished and removed the directory in between.
                Ok(()) if !same_object(&lock, &directory) => continue,
                Ok(()) if self.blob_is_whole(digest, size)? => {
                    let _ = fs::remove_dir(&directory);
                    return Ok(Admission::Present);
                }
                Ok(()) => break lock,
                Err(fs::TryLockError::WouldBlock) => return Ok(Admission::Busy),
                Err(fs::TryLockError::Error(error)) => {
                    return Err(StoreError::io("lock", &directory)(error));
                }
            }
        };
        let path = directory.join("data");
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        let mut ingest = Ingest {
            digest: digest.clone(),
            size,
            directory,
            target: self.blob_path(digest),
            _lock: lock,
            file,
            hasher: Box::default(),
            offset: 0,
            discard: false,
        };
        ingest.offset = hash_rest(&mut ingest.file, &mut ingest.hasher)
            .map_err(StoreError::io("read", &path))?;
        if ingest.offset > size {
            ingest.restart()?;
        }
        Ok(Admission::Granted(ingest))
    }

    /// Writes a blob that is in memory already; it being there is success.
    ///
    /// # Errors
    /// [`StoreError::Mismatch`] when the bytes have another digest, or the kernel's refusals.
    pub fn put_blob(&self, digest: &Digest, bytes: &[u8]) -> StoreResult<()> {
        loop {
            match self.ingest(digest, bytes.len() as u64)? {
                Admission::Present => return Ok(()),
                Admission::Granted(mut ingest) => {
                    ingest.restart()?;
                    ingest.write(bytes)?;
                    return ingest.commit();
                }
                // Small blobs are written in a moment.
                Admission::Busy => std::thread::sleep(std::time::Duration::from_millis(5)),
            }
        }
    }

    /// Present, of the promised size, and of the promised content if a crash could have damaged it.
    fn blob_is_whole(&self, digest: &Digest, size: u64) -> StoreResult<bool> {
        if self.blob_size(digest)? != Some(size) {
            return Ok(false);
        }
        Ok(self.blob(digest)?.is_some())
    }
}

impl Ingest {
    /// Bytes that are here already and need not be asked for again.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes the blob has in the end.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Opens what is written so far for reading from its start.
    ///
    /// # Errors
    /// The kernel's refusals.
    pub fn reader(&self) -> StoreResult<File> {
        let path = self.directory.join("data");
        File::open(&path).map_err(StoreError::io("open", &path))
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`StoreError::Mismatch`] when there are more than the blob may have; the kernel's refusals, a full disk among them: then nothing
    /// of the blob is kept.
    pub fn write(&mut self, bytes: &[u8]) -> StoreResult<()> {
        let offset = self.offset + bytes.len() as u64;
        if offset > self.size {
            self.discard = true;
            return Err(self.mismatch(format!("{} bytes", self.size), format!("{offset} or more")));
        }
        if let Err(error) = self.file.write_all(bytes) {
            let error = StoreError::io("write", &self.directory.join("data"))(error);
            self.discard |= error.is_no_space();
            return Err(error);
        }
        self.hasher.update(bytes);
        self.offset = offset;
        Ok(())
    }

    /// Drops what is written and starts over: the server can't continue where the last download stopped.
    ///
    /// # Errors
    /// The kernel's refusals.
    pub fn restart(&mut self) -> StoreResult<()> {
        let path = self.directory.join("data");
        self.file
            .set_len(0)
            .map_err(StoreError::io("truncate", &path))?;
        io::Seek::rewind(&mut self.file).map_err(StoreError::io("rewind", &path))?;
        *self.hasher = Sha256::new();
        self.offset = 0;
        Ok(())
    }

    /// Checks size and digest and puts the blob in its place. It is durable with the image it belongs to.
    ///
    /// # Errors
    /// [`StoreError::Mismatch`], and nothing is kept; or the kernel's refusals.
    pub fn commit(mut self) -> StoreResult<()> {
        if self.offset != self.size {
            return Err(self.mismatch(format!("{} bytes", self.size), self.offset.to_string()));
        }
        let actual = Digest::from_sha256(self.hasher.clone().finalize().into());
        if actual != self.digest {
            self.discard = true;
            return Err(self.mismatch(self.digest.to_string(), actual.to_string()));
        }
        self.file
            .set_permissions(Permissions::from_mode(UNSEALED))
            .map_err(StoreError::io("set mode of", &self.target))?;
        fs::rename(self.directory.join("data"), &self.target)
            .map_err(StoreError::io("rename to", &self.target))
    }

    fn mismatch(&self, expected: String, actual: String) -> StoreError {
        StoreError::Mismatch {
            object: format!("blob {}", self.digest),
            expected,
            actual,
        }
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        // Best effort: a later opening or collection does it else.
        if self.discard || self.offset == 0 {
            let _ = remove_file(&self.directory.join("data"));
        }
        let _ = fs::remove_dir(&self.directory);
    }
}
