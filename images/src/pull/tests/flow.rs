//! What is fetched, what is not, and by whom.

use super::*;
use crate::error::ErrorKind;
use crate::registry::tests::{Cut, answer};

#[test]
fn nothing_is_fetched_twice() {
    let contents: [&[u8]; 3] = [b"one", b"two", &noise(300_000)];
    let sample = Sample::new(&contents).wrapped("linux/riscv64");
    let sample = Sample {
        top: sample.top.clone(),
        ..sample
    };
    let own = Sample::new(&contents);
    let fake = faulty(&own, |_| None);
    let bench = Bench::new();
    let image = bench.pull(&fake).unwrap();
    bench.holds(&image, &contents);
    assert_eq!(image.manifest, own.digest());
    assert_eq!(fake.requests().len(), 1 + 1 + 3, "{:#?}", fake.requests());
    bench.pull(&fake).unwrap();
    let later = &fake.requests()[5..];
    assert!(
        matches!(later, [head] if head.method == "HEAD"),
        "{later:#?}"
    );
    let by_digest = format!("{}/app@{}", fake.address, own.digest());
    assert_eq!(bench.pull_name(&by_digest).unwrap().id, image.id);
    assert_eq!(
        fake.requests().len(),
        6,
        "a digest that is here needs no question"
    );
    // Another name of the same repository, whose index leads to what is here: only the index is new.
    let bench_options = PullOptions {
        platform: "linux/riscv64".parse().unwrap(),
        ..bench.options.clone()
    };
    let fake = faulty(&sample, |_| None);
    let name: Reference = format!("{}/app:1", fake.address).parse().unwrap();
    pull(&bench.store, &name, &bench_options, &Told::default()).unwrap();
    assert_eq!(fake.requests().len(), 1, "{:#?}", fake.requests());
}

#[test]
fn a_name_is_looked_up_without_bringing_the_image() {
    let own = Sample::new(&[b"one"]);
    let many = own.clone().wrapped("linux/riscv64");
    let bench = Bench::new();
    for (sample, platforms) in [(own, vec![]), (many, vec!["linux/riscv64"])] {
        let fake = faulty(&sample, |_| None);
        let name = format!("{}/app:1", fake.address).parse().unwrap();
        let found = look_up(&name, &bench.options).unwrap();
        assert_eq!(found.digest, Digest::of(&sample.top));
        let shown: Vec<String> = found.platforms.iter().map(ToString::to_string).collect();
        assert_eq!(shown, platforms);
        assert_eq!(fake.requests().len(), 1, "{:#?}", fake.requests());
        let absent = format!("{}/app:2", fake.address).parse().unwrap();
        let refused = look_up(&absent, &bench.options).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotFound);
    }
}

#[test]
fn policies() {
    let sample = Sample::new(&[b"x"]);
    let fake = faulty(&sample, |_| None);
    let mut bench = Bench::new();
    bench.options.policy = Policy::Never;
    assert_eq!(bench.pull(&fake).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(fake.requests().is_empty());
    bench.options.policy = Policy::Missing;
    bench.pull(&fake).unwrap();
    let asked = fake.requests().len();
    bench.pull(&fake).unwrap();
    bench.options.policy = Policy::Never;
    bench.pull(&fake).unwrap();
    assert_eq!(fake.requests().len(), asked);
}

#[test]
fn a_broken_pull_goes_on_where_it_was() {
    let content = noise(400_000);
    let sample = Sample::new(&[&content]);
    let layer = sample.layers[0].to_string();
    let fake = faulty(&sample, {
        let (sample, layer) = (sample.clone(), layer.clone());
        move |request| {
            (request.path.ends_with(&layer) && request.before == 0)
                .then(|| sample.serve(request).cut(150_000, Cut::Closed))
        }
    });
    let mut bench = Bench::new();
    bench.options.attempts = 1;
    let error = bench.pull(&fake).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{}", words(&error));
    assert!(bench.store.list().unwrap().is_empty());
    let image = bench.pull(&fake).unwrap();
    bench.holds(&image, &[&content]);
    let ranges: Vec<_> = fake
        .asked(&layer)
        .iter()
        .map(|request| request.headers.get("range").cloned())
        .collect();
    assert_eq!(ranges, [None, Some("bytes=150000-".to_owned())]);
}

#[test]
fn what_is_wrong_on_the_disk_is_fetched_anew() {
    let content = noise(200_000);
    let sample = Sample::new(&[&content]);
    let fake = faulty(&sample, |_| None);
    let bench = Bench::new();
    let partial = bench
        .store
        .root()
        .join("ingest")
        .join(sample.layers[0].hex());
    std::fs::create_dir_all(&partial).unwrap();
    std::fs::write(partial.join("data"), vec![7; 5000]).unwrap();
    let image = bench.pull(&fake).unwrap();
    bench.holds(&image, &[&content]);
    assert!(!partial.exists());
}

#[test]
fn two_at_once_share_the_work() {
    let content = noise(600_000);
    let sample = Sample::new(&[&content, b"small"]);
    let layer = sample.layers[0].to_string();
    let fake = faulty(&sample, {
        let layer = layer.clone();
        move |request| {
            if request.path.ends_with(&layer) {
                thread::sleep(Duration::from_millis(200));
            }
            None
        }
    });
    let bench = Bench::new();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| bench.pull(&fake).unwrap());
        }
    });
    assert_eq!(fake.asked(&layer).len(), 1);
    assert_eq!(bench.store.list().unwrap().len(), 1);
}

#[test]
fn platforms_and_indexes() {
    let own = Platform::host().to_string();
    let other = if own.ends_with("s390x") {
        "riscv64"
    } else {
        "s390x"
    };
    let sample = || Sample::new(&[b"x"]);
    for (sample, expected) in [
        (sample().wrapped(&own), Ok(())),
        (sample().wrapped(&own).wrapped(""), Ok(())),
        (sample().wrapped(""), Ok(())),
        (
            sample().wrapped("").wrapped("").wrapped(""),
            Err(ErrorKind::Invalid),
        ),
        (
            sample().wrapped(&format!("linux/{other}")),
            Err(ErrorKind::NoPlatform),
        ),
        (Sample::of(&[b"x"], other), Err(ErrorKind::NoPlatform)),
        (
            Sample::of(&[b"x"], other).wrapped(""),
            Err(ErrorKind::NoPlatform),
        ),
    ] {
        let fake = faulty(&sample, |_| None);
        let result = Bench::new().pull(&fake);
        if let Err(error) = &result
            && error.kind() == ErrorKind::NoPlatform
        {
            let text = error.to_string();
            assert!(text.contains(other) && text.contains(&own), "{text}");
        }
        assert_eq!(result.map(drop).map_err(|error| error.kind()), expected);
    }
}

#[test]
fn mirrors_come_first_and_are_not_missed() {
    let contents: [&[u8]; 2] = [b"one", b"two"];
    let sample = Sample::new(&contents);
    let origin = faulty(&sample, |_| None);
    let layer = sample.layers[0].to_string();
    for (name, mirror) in [
        ("good", faulty(&sample, |_| None)),
        ("empty", faulty(&sample, |_| Some(answer(404, "")))),
        ("failing", faulty(&sample, |_| Some(answer(500, "")))),
        (
            "asking who is there",
            faulty(&sample, |_| {
                Some(answer(401, "").header("WWW-Authenticate", "Basic realm=\"x\""))
            }),
        ),
        (
            "without a layer",
            faulty(&sample, move |request| {
                request.path.ends_with(&layer).then(|| answer(404, ""))
            }),
        ),
        (
            "with a wrong layer",
            faulty(&sample, {
                let layer = sample.layers[1].to_string();
                let length = sample.blobs[&layer].len();
                move |request| {
                    request
                        .path
                        .ends_with(&layer)
                        .then(|| answer(200, vec![0; length]))
                }
            }),
        ),
        (
            "with a wrong manifest",
            faulty(&sample, |request| {
                request
                    .path
                    .contains("manifests")
                    .then(|| answer(200, "[]").header("Docker-Content-Digest", Digest::of(b"x")))
            }),
        ),
    ] {
        let mut bench = Bench::new();
        bench.options.mirrors.insert(
            origin.address.clone(),
            vec![format!("http://{}", mirror.address)],
        );
        let asked = origin.requests().len();
        let image = bench
            .pull(&origin)
            .unwrap_or_else(|error| panic!("{name}: {}", words(&error)));
        bench.holds(&image, &contents);
        assert!(!mirror.requests().is_empty(), "{name}");
        assert_eq!(origin.requests().len() > asked, name != "good", "{name}");
    }
}

use crate::digest::Digest;

#[test]
fn events_tell_the_whole_story() {
    let content = noise(300_000);
    let sample = Sample::new(&[&content, b"x"]);
    let fake = faulty(&sample, |_| None);
    let bench = Bench::new();
    let name: Reference = format!("{}/app:1", fake.address).parse().unwrap();
    for fetched in [true, false] {
        let told = Told::default();
        pull(&bench.store, &name, &bench.options, &told).unwrap();
        let told = told.0.into_inner().unwrap();
        assert!(
            matches!(told.first(), Some(PullEvent::Resolving { .. })),
            "{told:#?}"
        );
        assert!(
            matches!(told.last(), Some(PullEvent::Done { fetched: f, .. }) if *f == fetched),
            "{told:#?}"
        );
        for layer in &sample.layers {
            let end = if fetched {
                LayerState::Done
            } else {
                LayerState::Exists
            };
            let last = told.iter().rev().find_map(|event| match event {
                PullEvent::Layer { digest, state } if digest == layer => Some(state),
                _ => None,
            });
            assert_eq!(last, Some(&end));
        }
    }
    drop(bench.directory);
}
