//! Looking for damage, and making good what can be made good from what is left.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::layer::{self, Limits};
use crate::store::{
    LayerMeta, StagingDir, Store, StoreError, StoreResult, hash_file, names_in, parse_digest,
    remove_file, sys,
};

/// How to go about it.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// Mend what can be mended: damaged blobs are dropped, so that the next pull fetches them; layers are unpacked anew.
    pub repair: bool,
    /// Containers that run: layers below them are left alone.
    pub running: BTreeSet<String>,
}

/// One damaged object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// What it is: a blob, a layer, an image's name.
    pub object: String,
    /// What is wrong.
    pub finding: String,
    /// What was done about it, or what to do.
    pub remedy: Remedy,
}

/// What became of a damaged object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// It is as it should be again.
    Rebuilt,
    /// It was dropped; pulling the image again brings it back.
    Dropped,
    /// Nothing was done: repair was not asked for.
    Reported,
    /// Nothing was done, for this reason.
    Refused(String),
}

impl Store {
    /// Checks every blob against its digest, every layer against the archive it was unpacked from, and every name.
    ///
    /// Layers are unpacked a second time for this and compared file by file, so it takes about as long as a pull without the network.
    ///
    /// # Errors
    /// The kernel's refusals.
    pub fn verify(&self, options: &VerifyOptions) -> StoreResult<Vec<Damage>> {
        let mut found = Vec::new();
        for name in names_in(&self.root().join("blobs/sha256"))? {
            found.extend(self.verify_blob(&name, options)?);
        }
        for chain in self.layers_bottom_first()? {
            found.extend(self.verify_layer(&chain, options)?);
        }
        found.extend(self.verify_names()?);
        Ok(found)
    }

    fn verify_blob(&self, name: &str, options: &VerifyOptions) -> StoreResult<Option<Damage>> {
        let path = self.root().join("blobs/sha256").join(name);
        let actual = hash_file(&path)?;
        if actual == format!("sha256:{name}") {
            return Ok(None);
        }
        let remedy = if options.repair {
            remove_file(&path)?;
            Remedy::Dropped
        } else {
            Remedy::Reported
        };
        Ok(Some(Damage {
            object: format!("blob sha256:{name}"),
            finding: format!("its content has the digest {actual}"),
            remedy,
        }))
    }

    fn verify_layer(&self, chain: &Digest, options: &VerifyOptions) -> StoreResult<Option<Damage>> {
        let object = format!("layer {chain}");
        let path = self.layer_path(chain);
        let meta = match self.layer_meta(chain) {
            Ok(Some(meta)) => meta,
            Ok(None) | Err(_) => {
                let remedy = if options.repair {
                    self.drop_layer(chain, options)?
                } else {
                    Remedy::Reported
                };
                return Ok(Some(Damage {
                    object,
                    finding: "its record is missing or damaged".to_owned(),
                    remedy,
                }));
            }
        };
        let staging = match self.unpack_again(&meta) {
            Ok(again) => again,
            Err(error) if error.is_no_space() => return Err(error),
            Err(error) => {
                // Without its archive the layer can't be judged further than this.
                let finding = match fs::metadata(path.join("fs")) {
                    Ok(_) => return Ok(None),
                    Err(_) => format!("its files are gone, and so is its archive ({error})"),
                };
                let remedy = if options.repair {
                    self.drop_layer(chain, options)?
                } else {
                    Remedy::Reported
                };
                return Ok(Some(Damage {
                    object,
                    finding,
                    remedy,
                }));
            }
        };
        let Some(finding) = difference(&staging.path().join("fs"), &path.join("fs"))? else {
            return Ok(None);
        };
        if !options.repair {
            return Ok(Some(Damage {
                object,
                finding,
                remedy: Remedy::Reported,
            }));
        }
        if let Some(container) = self.runs_on(chain, options)? {
            let remedy = Remedy::Refused(format!("container {container} is running on it"));
            return Ok(Some(Damage {
                object,
                finding,
                remedy,
            }));
        }
        self.sync()?;
        let locked = self.lock()?;
        let trash = self.to_trash(&locked, &path)?;
        staging.publish(&path)?;
        drop(locked);
        if let Some(trash) = trash {
            self.delete(&trash)?;
        }
        Ok(Some(Damage {
            object,
            finding,
            remedy: Remedy::Rebuilt,
        }))
    }

    /// Unpacks a layer a second time, from its blob.
    fn unpack_again(&self, meta: &LayerMeta) -> StoreResult<StagingDir> {
        let blob = parse_digest("layer record", &meta.blob)?;
        let file = self.blob(&blob)?.ok_or_else(|| StoreError::Missing {
            object: format!("blob {blob}"),
        })?;
        let staging = self.staging()?;
        let mut unpacked = layer::unpack(
            file,
            &meta.media_type,
            &staging,
            &Limits::default(),
            &mut |_| {},
        )?;
        if unpacked.diff_id.to_string() != meta.diff_id {
            return Err(StoreError::Mismatch {
                object: format!("content of layer {blob}"),
                expected: meta.diff_id.clone(),
                actual: unpacked.diff_id.to_string(),
            });
        }
        let mut below: Vec<PathBuf> = Vec::new();
        let mut parent = meta.parent.clone();
        while let Some(id) = parent {
            let id = parse_digest("layer record", &id)?;
            let Some(meta) = self.layer_meta(&id)? else {
                return Err(StoreError::Missing {
                    object: format!("layer {id}"),
                });
            };
            below.push(self.layer_path(&id).join("fs"));
            parent = if meta.opaque_root { None } else { meta.parent };
        }
        self.complete_again(&staging, &mut unpacked, meta, &below)?;
        Ok(staging)
    }

    fn drop_layer(&self, chain: &Digest, options: &VerifyOptions) -> StoreResult<Remedy> {
        if let Some(container) = self.runs_on(chain, options)? {
            return Ok(Remedy::Refused(format!(
                "container {container} is running on it"
            )));
        }
        let trash = {
            let locked = self.lock()?;
            self.to_trash(&locked, &self.layer_path(chain))?
        };
        if let Some(trash) = trash {
            self.delete(&trash)?;
        }
        Ok(Remedy::Dropped)
    }

    fn runs_on(&self, chain: &Digest, options: &VerifyOptions) -> StoreResult<Option<String>> {
        let chain = chain.to_string();
        for container in &options.running {
            if self
                .snapshot_record(container)?
                .is_some_and(|record| record.layers.contains(&chain))
            {
                return Ok(Some(container.clone()));
            }
        }
        Ok(None)
    }

    /// Each layer after the one it lies on, so that a rebuilt one is already there for those above.
    fn layers_bottom_first(&self) -> StoreResult<Vec<Digest>> {
        let mut parents: BTreeMap<Digest, Option<Digest>> = BTreeMap::new();
        for name in names_in(&self.root().join("layers"))? {
            let Ok(chain) = format!("sha256:{name}").parse::<Digest>() else {
                continue;
            };
            let parent = self
                .layer_meta(&chain)
                .ok()
                .flatten()
                .and_then(|meta| meta.parent)
                .and_then(|parent| parent.parse().ok());
            parents.insert(chain, parent);
        }
        let depth = |chain: &Digest| {
            std::iter::successors(Some(chain), |chain| parents.get(*chain)?.as_ref())
                .take(parents.len() + 1)
                .count()
        };
        let mut ordered: Vec<(usize, Digest)> = parents
            .keys()
            .map(|chain| (depth(chain), chain.clone()))
            .collect();
        ordered.sort();
        Ok(ordered.into_iter().map(|(_, chain)| chain).collect())
    }

    /// Names have to lead to an image that is whole.
    fn verify_names(&self) -> StoreResult<Vec<Damage>> {
        let mut found = Vec::new();
        for (file, record) in self.ref_records()? {
            let object = format!("image {}", record.reference.as_deref().unwrap_or(&file));
            let finding = match self.image(&record) {
                Err(error) => Some(error.to_string()),
                Ok(image) => image
                    .layers
                    .iter()
                    .find(|layer| !self.has_layer(layer))
                    .map(|layer| format!("layer {layer} is missing")),
            };
            if let Some(finding) = finding {
                found.push(Damage {
                    object,
                    finding,
                    remedy: Remedy::Refused("pull it again".to_owned()),
                });
            }
        }
        Ok(found)
    }
}

/// The first difference between two trees, said of the second.
fn difference(expected: &Path, actual: &Path) -> StoreResult<Option<String>> {
    let mut rest: Vec<PathBuf> = vec![PathBuf::new()];
    while let Some(path) = rest.pop() {
        let (left, right) = (expected.join(&path), actual.join(&path));
        let shown = format!("/{}", path.display());
        let metadata = fs::symlink_metadata(&left).map_err(StoreError::io("stat", &left))?;
        let Ok(other) = fs::symlink_metadata(&right) else {
            return Ok(Some(format!("{shown} is missing")));
        };
        if let Some(what) = differing_attribute(&metadata, &other) {
            return Ok(Some(format!("{shown} differs in {what}")));
        }
        let read_xattrs = |path: &Path| {
            let name =
                std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from)?;
            sys::xattrs(&name)
        };
        if read_xattrs(&left).map_err(StoreError::io("read attributes of", &left))?
            != read_xattrs(&right).map_err(StoreError::io("read attributes of", &right))?
        {
            return Ok(Some(format!("{shown} differs in its extended attributes")));
        }
        if metadata.is_symlink() {
            let target =
                |path: &Path| fs::read_link(path).map_err(StoreError::io("read link", path));
            if target(&left)? != target(&right)? {
                return Ok(Some(format!("{shown} leads elsewhere")));
            }
        } else if metadata.is_file() {
            if !same_content(&left, &right)? {
                return Ok(Some(format!("{shown} differs in its content")));
            }
        } else if metadata.is_dir() {
            let (names, others) = (children(&left)?, children(&right)?);
            if let Some(extra) = others.difference(&names).next() {
                return Ok(Some(format!(
                    "{shown} has an unknown entry {}",
                    extra.display()
                )));
            }
            rest.extend(names.into_iter().map(|name| path.join(name)));
        }
    }
    Ok(None)
}

/// Times of directories are left out: those that nothing describes have no time to be compared with.
fn differing_attribute(left: &fs::Metadata, right: &fs::Metadata) -> Option<&'static str> {
    if left.file_type() != right.file_type() {
        return Some("kind");
    }
    if left.permissions().mode() != right.permissions().mode() {
        return Some("mode");
    }
    if (left.uid(), left.gid()) != (right.uid(), right.gid()) {
        return Some("owner");
    }
    if !left.is_dir() && left.len() != right.len() {
        return Some("size");
    }
    if left.rdev() != right.rdev() {
        return Some("device number");
    }
    if !left.is_dir()
        && left.rdev() == 0
        && left.is_file()
        && (left.mtime(), left.mtime_nsec()) != (right.mtime(), right.mtime_nsec())
    {
        return Some("time");
    }
    None
}

fn children(path: &Path) -> StoreResult<BTreeSet<PathBuf>> {
    let entries = fs::read_dir(path).map_err(StoreError::io("list", path))?;
    entries
        .map(|entry| {
            entry
                .map(|entry| PathBuf::from(entry.file_name()))
                .map_err(StoreError::io("list", path))
        })
        .collect()
}

fn same_content(left: &Path, right: &Path) -> StoreResult<bool> {
    let open = |path: &Path| File::open(path).map_err(StoreError::io("open", path));
    let (mut one, mut other) = (open(left)?, open(right)?);
    let mut buffers = (vec![0u8; 128 * 1024], vec![0u8; 128 * 1024]);
    loop {
        let length = fill(&mut one, &mut buffers.0).map_err(StoreError::io("read", left))?;
        let further = fill(&mut other, &mut buffers.1).map_err(StoreError::io("read", right))?;
        if buffers.0[..length] != buffers.1[..further] {
            return Ok(false);
        }
        if length == 0 {
            return Ok(true);
        }
    }
}

fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
