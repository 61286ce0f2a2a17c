use super::*;

fn admitted(store: &Store, bytes: &[u8]) -> Ingest {
    match store
        .ingest(&Digest::of(bytes), bytes.len() as u64)
        .unwrap()
    {
        Admission::Granted(ingest) => ingest,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_download_is_resumed() {
    let place = Place::new();
    let bytes = b"a blob that arrives in two pieces";
    let mut first = admitted(&place.store, bytes);
    assert_eq!(first.offset(), 0);
    first.write(&bytes[..10]).unwrap();
    // While it lives, nobody else writes the same.
    let digest = Digest::of(bytes);
    assert!(matches!(
        place.reopen().ingest(&digest, bytes.len() as u64).unwrap(),
        Admission::Busy
    ));
    drop(first);
    let mut second = admitted(&place.reopen(), bytes);
    assert_eq!(second.offset(), 10);
    let mut so_far = Vec::new();
    second.reader().unwrap().read_to_end(&mut so_far).unwrap();
    assert_eq!(so_far, &bytes[..10]);
    second.write(&bytes[10..]).unwrap();
    second.commit().unwrap();
    assert!(matches!(
        place.store.ingest(&digest, bytes.len() as u64).unwrap(),
        Admission::Present
    ));
    assert_eq!(place.store.read_blob(&digest).unwrap(), bytes);
    assert_tidy(&place);
}

#[test]
fn a_download_that_went_wrong_leaves_nothing() {
    let place = Place::new();
    let bytes = b"what was promised";
    let digest = Digest::of(bytes);

    let mut wrong = admitted(&place.store, bytes);
    wrong.write(b"what was not prom").unwrap();
    assert!(wrong.commit().unwrap_err().to_string().contains("expected"));
    assert_tidy(&place);

    let mut long = admitted(&place.store, bytes);
    assert!(long.write(&[0; 100]).is_err());
    drop(long);
    assert_tidy(&place);

    let mut short = admitted(&place.store, bytes);
    short.write(&bytes[..3]).unwrap();
    assert!(short.commit().is_err());
    // Short of bytes is no damage: it can be resumed.
    assert_eq!(admitted(&place.store, bytes).offset(), 3);

    let mut again = admitted(&place.store, bytes);
    again.restart().unwrap();
    again.write(bytes).unwrap();
    again.commit().unwrap();
    assert!(place.store.blob(&digest).unwrap().is_some());
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let full = StoreError::Io {
        operation: "write",
        object: String::new(),
        source: io::Error::from_raw_os_error(libc::ENOSPC),
    };
    assert!(full.is_no_space());
    let quota = StoreError::Io {
        operation: "write",
        object: String::new(),
        source: io::Error::from_raw_os_error(libc::EDQUOT),
    };
    assert!(quota.is_no_space());
}

/// Each state that a killed process or a power cut can leave, and a pull after it.
#[test]
fn whatever_a_crash_leaves_is_healed() {
    let image = fixture(&[&[("a", "1")], &[("b", "1")]]);
    let layer = Digest::of(&image.layers[0]);
    type Damage<'a> = &'a dyn Fn(&Place);
    let cases: &[(&str, Damage<'_>)] = &[
        ("nothing at all", &|_| {}),
        ("a half unpacked layer", &|place| {
            fs::create_dir_all(place.path("staging/1-2-3/fs/etc")).unwrap();
            fs::write(place.path("staging/1-2-3/fs/etc/passwd"), "x").unwrap();
        }),
        ("a half deleted tree", &|place| {
            fs::create_dir_all(place.path("trash/1-2-3/fs/etc")).unwrap();
        }),
        ("a lease of the dead", &|place| {
            fs::write(place.path("leases/1-2-3"), "pull web\n").unwrap();
        }),
        ("a download with a wrong beginning", &|place| {
            let directory = place.path("ingest").join(layer.hex());
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("data"), "not the layer").unwrap();
        }),
        ("a download longer than it may be", &|place| {
            let directory = place.path("ingest").join(layer.hex());
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("data"), vec![0; 1 << 20]).unwrap();
        }),
        ("a blob that the power cut emptied", &|place| {
            let path = place.store.blob_path(&layer);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(UNSEALED)).unwrap();
        }),
        ("a blob of zeros", &|place| {
            let path = place.store.blob_path(&layer);
            fs::write(&path, vec![0; image.layers[0].len()]).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(UNSEALED)).unwrap();
        }),
        ("a layer without its record", &|place| {
            fs::create_dir_all(place.store.layer_path(&layer).join("fs/rubbish")).unwrap();
        }),
        ("an empty name", &|place| {
            fs::write(
                place.path("refs/docker.io%2Flibrary%2Fweb%3Alatest.json"),
                "",
            )
            .unwrap();
        }),
        ("names half written", &|place| {
            fs::write(place.path("refs/.1-2-3"), "{").unwrap();
            fs::write(place.path(".1-2-3"), "{").unwrap();
        }),
        ("no index", &|place| {
            fs::remove_file(place.path("index.json")).unwrap();
        }),
        ("no layout", &|place| {
            fs::remove_file(place.path("oci-layout")).unwrap();
            fs::remove_dir(place.path("trash")).unwrap();
        }),
    ];
    for (name, damage) in cases {
        let place = Place::new();
        damage(&place);
        let store = place.reopen();
        let pulled = image
            .pull(&store, Some("web"))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            store.find(&reference("web")).unwrap().map(|image| image.id),
            Some(pulled.id),
            "{name}"
        );
        assert_eq!(store.verify(&Default::default()).unwrap(), [], "{name}");
        store.gc(&Default::default()).unwrap();
        assert_tidy(&place);
        assert!(
            fs::read_to_string(place.path("index.json"))
                .unwrap()
                .contains("web"),
            "{name}"
        );
    }
}
