//! Images made in memory, and stores as crashes leave them.

mod collecting;
mod crashes;
mod images;
mod snapshots;

use std::fs;

use tar::{Builder, EntryType, Header};

use super::*;
use crate::layer::{self, Limits};
use crate::reference::Reference;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A store in a directory that goes with it.
struct Place {
    store: Store,
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().unwrap();
        Place {
            store: Store::open(directory.path()).unwrap(),
            directory,
        }
    }

    /// As the next process finds it.
    fn reopen(&self) -> Store {
        Store::open(self.directory.path()).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What lies in a part of the store.
    fn names(&self, part: &str) -> Vec<String> {
        names_in(&self.path(part)).unwrap()
    }
}

/// An image as a registry has it.
struct Fixture {
    layers: Vec<Vec<u8>>,
    config: Vec<u8>,
    manifest: Vec<u8>,
}

/// An image of layers, each of files with their contents, all owned by whoever runs this.
fn fixture(layers: &[&[(&str, &str)]]) -> Fixture {
    let layers: Vec<Vec<u8>> = layers.iter().map(|files| archive(files)).collect();
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| Digest::of(layer).to_string())
        .collect();
    let config = serde_json::to_vec(&serde_json::json!({
        "architecture": "amd64", "os": "linux", "created": "2026-01-02T03:04:05Z",
        "config": {"Cmd": ["sh"]}, "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }))
    .unwrap();
    let descriptor = |media_type: &str, bytes: &[u8]| serde_json::json!({"mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len()});
    let manifest = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": layers.iter().map(|layer| descriptor(LAYER, layer)).collect::<Vec<_>>(),
    }))
    .unwrap();
    Fixture {
        layers,
        config,
        manifest,
    }
}

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = Header::new_gnu();
        header.set_entry_type(if name.ends_with('/') {
            EntryType::Directory
        } else {
            EntryType::Regular
        });
        header.set_mode(if name.ends_with('/') { 0o755 } else { 0o644 });
        header.set_uid(nix::unistd::getuid().as_raw().into());
        header.set_gid(nix::unistd::getgid().as_raw().into());
        header.set_size(content.len() as u64);
        builder
            .append_data(&mut header, name, content.as_bytes())
            .unwrap();
    }
    builder.into_inner().unwrap()
}

impl Fixture {
    fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }

    /// Does what a pull does.
    fn pull(&self, store: &Store, name: Option<&str>) -> StoreResult<Image> {
        for bytes in self.layers.iter().chain([&self.config, &self.manifest]) {
            store.put_blob(&Digest::of(bytes), bytes)?;
        }
        let reference: Option<Reference> = name.map(|name| name.parse().unwrap());
        let mut chain = None;
        let mut layers = Vec::new();
        for bytes in &self.layers {
            chain = Some(chain_id(chain.as_ref(), &Digest::of(bytes)));
            layers.push(if store.has_layer(chain.as_ref().unwrap()) {
                None
            } else {
                let staging = store.staging()?;
                let unpacked =
                    layer::unpack(&bytes[..], LAYER, &staging, &Limits::default(), &mut |_| {})?;
                Some((staging, unpacked))
            });
        }
        store.commit_image(ImageCommit {
            reference: reference.as_ref(),
            target: &self.digest(),
            manifest: &self.digest(),
            layers,
        })
    }
}

fn reference(name: &str) -> Reference {
    name.parse().unwrap()
}

/// The store holds nothing that is being made or deleted.
fn assert_tidy(place: &Place) {
    for part in ["staging", "trash", "ingest", "leases"] {
        assert_eq!(place.names(part), [""; 0], "{part}");
    }
    let hidden = |names: Vec<String>| names.into_iter().any(|name| name.starts_with('.'));
    assert!(!hidden(place.names("refs")) && !hidden(place.names("")));
}
