//! Registries that answer late, wrongly, or not at all.

use super::*;
use crate::digest::Digest;
use crate::error::ErrorKind::{
    self, DigestMismatch, Invalid, NotFound, RateLimited, Unauthorized, Unreachable,
};
use crate::registry::tests::{Cut, answer};

/// What becomes of a pull when the `nth` request (from 0, `None`: each) for something goes wrong in this way.
fn check(
    what: &str,
    nth: Option<usize>,
    fault: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static,
    expected: Result<(), (ErrorKind, &str)>,
) {
    let content = noise(200_000);
    let sample = Sample::new(&[&content, b"second"]);
    let part = match what {
        "manifest" => "/manifests/".to_owned(),
        "config" => {
            let manifest: serde_json::Value = serde_json::from_slice(&sample.manifest).unwrap();
            manifest["config"]["digest"].as_str().unwrap().to_owned()
        }
        _ => sample.layers[0].to_string(),
    };
    let fake = faulty(&sample, {
        let sample = sample.clone();
        move |request| {
            let hit = request.path.contains(&part) && nth.is_none_or(|nth| nth == request.before);
            hit.then(|| fault(request, sample.serve(request)))
        }
    });
    let bench = Bench::new();
    match (bench.pull(&fake), expected) {
        (Ok(image), Ok(())) => bench.holds(&image, &[&content, b"second"]),
        (Err(error), Err((kind, text))) => {
            let words = words(&error);
            assert!(
                error.kind() == kind && words.contains(text),
                "{what}: {kind:?} with {text:?} expected: {error:?}: {words}"
            );
            assert!(words.contains(&fake.address), "{what}: {words}");
            assert!(bench.store.list().unwrap().is_empty());
        }
        (Ok(_), Err(expected)) => panic!("{what}: {expected:?} expected"),
        (Err(error), Ok(())) => panic!("{what}: {}", words(&error)),
    }
}

fn status(status: u16) -> impl Fn(&Request, Answer) -> Answer {
    move |_, _| answer(status, "")
}

#[test]
fn trouble_that_passes() {
    for what in ["manifest", "config", "layer"] {
        for code in [500, 502, 503, 504, 429, 408] {
            check(what, Some(0), status(code), Ok(()));
        }
        check(
            what,
            Some(0),
            |_, _| answer(429, "").header("Retry-After", 0),
            Ok(()),
        );
        check(
            what,
            Some(0),
            |_, _| answer(503, "").header("Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT"),
            Ok(()),
        );
        check(
            what,
            Some(0),
            |_, _| Answer {
                raw: Some(Vec::new()),
                ..answer(0, "")
            },
            Ok(()),
        );
        check(what, Some(0), |_, good| good.cut(10, Cut::Closed), Ok(()));
        check(
            what,
            Some(0),
            |_, good| good.cut(10, Cut::Silent(Duration::from_secs(1))),
            Ok(()),
        );
    }
}

#[test]
fn trouble_that_stays() {
    for what in ["manifest", "config", "layer"] {
        check(what, None, status(500), Err((Invalid, "500")));
        check(what, None, status(429), Err((RateLimited, "429")));
        check(
            what,
            Some(0),
            |_, _| answer(429, "").header("Retry-After", 3600),
            Err((RateLimited, "3600 s")),
        );
        check(what, None, status(403), Err((Unauthorized, "403")));
        check(what, None, status(404), Err((NotFound, "404")));
        check(what, None, status(410), Err((Invalid, "410")));
        check(
            what,
            None,
            |_, _| Answer {
                raw: Some(b"\0nonsense\r\n\r\n".to_vec()),
                ..answer(0, "")
            },
            Err((Unreachable, "HTTP")),
        );
        check(
            what,
            None,
            |_, good| good.cut(10, Cut::Closed),
            Err((Unreachable, "broke")),
        );
    }
}

#[test]
fn resuming_is_not_trusted() {
    let first_cut = |fault: fn(&Request, Answer) -> Answer| {
        move |request: &Request, good: Answer| {
            if request.before == 0 {
                good.cut(90_000, Cut::Closed)
            } else {
                fault(request, good)
            }
        }
    };
    for fault in [
        // The right rest.
        (|_, good| good) as fn(&Request, Answer) -> Answer,
        // A wrong range, and the right answer to a request for the whole.
        |request, good| match request.headers.contains_key("range") {
            true => Answer {
                headers: Vec::new(),
                ..good
            }
            .header("Content-Range", "bytes 0-99/100"),
            false => good,
        },
        |request, good| match request.headers.contains_key("range") {
            true => answer(416, ""),
            false => good,
        },
    ] {
        check("layer", None, first_cut(fault), Ok(()));
    }
    // The whole, in answer to a request for the rest.
    let sample = Sample::new(&[&noise(200_000), b"second"]);
    let whole = sample.blobs[&sample.layers[0].to_string()].clone();
    check(
        "layer",
        Some(1),
        |_, _| panic!("no second request without a fault in the first"),
        Ok(()),
    );
    check(
        "layer",
        None,
        move |request, good| {
            if request.before == 0 {
                good.cut(90_000, Cut::Closed)
            } else {
                answer(200, whole.clone())
            }
        },
        Ok(()),
    );
    // A rest that does not fit, under a right name.
    check(
        "layer",
        None,
        |request, good| match request.before {
            0 => good.cut(90_000, Cut::Closed),
            _ => Answer {
                body: vec![1; good.body.len()],
                ..good
            },
        },
        Err((DigestMismatch, "sha256:")),
    );
    // A part, where the whole was asked for.
    check(
        "layer",
        None,
        |_, good| {
            Answer {
                status: 206,
                ..good
            }
            .header("Content-Range", "bytes 0-9/10")
        },
        Err((Invalid, "206")),
    );
}

#[test]
fn wrong_content() {
    let flip = |_: &Request, mut good: Answer| {
        let middle = good.body.len() / 2;
        good.body[middle] ^= 0x20;
        good
    };
    check(
        "manifest",
        None,
        flip,
        Err((DigestMismatch, "expected digest")),
    );
    check("config", None, flip, Err((DigestMismatch, "configuration")));
    check("layer", None, flip, Err((DigestMismatch, "layer sha256:")));
    let longer = |_: &Request, mut good: Answer| {
        good.body.extend([0; 1000]);
        good
    };
    check("config", None, longer, Err((Invalid, "more than")));
    check(
        "layer",
        None,
        longer,
        Err((DigestMismatch, "layer sha256:")),
    );
    check(
        "manifest",
        None,
        |_, _| answer(200, vec![b' '; 5 << 20]),
        Err((Invalid, "more than")),
    );
    check(
        "manifest",
        None,
        |_, _| answer(200, "<html>").header("Content-Type", "text/html; charset=utf-8"),
        Err((Invalid, "text/html")),
    );
    check(
        "manifest",
        None,
        |_, _| answer(200, r#"{"schemaVersion":1}"#),
        Err((Invalid, "schema 1")),
    );
    check(
        "manifest",
        None,
        |_, _| {
            answer(
                404,
                r#"{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known"}]}"#,
            )
        },
        Err((NotFound, "repository name not known")),
    );
}

#[test]
fn a_layer_that_is_no_archive_is_told_from_a_damaged_one() {
    let mut sample = Sample::new(&[b"x"]);
    let junk = noise(100_000);
    let text = String::from_utf8(sample.manifest.clone()).unwrap();
    let old = sample.layers[0].to_string();
    let text = text.replace(&old, &Digest::of(&junk).to_string());
    let text = text.replace(
        &format!("\"size\":{}", sample.blobs[&old].len()),
        &format!("\"size\":{}", junk.len()),
    );
    sample.blobs.insert(Digest::of(&junk).to_string(), junk);
    sample.top = text.into_bytes();
    let fake = faulty(&sample, |_| None);
    let error = Bench::new().pull(&fake).unwrap_err();
    assert!(
        matches!(error, Error::Layer { .. }) && error.kind() == Invalid,
        "{}",
        words(&error)
    );
}

#[test]
fn nobody_there() {
    let bench = Bench::new();
    // Nothing listens on the first port of all.
    let error = bench.pull_name("127.0.0.1:1/app:1").unwrap_err();
    let text = words(&error);
    assert_eq!(error.kind(), Unreachable, "{text}");
    assert!(
        text.contains("127.0.0.1:1")
            && text.contains("connection refused")
            && text.contains("running"),
        "{text}"
    );
    let error = bench
        .pull_name("no-such-host.invalid:5000/app:1")
        .unwrap_err();
    assert_eq!(error.kind(), Unreachable, "{}", words(&error));
}

#[test]
fn redirects_are_followed_with_care() {
    let content = noise(100_000);
    let sample = Sample::new(&[&content]);
    let layer = sample.layers[0].to_string();
    let cdn = faulty(&sample, |_| None);
    for (location, expected) in [
        (
            format!("http://{}/v2/app/blobs/{layer}", cdn.address),
            Ok(()),
        ),
        ("/loop".to_owned(), Err("more than 10 redirects")),
        ("ftp://x/".to_owned(), Err("neither https nor http")),
        ("http://198.51.100.1/x".to_owned(), Err("plain HTTP")),
    ] {
        let fake = faulty(&sample, {
            let layer = layer.clone();
            move |request| {
                (request.path.ends_with(&layer) || request.path == "/loop")
                    .then(|| answer(307, "").header("Location", &location))
            }
        });
        let bench = Bench::new();
        match (bench.pull(&fake), expected) {
            (Ok(image), Ok(())) => bench.holds(&image, &[&content]),
            (Err(error), Err(text)) => assert!(words(&error).contains(text), "{}", words(&error)),
            (result, _) => panic!("{expected:?}: {:?}", result.map(drop)),
        }
    }
}
