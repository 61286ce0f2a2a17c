//! A container's life without a process in it: made of a real image in a real store, healed and removed again. Needs
//! root, for the root file system is looked into through an overlay.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use images::store::ImageCommit;
use images::{Digest, Store};
use serde_json::json;

use crate::parse::mount::MountSpec;
use crate::{Config, Engine, ErrorKind, MountKind, RunSpec, Status};

struct Fixture {
    engine: Engine,
    dir: tempfile::TempDir,
}

/// An engine with one image, `app`; `None` (and why, printed) without root.
fn fixture() -> Option<Fixture> {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: overlayfs needs root");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(Config {
        data_root: dir.path().join("data"),
        run_root: dir.path().join("run"),
        cgroup_parent: "mini-test-engine".to_owned(),
        minirun: "/missing/minirun".into(),
        minictl: "/missing/minictl".into(),
        insecure_registries: Vec::new(),
    })
    .unwrap();
    add_image(engine.store().unwrap());
    Some(Fixture { engine, dir })
}

fn add_image(store: &Store) {
    let layer = layer();
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "config": { "Cmd": ["app"], "User": "web", "Volumes": { "/srv": {} }, "Env": ["A=1"] },
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer).to_string()] },
    })
    .to_string();
    let media = "application/vnd.oci.image";
    let describe = |kind: &str, bytes: &[u8]| json!({ "mediaType": format!("{media}.{kind}"), "digest": Digest::of(bytes).to_string(), "size": bytes.len() });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": format!("{media}.manifest.v1+json"),
        "config": describe("config.v1+json", config.as_bytes()), "layers": [describe("layer.v1.tar", &layer)],
    })
    .to_string();
    for blob in [layer.as_slice(), config.as_bytes(), manifest.as_bytes()] {
        store.put_blob(&Digest::of(blob), blob).unwrap();
    }
    let staging = store.staging().unwrap();
    let media_type = format!("{media}.layer.v1.tar");
    let limits = images::layer::Limits::default();
    let unpacked = images::layer::unpack(
        layer.as_slice(),
        &media_type,
        &staging,
        &limits,
        &mut |_| {},
    )
    .unwrap();
    let digest = Digest::of(manifest.as_bytes());
    store
        .commit_image(ImageCommit {
            reference: Some(&"app".parse().unwrap()),
            target: &digest,
            manifest: &digest,
            layers: vec![Some((staging, unpacked))],
        })
        .unwrap();
}

fn layer() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content, uid) in [
        (
            "etc/passwd",
            Some("root:x:0:0::/root:/bin/sh\nweb:x:33:33::/srv:/bin/sh\n"),
            0,
        ),
        ("etc/group", Some("web:x:33:\nlog:x:4:web\n"), 0),
        ("srv/", None, 33),
        ("srv/page", Some("hello"), 33),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(if content.is_some() {
            tar::EntryType::Regular
        } else {
            tar::EntryType::Directory
        });
        header.set_mode(if content.is_some() { 0o640 } else { 0o750 });
        header.set_uid(uid);
        header.set_gid(uid);
        header.set_size(content.map_or(0, |content| content.len() as u64));
        header.set_cksum();
        archive
            .append_data(&mut header, path, content.unwrap_or_default().as_bytes())
            .unwrap();
    }
    archive.into_inner().unwrap()
}

/// Names below `path`, without those that are there as long as the engine is.
fn left(path: &Path) -> Vec<String> {
    crate::json::names(path).unwrap()
}

#[test]
fn a_container_is_made_and_removed() {
    let Some(Fixture { engine, dir }) = fixture() else {
        return;
    };
    let made = engine
        .create(&RunSpec {
            name: Some("web".to_owned()),
            ..RunSpec::new("app")
        })
        .unwrap();
    assert_eq!(made.state.status, Status::Created);
    assert_eq!(
        (
            made.record.process.user.as_str(),
            made.record.process.args().as_slice()
        ),
        ("web", &["app".to_owned()][..])
    );
    let MountKind::Volume {
        name: volume,
        anonymous: true,
    } = &made.record.mounts[0].kind
    else {
        panic!("{:?}", made.record.mounts)
    };
    let page = dir
        .path()
        .join("data/volumes")
        .join(volume)
        .join("_data/page");
    assert_eq!(fs::read_to_string(&page).unwrap(), "hello");
    assert_eq!(fs::metadata(&page).unwrap().uid(), 33);
    assert_eq!(
        fs::metadata(page.parent().unwrap()).unwrap().mode() & 0o7777,
        0o750
    );

    let snapshot = engine
        .store()
        .unwrap()
        .snapshot(made.id())
        .unwrap()
        .unwrap();
    let root = crate::rootfs::open(&snapshot).unwrap();
    let identity = crate::rootfs::identity(&root, "web", &[]).unwrap();
    assert_eq!(
        (
            identity.uid,
            identity.groups.as_slice(),
            identity.home.as_str()
        ),
        (33, &[33, 4][..], "/srv")
    );

    let taken = engine
        .create(&RunSpec {
            name: Some("web".to_owned()),
            ..RunSpec::new("app")
        })
        .unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Conflict, "{taken}");
    assert!(taken.to_string().contains(made.short_id()), "{taken}");
    assert_eq!(left(&dir.path().join("data/containers")), [made.id()]);
    assert_eq!(left(&dir.path().join("data/volumes")), [volume.as_str()]);

    let used = engine.remove_image("app", false).unwrap_err();
    assert_eq!(used.kind(), ErrorKind::Conflict, "{used}");
    let used = engine.remove_volume(volume, false).unwrap_err();
    assert_eq!(used.kind(), ErrorKind::Conflict, "{used}");
    assert_eq!(engine.wait("web").unwrap().exit_code, 0, "never started");
    engine.stop("web", None).unwrap();
    assert_eq!(
        engine.kill("web", None).unwrap_err().kind(),
        ErrorKind::Conflict
    );

    engine.rename("web", "site").unwrap();
    assert!(engine.container("web").is_err());
    engine.remove("site", false, true).unwrap();
    for directory in ["containers", "names", "volumes", "images/active"] {
        assert_eq!(
            left(&dir.path().join("data").join(directory)),
            Vec::<String>::new(),
            "{directory}"
        );
    }
    engine.remove_image("app", false).unwrap();
    assert!(engine.images().unwrap().is_empty());
}

#[test]
fn a_failed_creation_leaves_nothing() {
    let Some(Fixture { engine, dir }) = fixture() else {
        return;
    };
    let mut spec = RunSpec::new("app");
    spec.mounts = vec![
        MountSpec::parse_mount("type=volume,target=/one", Path::new("/")).unwrap(),
        MountSpec::parse_mount(
            "type=bind,source=/missing/source,target=/two",
            Path::new("/"),
        )
        .unwrap(),
    ];
    let error = engine.create(&spec).unwrap_err();
    assert!(error.to_string().contains("/missing/source"), "{error}");
    assert_eq!(
        engine
            .create(&RunSpec {
                pull: "never".parse().unwrap(),
                ..RunSpec::new("other")
            })
            .unwrap_err()
            .kind(),
        ErrorKind::NotFound
    );
    for directory in ["containers", "names", "volumes", "images/active"] {
        assert_eq!(
            left(&dir.path().join("data").join(directory)),
            Vec::<String>::new(),
            "{directory}"
        );
    }
}

#[test]
fn what_a_death_leaves_is_healed() {
    let Some(Fixture { engine, dir }) = fixture() else {
        return;
    };
    let made = engine
        .create(&RunSpec {
            name: Some("web".to_owned()),
            ..RunSpec::new("app")
        })
        .unwrap();
    let gone = engine
        .create(&RunSpec {
            name: Some("gone".to_owned()),
            remove: true,
            ..RunSpec::new("app")
        })
        .unwrap();
    // Its maker died before the record was written.
    fs::remove_file(engine.layout.record(gone.id())).unwrap();
    // Another one's monitor died.
    let run = engine.layout.run_container(made.id());
    fs::create_dir(&run).unwrap();
    fs::write(run.join("monitor.lock"), "").unwrap();
    fs::write(engine.layout.started_mark(made.id()), "").unwrap();
    assert!(engine.container("gone").is_err());

    let report = engine.heal().unwrap();
    assert_eq!(
        (report.healed.len(), report.problems.as_slice()),
        (2, &[][..])
    );
    let state = engine.container("web").unwrap().state;
    assert_eq!(
        (state.status, state.exit_code),
        (Status::Exited, Some(137)),
        "{state:?}"
    );
    assert_eq!(left(&dir.path().join("data/containers")), [made.id()]);
    assert_eq!(left(&dir.path().join("data/names")), ["web"]);
    assert_eq!(left(&dir.path().join("data/images/active")), [made.id()]);
    assert_eq!(left(&dir.path().join("data/volumes")).len(), 1);
    assert_eq!(
        left(&dir.path().join("run/containers")),
        Vec::<String>::new()
    );

    // The host went down while it ran.
    fs::write(engine.layout.started_mark(made.id()), "").unwrap();
    fs::remove_file(engine.layout.exit(made.id())).unwrap();
    fs::write(engine.layout.boot_mark(), "another boot").unwrap();
    assert_eq!(engine.heal().unwrap().healed, [made.id()]);
    assert_eq!(engine.container("web").unwrap().state.exit_code, Some(255));

    let begun = std::time::Instant::now();
    for _ in 0..20 {
        assert_eq!(engine.heal().unwrap(), crate::HealReport::default());
    }
    let each = begun.elapsed() / 20;
    println!("heal with nothing to do: {each:?}");
    assert!(each < std::time::Duration::from_millis(20), "{each:?}");
}

#[test]
fn one_name_has_one_winner() {
    let Some(Fixture { engine, dir: _dir }) = fixture() else {
        return;
    };
    let spec = RunSpec {
        name: Some("web".to_owned()),
        ..RunSpec::new("app")
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| engine.create(&spec)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(
        results
            .iter()
            .filter_map(|result| result.as_ref().err())
            .all(|error| error.kind() == ErrorKind::Conflict)
    );
    assert_eq!(engine.containers(true).unwrap().len(), 1);
    assert!(engine.containers(false).unwrap().is_empty());
}

#[test]
fn a_missing_runtime_is_told_and_undone() {
    let Some(Fixture { engine, dir }) = fixture() else {
        return;
    };
    let spec = RunSpec {
        name: Some("web".to_owned()),
        networks: vec!["none".parse().unwrap()],
        ..RunSpec::new("app")
    };
    engine.create(&spec).unwrap();
    let error = engine.start("web", crate::Stdio::Detached).unwrap_err();
    assert!(error.to_string().contains("minirun"), "{error}");
    assert_eq!(error.exit_code(), 125);
    assert_eq!(
        left(&dir.path().join("run/containers")),
        Vec::<String>::new()
    );
    let state = engine.container("web").unwrap().state;
    assert_eq!(
        (state.status, state.exit_code),
        (Status::Created, Some(125))
    );
    assert!(state.error.is_some());
}

#[test]
fn volumes_and_unused_things_are_pruned() {
    let Some(Fixture { engine, dir: _dir }) = fixture() else {
        return;
    };
    let container = engine.create(&RunSpec::new("app")).unwrap();
    engine.create_volume(Some("data"), BTreeMap::new()).unwrap();
    let spec = crate::PruneSpec {
        containers: true,
        volumes: true,
        images: true,
        ..Default::default()
    };
    let report = engine.prune(&spec).unwrap();
    assert_eq!(report.containers, [container.id()]);
    assert_eq!(report.volumes.len(), 1, "the anonymous one");
    assert_eq!(
        (report.images.len(), engine.volumes().unwrap().len()),
        (0, 1)
    );
    let spec = crate::PruneSpec {
        all_volumes: true,
        all_images: true,
        ..Default::default()
    };
    let report = engine.prune(&spec).unwrap();
    assert_eq!(report.volumes, ["data"]);
    assert_eq!(report.images.len(), 1);
    assert!(report.space > 0);
}
