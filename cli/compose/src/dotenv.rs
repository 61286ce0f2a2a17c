//! Files of `NAME=value` lines, as `.env` and `env_file` have them.

use crate::template::fill;

/// A line that cannot be read. Lines count from 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// The names in the order of the file; no value where a line has the name alone.
pub(crate) type Lines = Vec<(String, Option<String>)>;

/// Reads one.
///
/// A value ends with its line, or before ` #`. In single quotes it is taken as it is; in double quotes it may hold `\n`, `\t`,
/// `\"`, `\\` and `\$`; in either it may have several lines. Outside single quotes `$NAME` and its kin are filled in, from
/// `lookup` and from the lines before.
pub(crate) fn parse(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Lines, Unreadable> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        rest: text,
        line: 1,
    };
    let mut lines = Lines::new();
    while reader.skip_to_name() {
        let line = reader.line;
        let (name, has_value) = reader.name()?;
        if !has_value {
            lines.push((name, None));
            continue;
        }
        let (value, template) = reader.value()?;
        let value = match template {
            false => value,
            true => {
                let known = |name: &str| lookup(name).or_else(|| last(&lines, name));
                let filled = fill(&value, &known).map_err(|error| Unreadable {
                    line,
                    message: format!("value of {name}: {}", error.message),
                })?;
                filled.text
            }
        };
        lines.push((name, Some(value)));
    }
    Ok(lines)
}

/// Reads one whose values are taken as they are: no quotes, no comments after them, nothing filled in.
pub(crate) fn parse_raw(text: &str) -> Lines {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().filter_map(|line| {
        let start = line.trim_start();
        if start.is_empty() || start.starts_with('#') {
            return None;
        }
        Some(match line.split_once('=') {
            Some((name, value)) => (name.trim().to_owned(), Some(value.to_owned())),
            None => (line.trim().to_owned(), None),
        })
    });
    lines.collect()
}

fn last(lines: &Lines, name: &str) -> Option<String> {
    let line = lines.iter().rev().find(|(known, _)| known == name)?;
    line.1.clone()
}

struct Reader<'text> {
    rest: &'text str,
    line: usize,
}

impl<'text> Reader<'text> {
    fn advance(&mut self, bytes: usize) -> &'text str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    /// Whether there is another name.
    fn skip_to_name(&mut self) -> bool {
        loop {
            let space = self.rest.len() - self.rest.trim_start().len();
            self.advance(space);
            if !self.rest.starts_with('#') {
                return !self.rest.is_empty();
            }
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.advance(end);
        }
    }

    /// A name, and whether a value follows.
    fn name(&mut self) -> Result<(String, bool), Unreadable> {
        let line = self.line;
        if let Some(after) = self.rest.strip_prefix("export")
            && after.starts_with([' ', '\t'])
        {
            let skipped = self.rest.len() - after.trim_start_matches([' ', '\t']).len();
            self.advance(skipped);
        }
        let end = self.rest.find(['=', ':', '\n']);
        let end = end.unwrap_or(self.rest.len());
        let written = self.rest[..end].trim_end();
        let fits = |c: char| c.is_alphanumeric() || "_.-[]".contains(c);
        if written.is_empty() || !written.chars().all(fits) {
            let shown = self.rest.lines().next().unwrap_or_default();
            return Err(Unreadable {
                line,
                message: format!("`{}` is no NAME=value", shown.trim_end()),
            });
        }
        self.advance(end);
        let has_value = self.rest.starts_with(['=', ':']);
        if has_value {
            self.advance(1);
            let space = self.rest.len() - self.rest.trim_start_matches([' ', '\t']).len();
            self.advance(space);
        }
        Ok((written.to_owned(), has_value))
    }

    /// A value, and whether there may be names in it to fill in.
    fn value(&mut self) -> Result<(String, bool), Unreadable> {
        let line = self.line;
        let quote = match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => quote,
            _ => {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                let value = self.advance(end);
                let comment = value.find(" #").or_else(|| value.find("\t#"));
                let value = value[..comment.unwrap_or(value.len())].trim_end();
                let value = if value.starts_with('#') { "" } else { value };
                return Ok((value.to_owned(), true));
            }
        };
        self.advance(1);
        let mut value = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((index, c)) = chars.next() {
            if c == quote {
                self.advance(index + 1);
                self.end_of_line(line)?;
                return Ok((value, quote == '"'));
            }
            if c != '\\' {
                value.push(c);
                continue;
            }
            match chars.next() {
                Some((_, escaped)) if escaped == quote => value.push(escaped),
                Some((_, escaped)) if quote == '"' => value.push_str(&unescape(escaped)),
                Some((_, other)) => value.extend(['\\', other]),
                None => value.push('\\'),
            }
        }
        Err(Unreadable {
            line,
            message: format!("the value has no closing {quote}"),
        })
    }

    fn end_of_line(&mut self, line: usize) -> Result<(), Unreadable> {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let after = self.advance(end).trim();
        match after.is_empty() || after.starts_with('#') {
            true => Ok(()),
            false => Err(Unreadable {
                line,
                message: format!("`{after}` after the closing quote"),
            }),
        }
    }
}

fn unescape(c: char) -> String {
    match c {
        'n' => "\n".to_owned(),
        'r' => "\r".to_owned(),
        't' => "\t".to_owned(),
        '\\' => "\\".to_owned(),
        '$' => "$$".to_owned(),
        other => format!("\\{other}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(name: &str) -> Option<String> {
        (name == "HOST").then(|| "outer".to_owned())
    }

    fn check(text: &str, expected: &[(&str, Option<&str>)]) {
        let lines = parse(text, &known).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let lines: Vec<(&str, Option<&str>)> = lines
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
            .collect();
        assert_eq!(lines, expected, "{text}");
    }

    fn refused(text: &str, line: usize, message: &str) {
        let error = parse(text, &known).expect_err(text);
        assert_eq!(error.line, line, "{text}");
        assert!(error.message.contains(message), "{}", error.message);
    }

    #[test]
    fn lines_are_read() {
        check("", &[]);
        check(
            "# a comment\n\n A=1\nB = 2 \r\n",
            &[("A", Some("1")), ("B", Some("2"))],
        );
        check(
            "export A=1\nexport\tB=2",
            &[("A", Some("1")), ("B", Some("2"))],
        );
        check("A: yes\nB", &[("A", Some("yes")), ("B", None)]);
        check("A=\nB=", &[("A", Some("")), ("B", Some(""))]);
        check(
            "A=b # c\nB=b#c\nC=#c",
            &[("A", Some("b")), ("B", Some("b#c")), ("C", Some(""))],
        );
        check("U=http://u:p@h/?a=b", &[("U", Some("http://u:p@h/?a=b"))]);
    }

    #[test]
    fn quotes_keep_what_is_in_them() {
        check("A='$HOST \\n # b' # c", &[("A", Some("$HOST \\n # b"))]);
        check("A='it\\'s'", &[("A", Some("it's"))]);
        check(
            "A=\"a\\n\\\"b\\\" \\$HOST # c\"",
            &[("A", Some("a\n\"b\" $HOST # c"))],
        );
        check("A=\"1\n2\"\nB=3", &[("A", Some("1\n2")), ("B", Some("3"))]);
        check("A=it's", &[("A", Some("it's"))]);
    }

    #[test]
    fn names_are_filled_in() {
        check(
            "A=1\nB=$A${HOST}\nC=\"${A}x\"",
            &[("A", Some("1")), ("B", Some("1outer")), ("C", Some("1x"))],
        );
        check(
            "HOST=inner\nB=$HOST",
            &[("HOST", Some("inner")), ("B", Some("outer"))],
        );
        check("A=${B:-d}", &[("A", Some("d"))]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        refused("A=1\nB C=2", 2, "`B C=2` is no NAME=value");
        refused("=1", 1, "is no NAME=value");
        refused("A=1\n\nB=\"x\ny", 3, "no closing \"");
        refused("A='x' y", 1, "`y` after the closing quote");
        refused("\nA=${B:?none}", 2, "value of A: B must be set: none");
    }

    #[test]
    fn raw_lines_are_taken_as_they_are() {
        let lines = parse_raw("# c\nA='$x' # y\nB\n");
        assert_eq!(lines[0], ("A".to_owned(), Some("'$x' # y".to_owned())));
        assert_eq!(lines[1], ("B".to_owned(), None));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "([A-C=:'\"\\\\$ #\n]|\\PC)*") {
            let _ = parse(&text, &known);
        }
    }
}
