//! The five fields of a schedule, as far as a mistake can be told where it is written; the managers read it.

use crate::suggest::did_you_mean;

const FIELDS: [(&str, u32, u32); 5] = [
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("day of the week", 0, 7),
];
const WORDS: [&str; 7] = [
    "@hourly",
    "@daily",
    "@midnight",
    "@weekly",
    "@monthly",
    "@yearly",
    "@annually",
];
const NAMES: &str = "jan feb mar apr may jun jul aug sep oct nov dec sun mon tue wed thu fri sat";

/// Checks `minute hour day-of-month month day-of-week`, or one of the words beginning with `@`.
pub(super) fn check(text: &str) -> Result<(), String> {
    let text = text.trim();
    if text.starts_with('@') {
        return match WORDS.contains(&text) {
            true => Ok(()),
            false => Err(format!(
                "`{text}` is no schedule{}",
                did_you_mean(text, WORDS)
            )),
        };
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!(
            "`{text}` has {} fields; a schedule has five: minute, hour, day of the month, month, day of the week",
            fields.len()
        ));
    }
    for (field, (name, least, most)) in fields.iter().zip(FIELDS) {
        for part in field.split(',') {
            let (range, step) = part.split_once('/').unwrap_or((part, "1"));
            let step_fits = step
                .parse::<u32>()
                .is_ok_and(|step| step > 0 && step <= most + 1);
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let fits = |word: &str| {
                let number = word
                    .parse()
                    .is_ok_and(|number| (least..=most).contains(&number));
                let named = most == 12 || most == 7;
                let lower = word.to_ascii_lowercase();
                number || (named && lower.len() == 3 && NAMES.split(' ').any(|name| name == lower))
            };
            if !step_fits || !(range == "*" || (fits(first) && fits(last))) {
                return Err(format!(
                    "`{part}` is no {name}: a number from {least} to {most}, a range, or `*`"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn schedules() {
        for text in [
            "*/5 * * * *",
            "0 4 * * sun",
            "0,30 8-18/2 1-15 JAN-jun 1-5",
            "@daily",
            "59 23 31 12 7",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for (text, expected) in [
            ("* * * *", "has 4 fields"),
            ("0/30 * * * * *", "has 6 fields"),
            ("60 * * * *", "`60` is no minute"),
            ("* 24 * * *", "`24` is no hour"),
            ("* * 0 * *", "`0` is no day of the month"),
            ("* * * * 8", "`8` is no day of the week"),
            ("*/0 * * * *", "`*/0` is no minute"),
            ("mon * * * *", "`mon` is no minute"),
            ("@dayly", "did you mean `@daily`?"),
            ("", "has 0 fields"),
        ] {
            let error = check(text).expect_err(text);
            assert!(error.contains(expected), "{error}");
        }
    }
}
