//! Environment variables and labels, from the command line and from files.

use std::collections::BTreeMap;
use std::path::Path;

use super::ParseError;
use crate::error::{Error, Result};

/// Reads a file of variables, one a line; empty lines and those that begin with `#` don't count.
pub(crate) fn read_file(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    Ok(lines(&text))
}

fn lines(text: &str) -> Vec<String> {
    text.trim_start_matches('\u{feff}')
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// Turns `NAME=VALUE` and `NAME` (taken from `ours`, left out where unset) into `NAME=VALUE`, later ones winning in the
/// place of the first.
pub(crate) fn resolve(
    given: &[String],
    ours: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<String>, ParseError> {
    let mut result = Vec::new();
    for entry in given {
        let name = entry.split('=').next().unwrap_or_default();
        if name.is_empty() || name.contains(char::is_whitespace) || entry.contains('\0') {
            return Err(ParseError::new(
                "environment variable",
                entry,
                "its name is empty or has a space",
                "NAME=VALUE or NAME",
            ));
        }
        match entry.contains('=') {
            true => set(&mut result, entry.clone()),
            false => {
                if let Some(value) = ours(entry) {
                    set(&mut result, format!("{entry}={value}"));
                }
            }
        }
    }
    Ok(result)
}

/// Sets `NAME=VALUE` in the place where `NAME` stands, else at the end.
pub(crate) fn set(environment: &mut Vec<String>, entry: String) {
    let name = entry.split('=').next().unwrap_or_default();
    match environment
        .iter_mut()
        .find(|have| have.split('=').next() == Some(name))
    {
        Some(have) => *have = entry,
        None => environment.push(entry),
    }
}

/// The value of `name`.
pub(crate) fn get<'a>(environment: &'a [String], name: &str) -> Option<&'a str> {
    environment
        .iter()
        .find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='))
}

/// Labels: `KEY=VALUE`, or `KEY` for an empty value.
pub(crate) fn labels(given: &[String]) -> Result<BTreeMap<String, String>, ParseError> {
    let mut result = BTreeMap::new();
    for entry in given {
        let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
        if key.is_empty() {
            return Err(ParseError::new(
                "label",
                entry,
                "its key is empty",
                "tier=front",
            ));
        }
        result.insert(key.to_owned(), value.to_owned());
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_resolved() {
        fn check(given: &[&str], expected: Option<&[&str]>) {
            let given: Vec<String> = given.iter().map(|s| (*s).to_owned()).collect();
            let ours = |name: &str| (name == "HOME").then(|| "/root".to_owned());
            let read = resolve(&given, &ours).ok();
            let expected: Option<Vec<String>> =
                expected.map(|e| e.iter().map(|s| (*s).to_owned()).collect());
            assert_eq!(read, expected, "{given:?}");
        }
        check(&["A=1", "B=2"], Some(&["A=1", "B=2"]));
        check(&["A=1", "B=2", "A=3"], Some(&["A=3", "B=2"]));
        check(&["A="], Some(&["A="]));
        check(&["A=b=c"], Some(&["A=b=c"]));
        check(&["HOME", "UNSET"], Some(&["HOME=/root"]));
        check(&["=1"], None);
        check(&[""], None);
        check(&["A B=1"], None);
    }

    #[test]
    fn files_have_comments() {
        assert_eq!(
            lines("\u{feff}A=1\n# no\n\n  B=2\n#C=3\nD=# yes\n"),
            ["A=1", "B=2", "D=# yes"]
        );
    }

    #[test]
    fn labels_are_read() {
        let given = ["a=1".to_owned(), "b".to_owned(), "a=2=3".to_owned()];
        let read = labels(&given).unwrap();
        assert_eq!(
            read.into_iter().collect::<Vec<_>>(),
            [("a".into(), "2=3".into()), ("b".into(), String::new())]
        );
        assert!(labels(&["=x".to_owned()]).is_err());
    }
}
