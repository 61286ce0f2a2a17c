//! Registries that ask who is there, and registries that misbehave.

use std::time::Duration;

use tests::fake::{Fake, Fault};
use tests::image::{Compression, Image, Layer, busybox_layer};
use tests::registry::{PASSWORD, Registry, USER};

/// A config file with a name and a password for `registry`.
fn config(registry: &str, user: &str, password: &str) -> String {
    format!(
        "{{\"auths\":{{\"{registry}\":{{\"auth\":\"{}\"}}}}}}",
        base64(&format!("{user}:{password}"))
    )
}

fn base64(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * index)) as usize & 63];
            encoded.push(if index <= chunk.len() {
                digit.into()
            } else {
                '='
            });
        }
    }
    encoded
}

#[test]
fn a_password_is_asked_for_and_checked() {
    let host = tests::host!();
    let registry = Registry::start(host.spaces(), &host.path("private"), 5001, Some(()));
    let image = registry.push("busybox", "latest", &Image::busybox());
    host.minictl(format!("pull -q {image}"))
        .refused(1, &["127.0.0.1:5001"]);
    host.file(
        "home/.docker/config.json",
        config("127.0.0.1:5001", USER, "wrong"),
    );
    host.minictl(format!("pull -q {image}"))
        .refused(1, &["127.0.0.1:5001"]);
    host.minictl("images -q").ok().prints("");
    host.file(
        "home/.docker/config.json",
        config("127.0.0.1:5001", USER, PASSWORD),
    );
    host.minictl(format!("pull -q {image}")).ok();
    drop(registry);
}

#[test]
fn a_token_is_bought_and_renewed() {
    let host = tests::host!();
    let fake = Fake::start(&host);
    let image = Image::new()
        .layer(busybox_layer(), Compression::Gzip)
        .layer(Layer::new().file("x", 0o644, "x"), Compression::Gzip);
    let reference = fake.push("app", "1", &image);
    fake.want_token(None, None);
    host.minictl(format!("pull -q {reference}")).ok();
    assert_eq!(fake.gets("/token"), 1, "one token for one pull");
    host.minictl(format!("rmi {reference}")).ok();
    // A token that runs out in the middle of a pull.
    fake.want_token(None, Some(2));
    host.minictl(format!("pull -q {reference}")).ok();
    host.minictl(format!("rmi {reference}")).ok();
    fake.want_token(Some(&base64("reader:secret")), None);
    host.minictl(format!("pull -q {reference}"))
        .refused(1, &[fake.address()]);
    host.file(
        "home/.docker/config.json",
        config(fake.address(), "reader", "secret"),
    );
    host.minictl(format!("pull -q {reference}")).ok();
    let leaked = fake.requests().into_iter().find(|request| {
        request.path.starts_with("/v2/")
            && request
                .headers
                .get("authorization")
                .is_some_and(|value| value.starts_with("Basic"))
    });
    assert!(
        leaked.is_none(),
        "the password goes to the token server alone: {leaked:?}"
    );
}

#[test]
fn what_is_not_there_is_named() {
    let mut host = tests::host!();
    host.registry().push("busybox", "latest", &Image::busybox());
    host.minictl("run --rm 127.0.0.1:5000/nosuch true")
        .refused(125, &["127.0.0.1:5000/nosuch"]);
    host.minictl("run --rm 127.0.0.1:5000/busybox:nosuch true")
        .refused(125, &["busybox:nosuch"]);
    host.minictl("pull 127.0.0.1:5000/busybox:nosuch")
        .refused(1, &["busybox:nosuch"]);
    let digest = format!("sha256:{}", "0".repeat(64));
    host.minictl(["pull", &format!("127.0.0.1:5000/busybox@{digest}")])
        .refused(1, &[&digest]);
    assert!(host.containers().is_empty());
}

#[test]
fn a_registry_that_is_down_is_named() {
    let host = tests::host!();
    let done = host
        .minictl("run --rm 127.0.0.1:5999/busybox true")
        .refused(125, &["127.0.0.1:5999", "refused"]);
    assert!(done.took < Duration::from_secs(20), "{done}");
}

#[test]
fn a_registry_that_talks_nonsense_is_told_so() {
    let host = tests::host!();
    let fake = Fake::start(&host);
    let reference = fake.push("app", "1", &Image::busybox());
    for (fault, name) in [
        (Fault::Garbage, "garbage"),
        (
            Fault::Status(200, "", "<html>a captive portal</html>"),
            "html",
        ),
        (
            Fault::Status(200, "", "{\"schemaVersion\": 1, \"name\": \"app\"}"),
            "schema 1",
        ),
        (Fault::Status(403, "", "{}"), "forbidden"),
    ] {
        fake.fault("/manifests/", fault, 50);
        let done = host.minictl(format!("pull -q {reference}"));
        assert!(
            done.code == 1
                && done.stderr.contains(fake.address())
                && !done.stderr.contains("panicked"),
            "{name}: {done}"
        );
        assert!(done.took < Duration::from_secs(30), "{name}: {done}");
        fake.behave();
    }
    host.minictl(format!("pull -q {reference}")).ok();
}

#[test]
fn what_is_damaged_on_the_way_is_noticed_and_fetched_again() {
    let host = tests::host!();
    let fake = Fake::start(&host);
    let image = Image::new().layer(busybox_layer(), Compression::Gzip);
    let layer = image.layer_digests()[0].clone();
    let reference = fake.push("app", "1", &image);
    fake.fault(&layer, Fault::Corrupt, 50);
    host.minictl(format!("pull -q {reference}"))
        .refused(1, &[&layer[..19]]);
    host.minictl("images -q").ok().prints("");
    fake.behave();
    host.minictl(format!("pull -q {reference}")).ok();
    host.minictl(format!(
        "run --rm --network none {reference} cat /srv/data/seed"
    ))
    .ok()
    .prints("from the image");
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_was() {
    let host = tests::host!();
    let fake = Fake::start(&host);
    let image = Image::new().layer(busybox_layer(), Compression::Plain);
    let layer = image.layer_digests()[0].clone();
    let reference = fake.push("app", "1", &image);
    fake.fault(&layer, Fault::Truncated(300_000), 2);
    host.minictl(format!("pull -q {reference}")).ok();
    let ranges: Vec<String> = fake
        .requests()
        .iter()
        .filter(|request| request.path.contains(&layer))
        .filter_map(|request| request.headers.get("range").cloned())
        .collect();
    assert!(ranges.contains(&"bytes=300000-".to_owned()), "{ranges:?}");
    host.minictl(format!("rmi {reference}")).ok();
    // A server that answers a Range request from the start.
    fake.fault(&layer, Fault::Truncated(300_000), 1);
    fake.fault(&layer, Fault::IgnoresRange, 1);
    host.minictl(format!("pull -q {reference}")).ok();
    host.minictl(format!(
        "run --rm --network none {reference} cat /srv/data/seed"
    ))
    .ok()
    .prints("from the image");
}

#[test]
fn a_registry_in_trouble_is_given_time() {
    let host = tests::host!();
    let fake = Fake::start(&host);
    let image = Image::busybox();
    let reference = fake.push("app", "1", &image);
    fake.fault("/manifests/", Fault::Status(503, "", "busy"), 1);
    fake.fault("/blobs/", Fault::Status(500, "", "oops"), 1);
    fake.fault(
        &image.layer_digests()[0],
        Fault::Status(429, "Retry-After: 1\r\n", "slow down"),
        1,
    );
    let done = host.minictl(format!("pull -q {reference}")).ok();
    assert!(
        done.took >= Duration::from_secs(1),
        "a Retry-After is honoured: {done}"
    );
    host.minictl(format!("rmi {reference}")).ok();
    fake.fault("/blobs/", Fault::Status(500, "", "oops"), 1000);
    let done = host
        .minictl(format!("pull -q {reference}"))
        .refused(1, &["500"]);
    assert!(done.took < Duration::from_secs(40), "{done}");
}

#[test]
fn plain_http_is_for_loopback_or_when_allowed() {
    let host = tests::host!();
    let peer = tests::peer::Peer::join(&host);
    let registry = Registry::start(peer.spaces(), &host.path("far"), 5000, None);
    let image = registry.push("busybox", "latest", &Image::busybox());
    let listener = peer
        .spaces()
        .enter(|| std::net::TcpListener::bind("192.0.2.2:5002").expect("a port of the peer"));
    peer.spaces().spawn(move || {
        for inbound in listener.incoming().flatten() {
            let outbound = std::net::TcpStream::connect("127.0.0.1:5000").expect("the registry");
            let (mut a, mut b) = (
                inbound.try_clone().expect("a copy"),
                outbound.try_clone().expect("a copy"),
            );
            let (mut c, mut d) = (inbound, outbound);
            std::thread::spawn(move || {
                std::io::copy(&mut a, &mut b).and_then(|_| b.shutdown(std::net::Shutdown::Write))
            });
            std::thread::spawn(move || {
                std::io::copy(&mut d, &mut c).and_then(|_| c.shutdown(std::net::Shutdown::Write))
            });
        }
    });
    let far = image.replace("127.0.0.1:5000", "192.0.2.2:5002");
    host.minictl(format!("pull -q {far}"))
        .refused(1, &["192.0.2.2:5002"]);
    host.minictl(format!("--insecure-registry 192.0.2.2:5002 pull -q {far}"))
        .ok();
}
