//! `-f KEY=VALUE` of the verbs that list.

/// One filter as typed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Filter {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl Filter {
    /// Reads `KEY=VALUE` where the key is one of `known`.
    pub(crate) fn parse(text: &str, known: &[&str]) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or_else(|| {
            format!(
                "invalid filter {text:?}: write KEY=VALUE, such as {}=...",
                known[0]
            )
        })?;
        if !known.contains(&key) {
            return Err(format!("no filter {key:?}: there are {}", known.join(", ")));
        }
        Ok(Filter {
            key: key.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// Reads all filters of a command line.
pub(crate) fn parse_all(texts: &[String], known: &[&str]) -> Result<Vec<Filter>, String> {
    texts
        .iter()
        .map(|text| Filter::parse(text, known))
        .collect()
}

/// Whether an object passes: filters of one key are alternatives, those of different keys must all hold, except for
/// labels, all of which must.
pub(crate) fn passes(filters: &[Filter], holds: impl Fn(&str, &str) -> bool) -> bool {
    filters.iter().all(|filter| match filter.key.as_str() {
        "label" => holds("label", &filter.value),
        key => filters
            .iter()
            .any(|other| other.key == key && holds(key, &other.value)),
    })
}

/// Whether `labels` have `KEY` or `KEY=VALUE`.
pub(crate) fn has_label<'a>(
    labels: impl IntoIterator<Item = (&'a String, &'a String)>,
    wanted: &str,
) -> bool {
    let (key, value) = match wanted.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (wanted, None),
    };
    labels
        .into_iter()
        .any(|(name, text)| name == key && value.is_none_or(|value| value == text))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn filters_are_read() {
        fn check(text: &str, expected: Option<(&str, &str)>) {
            let read = Filter::parse(text, &["name", "label"]).ok();
            let read = read
                .as_ref()
                .map(|filter| (filter.key.as_str(), filter.value.as_str()));
            assert_eq!(read, expected, "{text}");
        }
        check("name=web", Some(("name", "web")));
        check("label=a=b", Some(("label", "a=b")));
        check("name=", Some(("name", "")));
        check("name", None);
        check("color=red", None);
    }

    #[test]
    fn alternatives_and_conditions() {
        fn check(texts: &[&str], expected: bool) {
            let labels: BTreeMap<String, String> = [("a".to_owned(), "1".to_owned())].into();
            let filters: Vec<Filter> = texts
                .iter()
                .map(|text| Filter::parse(text, &["name", "label", "status"]).unwrap())
                .collect();
            let passed = passes(&filters, |key, value| match key {
                "name" => value == "web",
                "status" => value == "running",
                _ => has_label(&labels, value),
            });
            assert_eq!(passed, expected, "{texts:?}");
        }
        check(&[], true);
        check(&["name=web"], true);
        check(&["name=db"], false);
        check(&["name=db", "name=web"], true);
        check(&["name=web", "status=exited"], false);
        check(&["label=a"], true);
        check(&["label=a=1"], true);
        check(&["label=a=2"], false);
        check(&["label=a", "label=b"], false);
    }
}
