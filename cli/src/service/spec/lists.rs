//! What of a spec is a list: how one of it is put in, and taken out again. Put in again, it replaces what has the same key.

use std::collections::BTreeMap;

use super::values::pair;

/// Puts an item where one of the same key is, else at the end.
pub(super) fn put<T, K: PartialEq>(list: &mut Vec<T>, item: T, key: impl Fn(&T) -> K) {
    let wanted = key(&item);
    match list.iter_mut().find(|known| key(known) == wanted) {
        Some(known) => *known = item,
        None => list.push(item),
    }
}

/// Takes out what fits; refused where nothing does.
pub(super) fn take<T>(
    list: &mut Vec<T>,
    what: &str,
    name: &str,
    fits: impl Fn(&T) -> bool,
) -> Result<(), String> {
    let before = list.len();
    list.retain(|item| !fits(item));
    if list.len() == before {
        return Err(format!("the service has no {what} {name}"));
    }
    Ok(())
}

/// Puts `KEY=VALUE` texts into a map.
pub(super) fn put_pairs(
    map: &mut BTreeMap<String, String>,
    texts: &[String],
) -> Result<(), String> {
    for text in texts {
        let (key, value) = pair(text)?;
        map.insert(key, value);
    }
    Ok(())
}

/// Takes keys out of a map.
pub(super) fn take_keys(
    map: &mut BTreeMap<String, String>,
    what: &str,
    keys: &[String],
) -> Result<(), String> {
    for key in keys {
        if map.remove(key).is_none() {
            return Err(format!("the service has no {what} {key}"));
        }
    }
    Ok(())
}

/// The name of `NAME=VALUE`.
pub(super) fn name_of(entry: &str) -> &str {
    entry.split('=').next().unwrap_or_default()
}

/// Puts `NAME=VALUE`, or `NAME` with the value that `ours` has, into the environment; a name that is set nowhere is left out.
pub(super) fn put_environment(
    environment: &mut Vec<String>,
    texts: &[String],
    ours: &dyn Fn(&str) -> Option<String>,
) -> Result<(), String> {
    for text in texts {
        let name = name_of(text);
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(format!(
                "{text:?} is no environment variable: write NAME=VALUE or NAME"
            ));
        }
        let entry = match text.contains('=') {
            true => Some(text.clone()),
            false => ours(name).map(|value| format!("{name}={value}")),
        };
        if let Some(entry) = entry {
            put(environment, entry, |entry| name_of(entry).to_owned());
        }
    }
    Ok(())
}

/// Variables of a file, one a line; empty lines and those that begin with `#` don't count.
pub(crate) fn variables(text: &str) -> Vec<String> {
    text.trim_start_matches('\u{feff}')
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// `NAME:ADDRESS` or `NAME=ADDRESS`, as a line of /etc/hosts.
pub(super) fn host(text: &str) -> Result<String, String> {
    let (name, address) = text
        .split_once(['=', ':'])
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| format!("{text:?} is no host: write NAME:ADDRESS"))?;
    let address: std::net::IpAddr = address
        .trim_matches(['[', ']'])
        .parse()
        .map_err(|_| format!("{address:?} is no address: write db:10.0.0.7"))?;
    Ok(format!("{name}:{address}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_replace_those_of_the_same_name() {
        fn check(texts: &[&str], expected: Option<&[&str]>) {
            let mut environment = vec!["A=1".to_owned(), "B=2".to_owned()];
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            let ours = |name: &str| (name == "HOME").then(|| "/root".to_owned());
            let put = put_environment(&mut environment, &texts, &ours);
            let read = put.is_ok().then_some(environment);
            let expected: Option<Vec<String>> =
                expected.map(|texts| texts.iter().map(|text| (*text).to_owned()).collect());
            assert_eq!(read, expected, "{texts:?}");
        }
        check(&["A=3", "C=4"], Some(&["A=3", "B=2", "C=4"]));
        check(&["HOME", "NOWHERE"], Some(&["A=1", "B=2", "HOME=/root"]));
        check(&["=x"], None);
        check(&["a b=x"], None);
    }

    #[test]
    fn hosts_are_read() {
        assert_eq!(host("db:10.0.0.7").as_deref(), Ok("db:10.0.0.7"));
        assert_eq!(host("db=[::1]").as_deref(), Ok("db:::1"));
        assert!(host("db").is_err());
        assert!(host("db:there").is_err());
        assert_eq!(variables("A=1\n# no\n\n  B"), ["A=1", "B"]);
    }
}
