//! Layers as people and attackers make them, and the trees they become.

mod content;
mod entries;
mod hostile;
mod stacked;

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use tar::{EntryType, Header};

use super::*;
use crate::store::{Store, sys};

const MEDIA_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// One entry, written byte by byte so that no writer's care is in the way.
#[derive(Debug, Clone)]
struct E {
    kind: u8,
    name: Vec<u8>,
    link: Vec<u8>,
    data: Vec<u8>,
    mode: u32,
    owner: (u64, u64),
    mtime: u64,
    device: (u32, u32),
    pax: Vec<u8>,
    size: Option<u64>,
}

fn entry(kind: EntryType, name: impl AsRef<[u8]>) -> E {
    let mode = if kind == EntryType::Directory {
        0o755
    } else {
        0o644
    };
    let name = name.as_ref().to_vec();
    E {
        kind: kind.as_byte(),
        name,
        link: vec![],
        data: vec![],
        mode,
        owner: (
            nix::unistd::getuid().as_raw().into(),
            nix::unistd::getgid().as_raw().into(),
        ),
        mtime: 1000,
        device: (0, 0),
        pax: vec![],
        size: None,
    }
}

fn file(name: impl AsRef<[u8]>, data: &str) -> E {
    E {
        data: data.as_bytes().to_vec(),
        ..entry(EntryType::Regular, name)
    }
}

fn directory(name: &str) -> E {
    entry(EntryType::Directory, name)
}

fn symlink(name: &str, link: &str) -> E {
    entry(EntryType::Symlink, name).to(link)
}

fn hardlink(name: &str, link: &str) -> E {
    entry(EntryType::Link, name).to(link)
}

impl E {
    fn to(self, link: &str) -> E {
        E {
            link: link.as_bytes().to_vec(),
            ..self
        }
    }
    fn mode(self, mode: u32) -> E {
        E { mode, ..self }
    }
    fn owner(self, uid: u64, gid: u64) -> E {
        E {
            owner: (uid, gid),
            ..self
        }
    }
    fn device(self, major: u32, minor: u32) -> E {
        E {
            device: (major, minor),
            ..self
        }
    }
    fn pax(mut self, key: &str, value: &[u8]) -> E {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length += 1;
        }
        self.pax
            .extend_from_slice(format!("{length} {key}=").as_bytes());
        self.pax.extend_from_slice(value);
        self.pax.push(b'\n');
        self
    }

    fn write(&self, archive: &mut Vec<u8>) {
        if !self.pax.is_empty() {
            E {
                kind: b'x',
                name: b"pax".to_vec(),
                data: self.pax.clone(),
                pax: vec![],
                size: None,
                ..self.clone()
            }
            .write(archive);
        }
        if self.name.len() > 100 && self.kind != b'L' {
            E {
                kind: b'L',
                name: b"long".to_vec(),
                data: self.name.clone(),
                pax: vec![],
                size: None,
                ..self.clone()
            }
            .write(archive);
        }
        let mut header = Header::new_gnu();
        let old = header.as_old_mut();
        let length = self.name.len().min(100);
        old.name[..length].copy_from_slice(&self.name[..length]);
        old.linkname[..self.link.len()].copy_from_slice(&self.link);
        old.linkflag = [self.kind];
        header.set_size(self.size.unwrap_or(self.data.len() as u64));
        header.set_mode(self.mode);
        header.set_uid(self.owner.0);
        header.set_gid(self.owner.1);
        header.set_mtime(self.mtime);
        header.set_device_major(self.device.0).unwrap();
        header.set_device_minor(self.device.1).unwrap();
        header.set_cksum();
        archive.extend_from_slice(header.as_bytes());
        archive.extend_from_slice(&self.data);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
}

fn archive(entries: &[E]) -> Vec<u8> {
    let mut archive = Vec::new();
    entries.iter().for_each(|entry| entry.write(&mut archive));
    archive.resize(archive.len() + 1024, 0);
    archive
}

fn is_root() -> bool {
    let root = nix::unistd::Uid::effective().is_root();
    if !root {
        eprintln!("skipped: owners, devices and trusted attributes need root");
    }
    root
}

/// Unpacks layers on top of each other; the tree of the topmost, and whether it hides all below.
fn stack(layers: &[Vec<u8>]) -> StoreResult<(Vec<String>, bool)> {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("outside"), "untouched").unwrap();
    let store = Store::open(place.path().join("store")).unwrap();
    let mut below: Vec<StagingDir> = Vec::new();
    let mut opaque_root = false;
    for layer in layers {
        let staging = store.staging()?;
        let mut unpacked = unpack(
            &layer[..],
            MEDIA_TYPE,
            &staging,
            &small_limits(),
            &mut |_| {},
        )?;
        let lower = below
            .iter()
            .rev()
            .map(|layer| OwnedFd::from(File::open(layer.path().join("fs")).unwrap()))
            .collect();
        opaque_root = finalise(
            staging.root().as_fd(),
            &mut unpacked.pending,
            &Lower::new(lower),
        )?
        .opaque_root;
        below.push(staging);
    }
    assert_eq!(
        fs::read(place.path().join("outside")).unwrap(),
        b"untouched"
    );
    Ok((
        listing(&below.last().unwrap().path().join("fs")),
        opaque_root,
    ))
}

fn small_limits() -> Limits {
    Limits {
        entries: 2000,
        expanded: 4 << 20,
        xattrs: 8,
        depth: 40,
    }
}

fn listing(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    list(root, root, &mut lines);
    lines.sort();
    lines
}

fn list(root: &Path, path: &Path, lines: &mut Vec<String>) {
    let metadata = fs::symlink_metadata(path).unwrap();
    let kind = metadata.file_type();
    let shown = path
        .strip_prefix(root)
        .unwrap()
        .to_string_lossy()
        .into_owned();
    let c_path = CString::new(path.as_os_str().as_bytes()).unwrap();
    let opaque = sys::xattr(&c_path, c"trusted.overlay.opaque")
        .unwrap()
        .is_some();
    let owner = match (metadata.uid(), metadata.gid()) {
        (uid, gid)
            if uid == nix::unistd::getuid().as_raw() && gid == nix::unistd::getgid().as_raw() =>
        {
            String::new()
        }
        (uid, gid) => format!(" {uid}:{gid}"),
    };
    let mode = metadata.permissions().mode() & 0o7777;
    let line = if kind.is_symlink() {
        format!(
            "{shown} -> {}{owner}",
            fs::read_link(path).unwrap().display()
        )
    } else if kind.is_dir() {
        format!(
            "{shown}/ {mode:o}{owner}{}",
            if opaque { " opaque" } else { "" }
        )
    } else if kind.is_char_device() && metadata.rdev() == 0 {
        format!("{shown} whiteout")
    } else if kind.is_char_device() || kind.is_block_device() {
        let letter = if kind.is_char_device() { 'c' } else { 'b' };
        format!(
            "{shown} {letter}{}:{} {mode:o}{owner}",
            libc::major(metadata.rdev()),
            libc::minor(metadata.rdev())
        )
    } else if kind.is_fifo() {
        format!("{shown} fifo {mode:o}{owner}")
    } else {
        let links = if metadata.nlink() > 1 {
            format!(" x{}", metadata.nlink())
        } else {
            String::new()
        };
        let text = fs::read(path).map_or_else(
            |_| "?".to_owned(),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        );
        format!("{shown} {mode:o}{owner}{links} {text:?}")
    };
    if !shown.is_empty() || line != "/ 755" {
        lines.push(line);
    }
    if kind.is_dir() {
        for child in fs::read_dir(path).unwrap() {
            list(root, &child.unwrap().path(), lines);
        }
    }
}

fn check(layers: &[&[E]], expected: &[&str]) {
    if !is_root() {
        return;
    }
    let layers: Vec<Vec<u8>> = layers.iter().map(|layer| archive(layer)).collect();
    let (tree, _) = stack(&layers).unwrap();
    assert_eq!(tree, expected);
}

fn refused(layers: &[&[E]], part: &str) {
    if !is_root() {
        return;
    }
    let layers: Vec<Vec<u8>> = layers.iter().map(|layer| archive(layer)).collect();
    refused_bytes(&layers, part);
}

fn refused_bytes(layers: &[Vec<u8>], part: &str) {
    match stack(layers) {
        Ok(tree) => panic!("expected {part:?}, got {tree:?}"),
        Err(error) => {
            assert!(
                error.to_string().contains(part),
                "expected {part:?}, got {error}"
            );
            assert!(error.is_invalid_content(), "{error:?}");
        }
    }
}
