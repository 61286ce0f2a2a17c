//! Whole pulls from a registry in this process that misbehaves in every way known.

mod access;
mod faults;
mod flow;

use std::sync::Mutex;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::registry::tests::{Answer, Fake, Request, Sample};

/// A store, and options that don't wait long.
struct Bench {
    directory: TempDir,
    store: Store,
    options: PullOptions,
}

impl Bench {
    fn new() -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("images")).unwrap();
        let options = PullOptions {
            credentials: CredentialSource::Anonymous,
            attempts: 3,
            stall_timeout: Duration::from_millis(300),
            ..PullOptions::default()
        };
        Bench {
            directory,
            store,
            options,
        }
    }

    fn pull(&self, fake: &Fake) -> Result<Image> {
        self.pull_name(&format!("{}/app:1", fake.address))
    }

    fn pull_name(&self, name: &str) -> Result<Image> {
        pull(
            &self.store,
            &name.parse().unwrap(),
            &self.options,
            &Told::default(),
        )
    }

    /// The image's files are there, with this content.
    fn holds(&self, image: &Image, contents: &[&[u8]]) {
        assert_eq!(image.layers.len(), contents.len());
        for (place, (chain, content)) in image.layers.iter().zip(contents).enumerate() {
            let path = self
                .store
                .root()
                .join("layers")
                .join(chain.hex())
                .join(format!("fs/file{place}"));
            assert!(
                std::fs::read(&path).unwrap() == *content,
                "{}",
                path.display()
            );
        }
    }
}

/// Checks that the events of each layer make sense, and keeps them.
#[derive(Default)]
struct Told(Mutex<Vec<PullEvent>>);

impl Progress for Told {
    fn event(&self, event: &PullEvent) {
        let mut told = self.0.lock().unwrap();
        if let PullEvent::Layer { digest, state } = event {
            let last = told.iter().rev().find_map(|known| match known {
                PullEvent::Layer {
                    digest: other,
                    state,
                } if other == digest => Some(state),
                _ => None,
            });
            match (last, state) {
                (
                    Some(LayerState::Downloading { done: before, .. }),
                    LayerState::Downloading { done, total },
                ) => {
                    assert!(
                        before <= done && done <= total,
                        "{before} then {done} of {total}"
                    );
                }
                (Some(LayerState::Done | LayerState::Exists), state) => {
                    panic!("{state:?} after the end")
                }
                _ => {}
            }
        }
        told.push(event.clone());
    }
}

/// A registry that serves `sample`, save where `fault` answers.
fn faulty(
    sample: &Sample,
    fault: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static,
) -> Fake {
    let sample = sample.clone();
    Fake::start(move |request| fault(request).unwrap_or_else(|| sample.serve(request)))
}

/// The error and all its causes, as a person sees them.
fn words(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

/// Content that does not compress, so that a layer has about this size.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}
