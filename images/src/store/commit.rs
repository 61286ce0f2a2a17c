//! The moment at which blobs and unpacked layers become an image.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use oci_spec::image::ImageConfiguration;
use sha2::{Digest as _, Sha256};

use super::records::{Descriptor, parse_digest, to_json};
use super::{
    Image, LayerMeta, Locked, Manifest, RefRecord, SEALED, StagingDir, Store, StoreError,
    StoreResult, sync_directory, unix_now,
};
use crate::digest::Digest;
use crate::layer::{Lower, Unpacked, finalise};
use crate::reference::Reference;

/// What makes an image: its manifest and configuration are blobs of the store already.
#[derive(Debug)]
pub struct ImageCommit<'a> {
    /// The name it gets; without one it is kept as an untagged image.
    pub reference: Option<&'a Reference>,
    /// What the name stands for at the registry: the index, or the manifest itself.
    pub target: &'a Digest,
    /// The manifest of the chosen platform.
    pub manifest: &'a Digest,
    /// One for each layer of the manifest, bottom first; `None` for one that the store has unpacked already.
    pub layers: Vec<Option<(StagingDir, Unpacked)>>,
}

/// The chain id of a layer on top of others (image-spec, config.md, "Layer ChainID").
pub fn chain_id(parent: Option<&Digest>, diff_id: &Digest) -> Digest {
    match parent {
        None => diff_id.clone(),
        Some(parent) => {
            Digest::from_sha256(Sha256::digest(format!("{parent} {diff_id}").as_bytes()).into())
        }
    }
}

/// The chain ids of all layers, bottom first.
pub(crate) fn chain_ids(config: &ImageConfiguration) -> StoreResult<Vec<(Digest, Digest)>> {
    let mut chain: Vec<(Digest, Digest)> = Vec::new();
    for diff_id in config.rootfs().diff_ids() {
        let diff_id = parse_digest("image configuration", diff_id)?;
        chain.push((chain_id(chain.last().map(|(id, _)| id), &diff_id), diff_id));
    }
    Ok(chain)
}

/// A layer that has to be moved to its place.
struct Ready {
    staging: StagingDir,
    target: PathBuf,
}

impl Store {
    /// Completes the layers, makes everything durable, gives it its final names, and the image its own name last.
    ///
    /// # Errors
    /// [`StoreError::Mismatch`] when a layer is not what the configuration says; [`StoreError::Missing`] when a layer given as present
    /// is not; a hostile layer; the kernel's refusals, a full disk among them. Nothing is left of the layers given then.
    pub fn commit_image(&self, commit: ImageCommit<'_>) -> StoreResult<Image> {
        let manifest = self.manifest(commit.manifest)?;
        let config_digest = parse_digest("manifest", &manifest.config.digest)?;
        let config = self.config(&config_digest)?;
        let chain = chain_ids(&config)?;
        if chain.len() != manifest.layers.len() || chain.len() != commit.layers.len() {
            return Err(StoreError::Mismatch {
                object: format!("layers of image {config_digest}"),
                expected: format!("{} in the configuration", chain.len()),
                actual: format!("{} in the manifest", manifest.layers.len()),
            });
        }
        let ready = self.complete_layers(&chain, &manifest, commit.layers)?;
        let unsealed = self.unsealed_blobs(&manifest, [commit.target, commit.manifest])?;
        if !ready.is_empty() || !unsealed.is_empty() {
            self.sync()?;
        }
        let locked = self.lock()?;
        let trash = self.publish_layers(&locked, ready)?;
        self.seal(&unsealed)?;
        for (id, _) in &chain {
            if !self.has_layer(id) {
                return Err(StoreError::Missing {
                    object: format!("layer {id}"),
                });
            }
        }
        let record = RefRecord {
            reference: commit.reference.map(Reference::canonical),
            target: commit.target.to_string(),
            manifest: commit.manifest.to_string(),
            tagged: unix_now(),
        };
        self.name(&locked, &record)?;
        drop(locked);
        for path in trash {
            self.delete(&path)?;
        }
        self.image(&record)
    }

    /// Reads an image's configuration.
    pub(crate) fn config(&self, digest: &Digest) -> StoreResult<ImageConfiguration> {
        let bytes = self.read_blob(digest)?;
        ImageConfiguration::from_reader(&bytes[..])
            .map_err(|error| StoreError::malformed(format!("image configuration {digest}"), error))
    }

    /// The second pass over each new layer, bottom first, and its record.
    fn complete_layers(
        &self,
        chain: &[(Digest, Digest)],
        manifest: &Manifest,
        layers: Vec<Option<(StagingDir, Unpacked)>>,
    ) -> StoreResult<Vec<Ready>> {
        let mut ready: Vec<Ready> = Vec::new();
        // Topmost first, down to and with the first that hides all below it.
        let mut below: Vec<PathBuf> = Vec::new();
        for (place, (layer, blob)) in layers.into_iter().zip(&manifest.layers).enumerate() {
            let (id, diff_id) = &chain[place];
            let parent = place.checked_sub(1).map(|parent| &chain[parent].0);
            let (path, opaque) = match (self.layer_meta(id), layer) {
                // Made by somebody else meanwhile, or before: the same chain id is the same content.
                (Ok(Some(meta)), _) => (self.layer_path(id).join("fs"), meta.opaque_root),
                (Err(error), None) => return Err(error),
                (Ok(None), None) => {
                    return Err(StoreError::Missing {
                        object: format!("layer {id}"),
                    });
                }
                (_, Some((staging, mut unpacked))) => {
                    if unpacked.diff_id != *diff_id {
                        return Err(StoreError::Mismatch {
                            object: format!("content of layer {}", blob.digest),
                            expected: diff_id.to_string(),
                            actual: unpacked.diff_id.to_string(),
                        });
                    }
                    let opaque =
                        self.complete_layer(&staging, &mut unpacked, (id, parent), blob, &below)?;
                    let path = staging.path().join("fs");
                    ready.push(Ready {
                        staging,
                        target: self.layer_path(id),
                    });
                    (path, opaque)
                }
            };
            if opaque {
                below.clear();
            }
            below.insert(0, path);
        }
        Ok(ready)
    }

    /// Returns whether the layer hides all below it.
    pub(crate) fn complete_layer(
        &self,
        staging: &StagingDir,
        unpacked: &mut Unpacked,
        (id, parent): (&Digest, Option<&Digest>),
        blob: &Descriptor,
        below: &[PathBuf],
    ) -> StoreResult<bool> {
        let roots = below
            .iter()
            .map(|path| {
                File::open(path)
                    .map(OwnedFd::from)
                    .map_err(StoreError::io("open", path))
            })
            .collect::<StoreResult<Vec<_>>>()?;
        let finalised = finalise(
            staging.root().as_fd(),
            &mut unpacked.pending,
            &Lower::new(roots),
        )?;
        let meta = LayerMeta {
            chain_id: id.to_string(),
            diff_id: unpacked.diff_id.to_string(),
            parent: parent.map(ToString::to_string),
            blob: blob.digest.clone(),
            media_type: blob.media_type.clone(),
            size: unpacked.size + finalised.copied,
            entries: unpacked.entries,
            opaque_root: finalised.opaque_root,
        };
        let path = staging.path().join("meta");
        fs::write(&path, to_json(&meta)?).map_err(StoreError::io("write", &path))?;
        Ok(finalised.opaque_root)
    }

    /// The second pass of a layer that is unpacked once more, from what its record says.
    pub(crate) fn complete_again(
        &self,
        staging: &StagingDir,
        unpacked: &mut Unpacked,
        meta: &LayerMeta,
        below: &[PathBuf],
    ) -> StoreResult<()> {
        let id = parse_digest("layer record", &meta.chain_id)?;
        let parent = meta
            .parent
            .as_deref()
            .map(|parent| parse_digest("layer record", parent))
            .transpose()?;
        let blob = Descriptor {
            media_type: meta.media_type.clone(),
            digest: meta.blob.clone(),
        };
        self.complete_layer(staging, unpacked, (&id, parent.as_ref()), &blob, below)
            .map(drop)
    }

    /// Waits until everything written so far is on the disk.
    pub(crate) fn sync(&self) -> StoreResult<()> {
        let root = File::open(self.root()).map_err(StoreError::io("open", self.root()))?;
        nix::unistd::syncfs(&root).map_err(StoreError::io("sync", self.root()))
    }

    /// Those of an image's blobs that are not known to be on the disk.
    fn unsealed_blobs(
        &self,
        manifest: &Manifest,
        further: [&Digest; 2],
    ) -> StoreResult<Vec<PathBuf>> {
        let mut digests: Vec<Digest> = further.into_iter().cloned().collect();
        for descriptor in std::iter::once(&manifest.config).chain(&manifest.layers) {
            digests.push(parse_digest("manifest", &descriptor.digest)?);
        }
        let mut unsealed = Vec::new();
        for digest in digests {
            let path = self.blob_path(&digest);
            match fs::metadata(&path) {
                Ok(metadata) if metadata.permissions().mode() & 0o777 == SEALED => {}
                Ok(_) => unsealed.push(path),
                // The blob of a layer unpacked long ago may have been dropped.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::io("stat", &path)(error)),
            }
        }
        Ok(unsealed)
    }

    fn publish_layers(&self, locked: &Locked, ready: Vec<Ready>) -> StoreResult<Vec<PathBuf>> {
        let mut trash = Vec::new();
        if ready.is_empty() {
            return Ok(trash);
        }
        for Ready { staging, target } in ready {
            if target.join("meta").exists() {
                continue;
            }
            // What has no record was never committed.
            trash.extend(self.to_trash(locked, &target)?);
            staging.publish(&target)?;
        }
        sync_directory(&self.root().join("layers"))?;
        Ok(trash)
    }

    /// Called only after a sync of the file system: the mode says that the blob is on the disk.
    fn seal(&self, blobs: &[PathBuf]) -> StoreResult<()> {
        for path in blobs {
            match fs::set_permissions(path, Permissions::from_mode(SEALED)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io("set mode of", path)(error));
                }
                _ => {}
            }
        }
        if blobs.is_empty() {
            Ok(())
        } else {
            sync_directory(&self.root().join("blobs/sha256"))
        }
    }

    /// Writes an image's name. An image that loses its last name by this is kept as an untagged one.
    pub(super) fn name(&self, locked: &Locked, record: &RefRecord) -> StoreResult<()> {
        let records = self.ref_records()?;
        let loser = records
            .iter()
            .map(|(_, known)| known)
            .find(|known| known.reference.is_some() && known.reference == record.reference);
        if let Some(loser) = loser.filter(|loser| loser.manifest != record.manifest) {
            let names = records
                .iter()
                .filter(|(_, known)| known.manifest == loser.manifest)
                .count();
            if names == 1 {
                self.write_ref(
                    locked,
                    &RefRecord {
                        reference: None,
                        ..loser.clone()
                    },
                )?;
            }
        }
        self.write_ref(locked, record)?;
        if record.reference.is_some() {
            // It has a name now.
            self.remove_ref(
                locked,
                &super::records::untagged_file_name(&record.manifest),
            )?;
        }
        self.write_index(locked)
    }
}
