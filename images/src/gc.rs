//! Collecting what nothing leads to any more, and saying of everything else what holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::digest::Digest;
use crate::store::{
    Locked, RefRecord, Store, StoreResult, disk_size, is_held, names_in, parse_digest,
};

/// What to collect beyond that which is certainly garbage.
#[derive(Default)]
pub struct GcOptions<'a> {
    /// Only say what would be done.
    pub dry_run: bool,
    /// Also take images without a name that no container uses.
    pub untagged: bool,
    /// Also take images with names that no container uses.
    pub unused: bool,
    /// Also take downloads that nobody has written to for this long.
    pub downloads_older_than: Option<Duration>,
    /// Also take snapshots of containers that do not exist, as this tells. Asked under the store's lock, which making a snapshot
    /// needs too: a container that is recorded before its snapshot is made is never missed.
    pub container_exists: Option<&'a dyn Fn(&str) -> bool>,
}

/// What was looked at, in order of kind and name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Every object of the store.
    pub items: Vec<GcItem>,
}

impl GcReport {
    /// Bytes that were freed, or would have been.
    pub fn freed(&self) -> u64 {
        self.items
            .iter()
            .filter(|item| item.verdict == GcVerdict::Removed)
            .map(|item| item.size)
            .sum()
    }
}

/// One object of the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GcItem {
    /// What it is.
    pub kind: GcKind,
    /// A name, digest, or container.
    pub name: String,
    /// Bytes on the disk; 0 for names.
    pub size: u64,
    /// What becomes of it.
    pub verdict: GcVerdict,
}

/// Kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GcKind {
    /// A name of an image, or an image kept without one.
    Image,
    /// A container's writable layer.
    Snapshot,
    /// An unpacked layer.
    Layer,
    /// A blob from a registry.
    Blob,
    /// A download that is not complete.
    Download,
}

/// What becomes of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum GcVerdict {
    /// It stays, for these reasons.
    Kept(Vec<String>),
    /// It goes.
    Removed,
}

/// What names, snapshots and leases lead to, with the reasons.
#[derive(Debug, Default)]
pub(crate) struct Reachable {
    pub(crate) images: BTreeSet<Digest>,
    pub(crate) blobs: BTreeMap<Digest, Vec<String>>,
    pub(crate) layers: BTreeMap<Digest, Vec<String>>,
}

impl Store {
    /// Collects garbage. Deletion itself happens after the store's lock is released.
    ///
    /// # Errors
    /// The kernel's refusals; a damaged document stops nothing, but keeps what it may have led to from being known: `verify` first.
    pub fn gc(&self, options: &GcOptions<'_>) -> StoreResult<GcReport> {
        let locked = self.lock()?;
        let mut report = GcReport::default();
        let mut doomed: Vec<PathBuf> = Vec::new();
        self.collect_snapshots(options, &mut report, &mut doomed)?;
        let images = self.collect_images(&locked, options, &mut report)?;
        let reachable = self.reachable_from(&locked, &images, &|container| {
            options
                .container_exists
                .is_none_or(|exists| exists(container))
        })?;
        self.collect_objects(
            "layers",
            GcKind::Layer,
            &reachable.layers,
            &mut report,
            &mut doomed,
        )?;
        self.collect_objects(
            "blobs/sha256",
            GcKind::Blob,
            &reachable.blobs,
            &mut report,
            &mut doomed,
        )?;
        self.collect_downloads(options, &mut report, &mut doomed)?;
        if options.dry_run {
            return Ok(report);
        }
        let mut trash = Vec::new();
        for path in doomed {
            trash.extend(self.to_trash(&locked, &path)?);
        }
        self.sweep_half_written(&locked)?;
        self.write_index(&locked)?;
        drop(locked);
        for path in trash {
            self.delete(&path)?;
        }
        Ok(report)
    }

    /// What all names, snapshots and living leases lead to.
    pub(crate) fn reachable(&self, locked: &Locked) -> StoreResult<Reachable> {
        let records = self
            .ref_records()?
            .into_iter()
            .map(|(_, record)| record)
            .collect::<Vec<_>>();
        self.reachable_from(locked, &records, &|_| true)
    }

    fn reachable_from(
        &self,
        locked: &Locked,
        records: &[RefRecord],
        container_exists: &dyn Fn(&str) -> bool,
    ) -> StoreResult<Reachable> {
        let mut reachable = Reachable::default();
        for record in records {
            let reason = match &record.reference {
                Some(name) => format!("image {name}"),
                None => "untagged image".to_owned(),
            };
            self.mark_image(&mut reachable, record, &reason)?;
        }
        for container in names_in(&self.root().join("active"))? {
            if !container_exists(&container) {
                continue;
            }
            let Ok(Some(record)) = self.snapshot_record(&container) else {
                continue;
            };
            let reason = format!("container {container}");
            for digest in [&record.image, &record.manifest] {
                mark(
                    &mut reachable.blobs,
                    parse_digest("snapshot", digest)?,
                    &reason,
                );
            }
            for chain in &record.layers {
                mark(
                    &mut reachable.layers,
                    parse_digest("snapshot", chain)?,
                    &reason,
                );
            }
        }
        for (digest, purpose) in self.leased(locked)? {
            let Ok(digest) = digest.parse::<Digest>() else {
                continue;
            };
            mark(&mut reachable.blobs, digest.clone(), &purpose);
            mark(&mut reachable.layers, digest, &purpose);
        }
        Ok(reachable)
    }

    /// A document that is missing or damaged leads nowhere, but what names it directly stays.
    fn mark_image(
        &self,
        reachable: &mut Reachable,
        record: &RefRecord,
        reason: &str,
    ) -> StoreResult<()> {
        let manifest_digest = parse_digest("a reference's record", &record.manifest)?;
        mark(
            &mut reachable.blobs,
            parse_digest("a reference's record", &record.target)?,
            reason,
        );
        mark(&mut reachable.blobs, manifest_digest.clone(), reason);
        let Ok(manifest) = self.manifest(&manifest_digest) else {
            return Ok(());
        };
        for descriptor in std::iter::once(&manifest.config).chain(&manifest.layers) {
            mark(
                &mut reachable.blobs,
                parse_digest("manifest", &descriptor.digest)?,
                reason,
            );
        }
        if let Ok(image) = self.image(record) {
            for chain in image.layers {
                mark(&mut reachable.layers, chain, reason);
            }
            reachable.images.insert(image.id);
        }
        Ok(())
    }

    /// Decides on names; returns those that stay.
    fn collect_images(
        &self,
        locked: &Locked,
        options: &GcOptions<'_>,
        report: &mut GcReport,
    ) -> StoreResult<Vec<RefRecord>> {
        let mut kept = Vec::new();
        for (file, record) in self.ref_records()? {
            let user = self.user_of(&record.manifest)?.filter(|container| {
                options
                    .container_exists
                    .is_none_or(|exists| exists(container))
            });
            let verdict = match (&user, &record.reference) {
                (Some(container), _) => GcVerdict::Kept(vec![format!("container {container}")]),
                (None, Some(_)) if options.unused => GcVerdict::Removed,
                (None, None) if options.untagged || options.unused => GcVerdict::Removed,
                (None, Some(_)) => GcVerdict::Kept(vec!["it has a name".to_owned()]),
                (None, None) => GcVerdict::Kept(vec![
                    "only a collection of untagged images takes it".to_owned(),
                ]),
            };
            let name = record
                .reference
                .clone()
                .unwrap_or_else(|| format!("<none>@{}", record.manifest));
            report.items.push(GcItem {
                kind: GcKind::Image,
                name,
                size: 0,
                verdict: verdict.clone(),
            });
            match verdict {
                GcVerdict::Kept(_) => kept.push(record),
                GcVerdict::Removed if !options.dry_run => self.remove_ref(locked, &file)?,
                GcVerdict::Removed => {}
            }
        }
        Ok(kept)
    }

    fn collect_snapshots(
        &self,
        options: &GcOptions<'_>,
        report: &mut GcReport,
        doomed: &mut Vec<PathBuf>,
    ) -> StoreResult<()> {
        for container in names_in(&self.root().join("active"))? {
            let exists = options
                .container_exists
                .is_none_or(|exists| exists(&container));
            let path = self.active_path(&container);
            let size = disk_size(&path)?;
            let verdict = if exists {
                GcVerdict::Kept(vec![format!("container {container}")])
            } else {
                GcVerdict::Removed
            };
            if !exists {
                doomed.push(path);
            }
            report.items.push(GcItem {
                kind: GcKind::Snapshot,
                name: container,
                size,
                verdict,
            });
        }
        Ok(())
    }

    fn collect_objects(
        &self,
        directory: &str,
        kind: GcKind,
        reachable: &BTreeMap<Digest, Vec<String>>,
        report: &mut GcReport,
        doomed: &mut Vec<PathBuf>,
    ) -> StoreResult<()> {
        let directory = self.root().join(directory);
        for name in names_in(&directory)? {
            let path = directory.join(&name);
            let digest = format!("sha256:{name}");
            let reasons = digest
                .parse::<Digest>()
                .ok()
                .and_then(|digest| reachable.get(&digest));
            let verdict = match reasons {
                Some(reasons) => GcVerdict::Kept(reasons.clone()),
                None => {
                    doomed.push(path.clone());
                    GcVerdict::Removed
                }
            };
            report.items.push(GcItem {
                kind,
                name: digest,
                size: disk_size(&path)?,
                verdict,
            });
        }
        Ok(())
    }

    fn collect_downloads(
        &self,
        options: &GcOptions<'_>,
        report: &mut GcReport,
        doomed: &mut Vec<PathBuf>,
    ) -> StoreResult<()> {
        let directory = self.root().join("ingest");
        for name in names_in(&directory)? {
            let path = directory.join(&name);
            let verdict = if is_held(&path) {
                GcVerdict::Kept(vec!["it is being downloaded".to_owned()])
            } else if options
                .downloads_older_than
                .is_some_and(|age| idle_for(&path) >= age)
            {
                doomed.push(path.clone());
                GcVerdict::Removed
            } else {
                GcVerdict::Kept(vec!["a later pull can resume it".to_owned()])
            };
            report.items.push(GcItem {
                kind: GcKind::Download,
                name: format!("sha256:{name}"),
                size: disk_size(&path)?,
                verdict,
            });
        }
        Ok(())
    }
}

fn mark(marks: &mut BTreeMap<Digest, Vec<String>>, digest: Digest, reason: &str) {
    let reasons = marks.entry(digest).or_default();
    if !reasons.iter().any(|known| known == reason) {
        reasons.push(reason.to_owned());
    }
}

/// Time since a download was last written to.
fn idle_for(directory: &Path) -> Duration {
    let modified = fs::metadata(directory.join("data"))
        .or_else(|_: io::Error| fs::metadata(directory))
        .and_then(|metadata| metadata.modified());
    modified
        .ok()
        .and_then(|modified| SystemTime::now().duration_since(modified).ok())
        .unwrap_or_default()
}
