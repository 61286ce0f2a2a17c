//! Images as people know them: found by name or id, listed, named, taken away.

use std::collections::{BTreeMap, BTreeSet};

use oci_spec::image::ImageConfiguration;

use super::commit::chain_ids;
use super::records::{parse_digest, ref_file_name};
use super::{Locked, RefRecord, Store, StoreError, StoreResult};
use crate::digest::Digest;
use crate::gc::Reachable;
use crate::reference::Reference;

/// An image whose layers are unpacked here.
#[derive(Debug, Clone)]
pub struct Image {
    /// The name it was found by, or its first.
    pub reference: Option<Reference>,
    /// The digest of its configuration.
    pub id: Digest,
    /// The digest of its manifest.
    pub manifest: Digest,
    /// What its name stands for at the registry: the digest of the index, or of the manifest.
    pub digest: Digest,
    /// What to run and how.
    pub config: ImageConfiguration,
    /// Chain ids, bottom first.
    pub layers: Vec<Digest>,
    /// Bytes of the files in its layers.
    pub size: u64,
}

/// One line of a list of images.
#[derive(Debug, Clone)]
pub struct ImageSummary {
    /// Its names, sorted; none for one that lost its last name to another image.
    pub references: Vec<Reference>,
    /// The digest of its configuration.
    pub id: Digest,
    /// The digest of its manifest.
    pub manifest: Digest,
    /// What its name stands for at the registry: the digest of the index, or of the manifest.
    pub digest: Digest,
    /// When it was built, as its configuration says (RFC 3339).
    pub created: Option<String>,
    /// Bytes of the files in its layers.
    pub size: u64,
}

/// What a removal took away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Removed {
    /// A name, in full.
    Untagged(String),
    /// An image's configuration and manifest: its id.
    Image(Digest),
    /// An unpacked layer: its chain id.
    Layer(Digest),
}

impl Store {
    /// Finds an image by name. A name with a digest also finds what was pulled by another name of the same repository.
    ///
    /// # Errors
    /// A damaged store, or the kernel's refusals.
    pub fn find(&self, reference: &Reference) -> StoreResult<Option<Image>> {
        let mut record = self.ref_record(&reference.canonical())?;
        if let (None, Some(digest)) = (&record, reference.digest()) {
            let digest = digest.to_string();
            record = self
                .ref_records()?
                .into_iter()
                .map(|(_, record)| record)
                .find(|record| {
                    (record.target == digest || record.manifest == digest)
                        && record
                            .reference
                            .as_deref()
                            .is_some_and(|name| same_repository(name, reference))
                });
        }
        record.map(|record| self.image(&record)).transpose()
    }

    /// Finds an image by its id or the first digits of it, with or without `sha256:`.
    ///
    /// # Errors
    /// [`StoreError::Ambiguous`], a damaged store, or the kernel's refusals.
    pub fn find_by_id(&self, prefix: &str) -> StoreResult<Option<Image>> {
        let digits = prefix.strip_prefix("sha256:").unwrap_or(prefix);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let mut fits = BTreeMap::new();
        for (_, record) in self.ref_records()? {
            let Ok(image) = self.image(&record) else {
                continue;
            };
            if image.id.hex().starts_with(digits) {
                fits.entry(image.id.clone()).or_insert(image);
            }
        }
        if fits.len() > 1 {
            let fits = fits
                .keys()
                .map(|id| id.hex()[..12].to_owned())
                .collect::<Vec<_>>()
                .join(", ");
            return Err(StoreError::Ambiguous {
                prefix: prefix.to_owned(),
                fits,
            });
        }
        Ok(fits.into_values().next())
    }

    /// All images, by id. Those whose documents are damaged are left out; `verify` tells of them.
    ///
    /// # Errors
    /// The kernel's refusals.
    pub fn list(&self) -> StoreResult<Vec<ImageSummary>> {
        let mut images: BTreeMap<Digest, ImageSummary> = BTreeMap::new();
        for (_, record) in self.ref_records()? {
            let Ok(image) = self.image(&record) else {
                continue;
            };
            let summary = images
                .entry(image.id.clone())
                .or_insert_with(|| ImageSummary {
                    references: Vec::new(),
                    id: image.id,
                    manifest: image.manifest,
                    digest: image.digest,
                    created: image.config.created().clone(),
                    size: image.size,
                });
            summary.references.extend(image.reference);
        }
        Ok(images.into_values().collect())
    }

    /// Gives an image another name.
    ///
    /// # Errors
    /// The kernel's refusals.
    pub fn tag(&self, image: &Image, reference: &Reference) -> StoreResult<()> {
        let locked = self.lock()?;
        let record = RefRecord {
            reference: Some(reference.canonical()),
            target: image.digest.to_string(),
            manifest: image.manifest.to_string(),
            tagged: super::unix_now(),
        };
        self.name(&locked, &record)
    }

    /// Takes a name away, and with an image's last name the image. With `force`, an image that containers use loses its name only.
    ///
    /// # Errors
    /// [`StoreError::Missing`] without such a name, [`StoreError::InUse`] when a container's snapshot uses the image and this is its
    /// last name, or the kernel's refusals.
    pub fn untag(&self, reference: &Reference, force: bool) -> StoreResult<Vec<Removed>> {
        let name = reference.canonical();
        let locked = self.lock()?;
        let record = self.ref_record(&name)?.ok_or_else(|| StoreError::Missing {
            object: format!("image {reference}"),
        })?;
        let records = self.ref_records()?;
        let is_last = !records.iter().any(|(_, other)| {
            other.manifest == record.manifest && other.reference != record.reference
        });
        let user = self.user_of(&record.manifest)?;
        if let (true, false, Some(container)) = (is_last, force, &user) {
            return Err(StoreError::InUse {
                image: reference.to_string(),
                container: container.clone(),
            });
        }
        let before = self.reachable(&locked)?;
        if is_last && user.is_some() {
            self.write_ref(
                &locked,
                &RefRecord {
                    reference: None,
                    ..record
                },
            )?;
        }
        self.remove_ref(&locked, &ref_file_name(&name))?;
        self.finish_removal(locked, &before, vec![Removed::Untagged(name)])
    }

    /// Takes an image away with all its names.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::InUse`] when a container's snapshot uses it, or the kernel's refusals.
    pub fn remove(&self, id: &Digest) -> StoreResult<Vec<Removed>> {
        let locked = self.lock()?;
        let before = self.reachable(&locked)?;
        let mut removed = Vec::new();
        let mut files = Vec::new();
        for (file, record) in self.ref_records()? {
            let Ok(image) = self.image(&record) else {
                continue;
            };
            if image.id != *id {
                continue;
            }
            if let Some(container) = self.user_of(&record.manifest)? {
                return Err(StoreError::InUse {
                    image: id.to_string(),
                    container,
                });
            }
            removed.extend(record.reference.map(Removed::Untagged));
            files.push(file);
        }
        if files.is_empty() {
            return Err(StoreError::Missing {
                object: format!("image {id}"),
            });
        }
        for file in files {
            self.remove_ref(&locked, &file)?;
        }
        self.finish_removal(locked, &before, removed)
    }

    /// The image a record names.
    pub(crate) fn image(&self, record: &RefRecord) -> StoreResult<Image> {
        let digest = parse_digest("a reference's record", &record.manifest)?;
        let id = parse_digest("manifest", &self.manifest(&digest)?.config.digest)?;
        let config = self.config(&id)?;
        let layers: Vec<Digest> = chain_ids(&config)?.into_iter().map(|(id, _)| id).collect();
        let mut size = 0;
        for layer in &layers {
            size += self.layer_meta(layer)?.map_or(0, |meta| meta.size);
        }
        let reference = match &record.reference {
            Some(name) => Some(
                name.parse()
                    .map_err(|error| StoreError::malformed("a reference's record", error))?,
            ),
            None => None,
        };
        Ok(Image {
            reference,
            id,
            manifest: digest,
            digest: parse_digest("a reference's record", &record.target)?,
            config,
            layers,
            size,
        })
    }

    /// A container whose snapshot is made of the image with this manifest.
    pub(crate) fn user_of(&self, manifest: &str) -> StoreResult<Option<String>> {
        for container in super::names_in(&self.root().join("active"))? {
            if self
                .snapshot_record(&container)
                .ok()
                .flatten()
                .is_some_and(|record| record.manifest == manifest)
            {
                return Ok(Some(container));
            }
        }
        Ok(None)
    }

    /// Drops what was reachable before and is no more.
    pub(crate) fn finish_removal(
        &self,
        locked: Locked,
        before: &Reachable,
        mut removed: Vec<Removed>,
    ) -> StoreResult<Vec<Removed>> {
        let after = self.reachable(&locked)?;
        let mut trash = Vec::new();
        let gone = |before: &BTreeMap<Digest, Vec<String>>,
                    after: &BTreeMap<Digest, Vec<String>>|
         -> BTreeSet<Digest> {
            before
                .keys()
                .filter(|digest| !after.contains_key(*digest))
                .cloned()
                .collect()
        };
        for image in before.images.difference(&after.images) {
            removed.push(Removed::Image(image.clone()));
        }
        for digest in gone(&before.blobs, &after.blobs) {
            trash.extend(self.to_trash(&locked, &self.blob_path(&digest))?);
        }
        for chain in gone(&before.layers, &after.layers) {
            if let Some(path) = self.to_trash(&locked, &self.layer_path(&chain))? {
                trash.push(path);
                removed.push(Removed::Layer(chain));
            }
        }
        self.write_index(&locked)?;
        drop(locked);
        for path in trash {
            self.delete(&path)?;
        }
        Ok(removed)
    }
}

/// Does a stored name belong to the repository of another one?
fn same_repository(name: &str, reference: &Reference) -> bool {
    name.parse::<Reference>().is_ok_and(|known| {
        known.registry() == reference.registry() && known.repository() == reference.repository()
    })
}
