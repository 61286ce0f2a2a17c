//! What single values mean.

/// Milliseconds of `1h30m`, `10s`, `500ms`, `1.5s` or `0`.
pub(crate) fn duration(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1e-6),
        ("us", 1e-3),
        ("µs", 1e-3),
        ("ms", 1.0),
        ("s", 1e3),
        ("m", 60e3),
        ("h", 3_600e3),
        ("d", 86_400e3),
    ];
    let wrong = || format!("`{text}` is no duration; write it like 10s, 1m30s or 500ms");
    if text == "0" {
        return Ok(0);
    }
    let mut rest = text;
    let mut sum = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'));
        let (number, after) = rest.split_at(digits.ok_or_else(wrong)?);
        let letters = after.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, after) = after.split_at(letters.unwrap_or(after.len()));
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let known = UNITS.iter().find(|(known, _)| *known == unit);
        let (_, factor) = known.ok_or_else(wrong)?;
        sum += number * factor;
        rest = after;
    }
    match text.is_empty() || sum > 1e15 {
        true => Err(wrong()),
        false => Ok(sum.ceil() as u64),
    }
}

/// Bytes of `1.5G`, `50M`, `1gb`, `64k` or `1024`; a K is 1024.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size; write it like 512M, 1.5G or 1073741824");
    let lower = text.to_ascii_lowercase();
    let digits = lower.find(|c: char| !(c.is_ascii_digit() || c == '.'));
    let (number, unit) = lower.split_at(digits.unwrap_or(lower.len()));
    let shift = match unit.trim_start() {
        "" | "b" => 0,
        "k" | "kb" | "ki" | "kib" => 10,
        "m" | "mb" | "mi" | "mib" => 20,
        "g" | "gb" | "gi" | "gib" => 30,
        "t" | "tb" | "ti" | "tib" => 40,
        "p" | "pb" | "pi" | "pib" => 50,
        _ => return Err(wrong()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        let bytes = whole.checked_mul(1 << shift);
        return bytes.filter(|bytes| *bytes < 1 << 62).ok_or_else(wrong);
    }
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let bytes = number * (1_u64 << shift) as f64;
    match bytes < (1_u64 << 62) as f64 {
        true => Ok(bytes as u64),
        false => Err(wrong()),
    }
}

/// Billionths of a processor of `0.5` or `2`.
pub(crate) fn nano_cpus(text: &str) -> Result<i64, String> {
    match text.parse::<f64>() {
        Ok(cpus) if (0.0..1e6).contains(&cpus) => Ok((cpus * 1e9).round() as i64),
        _ => Err(format!(
            "`{text}` is no number of processors; write it like 0.5 or 2"
        )),
    }
}

/// A part of a whole: `60%` or `0.6`.
pub(crate) fn part(text: &str) -> Result<f64, String> {
    let number = match text.strip_suffix('%') {
        Some(percent) => percent.trim_end().parse::<f64>().map(|part| part / 100.0),
        None => text.parse::<f64>(),
    };
    match number {
        Ok(part) if part > 0.0 && part <= 10.0 => Ok(part),
        _ => Err(format!(
            "`{text}` is no part of a whole; write it like 60% or 0.6"
        )),
    }
}

/// A number from 0 to 1.
pub(crate) fn ratio(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err(format!("`{text}` is no number from 0 to 1")),
    }
}

/// A file mode: octal with a 0 before it or in quotes, as YAML 1.1 and Docker read it, else decimal.
pub(crate) fn mode(text: &str, plain: bool) -> Result<u32, String> {
    let octal = text.strip_prefix("0o").or_else(|| text.strip_prefix("0O"));
    let read = match octal {
        Some(digits) => u32::from_str_radix(digits, 8),
        None if !plain || text.starts_with('0') => u32::from_str_radix(text, 8),
        None => text.parse(),
    };
    let digits = text.bytes().all(|b| b.is_ascii_alphanumeric());
    match read {
        Ok(mode) if mode <= 0o7777 && digits => Ok(mode),
        _ => Err(format!(
            "`{text}` is no file mode; write it in octal, like 0440"
        )),
    }
}

/// `true`, and what Docker takes for it.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "1" => Ok(true),
        "false" | "no" | "off" | "n" | "0" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

/// The words of a command line, as a shell separates them.
pub(crate) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err(format!("`{text}` has no closing '")),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                            Some('\n') => {}
                            Some(c) => word.extend(['\\', c]),
                            None => return Err(format!("`{text}` has no closing \"")),
                        },
                        Some(c) => word.push(c),
                        None => return Err(format!("`{text}` has no closing \"")),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err(format!("`{text}` ends with a backslash")),
            },
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    fn check<T: PartialEq + Debug>(
        read: impl Fn(&str) -> Result<T, String>,
        table: Vec<(&str, Option<T>)>,
    ) {
        for (text, expected) in table {
            assert_eq!(read(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn durations() {
        check(
            duration,
            vec![
                ("10s", Some(10_000)),
                ("1h30m", Some(5_400_000)),
                ("1m30s", Some(90_000)),
                ("500ms", Some(500)),
                ("1.5s", Some(1_500)),
                ("1us", Some(1)),
                ("2d", Some(172_800_000)),
                ("0", Some(0)),
                ("0s", Some(0)),
                ("", None),
                ("10", None),
                ("s", None),
                ("10 s", None),
                ("-1s", None),
                ("1..5s", None),
                ("99999999999999d", None),
            ],
        );
    }

    #[test]
    fn sizes() {
        check(
            bytes,
            vec![
                ("1024", Some(1024)),
                ("0", Some(0)),
                ("50M", Some(50 << 20)),
                ("1gb", Some(1 << 30)),
                ("1.5G", Some(3 << 29)),
                ("64k", Some(64 << 10)),
                ("1GiB", Some(1 << 30)),
                ("10 MB", Some(10 << 20)),
                ("12b", Some(12)),
                ("", None),
                ("G", None),
                ("-1", None),
                ("1x", None),
                ("99999999P", None),
            ],
        );
    }

    #[test]
    fn processors_parts_and_ratios() {
        check(
            nano_cpus,
            vec![
                ("0.5", Some(500_000_000)),
                ("2", Some(2_000_000_000)),
                ("0.001", Some(1_000_000)),
                ("-1", None),
                ("NaN", None),
                ("50M", None),
            ],
        );
        check(
            part,
            vec![
                ("60%", Some(0.6)),
                ("0.6", Some(0.6)),
                ("60", None),
                ("0", None),
            ],
        );
        check(
            ratio,
            vec![
                ("0", Some(0.0)),
                ("0.25", Some(0.25)),
                ("1", Some(1.0)),
                ("1.1", None),
            ],
        );
    }

    #[test]
    fn modes_are_octal_where_docker_reads_them_so() {
        check(
            |text| mode(text, true),
            vec![
                ("0440", Some(0o440)),
                ("0o440", Some(0o440)),
                ("288", Some(0o440)),
                ("440", Some(440)),
                ("0", Some(0)),
                ("0999", None),
                ("99999", None),
                ("rw", None),
            ],
        );
        check(
            |text| mode(text, false),
            vec![
                ("0440", Some(0o440)),
                ("440", Some(0o440)),
                ("288", None),
                ("+440", None),
            ],
        );
    }

    #[test]
    fn truths() {
        check(
            boolean,
            vec![("true", Some(true)), ("No", Some(false)), ("maybe", None)],
        );
    }

    #[test]
    fn command_lines() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(words(text).expect(text), expected, "{text}");
        };
        check("", &[]);
        check("exit 1", &["exit", "1"]);
        check(
            "sh -c \"while true; do date; done\"",
            &["sh", "-c", "while true; do date; done"],
        );
        check(
            "a 'b c' d\\ e \"\" f\"g\"'h'",
            &["a", "b c", "d e", "", "fgh"],
        );
        check(
            "x --filter \"\\\"until=24h\\\"\" \"\\n\"",
            &["x", "--filter", "\"until=24h\"", "\\n"],
        );
        check("  a\n  b \\\n c", &["a", "b", "c"]);
        assert!(words("a 'b").is_err());
        assert!(words("a \"b").is_err());
        assert!(words("a \\").is_err());
    }
}
