//! Lengths of time: `30s`, `1m30s`, `1.5h`.

use std::str::FromStr;
use std::time::Duration;

use super::ParseError;

/// A length of time as Go spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Each unit and its nanoseconds, a unit that another begins with behind that one.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl FromStr for Span {
    type Err = ParseError;

    /// Decimal numbers, each with `ns`, `us`, `ms`, `s`, `m` or `h`; or `0`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fail = |why: &str| ParseError::new("length of time", text, why, "30s, 1m30s or 500ms");
        if text == "0" {
            return Ok(Span(Duration::ZERO));
        }
        if text.starts_with('-') {
            return Err(fail("it is negative"));
        }
        if text.is_empty() {
            return Err(fail("it is empty"));
        }
        let mut rest = text;
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let end = rest
                .find(|c: char| !(c.is_ascii_digit() || c == '.'))
                .ok_or_else(|| fail("a unit is missing"))?;
            let (number, behind) = rest.split_at(end);
            let (unit, nanoseconds) = UNITS
                .iter()
                .find(|(unit, _)| behind.starts_with(unit))
                .ok_or_else(|| fail("a unit is unknown"))?;
            total = part(number, *nanoseconds)
                .and_then(|part| total.checked_add(part))
                .ok_or_else(|| fail("it is not a number, or too large"))?;
            rest = &behind[unit.len()..];
        }
        Ok(Span(Duration::from_nanos(total)))
    }
}

/// `number` units of so many nanoseconds.
fn part(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: u64 = match whole {
        "" => 0,
        digits => digits.parse().ok()?,
    };
    let mut scale = unit;
    let mut beyond: u64 = 0;
    for digit in fraction.bytes() {
        scale /= 10;
        beyond += scale * u64::from(digit - b'0');
    }
    // Docker keeps them as signed nanoseconds.
    whole
        .checked_mul(unit)?
        .checked_add(beyond)
        .filter(|nanoseconds| i64::try_from(*nanoseconds).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        fn check(text: &str, expected: Option<u64>) {
            let read = text.parse::<Span>().ok();
            let read = read.map(|span| span.0.as_nanos() as u64);
            assert_eq!(read, expected, "{text}");
        }
        check("0", Some(0));
        check("0s", Some(0));
        check("30s", Some(30_000_000_000));
        check("1m30s", Some(90_000_000_000));
        check("500ms", Some(500_000_000));
        check("1.5h", Some(5_400_000_000_000));
        check(".5s", Some(500_000_000));
        check("2us", Some(2_000));
        check("7ns", Some(7));
        check("1.0000000001s", Some(1_000_000_000));
        check("", None);
        check("30", None);
        check("-1s", None);
        check("s", None);
        check("1.2.3s", None);
        check("1d", None);
        check("1 s", None);
        check("99999999999h", None);
    }
}
