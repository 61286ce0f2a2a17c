//! The documents on the disk: how they are written, and how they are named.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::staging::unique_name;
use super::{Locked, Store, StoreError, StoreResult, names_in, remove_file, sync_directory};
use crate::digest::Digest;

/// `refs/NAME.json`: a name, or the fact that an image is kept without one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefRecord {
    /// The full name; absent for an image whose last name was given to another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    /// What the name stood for at the registry: an index, or the manifest itself.
    pub(crate) target: String,
    pub(crate) manifest: String,
    /// Seconds since the epoch.
    pub(crate) tagged: u64,
}

/// `layers/HEX/meta`: the commit record of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerMeta {
    pub(crate) chain_id: String,
    pub(crate) diff_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<String>,
    /// The compressed layer it was unpacked from, and can be unpacked from again.
    pub(crate) blob: String,
    pub(crate) media_type: String,
    /// Bytes of its files.
    pub(crate) size: u64,
    pub(crate) entries: u64,
    /// It hides all layers below it.
    pub(crate) opaque_root: bool,
}

/// `active/CONTAINER/snapshot.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotRecord {
    /// The image's id: the digest of its configuration.
    pub(crate) image: String,
    pub(crate) manifest: String,
    /// Chain ids, bottom first.
    pub(crate) layers: Vec<String>,
}

/// Of an image manifest (image-spec, manifest.md; Docker's schema 2), what the store needs.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    #[serde(default)]
    pub(crate) media_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// Of a descriptor, what the store needs.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: String,
}

impl Store {
    /// Reads all of `refs/`, by file name. A file that a power cut emptied names nothing and is left out.
    pub(crate) fn ref_records(&self) -> StoreResult<Vec<(String, RefRecord)>> {
        let directory = self.root.join("refs");
        let mut records = Vec::new();
        for name in names_in(&directory)?
            .into_iter()
            .filter(|name| name.ends_with(".json"))
        {
            if let Ok(Some(record)) = read_json::<RefRecord>(&directory.join(&name)) {
                records.push((name, record));
            }
        }
        Ok(records)
    }

    /// The record of one name. One that a power cut emptied is as good as none: the next pull writes it anew.
    pub(crate) fn ref_record(&self, reference: &str) -> StoreResult<Option<RefRecord>> {
        match read_json(&self.root.join("refs").join(ref_file_name(reference))) {
            Err(StoreError::Malformed { .. }) => Ok(None),
            other => other,
        }
    }

    /// Removes files that were to replace others when their writer died.
    pub(crate) fn sweep_half_written(&self, _locked: &Locked) -> StoreResult<()> {
        for directory in [self.root.clone(), self.root.join("refs")] {
            for name in names_in(&directory)?
                .iter()
                .filter(|name| name.starts_with('.'))
            {
                remove_file(&directory.join(name))?;
            }
        }
        Ok(())
    }

    /// Writes a record durably.
    pub(crate) fn write_ref(&self, _locked: &Locked, record: &RefRecord) -> StoreResult<()> {
        let directory = self.root.join("refs");
        let name = match &record.reference {
            Some(reference) => ref_file_name(reference),
            None => untagged_file_name(&record.manifest),
        };
        write_atomically(&directory.join(name), &to_json(record)?, true)?;
        sync_directory(&directory)
    }

    pub(crate) fn remove_ref(&self, _locked: &Locked, file_name: &str) -> StoreResult<()> {
        remove_file(&self.root.join("refs").join(file_name))
    }

    pub(crate) fn layer_meta(&self, chain: &Digest) -> StoreResult<Option<LayerMeta>> {
        read_json(&self.layer_path(chain).join("meta"))
    }

    pub(crate) fn snapshot_record(&self, container: &str) -> StoreResult<Option<SnapshotRecord>> {
        read_json(&self.active_path(container).join("snapshot.json"))
    }

    pub(crate) fn manifest(&self, digest: &Digest) -> StoreResult<Manifest> {
        let bytes = self.read_blob(digest)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| StoreError::malformed(format!("manifest {digest}"), error))
    }
}

/// The file name that stands for a name: what is not plain is `%XX`; what would be too long is hashed, the record having it in full.
pub(crate) fn ref_file_name(reference: &str) -> String {
    let mut name = String::new();
    for byte in reference.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            b'.' if !name.is_empty() => name.push('.'),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    if name.len() > 200 {
        let digest = Digest::from_sha256(Sha256::digest(reference.as_bytes()).into());
        name = format!("%long-{}", digest.hex());
    }
    format!("{name}.json")
}

/// The file name of an image without a name. No name's file starts like this.
pub(crate) fn untagged_file_name(manifest: &str) -> String {
    format!("%untagged-{}.json", manifest.trim_start_matches("sha256:"))
}

/// A digest as it stands in a document of the store.
pub(crate) fn parse_digest(object: &str, text: &str) -> StoreResult<Digest> {
    text.parse()
        .map_err(|error| StoreError::malformed(object, error))
}

pub(crate) fn to_json(value: &impl Serialize) -> StoreResult<Vec<u8>> {
    let mut bytes = serde_json::to_vec(value)
        .map_err(|error| StoreError::malformed("a record to be written", error))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// `None` when the file is not there.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> StoreResult<Option<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("read", path)(error)),
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| StoreError::malformed(path.display(), error))
}

/// Replaces a file as a whole; `durable` waits for its bytes to be on the disk first.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8], durable: bool) -> StoreResult<()> {
    let temporary = path.with_file_name(format!(".{}", unique_name()));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        if durable { file.sync_data() } else { Ok(()) }
    });
    let replaced = written.and_then(|()| fs::rename(&temporary, path));
    if replaced.is_err() {
        // Nothing half-made stays.
        let _ = fs::remove_file(&temporary);
    }
    replaced.map_err(StoreError::io("write", path))
}

/// Seconds since the epoch.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_file_names() {
        for (reference, expected) in [
            (
                "docker.io/library/redis:7",
                "docker.io%2Flibrary%2Fredis%3A7.json",
            ),
            (
                "localhost:5000/a/b@sha256:ab",
                "localhost%3A5000%2Fa%2Fb%40sha256%3Aab.json",
            ),
            ("..", "%2E..json"),
            ("a%2Fb", "a%252Fb.json"),
        ] {
            assert_eq!(ref_file_name(reference), expected, "{reference}");
        }
        let long = ref_file_name(&"a/".repeat(200));
        assert!(long.starts_with("%long-") && long.len() < 255, "{long}");
    }
}
