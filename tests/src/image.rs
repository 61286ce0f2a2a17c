//! Images made byte by byte, where a builder of images would not make what a test needs.

use std::fmt;
use std::io::Write;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use crate::images;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

const FETCH: &str = "#!/bin/sh
printf 'GET %s HTTP/1.0\\r\\n\\r\\n' \"$3\" | nc -w 3 \"$1\" \"$2\" > /tmp/fetched || exit 1
sed '1,/^\\r$/d' /tmp/fetched
";

/// `sha256:` and the hex of it.
pub fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().fold(String::from("sha256:"), |text, byte| {
        format!("{text}{byte:02x}")
    })
}

/// Bytes that a registry serves under their digest.
#[derive(Debug, Clone)]
pub struct Blob {
    /// What it is called.
    pub digest: String,
    /// What it is said to be.
    pub media_type: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl Blob {
    fn new(media_type: &str, bytes: Vec<u8>) -> Blob {
        Blob {
            digest: digest(&bytes),
            media_type: media_type.to_owned(),
            bytes,
        }
    }

    fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len()})
    }
}

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// As nearly all layers are.
    Gzip,
    /// As newer builders do.
    Zstd,
}

/// A layer being written.
pub struct Layer {
    tar: Builder<Vec<u8>>,
}

impl Layer {
    /// An empty one.
    pub fn new() -> Layer {
        Layer {
            tar: Builder::new(Vec::new()),
        }
    }

    /// A file owned by root.
    pub fn file(self, path: &str, mode: u32, content: impl AsRef<[u8]>) -> Layer {
        self.entry(path, EntryType::Regular, mode, (0, 0), "", content.as_ref())
    }

    /// A directory owned by root.
    pub fn directory(self, path: &str, mode: u32) -> Layer {
        self.entry(path, EntryType::Directory, mode, (0, 0), "", &[])
    }

    /// A symbolic link.
    pub fn symlink(self, path: &str, target: &str) -> Layer {
        self.entry(path, EntryType::Symlink, 0o777, (0, 0), target, &[])
    }

    /// A hard link.
    pub fn hardlink(self, path: &str, target: &str) -> Layer {
        self.entry(path, EntryType::Link, 0o644, (0, 0), target, &[])
    }

    /// The marker that removes `path` of the layers below.
    pub fn whiteout(self, path: &str) -> Layer {
        let marker = match path.rsplit_once('/') {
            Some((directory, name)) => format!("{directory}/.wh.{name}"),
            None => format!(".wh.{path}"),
        };
        self.file(&marker, 0o644, [])
    }

    /// Any entry at all, its names written as they are (`..`, absolute, empty).
    pub fn entry(
        mut self,
        path: &str,
        kind: EntryType,
        mode: u32,
        owner: (u64, u64),
        link: &str,
        content: &[u8],
    ) -> Layer {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner.0);
        header.set_gid(owner.1);
        header.set_mtime(1_700_000_000);
        header.set_size(content.len() as u64);
        let raw = header.as_gnu_mut().expect("a GNU header");
        assert!(
            path.len() <= raw.name.len() && link.len() <= raw.linkname.len(),
            "short names only"
        );
        raw.name[..path.len()].copy_from_slice(path.as_bytes());
        raw.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.tar
            .append(&header, content)
            .expect("an entry in memory");
        self
    }

    /// The bytes of the archive.
    pub fn bytes(self) -> Vec<u8> {
        self.tar.into_inner().expect("an archive in memory")
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layer of {} bytes", self.tar.get_ref().len())
    }
}

impl Default for Layer {
    fn default() -> Layer {
        Layer::new()
    }
}

/// An image for one platform, or (with [`Image::index`]) for several.
#[derive(Debug, Clone)]
pub struct Image {
    layers: Vec<(Blob, String)>,
    config: Value,
    manifests: Vec<Blob>,
    blobs: Vec<Blob>,
}

impl Image {
    /// An image with no layer, for linux/amd64 unless its config says otherwise later.
    pub fn new() -> Image {
        let config = json!({
            "architecture": "amd64", "os": "linux", "created": "2024-01-02T03:04:05Z",
            "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
        });
        Image {
            layers: Vec::new(),
            config,
            manifests: Vec::new(),
            blobs: Vec::new(),
        }
        .sealed()
    }

    /// The same with one more layer on top.
    pub fn layer(mut self, layer: Layer, compression: Compression) -> Image {
        let tar = layer.bytes();
        let diff_id = digest(&tar);
        let (kind, bytes) = match compression {
            Compression::Plain => ("application/vnd.oci.image.layer.v1.tar", tar),
            Compression::Gzip => ("application/vnd.oci.image.layer.v1.tar+gzip", gzip(&tar)),
            Compression::Zstd => {
                let bytes = zstd::encode_all(tar.as_slice(), 1).expect("zstd in memory");
                ("application/vnd.oci.image.layer.v1.tar+zstd", bytes)
            }
        };
        self.layers.push((Blob::new(kind, bytes), diff_id));
        self.sealed()
    }

    /// The same with the image config changed by `change` (the object with `Env`, `Cmd`, ...).
    pub fn configured(mut self, change: Value) -> Image {
        let config = self.config["config"]
            .as_object_mut()
            .expect("a config is an object");
        for (key, value) in change.as_object().expect("a change is an object") {
            config.insert(key.clone(), value.clone());
        }
        self.sealed()
    }

    /// The same for another architecture.
    pub fn architecture(mut self, architecture: &str) -> Image {
        self.config["architecture"] = architecture.into();
        self.sealed()
    }

    /// The same with a wrong diff id for its top layer: the archive is not what the config says.
    pub fn with_wrong_diff_id(mut self) -> Image {
        let last = self.layers.last_mut().expect("a layer");
        last.1 = digest(b"something else");
        self.sealed()
    }

    /// Several images under one name, each with the platform (`os/architecture`) it is listed for.
    pub fn index(images: &[(&str, &Image)]) -> Image {
        let mut blobs = Vec::new();
        let mut manifests = Vec::new();
        let mut entries = Vec::new();
        for (platform, image) in images {
            let (os, architecture) = platform.split_once('/').expect("os/architecture");
            let mut descriptor = image.manifests[0].descriptor();
            descriptor["platform"] = json!({"os": os, "architecture": architecture});
            entries.push(descriptor);
            blobs.extend(image.blobs());
            manifests.extend(image.manifests());
        }
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
        manifests.push(Blob::new(
            INDEX,
            serde_json::to_vec(&index).expect("JSON in memory"),
        ));
        Image {
            layers: Vec::new(),
            config: Value::Null,
            manifests,
            blobs,
        }
    }

    /// A small system: Debian's static busybox under all of its names, root and `alice` (uid 1000, also of the group `staff`),
    /// a setuid file, a file that can't be executed, and `/srv/data` with something in it.
    pub fn busybox() -> Image {
        Image::new()
            .layer(busybox_layer(), Compression::Gzip)
            .configured(json!({"Cmd": ["sh"]}))
    }

    /// Config and layers.
    pub fn blobs(&self) -> Vec<Blob> {
        self.blobs.clone()
    }

    /// Manifests and, last, the index if there is one.
    pub fn manifests(&self) -> Vec<Blob> {
        self.manifests.clone()
    }

    /// The bytes a tag stands for.
    pub fn top(&self) -> &[u8] {
        &self
            .manifests
            .last()
            .expect("an image has a manifest")
            .bytes
    }

    /// The digest of the config, which is the image's id.
    pub fn id(&self) -> String {
        self.blobs
            .last()
            .expect("an image has a config")
            .digest
            .clone()
    }

    /// The digests of its layers as a registry serves them, lowest first.
    pub fn layer_digests(&self) -> Vec<String> {
        self.layers
            .iter()
            .map(|(blob, _)| blob.digest.clone())
            .collect()
    }

    fn sealed(mut self) -> Image {
        let diff_ids: Vec<&String> = self.layers.iter().map(|(_, diff_id)| diff_id).collect();
        self.config["rootfs"] = json!({"type": "layers", "diff_ids": diff_ids});
        let history = vec![
            json!({"created": "2024-01-02T03:04:05Z", "created_by": "a test"});
            self.layers.len()
        ];
        self.config["history"] = history.into();
        let config = Blob::new(
            CONFIG,
            serde_json::to_vec(&self.config).expect("JSON in memory"),
        );
        let layers: Vec<Value> = self
            .layers
            .iter()
            .map(|(blob, _)| blob.descriptor())
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config.descriptor(), "layers": layers,
        });
        self.manifests = vec![Blob::new(
            MANIFEST,
            serde_json::to_vec(&manifest).expect("JSON in memory"),
        )];
        self.blobs = self.layers.iter().map(|(blob, _)| blob.clone()).collect();
        self.blobs.push(config);
        self
    }
}

impl Default for Image {
    fn default() -> Image {
        Image::new()
    }
}

/// The one layer of [`Image::busybox`].
pub fn busybox_layer() -> Layer {
    let program = images::busybox();
    let listed = Command::new(&program)
        .arg("--list")
        .output()
        .expect("busybox runs");
    let names = String::from_utf8(listed.stdout).expect("names");
    let mut layer = Layer::new();
    for (path, mode) in [
        ("bin", 0o755),
        ("etc", 0o755),
        ("tmp", 0o1777),
        ("root", 0o700),
        ("srv", 0o755),
        ("var", 0o755),
    ] {
        layer = layer.directory(path, mode);
    }
    layer = layer.file(
        "bin/busybox",
        0o755,
        std::fs::read(&program).expect("read busybox"),
    );
    for name in names.lines().filter(|name| *name != "busybox") {
        layer = layer.symlink(&format!("bin/{name}"), "busybox");
    }
    layer
        // The static wget wants libraries of the host's; this gets one page: `fetch HOST PORT PATH`.
        .file("bin/fetch", 0o755, FETCH)
        .file("bin/notexec", 0o644, "#!/bin/sh\necho never\n")
        .file("bin/asroot", 0o4755, "setuid, of no use\n")
        .file(
            "etc/passwd",
            0o644,
            "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000:Alice:/home/alice:/bin/sh\n",
        )
        .file(
            "etc/group",
            0o644,
            "root:x:0:\nalice:x:1000:\nstaff:x:50:alice\n",
        )
        .directory("home", 0o755)
        .entry(
            "home/alice",
            EntryType::Directory,
            0o755,
            (1000, 1000),
            "",
            &[],
        )
        .entry("srv/data", EntryType::Directory, 0o750, (1000, 50), "", &[])
        .entry(
            "srv/data/seed",
            EntryType::Regular,
            0o640,
            (1000, 50),
            "",
            b"from the image\n",
        )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("gzip in memory");
    encoder.finish().expect("gzip in memory")
}
