//! Layers as people and attackers make them, and the trees they become.

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use proptest::prelude::*;
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
        owner: (0, 0),
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

#[test]
fn plain_entries_become_what_they_say() {
    check(
        &[&[
            directory("etc").mode(0o700).owner(1, 2),
            file("etc/passwd", "root").mode(0o640).owner(3, 4),
            file("bin/su", "#").mode(0o4755),
            symlink("bin/sh", "../busybox").owner(5, 6),
            hardlink("bin/su2", "bin/su"),
            entry(EntryType::Fifo, "run/pipe").mode(0o600),
            entry(EntryType::Char, "dev/null").device(1, 3).mode(0o666),
            entry(EntryType::Block, "dev/sda")
                .device(8, 0)
                .mode(0o660)
                .owner(0, 6),
            directory("tmp").mode(0o1777),
        ]],
        &[
            "bin/ 755",
            "bin/sh -> ../busybox 5:6",
            "bin/su 4755 x2 \"#\"",
            "bin/su2 4755 x2 \"#\"",
            "dev/ 755",
            "dev/null c1:3 666",
            "dev/sda b8:0 660 0:6",
            "etc/ 700 1:2",
            "etc/passwd 640 3:4 \"root\"",
            "run/ 755",
            "run/pipe fifo 600",
            "tmp/ 1777",
        ],
    );
}

#[test]
fn the_root_entry_describes_the_root() {
    check(
        &[&[directory("./").mode(0o711).owner(7, 8)]],
        &["/ 711 7:8"],
    );
    check(
        &[&[directory("./").mode(0o711)], &[file("a", "")]],
        &["/ 711", "a 644 \"\""],
    );
    refused(&[&[symlink(".", "/etc")]], "root has to be a directory");
    refused(
        &[&[file("/", "x").mode(0o644).pax("path", b"..")]],
        "root has to be a directory",
    );
}

#[test]
fn names_are_clamped() {
    check(
        &[&[
            file("../../a", "1"),
            file("/b", "2"),
            file("c/../../d", "3"),
        ]],
        &["a 644 \"1\"", "b 644 \"2\"", "d 644 \"3\""],
    );
}

#[test]
fn the_last_of_several_entries_counts() {
    check(
        &[&[file("a", "1"), file("a", "2").mode(0o600)]],
        &["a 600 \"2\""],
    );
    check(
        &[&[directory("a"), file("a/b", ""), file("a", "2")]],
        &["a 644 \"2\""],
    );
    check(
        &[&[directory("a"), file("a/b", "1"), directory("a").mode(0o700)]],
        &["a/ 700", "a/b 644 \"1\""],
    );
    check(
        &[&[symlink("a", "b"), directory("a"), file("a/c", "")]],
        &["a/ 755", "a/c 644 \"\""],
    );
    check(
        &[&[file("a", "1"), hardlink("b", "a"), file("a", "2")]],
        &["a 644 \"2\"", "b 644 \"1\""],
    );
    check(
        &[&[file("x", "1"), hardlink("b", "x"), file("b", "2")]],
        &["b 644 \"2\"", "x 644 \"1\""],
    );
}

#[test]
fn symlinks_of_the_same_layer_are_followed_inside_it() {
    check(
        &[&[
            directory("usr/lib"),
            symlink("lib", "usr/lib"),
            file("lib/a", "1"),
        ]],
        &[
            "lib -> usr/lib",
            "usr/ 755",
            "usr/lib/ 755",
            "usr/lib/a 644 \"1\"",
        ],
    );
    check(
        &[&[
            directory("etc"),
            symlink("up", "../../../../etc"),
            file("up/a", "1"),
            hardlink("b", "up/a"),
        ]],
        &[
            "b 644 x2 \"1\"",
            "etc/ 755",
            "etc/a 644 x2 \"1\"",
            "up -> ../../../../etc",
        ],
    );
    refused(
        &[&[symlink("out", "/nowhere"), file("out/a", "1")]],
        "not in the layer",
    );
    refused(
        &[&[symlink("a", "b"), symlink("b", "a"), file("a/x", "1")]],
        "circles",
    );
    refused(&[&[file("a", ""), file("a/x", "1")]], "not a directory");
}

#[test]
fn a_lower_symlink_gives_way_to_a_directory() {
    check(
        &[&[symlink("a", "etc")], &[file("a/b", "1")]],
        &["a/ 755", "a/b 644 \"1\""],
    );
}

#[test]
fn whiteouts_hide_what_lies_below() {
    let lower: &[E] = &[
        directory("a").mode(0o711).owner(9, 9),
        file("a/x", "1"),
        file("a/y", "2"),
        symlink("l", "a"),
    ];
    let cases: &[(&[E], &[&str])] = &[
        (&[file("a/.wh.x", "")], &["a/ 711 9:9", "a/x whiteout"]),
        (
            &[file("a/x", "new"), file("a/.wh.x", "")],
            &["a/ 711 9:9", "a/x 644 \"new\""],
        ),
        (
            &[file("a/.wh.x", ""), file("a/x", "new")],
            &["a/ 711 9:9", "a/x 644 \"new\""],
        ),
        (&[file(".wh.a", "")], &["a whiteout"]),
        (
            &[file(".wh.a", ""), file("a/n", "")],
            &["a/ 755 opaque", "a/n 644 \"\""],
        ),
        (&[file("a/.wh..wh..opq", "")], &["a/ 711 9:9 opaque"]),
        (
            &[file("a/.wh..wh..opq", ""), file("a/n", "")],
            &["a/ 711 9:9 opaque", "a/n 644 \"\""],
        ),
        // Nothing to hide: nothing is made.
        (&[file("a/.wh.z", "")], &[]),
        (&[file("l/.wh.x", "")], &[]),
        (&[file("n/.wh..wh..opq", "")], &[]),
        (&[file("a/x/.wh.y", "")], &[]),
        (
            &[file(".wh..wh.plnk/1.2", ""), file(".wh..wh.aufs", "")],
            &[],
        ),
    ];
    for (upper, expected) in cases {
        check(&[lower, upper], expected);
    }
    for name in [".wh.", "a/.wh..", "a/.wh..."] {
        refused(&[lower, &[file(name, "")]], "names no entry");
    }
    refused(&[&[file(".wh.a/b", "")]], "not a directory");
    // Gone in the middle layer: the topmost has nothing to hide.
    check(
        &[
            lower,
            &[file("a/.wh.x", "")],
            &[file("a/.wh.x", ""), file("b", "")],
        ],
        &["b 644 \"\""],
    );
    check(
        &[
            lower,
            &[file("a/.wh..wh..opq", "")],
            &[file("a/.wh.y", ""), file("b", "")],
        ],
        &["b 644 \"\""],
    );
}

#[test]
fn an_opaque_root_hides_all_below() {
    if !is_root() {
        return;
    }
    let (tree, opaque) = stack(&[
        archive(&[file("a", "")]),
        archive(&[file(".wh..wh..opq", ""), file("b", "")]),
    ])
    .unwrap();
    assert_eq!((tree, opaque), (vec!["b 644 \"\"".to_owned()], true));
}

#[test]
fn hard_links_reach_into_lower_layers() {
    let lower: &[E] = &[
        directory("a").mode(0o711),
        file("a/x", "1").mode(0o4711).owner(5, 5),
        symlink("a/s", "x"),
    ];
    check(
        &[lower, &[hardlink("b", "a/x"), hardlink("c", "a/x")]],
        &[
            "a/ 711",
            "a/x 4711 5:5 x3 \"1\"",
            "b 4711 5:5 x3 \"1\"",
            "c 4711 5:5 x3 \"1\"",
        ],
    );
    check(
        &[lower, &[hardlink("t", "a/s")]],
        &["a/ 711", "a/s -> x", "t -> x"],
    );
    refused(&[lower, &[hardlink("b", "a/none")]], "does not exist");
    refused(&[lower, &[hardlink("b", "../../a/x")]], "leaves the layer");
    refused(&[lower, &[hardlink("b", "a")]], "hard link to a directory");
    refused(&[&[hardlink("b", "b")]], "hard link to itself");
    refused(
        &[&[directory("d"), hardlink("b", "d")]],
        "hard link to a directory",
    );
    refused(
        &[&[symlink("s", "/etc"), hardlink("b", "s/passwd")]],
        "does not exist",
    );
}

#[test]
fn directories_that_a_layer_lacks_look_as_below() {
    check(
        &[
            &[directory("tmp").mode(0o1777).owner(4, 4)],
            &[file("tmp/a", ""), file("new/b", "")],
        ],
        &[
            "new/ 755",
            "new/b 644 \"\"",
            "tmp/ 1777 4:4",
            "tmp/a 644 \"\"",
        ],
    );
    check(
        &[
            &[directory("d").mode(0o700)],
            &[file(".wh.d", ""), file("d/a", "")],
        ],
        &["d/ 755 opaque", "d/a 644 \"\""],
    );
}

#[test]
fn devices_and_ids_have_bounds() {
    refused(&[&[entry(EntryType::Char, "a").device(0, 0)]], "0:0");
    refused(
        &[&[file("a", "").owner(1 << 31, 0)]],
        "larger than 2147483647",
    );
    refused(
        &[&[file("a", "").pax("gid", b"4294967295")]],
        "larger than 2147483647",
    );
    refused(
        &[&[E {
            kind: b'M',
            ..file("a", "")
        }]],
        "not supported",
    );
}

#[test]
fn pax_records_count_and_are_bounded() {
    let long = "n".repeat(120);
    check(
        &[&[file("short", "x").pax("path", long.as_bytes())]],
        &[&format!("{long} 644 \"x\"")],
    );
    check(&[&[file(&long, "x")]], &[&format!("{long} 644 \"x\"")]);
    check(
        &[&[file("a", "x").pax("uid", b"77")]],
        &["a 644 77:0 \"x\""],
    );
    // The size in the PAX record counts, so a header hidden in the file's data stays data.
    let hidden = archive(&[file("evil", "x")]);
    let smuggler = E {
        data: hidden[..1024].to_vec(),
        size: Some(0),
        ..file("a", "")
    }
    .pax("size", b"1024");
    let tree = stack(&[archive(&[smuggler, file("b", "")])]).unwrap().0;
    assert_eq!(tree.len(), 2, "{tree:?}");
    refused_bytes(
        &[archive(&[E {
            pax: b"99 path=x\n".to_vec(),
            ..file("a", "")
        }])],
        "malformed",
    );
    refused_bytes(
        &[archive(&[file("a", "").pax("GNU.sparse.major", b"1")])],
        "sparse",
    );
    refused_bytes(
        &[archive(&[
            E {
                kind: b'x',
                data: vec![b'0'; 2 << 20],
                ..file("p", "")
            },
            file("a", ""),
        ])],
        "larger than",
    );
    refused_bytes(
        &[archive(&[file("a", "").pax("path", b"a\0b")])],
        "zero byte",
    );
    refused_bytes(
        &[archive(&[file("d/".repeat(60) + "a", "")])],
        "directories deep",
    );
    refused_bytes(&[archive(&[file("n".repeat(300), "")])], "too long");
    refused_bytes(
        &[archive(&vec![file("a", ""); 2001])],
        "more than 2000 entries",
    );
    let many = (0..9).fold(file("a", ""), |entry, number| {
        entry.pax(&format!("SCHILY.xattr.user.{number}"), b"1")
    });
    refused_bytes(&[archive(&[many])], "extended attributes");
}

#[test]
fn bombs_and_damage_are_refused() {
    let bomb = archive(&[E {
        data: vec![0; 5 << 20],
        ..file("a", "")
    }]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bomb).unwrap();
    refused_bytes(&[gzip.finish().unwrap()], "expands to more");
    refused_bytes(&[bomb[..1 << 20].to_vec()], "expands to more");
    let whole = archive(&[E {
        data: vec![1; 3000],
        ..file("a", "")
    }]);
    refused_bytes(&[whole[..1500].to_vec()], "ends within a file");
    refused_bytes(&[whole[..100].to_vec()], "ends early");
    let mut flipped = whole.clone();
    flipped[3] ^= 1;
    refused_bytes(&[flipped], "checksum");
    let mut trailing = whole.clone();
    trailing.extend_from_slice(&archive(&[file("after", "the end mark")]));
    assert_eq!(stack(&[trailing]).unwrap().0.len(), 1);
    refused_bytes(
        &[archive(&[E {
            data: b"name".to_vec(),
            kind: b'L',
            ..file("x", "")
        }])],
        "describes a further entry",
    );
}

#[test]
fn names_need_not_be_text() {
    let tree = stack(&[archive(&[file(b"caf\xe9", "1"), file("with\nline", "2")])])
        .unwrap()
        .0;
    assert_eq!(tree, ["caf\u{fffd} 644 \"1\"", "with\nline 644 \"2\""]);
}

#[test]
fn old_gnu_sparse_files_keep_their_holes() {
    let mut header = Header::new_gnu();
    header.set_path("sparse").unwrap();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(512);
    header.set_mode(0o644);
    header.set_uid(nix::unistd::getuid().as_raw().into());
    header.set_gid(nix::unistd::getgid().as_raw().into());
    header.set_mtime(0);
    let gnu = header.as_gnu_mut().unwrap();
    let octal = |slot: &mut [u8; 12], value: u64| {
        slot.copy_from_slice(format!("{value:011o}\0").as_bytes())
    };
    octal(&mut gnu.sparse[0].offset, 1 << 20);
    octal(&mut gnu.sparse[0].numbytes, 512);
    octal(&mut gnu.realsize, 2 << 20);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(&[7; 512]);
    bytes.resize(bytes.len() + 1024, 0);
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path()).unwrap();
    let staging = store.staging().unwrap();
    unpack(
        &bytes[..],
        MEDIA_TYPE,
        &staging,
        &small_limits(),
        &mut |_| {},
    )
    .unwrap();
    let path = staging.path().join("fs/sparse");
    let content = fs::read(&path).unwrap();
    assert_eq!(content.len(), 2 << 20);
    assert_eq!(
        content.iter().map(|byte| u64::from(*byte)).sum::<u64>(),
        7 * 512
    );
    assert!(fs::metadata(&path).unwrap().blocks() * 512 < 1 << 20);
}

#[test]
fn times_and_attributes_survive() {
    if !is_root() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path()).unwrap();
    let staging = store.staging().unwrap();
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let bytes = archive(&[
        directory("d")
            .pax("mtime", b"1500000000.25")
            .pax("SCHILY.xattr.user.on", b"directory"),
        file("d/f", "x")
            .owner(5, 5)
            .pax("SCHILY.xattr.security.capability", &capability)
            .pax("SCHILY.xattr.user.a", b"1\n2"),
        symlink("d/s", "f")
            .pax("mtime", b"1400000000.000000001")
            .pax("SCHILY.xattr.user.ignored", b"x")
            .pax("SCHILY.xattr.trusted.kept", b"y"),
        directory("o")
            .pax("SCHILY.xattr.trusted.overlay.opaque", b"y")
            .pax("SCHILY.xattr.user.overlay.opaque", b"y"),
    ]);
    let mut unpacked = unpack(
        &bytes[..],
        MEDIA_TYPE,
        &staging,
        &small_limits(),
        &mut |_| {},
    )
    .unwrap();
    finalise(
        staging.root().as_fd(),
        &mut unpacked.pending,
        &Lower::default(),
    )
    .unwrap();
    let root = staging.path().join("fs");
    let xattr = |path: &str, name: &CStr| {
        let path = CString::new(root.join(path).as_os_str().as_bytes()).unwrap();
        sys::xattr(&path, name).unwrap()
    };
    let time = |path: &str| {
        let metadata = fs::symlink_metadata(root.join(path)).unwrap();
        (metadata.mtime(), metadata.mtime_nsec())
    };
    assert_eq!(time("d"), (1_500_000_000, 250_000_000));
    assert_eq!(time("d/s"), (1_400_000_000, 1));
    assert_eq!(time("d/f"), (1000, 0));
    assert_eq!(time(""), (0, 0));
    assert_eq!(xattr("d", c"user.on").as_deref(), Some(&b"directory"[..]));
    assert_eq!(xattr("d/f", c"user.a").as_deref(), Some(&b"1\n2"[..]));
    assert_eq!(
        xattr("d/f", c"security.capability").as_deref(),
        Some(&capability[..])
    );
    assert_eq!(xattr("d/s", c"trusted.kept").as_deref(), Some(&b"y"[..]));
    assert_eq!(xattr("o", c"trusted.overlay.opaque"), None);
    assert_eq!(xattr("o", c"user.overlay.opaque"), None);
}

#[test]
fn media_types_are_those_of_layers() {
    for (media_type, good) in [
        ("application/vnd.oci.image.layer.v1.tar", true),
        ("application/vnd.oci.image.layer.v1.tar+zstd", true),
        (
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            true,
        ),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", true),
        (
            "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
            false,
        ),
        ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", false),
        ("", false),
    ] {
        assert_eq!(check_media_type(media_type).is_ok(), good, "{media_type}");
    }
}

fn name() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            Just(".."),
            Just("."),
            Just(""),
            Just("a"),
            Just("b"),
            Just("c")
        ],
        1..5,
    )
    .prop_map(|parts| parts.join("/"))
}

fn any_entry() -> impl Strategy<Value = E> {
    let owner = (
        nix::unistd::getuid().as_raw().into(),
        nix::unistd::getgid().as_raw().into(),
    );
    prop_oneof![
        name().prop_map(|name| file(name, "x")),
        name().prop_map(|name| directory(&name)),
        (name(), name()).prop_map(|(name, link)| symlink(&name, &link)),
        (name(), name()).prop_map(|(name, link)| symlink(&name, &format!("/{link}"))),
        (name(), name()).prop_map(|(name, link)| hardlink(&name, &link)),
    ]
    .prop_map(move |entry| E { owner, ..entry })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a layer says, the directory around the staging area stays as it was, and names without links land where clamping says.
    #[test]
    fn nothing_leaves_the_staging_directory(entries in proptest::collection::vec(any_entry(), 1..12)) {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path().join("deep/er/store")).unwrap();
        let staging = store.staging().unwrap();
        let before = surroundings(place.path(), staging.path());
        let result = unpack(&archive(&entries)[..], MEDIA_TYPE, &staging, &small_limits(), &mut |_| {});
        prop_assert_eq!(surroundings(place.path(), staging.path()), before);
        if result.is_ok() && entries.iter().all(|entry| entry.kind == b'0') {
            for entry in &entries {
                let clamped = super::path::clamp(&entry.name).path;
                let inside = staging.path().join("fs").join(String::from_utf8(clamped).unwrap());
                prop_assert!(inside.is_file());
            }
        }
    }
}

/// Everything below `root` except what lies in the staging directory's `fs`.
fn surroundings(root: &Path, staging: &Path) -> Vec<String> {
    let mut lines = listing(root);
    let inside = staging
        .join("fs")
        .strip_prefix(root)
        .unwrap()
        .to_string_lossy()
        .into_owned();
    lines.retain(|line| !line.starts_with(&inside));
    lines
}
