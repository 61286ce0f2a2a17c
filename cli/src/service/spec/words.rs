//! Words of a command on one line, as a shell splits them.

/// Splits at white space; single quotes keep everything, double quotes and a backslash what a shell's keep.
pub(super) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some('"') | None, '\\') => {
                let escaped = letters
                    .next()
                    .ok_or_else(|| format!("{text:?} ends with a backslash"))?;
                let kept = quote.is_some() && !matches!(escaped, '"' | '\\' | '$' | '`');
                let word = word.get_or_insert_default();
                if kept {
                    word.push('\\');
                }
                word.push(escaped);
            }
            (Some(_), letter) => word.get_or_insert_default().push(letter),
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (None, letter) => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err(format!("{text:?} has a quote that is not closed"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        fn check(text: &str, expected: Option<&[&str]>) {
            let read = words(text).ok();
            let expected: Option<Vec<String>> =
                expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect());
            assert_eq!(read, expected, "{text}");
        }
        check("", Some(&[]));
        check("  sleep   10 ", Some(&["sleep", "10"]));
        check("sh -c 'echo a  b'", Some(&["sh", "-c", "echo a  b"]));
        check(r#"a "b \"c\" \n" d\ e"#, Some(&["a", r#"b "c" \n"#, "d e"]));
        check("a''b", Some(&["ab"]));
        check("''", Some(&[""]));
        check(r"'\'", Some(&[r"\"]));
        check("'a", None);
        check("a\\", None);
    }
}
