//! How fast something comes: bytes a second over the last few seconds. Time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

/// Long enough to be calm, short enough to show a stall.
const WINDOW: Duration = Duration::from_secs(3);

/// A figure less than this old says nothing yet.
const SETTLED: Duration = Duration::from_millis(300);

/// The last readings of one counter.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    readings: VecDeque<(Duration, u64)>,
}

impl Rate {
    /// Notes that `done` bytes had come at `now` (since any fixed moment), and tells the rate once there is one. A counter
    /// that goes back begins anew.
    pub(crate) fn note(&mut self, now: Duration, done: u64) -> Option<u64> {
        if self
            .readings
            .back()
            .is_some_and(|(_, before)| *before > done)
        {
            self.readings.clear();
        }
        self.readings.push_back((now, done));
        while self
            .readings
            .get(1)
            .is_some_and(|(then, _)| now.saturating_sub(*then) >= WINDOW)
        {
            self.readings.pop_front();
        }
        let (then, before) = self.readings.front()?;
        let passed = now.saturating_sub(*then);
        (passed >= SETTLED).then(|| ((done - before) as f64 / passed.as_secs_f64()) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        fn check(readings: &[(u64, u64)], expected: Option<u64>) {
            let mut rate = Rate::default();
            let last = readings
                .iter()
                .map(|(ms, done)| rate.note(Duration::from_millis(*ms), *done))
                .last()
                .flatten();
            assert_eq!(last, expected, "{readings:?}");
        }
        check(&[(0, 0)], None);
        check(&[(0, 0), (100, 1000)], None);
        check(&[(0, 0), (500, 1000)], Some(2000));
        check(
            &[(0, 0), (1000, 1000), (2000, 2000), (10_000, 2000)],
            Some(0),
        );
        check(&[(0, 5000), (1000, 10), (2000, 1010)], Some(1000));
        check(
            &[(0, 0), (1000, 9000), (4000, 9300), (5000, 9400)],
            Some(100),
        );
    }
}
