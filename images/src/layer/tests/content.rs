use super::*;

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
