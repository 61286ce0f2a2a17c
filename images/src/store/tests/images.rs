use super::*;

#[test]
fn an_image_is_found_listed_and_taken_away() {
    let place = Place::new();
    let image = fixture(&[&[("a", "1")], &[("b", "22")]]);
    let pulled = image.pull(&place.store, Some("redis:7")).unwrap();
    assert_eq!(
        (pulled.layers.len(), pulled.size, &pulled.manifest),
        (2, 3, &image.digest())
    );
    assert_eq!(pulled.id, Digest::of(&image.config));
    assert_tidy(&place);

    let found = |name: &str| {
        place
            .store
            .find(&reference(name))
            .unwrap()
            .map(|image| image.id)
    };
    assert_eq!(found("redis:7"), Some(pulled.id.clone()));
    assert_eq!(found("docker.io/library/redis:7"), Some(pulled.id.clone()));
    assert_eq!(
        found(&format!("redis@{}", image.digest())),
        Some(pulled.id.clone())
    );
    assert_eq!(found(&format!("other@{}", image.digest())), None);
    assert_eq!(found("redis:8"), None);

    let by_id = |prefix: &str| {
        place
            .store
            .find_by_id(prefix)
            .unwrap()
            .map(|image| image.id)
    };
    assert_eq!(by_id(&pulled.id.to_string()), Some(pulled.id.clone()));
    assert_eq!(by_id(&pulled.id.hex()[..6]), Some(pulled.id.clone()));
    assert_eq!(by_id("redis"), None);
    assert_eq!(by_id(""), None);

    place.store.tag(&pulled, &reference("mine:1")).unwrap();
    let list = place.store.list().unwrap();
    assert_eq!(list.len(), 1);
    let names: Vec<String> = list[0]
        .references
        .iter()
        .map(Reference::canonical)
        .collect();
    assert_eq!(
        names,
        ["docker.io/library/mine:1", "docker.io/library/redis:7"]
    );
    assert_eq!(list[0].created.as_deref(), Some("2026-01-02T03:04:05Z"));

    let removed = place.store.untag(&reference("redis:7"), false).unwrap();
    assert_eq!(
        removed,
        [Removed::Untagged("docker.io/library/redis:7".to_owned())]
    );
    let removed = place.store.untag(&reference("mine:1"), false).unwrap();
    assert_eq!(removed.len(), 4, "{removed:?}");
    for part in ["refs", "layers", "blobs/sha256"] {
        assert_eq!(place.names(part), [""; 0], "{part}");
    }
    assert_tidy(&place);
    assert!(matches!(
        place.store.untag(&reference("mine:1"), false),
        Err(StoreError::Missing { .. })
    ));
}

#[test]
fn layers_are_shared_and_outlive_one_of_their_images() {
    let place = Place::new();
    let one = fixture(&[&[("base", "1")], &[("one", "1")]]);
    let other = fixture(&[&[("base", "1")], &[("other", "1")]]);
    one.pull(&place.store, Some("one")).unwrap();
    let pulled = other.pull(&place.store, Some("other")).unwrap();
    assert_eq!(place.names("layers").len(), 3);
    place.store.untag(&reference("one"), false).unwrap();
    assert_eq!(place.names("layers").len(), 2);
    assert!(
        pulled
            .layers
            .iter()
            .all(|layer| place.store.has_layer(layer))
    );
}

#[test]
fn an_image_that_loses_its_name_is_kept_without() {
    let place = Place::new();
    let old = fixture(&[&[("a", "old")]]);
    let new = fixture(&[&[("a", "new")]]);
    let old_image = old.pull(&place.store, Some("web")).unwrap();
    let new_image = new.pull(&place.store, Some("web")).unwrap();
    let list = place.store.list().unwrap();
    let names = |id: &Digest| {
        list.iter()
            .find(|image| image.id == *id)
            .unwrap()
            .references
            .len()
    };
    assert_eq!((names(&old_image.id), names(&new_image.id)), (0, 1));
    // A name takes the place of having none.
    old.pull(&place.store, Some("old")).unwrap();
    assert_eq!(place.names("refs").len(), 2);
    place.store.remove(&old_image.id).unwrap();
    assert_eq!(place.store.list().unwrap().len(), 1);
}

#[test]
fn content_that_is_not_as_promised_is_not_committed() {
    let place = Place::new();
    let image = fixture(&[&[("a", "1")]]);
    // The configuration promises another layer.
    let wrong = fixture(&[&[("a", "2")]]);
    let manifest = String::from_utf8(image.manifest.clone()).unwrap();
    let config_digest = Digest::of(&wrong.config).to_string();
    let manifest = manifest.replace(&Digest::of(&image.config).to_string(), &config_digest);
    let mixed = Fixture {
        layers: image.layers,
        config: wrong.config,
        manifest: manifest.into_bytes(),
    };
    let error = mixed.pull(&place.store, Some("web")).unwrap_err();
    assert!(matches!(error, StoreError::Mismatch { .. }), "{error}");
    assert_eq!(place.names("refs"), [""; 0]);
    assert_eq!(place.names("layers"), [""; 0]);
    assert_tidy(&place);

    let error = place
        .store
        .put_blob(&Digest::of(b"right"), b"wrong")
        .unwrap_err();
    assert!(matches!(error, StoreError::Mismatch { .. }), "{error}");
    assert_tidy(&place);
}

#[test]
fn the_store_is_an_oci_layout() {
    let place = Place::new();
    let image = fixture(&[&[("a", "1")]]);
    image.pull(&place.store, Some("redis:7")).unwrap();
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(place.path("index.json")).unwrap()).unwrap();
    assert_eq!(
        index["manifests"],
        serde_json::json!([{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": image.digest().to_string(),
            "size": image.manifest.len(),
            "annotations": {"org.opencontainers.image.ref.name": "docker.io/library/redis:7"},
        }])
    );
    let layout = fs::read_to_string(place.path("oci-layout")).unwrap();
    assert_eq!(layout, "{\"imageLayoutVersion\":\"1.0.0\"}\n");
}

#[test]
fn the_same_image_pulled_at_once_is_one() {
    let place = Place::new();
    let image = fixture(&[&[("a", "1")], &[("b", "1")], &[("c", "1")]]);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (image, place) = (&image, &place);
            scope.spawn(move || {
                let store = place.reopen();
                image.pull(&store, Some(&format!("web:{number}"))).unwrap();
            });
        }
    });
    assert_eq!(place.names("layers").len(), 3);
    assert_eq!(place.store.list().unwrap()[0].references.len(), 8);
    assert_tidy(&place);
}
