//! `--network`, `--placement-pref`: where tasks are, and whom they reach.

use model::{NetworkAttachment, SpreadPreference};

use super::values::{fields, needed};

/// Reads `NAME` or `name=NAME,alias=A,alias=B`.
pub(super) fn network(text: &str) -> Result<NetworkAttachment, String> {
    let mut attachment = NetworkAttachment::default();
    if !text.contains('=') {
        attachment.network = needed("the network", Some(text.to_owned()))?;
        return Ok(attachment);
    }
    for (key, value) in fields(text)? {
        let value = needed(&key, value)?;
        match key.as_str() {
            "name" => attachment.network = value,
            "alias" => attachment.aliases.push(value),
            _ => {
                return Err(format!(
                    "the key {key:?} is unknown; write it like name=backend,alias=db"
                ));
            }
        }
    }
    if attachment.network.is_empty() {
        return Err("name= is missing; write it like name=backend,alias=db".to_owned());
    }
    Ok(attachment)
}

/// Reads `spread=node.labels.zone[,max-skew=1]`.
pub(super) fn preference(text: &str) -> Result<SpreadPreference, String> {
    let example = "write it like spread=node.labels.zone or spread=node.labels.zone,max-skew=1";
    let mut preference = SpreadPreference::default();
    for (key, value) in fields(text)? {
        let value = needed(&key, value)?;
        match key.as_str() {
            "spread" => preference.over = value,
            "max-skew" => {
                preference.max_skew = value
                    .parse()
                    .map_err(|_| format!("{value:?} is no number; {example}"))?;
            }
            _ => return Err(format!("the key {key:?} is unknown; {example}")),
        }
    }
    if preference.over.is_empty() {
        return Err(format!("spread= is missing; {example}"));
    }
    Ok(preference)
}

/// Reads a constraint; what it says is checked by the managers.
pub(super) fn constraint(text: &str) -> Result<String, String> {
    if text.contains("==") || text.contains("!=") {
        return Ok(text.trim().to_owned());
    }
    Err(format!(
        "{text:?} compares nothing: write it like node.labels.disk==ssd or node.role!=manager"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read() {
        fn check(text: &str, expected: Option<(&str, &[&str])>) {
            let read = network(text).ok();
            let read = read.as_ref().map(|read| {
                let aliases: Vec<&str> = read.aliases.iter().map(String::as_str).collect();
                (read.network.as_str(), aliases)
            });
            let expected = expected.map(|(name, aliases)| (name, aliases.to_vec()));
            assert_eq!(read, expected, "{text}");
        }
        check("backend", Some(("backend", &[])));
        check(
            "name=backend,alias=a,alias=b",
            Some(("backend", &["a", "b"])),
        );
        check("alias=a", None);
        check("name=a,driver-opt=b", None);
        check("", None);
    }

    #[test]
    fn preferences_are_read() {
        fn check(text: &str, expected: Option<(&str, u32)>) {
            let read = preference(text).ok();
            let read = read
                .as_ref()
                .map(|read| (read.over.as_str(), read.max_skew));
            assert_eq!(read, expected, "{text}");
        }
        check("spread=node.labels.zone", Some(("node.labels.zone", 0)));
        check(
            "spread=node.labels.zone,max-skew=1",
            Some(("node.labels.zone", 1)),
        );
        check("max-skew=1", None);
        check("spread=a,max-skew=b", None);
        check("binpack=a", None);
    }

    #[test]
    fn constraints_compare() {
        assert_eq!(constraint(" node.id != a ").as_deref(), Ok("node.id != a"));
        assert!(constraint("node.role=manager").is_err());
    }
}
