//! What a running pull holds on to, so that no collection takes it away before the image has its name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use super::staging::{is_held, unique_name};
use super::{Locked, Store, StoreError, StoreResult, names_in, remove_file};
use crate::digest::Digest;

/// Keeps blobs and layers from being collected, until dropped or until the process dies.
#[derive(Debug)]
pub struct Lease {
    store: Store,
    path: PathBuf,
    /// Carries the lock that says that the holder lives.
    file: File,
}

impl Store {
    /// Takes a lease; `purpose` is one line that tells a person what for.
    ///
    /// # Errors
    /// The kernel's refusals.
    pub fn lease(&self, purpose: &str) -> StoreResult<Lease> {
        let path = self.root.join("leases").join(unique_name());
        let locked = self.lock()?;
        let mut file = File::options()
            .create_new(true)
            .append(true)
            .open(&path)
            .map_err(StoreError::io("create", &path))?;
        file.lock().map_err(StoreError::io("lock", &path))?;
        writeln!(file, "{}", purpose.replace('\n', " ")).map_err(StoreError::io("write", &path))?;
        drop(locked);
        Ok(Lease {
            store: self.clone(),
            path,
            file,
        })
    }

    /// What living leases hold: digest (of a blob, or a chain id) to purpose.
    pub(crate) fn leased(&self, _locked: &Locked) -> StoreResult<BTreeMap<String, String>> {
        let mut held = BTreeMap::new();
        for name in names_in(&self.root.join("leases"))? {
            let path = self.root.join("leases").join(name);
            if !is_held(&path) {
                continue;
            }
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(StoreError::io("read", &path)(error)),
            };
            let mut lines = text.lines();
            let purpose = lines.next().unwrap_or_default();
            for digest in lines {
                held.insert(digest.to_owned(), purpose.to_owned());
            }
        }
        Ok(held)
    }

    /// Removes the leases of dead processes.
    pub(super) fn sweep_leases(&self) -> StoreResult<()> {
        if names_in(&self.root.join("leases"))?.is_empty() {
            return Ok(());
        }
        let _locked = self.lock()?;
        for name in names_in(&self.root.join("leases"))? {
            let path = self.root.join("leases").join(name);
            if !is_held(&path) {
                remove_file(&path)?;
            }
        }
        Ok(())
    }
}

impl Lease {
    /// Holds more: digests of blobs, and chain ids of layers. What is found in the store after this call stays.
    ///
    /// # Errors
    /// The kernel's refusals.
    pub fn hold<'d>(&self, digests: impl IntoIterator<Item = &'d Digest>) -> StoreResult<()> {
        let lines: String = digests
            .into_iter()
            .map(|digest| format!("{digest}\n"))
            .collect();
        // Under the lock, so that a collection sees either all of it or has finished before.
        let _locked = self.store.lock()?;
        (&self.file)
            .write_all(lines.as_bytes())
            .map_err(StoreError::io("write", &self.path))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Best effort: without its lock the file means nothing, and the next opening removes it.
        let _ = remove_file(&self.path);
    }
}
