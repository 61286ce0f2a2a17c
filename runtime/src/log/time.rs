//! Points in time as RFC 3339 writes them, in UTC with nine digits.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of a time: `2026-01-02T03:04:05.000000000Z`.
pub(super) const LENGTH: usize = 30;

/// As text.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    String::from_utf8_lossy(&format(time)).into_owned()
}

/// As bytes, without touching the heap. Times before 1970 or after 9999 are shown as the nearest that can be.
pub(super) fn format(time: SystemTime) -> [u8; LENGTH] {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs().min(253_402_300_799);
    let (year, month, day) = date((seconds / 86_400) as i64);
    let of_day = seconds % 86_400;
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    put(&mut text[0..4], year as u64);
    put(&mut text[5..7], month);
    put(&mut text[8..10], day);
    put(&mut text[11..13], of_day / 3600);
    put(&mut text[14..16], of_day / 60 % 60);
    put(&mut text[17..19], of_day % 60);
    put(&mut text[20..29], u64::from(since.subsec_nanos()));
    text
}

/// Reads what [`format`] wrote.
pub(super) fn parse(text: &[u8]) -> Option<SystemTime> {
    let punctuation = [
        (4, b'-'),
        (7, b'-'),
        (10, b'T'),
        (13, b':'),
        (16, b':'),
        (19, b'.'),
        (29, b'Z'),
    ];
    if text.len() != LENGTH || punctuation.iter().any(|(at, byte)| text[*at] != *byte) {
        return None;
    }
    let number = |from: usize, to: usize| {
        text[from..to].iter().try_fold(0u64, |sum, byte| {
            byte.is_ascii_digit()
                .then(|| sum * 10 + u64::from(byte - b'0'))
        })
    };
    let days = days(number(0, 4)? as i64, number(5, 7)?, number(8, 10)?);
    let of_day = number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    let seconds = u64::try_from(days).ok()? * 86_400 + of_day;
    UNIX_EPOCH.checked_add(Duration::new(seconds, number(20, 29)? as u32))
}

fn put(field: &mut [u8], mut value: u64) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Year, month and day of a number of days since 1970, by the calendar's cycle of 400 years (146097 days) counted from 1 March 0000.
fn date(days: i64) -> (i64, u64, u64) {
    let from_march = days + 719_468;
    let cycle = from_march.div_euclid(146_097);
    let day = from_march.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (year + cycle * 400 + later, month as u64, day as u64)
}

/// The reverse of [`date`].
fn days(year: i64, month: u64, day: u64) -> i64 {
    let (month, day) = (month.clamp(1, 12) as i64, day as i64);
    let year = if month <= 2 { year - 1 } else { year };
    let cycle = year.div_euclid(400);
    let of_cycle = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    cycle * 146_097 + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_they_are_written() {
        let check = |seconds: u64, nanoseconds: u32, expected: &str| {
            let time = UNIX_EPOCH + Duration::new(seconds, nanoseconds);
            assert_eq!(rfc3339(time), expected);
            assert_eq!(parse(expected.as_bytes()), Some(time));
        };
        check(0, 0, "1970-01-01T00:00:00.000000000Z");
        check(951_782_400, 1, "2000-02-29T00:00:00.000000001Z");
        check(1_767_323_045, 999_999_999, "2026-01-02T03:04:05.999999999Z");
        check(4_107_542_399, 0, "2100-02-28T23:59:59.000000000Z");
        check(4_107_542_400, 0, "2100-03-01T00:00:00.000000000Z");
        for broken in [
            "",
            "2026-01-02T03:04:05Z",
            "2026-01-02 03:04:05.000000000Z",
            "2026-01-02T03:04:0x.000000000Z",
        ] {
            assert_eq!(parse(broken.as_bytes()), None, "{broken}");
        }
    }
}
