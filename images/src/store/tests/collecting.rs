use std::time::Duration;

use super::*;
use crate::gc::{GcKind, GcOptions, GcVerdict};
use crate::verify::{Remedy, VerifyOptions};

fn kept(report: &crate::gc::GcReport, kind: GcKind) -> usize {
    report
        .items
        .iter()
        .filter(|item| item.kind == kind && item.verdict != GcVerdict::Removed)
        .count()
}

#[test]
fn only_what_nothing_leads_to_is_collected() {
    type Arrange<'a> = &'a dyn Fn(&Place, &Image) -> Option<Lease>;
    let untag = |place: &Place| {
        let locked = place.store.lock().unwrap();
        for name in place.names("refs") {
            place.store.remove_ref(&locked, &name).unwrap();
        }
    };
    let all = GcOptions {
        unused: true,
        ..GcOptions::default()
    };
    let none = GcOptions::default();
    let orphans = GcOptions {
        container_exists: Some(&|_| false),
        unused: true,
        ..GcOptions::default()
    };
    // (case, what is done first, options, layers kept, blobs kept)
    let cases: &[(&str, Arrange<'_>, &GcOptions<'_>, usize, usize)] = &[
        ("a named image", &|_, _| None, &none, 2, 4),
        ("a named image that nobody uses", &|_, _| None, &all, 0, 0),
        (
            "an image used by a container",
            &|place, image| {
                place.store.prepare("c1", image).unwrap();
                None
            },
            &all,
            2,
            4,
        ),
        (
            "an image of a container that is no more",
            &|place, image| {
                place.store.prepare("c1", image).unwrap();
                None
            },
            &orphans,
            0,
            0,
        ),
        (
            "a container whose image lost its names",
            &|place, image| {
                place.store.prepare("c1", image).unwrap();
                untag(place);
                None
            },
            &all,
            2,
            2,
        ),
        (
            "a pull that goes on",
            &|place, image| {
                untag(place);
                let lease = place.store.lease("pull web").unwrap();
                lease.hold([&image.layers[0], &image.manifest]).unwrap();
                Some(lease)
            },
            &all,
            1,
            2,
        ),
    ];
    for (case, arrange, options, layers, blobs) in cases {
        let place = Place::new();
        let image = fixture(&[&[("a", "1")], &[("b", "1")]])
            .pull(&place.store, Some("web"))
            .unwrap();
        let lease = arrange(&place, &image);
        let dry = place
            .store
            .gc(&GcOptions {
                dry_run: true,
                unused: options.unused,
                container_exists: options.container_exists,
                ..GcOptions::default()
            })
            .unwrap();
        assert_eq!(place.names("layers").len(), 2, "{case}");
        let report = place.store.gc(options).unwrap();
        assert_eq!(dry, report, "{case}");
        // A layer's chain id is the digest of the plain bottom layer's blob, too.
        assert_eq!(kept(&report, GcKind::Layer), *layers, "{case}: {report:#?}");
        assert_eq!(place.names("layers").len(), *layers, "{case}");
        assert_eq!(kept(&report, GcKind::Blob), *blobs, "{case}: {report:#?}");
        assert_eq!(place.names("blobs/sha256").len(), *blobs, "{case}");
        drop(lease);
        assert_tidy(&place);
    }
}

#[test]
fn old_downloads_are_collected_when_asked() {
    let place = Place::new();
    let digest = Digest::of(b"never finished");
    match place.store.ingest(&digest, 100).unwrap() {
        Admission::Granted(mut ingest) => ingest.write(b"never").unwrap(),
        other => panic!("{other:?}"),
    }
    place.store.gc(&GcOptions::default()).unwrap();
    assert_eq!(place.names("ingest").len(), 1);
    let options = GcOptions {
        downloads_older_than: Some(Duration::ZERO),
        ..GcOptions::default()
    };
    assert!(place.store.gc(&options).unwrap().freed() > 0);
    assert_tidy(&place);
}

#[test]
fn damage_is_found_and_mended() {
    type Damage<'a> = &'a dyn Fn(&Place, &Image);
    let file = |place: &Place, image: &Image, name: &str| {
        place
            .store
            .layer_path(&image.layers[1])
            .join("fs")
            .join(name)
    };
    let cases: &[(&str, Damage<'_>, &str, Remedy)] = &[
        (
            "an emptied file",
            &|place, image| fs::write(file(place, image, "d/b"), "").unwrap(),
            "/d/b differs in size",
            Remedy::Rebuilt,
        ),
        (
            "a missing file",
            &|place, image| fs::remove_file(file(place, image, "d/b")).unwrap(),
            "/d/b is missing",
            Remedy::Rebuilt,
        ),
        (
            "an added file",
            &|place, image| fs::write(file(place, image, "d/c"), "").unwrap(),
            "unknown entry c",
            Remedy::Rebuilt,
        ),
        (
            "an emptied record",
            &|place, image| {
                fs::write(place.store.layer_path(&image.layers[1]).join("meta"), "").unwrap();
            },
            "record is missing",
            Remedy::Dropped,
        ),
    ];
    for (case, damage, finding, remedy) in cases {
        let place = Place::new();
        let fixture = fixture(&[&[("a", "1")], &[("d/", ""), ("d/b", "content")]]);
        let image = fixture.pull(&place.store, Some("web")).unwrap();
        assert_eq!(place.store.verify(&VerifyOptions::default()).unwrap(), []);
        damage(&place, &image);
        let reported = place.store.verify(&VerifyOptions::default()).unwrap();
        assert!(
            reported[0].finding.contains(finding),
            "{case}: {reported:?}"
        );
        assert_eq!(reported[0].remedy, Remedy::Reported, "{case}");
        let options = VerifyOptions {
            repair: true,
            ..VerifyOptions::default()
        };
        let mended = place.store.verify(&options).unwrap();
        assert_eq!(mended[0].remedy, *remedy, "{case}");
        fixture.pull(&place.store, Some("web")).unwrap();
        assert_eq!(place.store.verify(&options).unwrap(), [], "{case}");
        assert_tidy(&place);
    }
}

#[test]
fn a_damaged_blob_is_dropped_and_a_running_layer_left_alone() {
    let place = Place::new();
    let fixture = fixture(&[&[("a", "1")]]);
    let image = fixture.pull(&place.store, Some("web")).unwrap();
    place.store.prepare("c1", &image).unwrap();
    fs::write(place.store.layer_path(&image.layers[0]).join("fs/a"), "x").unwrap();
    let options = VerifyOptions {
        repair: true,
        running: ["c1".to_owned()].into(),
    };
    let found = place.store.verify(&options).unwrap();
    assert!(
        matches!(&found[..], [damage] if matches!(damage.remedy, Remedy::Refused(_))),
        "{found:?}"
    );
    let blob = place.store.blob_path(&Digest::of(&fixture.layers[0]));
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "rubbish").unwrap();
    let found = place.store.verify(&options).unwrap();
    assert_eq!(found[0].remedy, Remedy::Dropped);
    assert!(!blob.exists());
}
