//! Registries that ask who is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::auth::Credentials;
use crate::error::ErrorKind::{self, Unauthorized};
use crate::registry::tests::{Cut, answer};

/// `user:secret` in base64.
const BASIC: &str = "Basic dXNlcjpzZWNyZXQ=";

fn user(password: &str) -> CredentialSource {
    CredentialSource::Given(Credentials::Basic {
        username: "user".to_owned(),
        password: password.to_owned(),
    })
}

fn asks(challenge: &str) -> Answer {
    answer(
        401,
        r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#,
    )
    .header("WWW-Authenticate", challenge)
}

fn shown(request: &Request) -> Option<&str> {
    request.headers.get("authorization").map(String::as_str)
}

fn kind(result: Result<Image>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[test]
fn a_password() {
    let sample = Sample::new(&[b"one", b"two"]);
    let fake = faulty(&sample, |request| {
        (shown(request) != Some(BASIC)).then(|| asks("Basic realm=\"here\""))
    });
    for (credentials, expected) in [
        (CredentialSource::Anonymous, Some(Unauthorized)),
        (user("wrong"), Some(Unauthorized)),
        (user("secret"), None),
    ] {
        let mut bench = Bench::new();
        bench.options.credentials = credentials;
        let result = bench.pull(&fake);
        if let Err(error) = &result {
            let text = words(error);
            assert!(
                text.contains("config.json")
                    && text.contains(&fake.address)
                    && !text.contains("wrong"),
                "{text}"
            );
        }
        assert_eq!(kind(result), expected);
    }
}

/// A registry whose own token server gives out tokens that are good for `life` requests, to those that `may` have them.
fn with_tokens(
    sample: &Sample,
    life: usize,
    may: fn(&Request) -> bool,
    field: &'static str,
) -> Fake {
    let sample = sample.clone();
    let (issued, uses) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    Fake::start_with(move |address| {
        let challenge = format!(
            "Bearer realm=\"http://{address}/token\",service=\"s\",scope=\"repository:app:pull\""
        );
        move |request| {
            if request.path.starts_with("/token") {
                if !may(request) {
                    return answer(401, r#"{"details":"incorrect username or password"}"#);
                }
                uses.store(0, Ordering::SeqCst);
                let number = issued.fetch_add(1, Ordering::SeqCst) + 1;
                return answer(
                    200,
                    format!("{{\"{field}\":\"t{number}\",\"expires_in\":300}}"),
                );
            }
            let good =
                shown(request) == Some(&format!("Bearer t{}", issued.load(Ordering::SeqCst)));
            if good && uses.fetch_add(1, Ordering::SeqCst) < life {
                sample.serve(request)
            } else {
                asks(&challenge)
            }
        }
    })
}

#[test]
fn a_token_for_all() {
    let contents: [&[u8]; 4] = [b"one", b"two", b"three", b"four"];
    let sample = Sample::new(&contents);
    for field in ["token", "access_token"] {
        let fake = with_tokens(&sample, usize::MAX, |_| true, field);
        Bench::new().pull(&fake).unwrap();
        let bought = fake.asked("/token");
        assert_eq!(bought.len(), 1, "one token for one pull: {bought:#?}");
        assert!(
            bought[0].path.contains("service=s")
                && bought[0].path.contains("scope=repository%3Aapp%3Apull"),
            "{bought:#?}"
        );
    }
    // One that runs out in the middle, twice.
    let fake = with_tokens(&sample, 2, |_| true, "token");
    let bench = Bench::new();
    let image = bench.pull(&fake).unwrap();
    bench.holds(&image, &contents);
    assert!(fake.asked("/token").len() >= 3);
    // One that never opens anything.
    let fake = with_tokens(&sample, 0, |_| true, "token");
    assert_eq!(kind(Bench::new().pull(&fake)), Some(Unauthorized));
    assert_eq!(fake.asked("/token").len(), 1);
}

#[test]
fn a_token_for_a_password() {
    let sample = Sample::new(&[b"one", b"two"]);
    for (credentials, expected) in [
        (CredentialSource::Anonymous, Some(Unauthorized)),
        (user("wrong"), Some(Unauthorized)),
        (user("secret"), None),
    ] {
        let fake = with_tokens(
            &sample,
            usize::MAX,
            |request| shown(request) == Some(BASIC),
            "token",
        );
        let mut bench = Bench::new();
        bench.options.credentials = credentials;
        assert_eq!(kind(bench.pull(&fake)), expected);
        let leaked = fake
            .asked("/v2/")
            .into_iter()
            .find(|request| shown(request).is_some_and(|shown| shown.starts_with("Basic")));
        assert!(leaked.is_none(), "{leaked:?}");
    }
}

#[test]
fn other_kinds_of_credentials() {
    let sample = Sample::new(&[b"one"]);
    let mut bench = Bench::new();
    bench.options.credentials =
        CredentialSource::Given(Credentials::IdentityToken("refresh&me".to_owned()));
    let fake = with_tokens(
        &sample,
        usize::MAX,
        |request| request.method == "POST" && request.body.contains("refresh_token=refresh%26me"),
        "access_token",
    );
    bench.pull(&fake).unwrap();
    let fake = faulty(&sample, |request| {
        (shown(request) != Some("Bearer given"))
            .then(|| asks("Bearer realm=\"http://127.0.0.1:1/\""))
    });
    bench.options.credentials =
        CredentialSource::Given(Credentials::RegistryToken("given".to_owned()));
    bench.pull(&fake).unwrap();
    bench.options.credentials =
        CredentialSource::Given(Credentials::RegistryToken("stale".to_owned()));
    let bench = Bench {
        options: PullOptions {
            policy: Policy::Always,
            ..bench.options.clone()
        },
        ..Bench::new()
    };
    assert_eq!(kind(bench.pull(&fake)), Some(Unauthorized));
}

#[test]
fn strangers_see_no_password() {
    let sample = Sample::new(&[b"one"]);
    let stranger = Fake::start(|_| answer(200, r#"{"token":"t"}"#));
    let port = stranger.address.rsplit_once(':').unwrap().1.to_owned();
    let fake = faulty(&sample, move |request| {
        (shown(request) != Some("Bearer t"))
            .then(|| asks(&format!("Bearer realm=\"http://localhost:{port}/token\"")))
    });
    let mut bench = Bench::new();
    bench.options.credentials = user("secret");
    bench.pull(&fake).unwrap();
    let asked = stranger.requests();
    assert!(
        !asked.is_empty()
            && asked
                .iter()
                .all(|request| shown(request).is_none() && !request.path.contains("user")),
        "{asked:#?}"
    );
    // A redirect takes no token along.
    let cdn = faulty(&sample, |_| None);
    let location = format!("http://{}/v2/app/blobs/{}", cdn.address, sample.layers[0]);
    let layer = sample.layers[0].to_string();
    let fake = faulty(&sample, move |request| match shown(request) {
        None => Some(asks("Basic realm=\"x\"")),
        Some(_) if request.path.ends_with(&layer) => {
            Some(answer(307, "").header("Location", &location))
        }
        Some(_) => None,
    });
    let mut bench = Bench::new();
    bench.options.credentials = user("secret");
    bench.pull(&fake).unwrap();
    assert!(
        cdn.requests()
            .iter()
            .all(|request| shown(request).is_none()),
        "{:#?}",
        cdn.requests()
    );
    // Nor is a stranger's question for a password answered.
    let nosy = Fake::start(|_| asks("Basic realm=\"tell me\""));
    let location = format!("http://{}/x", nosy.address);
    let fake = faulty(&sample, move |request| match shown(request) {
        None => Some(asks("Basic realm=\"x\"")),
        Some(_) => request
            .path
            .contains("/blobs/")
            .then(|| answer(302, "").header("Location", &location)),
    });
    let mut bench = Bench::new();
    bench.options.credentials = user("secret");
    assert_eq!(kind(bench.pull(&fake)), Some(Unauthorized));
    assert!(
        nosy.requests()
            .iter()
            .all(|request| shown(request).is_none()),
        "{:#?}",
        nosy.requests()
    );
}

#[test]
fn token_servers_in_trouble() {
    let sample = Sample::new(&[b"one"]);
    for (first, expected) in [
        (answer(500, ""), None),
        (answer(429, "").header("Retry-After", 0), None),
        (answer(200, "{}").cut(1, Cut::Closed), None),
        (answer(200, "<html>"), Some(ErrorKind::Invalid)),
        (answer(200, "{}"), Some(ErrorKind::Invalid)),
        (answer(403, ""), Some(Unauthorized)),
    ] {
        let sample = sample.clone();
        let fake = Fake::start_with(|address| {
            let challenge = format!("Bearer realm=\"http://{address}/token\"");
            move |request| match (shown(request), request.path.starts_with("/token")) {
                (_, true) if request.before == 0 => first.clone(),
                (_, true) => answer(200, r#"{"token":"t"}"#),
                (Some("Bearer t"), _) => sample.serve(request),
                _ => asks(&challenge),
            }
        });
        assert_eq!(kind(Bench::new().pull(&fake)), expected);
    }
    for challenge in [
        "Bearer realm=\"nowhere\"",
        "Bearer realm=\"http://198.51.100.1/token\"",
        "Negotiate",
        "",
    ] {
        let challenge = challenge.to_owned();
        let fake = faulty(&sample, move |_| Some(asks(&challenge)));
        assert!(Bench::new().pull(&fake).is_err());
    }
}
