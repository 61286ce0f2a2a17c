//! Single values as they are typed: durations, sizes, counts, and lists of `KEY=VALUE`.

use engine::parse::{limit::Cpus, size::ByteSize};

use crate::output::age::parse_age;

/// Milliseconds: `10s`, `1m30s`, `500ms`.
pub(super) fn milliseconds(text: &str) -> Result<u64, String> {
    if text == "0" {
        return Ok(0);
    }
    parse_age(text)
        .and_then(|age| u64::try_from(age.as_millis()).ok())
        .ok_or_else(|| format!("{text:?} is no duration: write 500ms, 10s or 1m30s"))
}

/// Bytes: `512m`, `2g`.
pub(super) fn bytes(text: &str) -> Result<i64, String> {
    let size: ByteSize = text.parse().map_err(said)?;
    i64::try_from(size.0).map_err(|_| format!("{text:?} is too large"))
}

/// Billionths of a processor: `1.5`.
pub(super) fn processors(text: &str) -> Result<i64, String> {
    let cpus: Cpus = text.parse().map_err(said)?;
    i64::try_from(cpus.0).map_err(|_| format!("{text:?} is too large"))
}

/// A part of a whole: from 0 to 1.
pub(super) fn ratio(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err(format!(
            "{text:?} is no part of a whole: write a number from 0 to 1, such as 0.25"
        )),
    }
}

/// A target of automatic scaling: `60%` or `0.6`.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    match number.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number / scale),
        _ => Err(format!("{text:?} is no share: write 60% or 0.6")),
    }
}

/// A mode of a file, in octal: `0440`.
pub(super) fn mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text.trim_start_matches("0o"), 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
        .ok_or_else(|| format!("{text:?} is no mode: write it in octal, such as 0440"))
}

/// `true` or `false` after a key; a key alone is true.
pub(super) fn flag(key: &str, value: Option<&str>) -> Result<bool, String> {
    match value {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => Err(format!("{key} is neither true nor false: {other:?}")),
    }
}

/// The parts of `KEY=VALUE,KEY,...`; a part with a comma stands in double quotes.
pub(super) fn fields(text: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => parts.push(String::new()),
            letter => {
                if let Some(part) = parts.last_mut() {
                    part.push(letter);
                }
            }
        }
    }
    if quoted {
        return Err(format!("{text:?} has a quote that is not closed"));
    }
    let split = |part: String| match part.split_once('=') {
        Some((key, value)) => (key.trim().to_lowercase(), Some(value.to_owned())),
        None => (part.trim().to_lowercase(), None),
    };
    Ok(parts.into_iter().map(split).collect())
}

/// The value of a key that must have one.
pub(super) fn needed(key: &str, value: Option<String>) -> Result<String, String> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| format!("{key} has no value"))
}

/// `KEY=VALUE` or `KEY`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.is_empty() {
        return Err(format!("{text:?} has no name: write KEY=VALUE"));
    }
    Ok((key.to_owned(), value.to_owned()))
}

fn said(error: engine::parse::ParseError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read() {
        fn check<T: PartialEq + std::fmt::Debug>(read: Result<T, String>, expected: Option<T>) {
            assert_eq!(read.as_ref().ok(), expected.as_ref(), "{read:?}");
        }
        check(milliseconds("500ms"), Some(500));
        check(milliseconds("1m30s"), Some(90_000));
        check(milliseconds("0"), Some(0));
        check(milliseconds("10"), None);
        check(bytes("512m"), Some(512 << 20));
        check(bytes("x"), None);
        check(processors("1.5"), Some(1_500_000_000));
        check(processors("-1"), None);
        check(ratio("0.25"), Some(0.25));
        check(ratio("1.1"), None);
        check(ratio("NaN"), None);
        check(share("60%"), Some(0.6));
        check(share("1.5"), Some(1.5));
        check(share("0%"), None);
        check(share("inf"), None);
        check(mode("0440"), Some(0o440));
        check(mode("9"), None);
        check(mode("77777"), None);
        check(flag("ro", None), Some(true));
        check(flag("ro", Some("0")), Some(false));
        check(flag("ro", Some("yes")), None);
        check(pair("a=b=c"), Some(("a".to_owned(), "b=c".to_owned())));
        check(pair("a"), Some(("a".to_owned(), String::new())));
        check(pair("=b"), None);
    }

    #[test]
    fn parts_are_split_at_commas_outside_of_quotes() {
        fn check(text: &str, expected: Option<&[(&str, Option<&str>)]>) {
            let read = fields(text).ok();
            let read: Option<Vec<(&str, Option<&str>)>> = read.as_ref().map(|fields| {
                let shown = fields.iter();
                shown
                    .map(|(key, value)| (key.as_str(), value.as_deref()))
                    .collect()
            });
            assert_eq!(read.as_deref(), expected, "{text}");
        }
        check("a=1,B", Some(&[("a", Some("1")), ("b", None)]));
        check(
            "\"a=1,2\",b=3",
            Some(&[("a", Some("1,2")), ("b", Some("3"))]),
        );
        check("a=", Some(&[("a", Some(""))]));
        check("\"a", None);
    }
}
