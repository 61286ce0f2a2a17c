use proptest::prelude::*;

use super::*;

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
    prop_oneof![
        name().prop_map(|name| file(name, "x")),
        name().prop_map(|name| directory(&name)),
        (name(), name()).prop_map(|(name, link)| symlink(&name, &link)),
        (name(), name()).prop_map(|(name, link)| symlink(&name, &format!("/{link}"))),
        (name(), name()).prop_map(|(name, link)| hardlink(&name, &link)),
    ]
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
                let clamped = crate::layer::path::clamp(&entry.name).path;
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
