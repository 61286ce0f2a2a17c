//! What somebody may have meant.

/// `; did you mean ...?` when one of the words is near to what was written, and nothing otherwise.
pub(crate) fn did_you_mean<'a>(written: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    let limit = (written.chars().count() / 3).clamp(1, 3);
    let distances = words
        .into_iter()
        .map(|word| (distance(written, word), word));
    match distances.filter(|(distance, _)| *distance <= limit).min() {
        Some((_, word)) => format!("; did you mean `{word}`?"),
        None => String::new(),
    }
}

/// How many letters have to be added, taken away, changed or swapped with their neighbour. Case and `-` for `_` are one mistake
/// at most, and so is an end too many or missing.
fn distance(a: &str, b: &str) -> usize {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    if plain(a) == plain(b) {
        return usize::from(a != b);
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 3 {
        return usize::MAX;
    }
    if a.len().min(b.len()) >= 3 && (a.starts_with(&b) || b.starts_with(&a)) {
        return 1;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &str, meant: Option<&str>) {
        let words = [
            "image",
            "once",
            "volumes",
            "depends_on",
            "env_file",
            "ports",
            "expose",
        ];
        let expected = meant.map(|word| format!("; did you mean `{word}`?"));
        assert_eq!(did_you_mean(written, words), expected.unwrap_or_default());
    }

    #[test]
    fn near_words_are_meant() {
        check("imge", Some("image"));
        check("volume", Some("volumes"));
        check("depends-on", Some("depends_on"));
        check("dependsOn", Some("depends_on"));
        check("Ports", Some("ports"));
        check("prots", Some("ports"));
        check("exposed", Some("expose"));
        check("env", None);
        check("vol", None);
        check("port", Some("ports"));
        check("gone", None);
        check("replicas", None);
        check("x", None);
    }
}
