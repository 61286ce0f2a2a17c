//! Ages in words, as Docker words them: `About a minute`, `3 weeks`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// `age` in words, rounded to one unit: `Less than a second`, `5 seconds`, `About an hour`, `2 weeks`.
pub(crate) fn words(age: Duration) -> String {
    let seconds = age.as_secs();
    let minutes = seconds / 60;
    let hours = (seconds + 1800) / 3600;
    match (seconds, minutes, hours) {
        (0, ..) => "Less than a second".to_owned(),
        (1, ..) => "1 second".to_owned(),
        (..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, ..60, _) => format!("{minutes} minutes"),
        (_, _, 1) => "About an hour".to_owned(),
        (_, _, ..48) => format!("{hours} hours"),
        (_, _, hours) if hours < 24 * 14 => format!("{} days", hours / 24),
        (_, _, hours) if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        (_, _, hours) if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        (_, _, hours) => format!("{} years", hours / 24 / 365),
    }
}

/// The time from `then` to `now` in words; a `then` in the future counts as now.
pub(crate) fn between(then: Timestamp, now: Timestamp) -> String {
    words(elapsed(then, now))
}

/// [`between`] followed by `ago`.
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    format!("{} ago", between(then, now))
}

fn elapsed(then: Timestamp, now: Timestamp) -> Duration {
    let gone: SignedDuration = now.duration_since(then);
    Duration::try_from(gone).unwrap_or(Duration::ZERO)
}

/// The moment so many milliseconds after 1970 in RFC 3339; nothing for 0, which stands for never.
pub(crate) fn moment_of(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(moment) if ms != 0 => moment.to_string(),
        _ => String::new(),
    }
}

/// The moment `text` names, seen from `now`: RFC 3339 (`2026-01-02T03:04:05Z`), a date, a date and time (UTC),
/// seconds since 1970 (`1767323045.5`), or an age (`10m`, `1h30m`, `2d`).
pub(crate) fn parse_moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let refused = || {
        format!(
            "can't read the time {text:?}: give an age (10m, 1h30m), a time (2026-01-02T03:04:05Z) or seconds since 1970"
        )
    };
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    if let Some(moment) = unix_seconds(text) {
        return Ok(moment);
    }
    if let Some(age) = parse_age(text) {
        return now.checked_sub(age).map_err(|_| refused());
    }
    let local: jiff::civil::DateTime = text.parse().map_err(|_| refused())?;
    jiff::tz::TimeZone::UTC
        .to_timestamp(local)
        .map_err(|_| refused())
}

fn unix_seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    if !(whole.bytes().all(|b| b.is_ascii_digit()) && fraction.bytes().all(|b| b.is_ascii_digit()))
    {
        return None;
    }
    let nanos = format!("{fraction:0<9}").parse().ok()?;
    Timestamp::new(whole.parse().ok()?, nanos).ok()
}

/// An age as Go spells durations, with days added: `90s`, `1h30m`, `2d`, `500ms`.
pub(crate) fn parse_age(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let letters = unit
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(unit.len());
        let one = match &unit[..letters] {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            "d" => Duration::from_secs(24 * 3600),
            _ => return None,
        };
        total = total.checked_add(one.checked_mul(u32::try_from(number).ok()?)?)?;
        rest = &unit[letters..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_docker_words_them() {
        fn check(seconds: u64, expected: &str) {
            assert_eq!(words(Duration::from_secs(seconds)), expected, "{seconds} s");
        }
        check(0, "Less than a second");
        check(1, "1 second");
        check(59, "59 seconds");
        check(60, "About a minute");
        check(119, "About a minute");
        check(120, "2 minutes");
        check(59 * 60, "59 minutes");
        check(3600, "About an hour");
        check(5399, "About an hour");
        check(5400, "2 hours");
        check(47 * 3600, "47 hours");
        check(48 * 3600, "2 days");
        check(13 * 24 * 3600, "13 days");
        check(14 * 24 * 3600, "2 weeks");
        check(59 * 24 * 3600, "8 weeks");
        check(60 * 24 * 3600, "2 months");
        check(729 * 24 * 3600, "24 months");
        check(730 * 24 * 3600, "2 years");
    }

    #[test]
    fn moments_are_read() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let check = |text: &str, expected: Option<&str>| {
            let read = parse_moment(text, now).ok();
            let expected: Option<Timestamp> = expected.map(|text| text.parse().unwrap());
            assert_eq!(read, expected, "{text}");
        };
        check("2026-01-01T00:00:00Z", Some("2026-01-01T00:00:00Z"));
        check("2026-01-01T01:00:00+01:00", Some("2026-01-01T00:00:00Z"));
        check("2026-01-01", Some("2026-01-01T00:00:00Z"));
        check("2026-01-01T10:20:30", Some("2026-01-01T10:20:30Z"));
        check("0", Some("1970-01-01T00:00:00Z"));
        check("1.5", Some("1970-01-01T00:00:01.5Z"));
        check("5s", Some("2026-01-02T03:04:00Z"));
        check("1h4m", Some("2026-01-02T02:00:05Z"));
        check("2d", Some("2025-12-31T03:04:05Z"));
        check("", None);
        check("yesterday", None);
        check("5", Some("1970-01-01T00:00:05Z"));
        check("5x", None);
        check("1.x", None);
    }

    #[test]
    fn the_future_counts_as_now() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let later: Timestamp = "2026-01-02T03:05:05Z".parse().unwrap();
        assert_eq!(ago(later, now), "Less than a second ago");
        assert_eq!(ago(now, later), "About a minute ago");
    }
}
