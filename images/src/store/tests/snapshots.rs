use std::os::fd::AsRawFd;

use super::*;

#[test]
fn a_snapshot_is_made_found_and_deleted() {
    let place = Place::new();
    let image = fixture(&[&[("a", "1")], &[("b", "1")]])
        .pull(&place.store, Some("web"))
        .unwrap();
    let snapshot = place.store.prepare("c1", &image).unwrap();
    let layer = |number: usize| place.store.layer_path(&image.layers[number]).join("fs");
    assert_eq!(snapshot.lower, [layer(1), layer(0)]);
    assert!(snapshot.upper.is_dir() && snapshot.work.is_dir());
    assert_eq!(place.reopen().snapshot("c1").unwrap(), Some(snapshot));
    assert_eq!(place.store.snapshot("c2").unwrap(), None);
    assert_eq!(place.store.snapshot("../layers").unwrap(), None);
    assert!(place.store.prepare("c1", &image).is_err());
    assert!(place.store.prepare("../c1", &image).is_err());
    assert!(matches!(
        place.store.untag(&reference("web"), false),
        Err(StoreError::InUse { .. })
    ));
    place.store.remove_snapshot("c1").unwrap();
    place.store.remove_snapshot("c1").unwrap();
    assert_eq!(place.names("active"), [""; 0]);
    place.store.untag(&reference("web"), false).unwrap();
    assert_tidy(&place);
}

#[test]
fn forced_untagging_keeps_what_a_container_needs() {
    let place = Place::new();
    let image = fixture(&[&[("a", "1")]])
        .pull(&place.store, Some("web"))
        .unwrap();
    place.store.prepare("c1", &image).unwrap();
    let removed = place.store.untag(&reference("web"), true).unwrap();
    assert_eq!(
        removed,
        [Removed::Untagged("docker.io/library/web:latest".to_owned())]
    );
    assert!(
        place
            .store
            .find_by_id(&image.id.to_string())
            .unwrap()
            .is_some()
    );
    assert!(place.store.snapshot("c1").unwrap().is_some());
}

#[test]
fn an_image_without_layers_has_an_empty_root() {
    let place = Place::new();
    let image = fixture(&[]).pull(&place.store, Some("none")).unwrap();
    let snapshot = place.store.prepare("c1", &image).unwrap();
    assert_eq!(snapshot.lower, [place.path("empty")]);
}

#[test]
fn an_opaque_root_cuts_the_layers_below_off() {
    let place = Place::new();
    let image = fixture(&[
        &[("a", "1")],
        &[(".wh..wh..opq", ""), ("b", "1")],
        &[("c", "1")],
    ])
    .pull(&place.store, Some("web"))
    .unwrap();
    let snapshot = place.store.prepare("c1", &image).unwrap();
    assert_eq!(snapshot.lower.len(), 2);
}

#[test]
fn a_detached_mount_shows_the_merged_tree() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: mounting needs root");
        return;
    }
    let place = Place::new();
    let image = fixture(&[
        &[("d/", ""), ("d/a", "1"), ("d/b", "1")],
        &[("d/.wh.a", ""), ("d/c", "3")],
    ])
    .pull(&place.store, Some("web"))
    .unwrap();
    let snapshot = place.store.prepare("c1", &image).unwrap();
    let inside = |mount: &std::os::fd::OwnedFd, path: &str| {
        PathBuf::from(format!("/proc/self/fd/{}/{path}", mount.as_raw_fd()))
    };
    {
        let mount = snapshot.mount_detached(false).unwrap();
        assert_eq!(names_in(&inside(&mount, "d")).unwrap(), ["b", "c"]);
        fs::write(inside(&mount, "d/new"), "n").unwrap();
        fs::remove_file(inside(&mount, "d/b")).unwrap();
    }
    // As on kernels of any age.
    for one_by_one in [true, false] {
        let mount = match snapshot.mount(true, one_by_one) {
            Err(error) if one_by_one && error.raw_os_error() == Some(libc::EINVAL) => continue,
            other => other.unwrap(),
        };
        assert_eq!(names_in(&inside(&mount, "d")).unwrap(), ["c", "new"]);
        assert!(fs::write(inside(&mount, "d/new"), "x").is_err());
    }
    place.store.remove_snapshot("c1").unwrap();
    assert_tidy(&place);
}
