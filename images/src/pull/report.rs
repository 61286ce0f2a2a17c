//! One layer's events: in order, never going back, and not more often than a person can see.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::digest::Digest;
use crate::progress::{LayerState, Progress, PullEvent};

/// Between two events that only tell of more bytes.
const INTERVAL: Duration = Duration::from_millis(50);

/// Tells of one layer, from the thread that downloads it and the one that unpacks it.
pub(super) struct Report<'a> {
    progress: &'a dyn Progress,
    digest: &'a Digest,
    total: u64,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    downloaded: u64,
    unpacked: u64,
    /// The download is over.
    complete: bool,
    told: Option<Instant>,
}

impl<'a> Report<'a> {
    pub(super) fn new(progress: &'a dyn Progress, digest: &'a Digest, total: u64) -> Report<'a> {
        Report {
            progress,
            digest,
            total,
            seen: Mutex::default(),
        }
    }

    /// So many bytes are here.
    pub(super) fn downloaded(&self, done: u64) {
        let mut seen = self.lock();
        if done > seen.downloaded || seen.told.is_none() {
            seen.downloaded = seen.downloaded.max(done);
            if due(&mut seen) || done == self.total {
                self.tell(LayerState::Downloading {
                    done: seen.downloaded,
                    total: self.total,
                });
            }
        }
    }

    /// The download is over; what is left is unpacking.
    pub(super) fn complete(&self) {
        let mut seen = self.lock();
        seen.complete = true;
        self.tell(LayerState::Extracting {
            done: seen.unpacked,
            total: self.total,
        });
    }

    /// So many of the compressed bytes are unpacked.
    pub(super) fn unpacked(&self, done: u64) {
        let mut seen = self.lock();
        seen.unpacked = seen.unpacked.max(done);
        if seen.complete && due(&mut seen) {
            self.tell(LayerState::Extracting {
                done: seen.unpacked,
                total: self.total,
            });
        }
    }

    /// The bytes unpacked are those of another attempt from now on.
    pub(super) fn again(&self) {
        let mut seen = self.lock();
        seen.complete = false;
    }

    /// A state without figures.
    pub(super) fn state(&self, state: LayerState) {
        let _seen = self.lock();
        self.tell(state);
    }

    fn tell(&self, state: LayerState) {
        self.progress.event(&PullEvent::Layer {
            digest: self.digest.clone(),
            state,
        });
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn due(seen: &mut Seen) -> bool {
    let now = Instant::now();
    let due = seen
        .told
        .is_none_or(|told| now.duration_since(told) >= INTERVAL);
    if due {
        seen.told = Some(now);
    }
    due
}
