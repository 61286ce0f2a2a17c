//! Pulling: what a reference means, which platform, which compression, what is fetched and what is not, what is shown.

use serde_json::json;
use std::time::Duration;
use tests::fake::{Fake, Fault};
use tests::image::{Compression, Image, Layer, busybox_layer};

#[test]
fn layers_in_every_compression() {
    let mut host = tests::host!();
    for (name, compression) in [
        ("gzip", Compression::Gzip),
        ("zstd", Compression::Zstd),
        ("plain", Compression::Plain),
    ] {
        let image = Image::new().layer(busybox_layer(), compression);
        let image = host.registry().push(name, "1", &image);
        host.minictl(format!("pull -q {image}")).ok();
        host.minictl(format!(
            "run --rm --network none {image} cat /srv/data/seed"
        ))
        .ok()
        .prints("from the image");
    }
}

#[test]
fn the_platform_is_the_hosts_or_the_one_asked_for() {
    let mut host = tests::host!();
    let own = Image::busybox().layer(
        Layer::new().file("which", 0o644, "amd64\n"),
        Compression::Gzip,
    );
    let other = Image::busybox()
        .layer(
            Layer::new().file("which", 0o644, "arm64\n"),
            Compression::Gzip,
        )
        .architecture("arm64");
    let index = Image::index(&[("linux/arm64", &other), ("linux/amd64", &own)]);
    let image = host.registry().push("multi", "1", &index);
    host.minictl(format!("run --rm --network none {image} cat /which"))
        .ok()
        .prints("amd64");
    host.minictl(format!("pull -q --platform linux/arm64 {image}"))
        .ok();
    host.minictl(format!("pull -q --platform linux/s390x {image}"))
        .refused(1, &["linux/s390x"]);
    host.minictl(format!("pull -q --platform nonsense {image}"))
        .refused(1, &["nonsense"]);
    let only = host
        .registry()
        .push("only", "1", &Image::index(&[("linux/arm64", &other)]));
    host.minictl(format!("run --rm {only} true"))
        .refused(125, &["linux/amd64"]);
}

#[test]
fn nothing_is_fetched_twice() {
    let host = tests::host!();
    let fake = Fake::start(&host);
    let base = Image::new().layer(busybox_layer(), Compression::Gzip);
    let one = fake.push("app", "1", &base);
    let two = fake.push(
        "app",
        "2",
        &base
            .clone()
            .layer(Layer::new().file("added", 0o644, "x"), Compression::Gzip),
    );
    host.minictl(format!("pull -q {one}")).ok();
    assert_eq!(
        fake.gets("/blobs/"),
        2,
        "a config and a layer: {:#?}",
        fake.requests()
    );
    host.minictl(format!("pull -q {one}")).ok();
    assert_eq!(fake.gets("/blobs/"), 2, "the second pull fetches no blob");
    host.minictl(format!("pull -q {two}")).ok();
    assert_eq!(
        fake.gets("/blobs/"),
        4,
        "another image with the same base fetches its own config and layer"
    );
    let before = fake.requests().len();
    host.minictl(format!("run --rm --network none {one} true"))
        .ok();
    assert_eq!(
        fake.requests().len(),
        before,
        "an image that is there is run without a question to the registry"
    );
    host.minictl(format!("run --rm --network none --pull always {one} true"))
        .ok();
    assert!(fake.requests().len() > before, "unless asked to");
    host.minictl([
        "run",
        "--rm",
        "--pull",
        "never",
        &format!("{}/other:1", fake.address()),
        "true",
    ])
    .refused(125, &["other:1"]);
}

#[test]
fn two_pulls_at_once_share_the_work() {
    let host = tests::host!();
    let fake = Fake::start(&host);
    let image = Image::new().layer(busybox_layer(), Compression::Plain);
    let reference = fake.push("app", "1", &image);
    let layer = image.layer_digests()[0].clone();
    fake.fault(&layer, Fault::Slow(65536, Duration::from_millis(15)), 1);
    let pulls: Vec<_> = (0..3)
        .map(|_| host.spawn(format!("pull -q {reference}")))
        .collect();
    for pull in pulls {
        pull.wait().ok();
    }
    assert_eq!(fake.gets(&layer), 1, "the layer is fetched once");
}

#[test]
fn a_tag_that_moved_is_followed() {
    let mut host = tests::host!();
    let tagged = |text: &str| {
        Image::busybox().layer(Layer::new().file("which", 0o644, text), Compression::Gzip)
    };
    let image = host.registry().push("moves", "latest", &tagged("one"));
    host.minictl(format!("run --rm --network none {image} cat /which"))
        .ok()
        .prints("one");
    host.registry().push("moves", "latest", &tagged("two"));
    host.minictl(format!("run --rm --network none {image} cat /which"))
        .ok()
        .prints("one");
    host.minictl(format!("pull -q {image}")).ok();
    host.minictl(format!("run --rm --network none {image} cat /which"))
        .ok()
        .prints("two");
    let digest = tests::image::digest(tagged("one").top());
    host.minictl([
        "run",
        "--rm",
        "--network",
        "none",
        &format!("127.0.0.1:5000/moves@{digest}"),
        "cat",
        "/which",
    ])
    .ok()
    .prints("one");
}

#[test]
fn progress_is_for_people_lines_for_pipes_and_nothing_when_quiet() {
    let mut host = tests::host!();
    let image = host.registry().push("busybox", "latest", &Image::busybox());
    let quiet = host.minictl(format!("pull -q {image}")).ok().prints(&image);
    assert_eq!(quiet.stderr, "");
    host.minictl(format!("rmi {image}")).ok();
    let piped = host.minictl(format!("pull {image}")).ok();
    let all = format!("{}{}", piped.stdout, piped.stderr);
    assert!(
        !all.contains('\u{1b}') && !all.contains('\r'),
        "no escape sequences in a pipe: {piped}"
    );
    assert!(
        all.contains(&Image::busybox().layer_digests()[0][7..19]),
        "each layer is told of: {piped}"
    );
    assert!(all.contains("sha256:"), "and the digest: {piped}");
    host.minictl(format!("rmi {image}")).ok();
    let shown = host.terminal(&["pull", &image], &[]);
    assert_eq!(shown.code, 0, "{shown}");
    assert!(
        shown.stdout.contains('\u{1b}') || shown.stdout.contains('\r'),
        "lines are redrawn on a terminal: {shown}"
    );
    let run = host.minictl(format!("rmi {image}")).ok();
    drop(run);
    let run = host
        .minictl(format!("run --rm --network none {image} echo output"))
        .ok();
    assert_eq!(
        run.stdout, "output\n",
        "the container's output is not mixed with the pull's"
    );
}

#[test]
fn references_are_dockers() {
    let mut host = tests::host!();
    let image = Image::busybox();
    host.registry().push("deep/er/name", "v1.2_3-x", &image);
    host.minictl("pull -q 127.0.0.1:5000/deep/er/name:v1.2_3-x")
        .ok();
    let digest = tests::image::digest(image.top());
    host.minictl([
        "pull",
        "-q",
        &format!("127.0.0.1:5000/deep/er/name@{digest}"),
    ])
    .ok();
    host.minictl([
        "pull",
        "-q",
        &format!("127.0.0.1:5000/deep/er/name:v1.2_3-x@{digest}"),
    ])
    .ok();
    for (reference, word) in [
        ("UPPER/case", "upper"),
        ("127.0.0.1:5000/", "reference"),
        ("a:b:c", "reference"),
        ("name@sha256:short", "reference"),
        ("name:", "reference"),
        ("-dash", "dash"),
        ("a/../b", "reference"),
        ("", "reference"),
    ] {
        let done = host.minictl(format!("run --rm -- {reference} true"));
        assert!(
            done.code == 125 && !done.stderr.is_empty() && !done.stderr.contains("panicked"),
            "{reference:?} ({word}): {done}"
        );
    }
}

#[test]
fn hostile_layers_stay_in_their_directory() {
    use tar::EntryType::{Char, Directory, Link, Regular, Symlink};
    let mut host = tests::host!();
    let outside = host.path("outside").display().to_string();
    std::fs::create_dir(&outside).expect("a directory to be attacked");
    let attacks: Vec<(&str, Layer, Option<bool>)> = vec![
        (
            "dotdot",
            Layer::new().entry(
                "../../../../../../../../tmp/mini-escaped",
                Regular,
                0o644,
                (0, 0),
                "",
                b"x",
            ),
            Some(true),
        ),
        (
            "absolute",
            Layer::new().entry("/tmp/mini-escaped", Regular, 0o644, (0, 0), "", b"x"),
            Some(true),
        ),
        (
            "through-link",
            Layer::new()
                .entry("srv/out", Symlink, 0o777, (0, 0), &outside, b"")
                .entry("srv/out/escaped", Regular, 0o644, (0, 0), "", b"x"),
            None,
        ),
        (
            "hard-link-out",
            Layer::new().entry(
                "srv/passwd",
                Link,
                0o644,
                (0, 0),
                "../../../../../../../../etc/shadow",
                b"",
            ),
            Some(false),
        ),
        (
            "hard-link-missing",
            Layer::new().entry("srv/none", Link, 0o644, (0, 0), "no/such", b""),
            Some(false),
        ),
        (
            "whiteout-dot",
            Layer::new().entry("srv/.wh..", Regular, 0o644, (0, 0), "", b""),
            Some(false),
        ),
        (
            "whiteout-dotdot",
            Layer::new().entry("srv/.wh...", Regular, 0o644, (0, 0), "", b""),
            Some(false),
        ),
        (
            "fake-whiteout",
            Layer::new().entry("srv/dev", Char, 0o644, (0, 0), "", b""),
            Some(false),
        ),
        (
            "root-is-link",
            Layer::new()
                .entry(".", Symlink, 0o777, (0, 0), &outside, b"")
                .entry("escaped", Directory, 0o755, (0, 0), "", b""),
            Some(false),
        ),
    ];
    for (name, layer, fine) in attacks {
        let image = Image::busybox()
            .layer(layer, Compression::Gzip)
            .configured(json!({"Cmd": ["true"]}));
        let image = host.registry().push(name, "1", &image);
        let done = host.minictl(format!("pull -q {image}"));
        assert!(
            fine.is_none_or(|fine| fine == (done.code == 0)),
            "{name}: {done}"
        );
        if done.code != 0 {
            assert!(
                !done.stderr.trim().is_empty() && !done.stderr.contains("panicked"),
                "{name}: {done}"
            );
        }
        assert!(
            !std::path::Path::new("/tmp/mini-escaped").exists(),
            "{name} escaped"
        );
        assert_eq!(
            std::fs::read_dir(&outside).expect("the directory").count(),
            0,
            "{name} escaped"
        );
    }
    host.minictl("run --rm --network none 127.0.0.1:5000/absolute:1 cat /tmp/mini-escaped")
        .ok()
        .prints("x");
}

#[test]
fn a_layer_that_is_not_what_the_config_says_is_refused() {
    let mut host = tests::host!();
    let image = Image::busybox().with_wrong_diff_id();
    let image = host.registry().push("lies", "1", &image);
    host.minictl(format!("pull -q {image}"))
        .refused(1, &["sha256:"]);
    host.minictl("images -q").ok().prints("");
}
