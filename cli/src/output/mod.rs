//! How things are shown: sizes, ages, tables, JSON and templates. Pure: values go in, text comes out.

use std::collections::BTreeMap;

pub(crate) mod age;
pub(crate) mod filter;
pub(crate) mod format;
pub(crate) mod size;
pub(crate) mod table;
pub(crate) mod template;

/// The twelve characters by which people name a container or an image; the whole id when `full`.
pub(crate) fn short_id(id: &str, full: bool) -> &str {
    if full {
        return id;
    }
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..12).unwrap_or(hex)
}

/// `text` cut to `width` characters, the last one an ellipsis when something was cut.
pub(crate) fn ellipsis(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// `KEY=VALUE` texts as a map; a text with no `=` is a key with an empty value, a later one wins.
pub(crate) fn pairs(texts: &[String]) -> BTreeMap<String, String> {
    let pair = |text: &String| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        (key.to_owned(), value.to_owned())
    };
    texts.iter().map(pair).collect()
}

/// Labels on one line: `a=1,b=2`.
pub(crate) fn joined(labels: &BTreeMap<String, String>) -> String {
    labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_cut_to_twelve() {
        fn check(id: &str, full: bool, expected: &str) {
            assert_eq!(short_id(id, full), expected);
        }
        check("0123456789abcdef", false, "0123456789ab");
        check("0123456789abcdef", true, "0123456789abcdef");
        check("sha256:0123456789abcdef", false, "0123456789ab");
        check("sha256:0123456789abcdef", true, "sha256:0123456789abcdef");
        check("short", false, "short");
    }

    #[test]
    fn long_text_ends_in_an_ellipsis() {
        fn check(text: &str, expected: &str) {
            assert_eq!(ellipsis(text, 6), expected);
        }
        check("abc", "abc");
        check("abcdef", "abcdef");
        check("abcdefg", "abcde…");
        check("äöüäöüä", "äöüäö…");
    }
}
