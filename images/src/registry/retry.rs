//! When a request is made again, and how long to wait before it is. Pure.

use std::time::Duration;

use jiff::Timestamp;

/// The longest wait that a server may ask for and get.
const LONGEST: Duration = Duration::from_secs(90);
/// Attempts to connect: a registry that is not there should be told of soon.
const CONNECTS: u32 = 3;

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// No connection came about.
    Connect,
    /// The connection broke, stood still, or brought something garbled.
    Broken,
    /// The server has trouble, or too much to do; it may have said how long.
    Busy(Option<Duration>),
}

/// How long to wait before the next attempt after `made` ones; `None` to give up. `jitter` is between 0 and 1.
pub(crate) fn wait(class: Class, made: u32, attempts: u32, jitter: f64) -> Option<Duration> {
    let allowed = match class {
        Class::Connect => attempts.min(CONNECTS),
        Class::Broken | Class::Busy(_) => attempts,
    };
    if made >= allowed {
        return None;
    }
    let backoff = backoff(made).mul_f64(0.75 + jitter.clamp(0.0, 1.0) / 2.0);
    match class {
        Class::Busy(Some(asked)) if asked > LONGEST => None,
        Class::Busy(Some(asked)) => Some(asked.max(backoff.min(Duration::from_millis(250)))),
        _ => Some(backoff),
    }
}

/// A quarter of a second, doubled with each attempt, up to eight seconds.
fn backoff(made: u32) -> Duration {
    Duration::from_millis(250 << made.saturating_sub(1).min(5))
}

/// A `Retry-After`: seconds, or the moment itself (RFC 9110, 10.2.3).
pub(super) fn parse_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// Is a status one that may be gone a moment later?
pub(super) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502..=504 | 506..=599)
}

/// A number between 0 and 1, so that many clients don't come back at the same moment.
pub(crate) fn jitter() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    let random = std::hash::RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn waits_longer_each_time_and_gives_up() {
        for (class, made, expected) in [
            (Class::Broken, 1, Some(Duration::from_millis(250))),
            (Class::Broken, 2, Some(Duration::from_millis(500))),
            (Class::Broken, 5, Some(seconds(4))),
            (Class::Broken, 6, None),
            (Class::Connect, 2, Some(Duration::from_millis(500))),
            (Class::Connect, 3, None),
            (Class::Busy(None), 1, Some(Duration::from_millis(250))),
            (Class::Busy(Some(seconds(7))), 1, Some(seconds(7))),
            (
                Class::Busy(Some(seconds(0))),
                1,
                Some(Duration::from_millis(250)),
            ),
            (Class::Busy(Some(seconds(7))), 6, None),
            (Class::Busy(Some(seconds(3600))), 1, None),
        ] {
            assert_eq!(wait(class, made, 6, 0.5), expected, "{class:?} {made}");
        }
        assert_eq!(wait(Class::Broken, 30, 100, 0.5), Some(seconds(8)));
        let value = jitter();
        assert!((0.0..=1.0).contains(&value));
    }

    #[test]
    fn reads_both_forms_of_retry_after() {
        let now: Timestamp = "1994-11-06T08:49:30Z".parse().unwrap();
        for (text, expected) in [
            ("120", Some(seconds(120))),
            (" 0 ", Some(seconds(0))),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(seconds(7))),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(seconds(0))),
            ("soon", None),
            ("-3", None),
            ("", None),
        ] {
            assert_eq!(parse_retry_after(text, now), expected, "{text}");
        }
    }
}
