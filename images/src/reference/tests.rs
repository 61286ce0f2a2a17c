use super::*;

const D: &str = "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

/// Registry, repository, tag, has a digest, familiar form.
fn check(
    text: &str,
    registry: &str,
    repository: &str,
    tag: Option<&str>,
    digest: bool,
    familiar: &str,
) {
    let text = text.replace("@D", &format!("@{D}"));
    let familiar = familiar.replace("@D", &format!("@{D}"));
    let reference: Reference = text.parse().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        (
            reference.registry(),
            reference.repository(),
            reference.tag()
        ),
        (registry, repository, tag),
        "{text}"
    );
    assert_eq!(reference.digest().is_some(), digest, "{text}");
    assert_eq!(reference.to_string(), familiar, "{text}");
    assert_eq!(
        reference.canonical().parse(),
        Ok(reference.clone()),
        "{text}"
    );
    assert_eq!(reference.to_string().parse(), Ok(reference), "{text}");
}

#[test]
fn names_as_docker_reads_them() {
    let hub = "docker.io";
    let latest = Some("latest");
    check("redis", hub, "library/redis", latest, false, "redis:latest");
    check("redis:7", hub, "library/redis", Some("7"), false, "redis:7");
    check(
        "library/redis:7",
        hub,
        "library/redis",
        Some("7"),
        false,
        "redis:7",
    );
    check(
        "docker.io/redis",
        hub,
        "library/redis",
        latest,
        false,
        "redis:latest",
    );
    check(
        "docker.io/library/redis",
        hub,
        "library/redis",
        latest,
        false,
        "redis:latest",
    );
    check(
        "index.docker.io/library/redis",
        hub,
        "library/redis",
        latest,
        false,
        "redis:latest",
    );
    check(
        "index.docker.io/redis",
        hub,
        "library/redis",
        latest,
        false,
        "redis:latest",
    );
    check(
        "docker/docker",
        hub,
        "docker/docker",
        latest,
        false,
        "docker/docker:latest",
    );
    check(
        "library/debian/x",
        hub,
        "library/debian/x",
        latest,
        false,
        "library/debian/x:latest",
    );
    check(
        "docker.io/1233/x",
        hub,
        "1233/x",
        latest,
        false,
        "1233/x:latest",
    );
    check(
        "test:5000",
        hub,
        "library/test",
        Some("5000"),
        false,
        "test:5000",
    );
    check(
        "test.com:tag",
        hub,
        "library/test.com",
        Some("tag"),
        false,
        "test.com:tag",
    );
    check(
        "test:5000/repo",
        "test:5000",
        "repo",
        latest,
        false,
        "test:5000/repo:latest",
    );
    check(
        "test:5000/repo:tag@D",
        "test:5000",
        "repo",
        Some("tag"),
        true,
        "test:5000/repo:tag@D",
    );
    check(
        "test:5000/repo@D",
        "test:5000",
        "repo",
        None,
        true,
        "test:5000/repo@D",
    );
    check(
        "redis:7@D",
        hub,
        "library/redis",
        Some("7"),
        true,
        "redis:7@D",
    );
    check("redis@D", hub, "library/redis", None, true, "redis@D");
    check(
        "localhost/foo",
        "localhost",
        "foo",
        latest,
        false,
        "localhost/foo:latest",
    );
    check(
        "localhost:8000/test",
        "localhost:8000",
        "test",
        latest,
        false,
        "localhost:8000/test:latest",
    );
    check(
        "127.0.0.1:5000/a/b:c",
        "127.0.0.1:5000",
        "a/b",
        Some("c"),
        false,
        "127.0.0.1:5000/a/b:c",
    );
    check(
        "[::1]:5000/repo",
        "[::1]:5000",
        "repo",
        latest,
        false,
        "[::1]:5000/repo:latest",
    );
    check(
        "[fd00:1:2::3]/repo:t",
        "[fd00:1:2::3]",
        "repo",
        Some("t"),
        false,
        "[fd00:1:2::3]/repo:t",
    );
    check("Foo/bar", "Foo", "bar", latest, false, "Foo/bar:latest");
    check(
        "a.com/foo_bar.com:8080",
        "a.com",
        "foo_bar.com",
        Some("8080"),
        false,
        "a.com/foo_bar.com:8080",
    );
    check(
        "xn--7o8h.com/myimage:xn--7o8h.com",
        "xn--7o8h.com",
        "myimage",
        Some("xn--7o8h.com"),
        false,
        "xn--7o8h.com/myimage:xn--7o8h.com",
    );
    check(
        "foo/foo_bar.com:8080",
        hub,
        "foo/foo_bar.com",
        Some("8080"),
        false,
        "foo/foo_bar.com:8080",
    );
    check(
        "foo--bar/a__b",
        hub,
        "foo--bar/a__b",
        latest,
        false,
        "foo--bar/a__b:latest",
    );
    check(
        "dash-dash---ok/x",
        hub,
        "dash-dash---ok/x",
        latest,
        false,
        "dash-dash---ok/x:latest",
    );
    check(
        "r:_a.B-c",
        hub,
        "library/r",
        Some("_a.B-c"),
        false,
        "r:_a.B-c",
    );
    let deep = "a/".repeat(126) + "a";
    check(&deep, hub, &deep, latest, false, &format!("{deep}:latest"));
    check(
        "a23456789012345678901234567890123456789012345678901234567890123",
        hub,
        "library/a23456789012345678901234567890123456789012345678901234567890123",
        latest,
        false,
        "a23456789012345678901234567890123456789012345678901234567890123:latest",
    );
}

#[test]
fn names_that_are_none() {
    let long_tag = format!("redis:{}", "t".repeat(129));
    let long_name = format!("a.com/{}", "a".repeat(256));
    let id = "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a";
    for (text, reason) in [
        ("", "empty"),
        (":justtag", "empty part"),
        (
            "@sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "empty part",
        ),
        ("repo@sha256:ffffffff", "64 hexadecimal"),
        ("repo@sha256:../../../../etc/passwd", "64 hexadecimal"),
        (
            "validname@invaliddigest:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "only sha256",
        ),
        ("Uppercase:tag", "lowercase"),
        ("library/Redis", "lowercase"),
        ("Redis", "lowercase"),
        ("test:5000/Uppercase/lowercase:tag", "lowercase"),
        ("docker/Docker", "lowercase"),
        ("aa/asdf$$^/aa", "\"asdf$$^\""),
        ("-busybox", "\"-busybox\""),
        ("busybox-", "\"busybox-\""),
        ("a___b", "\"a___b\""),
        ("a..b/c", "\"a..b\""),
        ("a/b..c", "\"b..c\""),
        ("a//b", "empty part"),
        ("a/b/", "empty part"),
        ("/redis", "empty part"),
        ("../etc", ".."),
        ("redis:", "tag \"\""),
        ("redis:-x", "tag \"-x\""),
        ("redis:a b", "tag \"a b\""),
        ("redis:a/b", "host name"),
        (" redis", "redis"),
        ("rédis", "rédis"),
        ("-test:5000/repo", "host name"),
        ("[::1/repo", "host name"),
        ("[::x]:5000/repo", "host name"),
        ("host:port/repo", "host name"),
        ("host:/repo", "host name"),
        ("host:70000/repo", "65535"),
        ("http://localhost/repo", "host name"),
        (id, "image's id"),
        (long_tag.as_str(), "longer than 128"),
        (long_name.as_str(), "longer than 255"),
    ] {
        match text.parse::<Reference>() {
            Ok(reference) => panic!("{text:?} was read as {reference:?}"),
            Err(error) => assert!(error.to_string().contains(reason), "{text:?}: {error}"),
        }
    }
}
