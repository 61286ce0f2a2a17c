//! Sizes in bytes: `512m`, `1.5g`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ParseError;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = ParseError;

    /// A decimal number and `b`, `k`, `m`, `g`, `t` or `p` (powers of 1024; `kb`, `kib` alike), in either case.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fail = |why: &str| ParseError::new("size", text, why, "512m, 2g or 1048576");
        let trimmed = text.trim();
        let split = trimmed
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(split);
        let shift = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 10,
            "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            "t" | "tb" | "tib" => 40,
            "p" | "pb" | "pib" => 50,
            _ => return Err(fail("the unit is unknown")),
        };
        let bytes = match number.split_once('.') {
            None => number
                .parse::<u64>()
                .ok()
                .and_then(|n| n.checked_mul(1 << shift)),
            Some(_) => number
                .parse::<f64>()
                .ok()
                .map(|n| n * (1u64 << shift) as f64)
                .filter(|n| *n < i64::MAX as f64)
                .map(|n| n as u64),
        };
        bytes
            .filter(|n| i64::try_from(*n).is_ok())
            .map(ByteSize)
            .ok_or_else(|| fail("it is not a number of bytes"))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Memory and swap together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwapLimit {
    /// Any amount of swap.
    Unlimited,
    /// Memory and swap together, in bytes.
    Total(ByteSize),
}

impl FromStr for SwapLimit {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.trim() {
            "-1" => Ok(SwapLimit::Unlimited),
            other => other.parse().map(SwapLimit::Total),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        fn check(text: &str, expected: Option<u64>) {
            assert_eq!(
                text.parse::<ByteSize>().ok().map(|s| s.0),
                expected,
                "{text:?}"
            );
        }
        check("0", Some(0));
        check("1024", Some(1024));
        check("12b", Some(12));
        check("64k", Some(64 << 10));
        check("512m", Some(512 << 20));
        check("512MB", Some(512 << 20));
        check("512MiB", Some(512 << 20));
        check("1.5g", Some(3 << 29));
        check("2T", Some(2 << 40));
        check(" 7 m ", Some(7 << 20));
        check("", None);
        check("m", None);
        check("-1", None);
        check("1x", None);
        check("1.2.3m", None);
        check("9999999p", None);
        check("18446744073709551615", None);
    }

    #[test]
    fn swap_may_be_unlimited() {
        fn check(text: &str, expected: Option<SwapLimit>) {
            assert_eq!(text.parse::<SwapLimit>().ok(), expected, "{text:?}");
        }
        check("-1", Some(SwapLimit::Unlimited));
        check("1k", Some(SwapLimit::Total(ByteSize(1024))));
        check("-2", None);
    }

    #[test]
    fn the_error_names_value_and_example() {
        assert_eq!(
            "1x".parse::<ByteSize>().unwrap_err().to_string(),
            "invalid size \"1x\": the unit is unknown; write it like 512m, 2g or 1048576"
        );
    }
}
