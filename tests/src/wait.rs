//! Waiting for what another process does.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Asks `probe` until it answers, for at most ten seconds; fails naming `what` when it never does.
#[track_caller]
pub fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(Duration::from_secs(10), probe).unwrap_or_else(|| panic!("it never came about: {what}"))
}

/// Asks `probe` until it answers, for at most `limit`; on a slow machine MINI_TEST_PATIENCE times as long.
pub fn within<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let patience = std::env::var("MINI_TEST_PATIENCE").ok();
    let patience: u32 = patience.and_then(|text| text.parse().ok()).unwrap_or(1);
    let end = Instant::now() + limit * patience;
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        sleep(Duration::from_millis(5));
    }
}
