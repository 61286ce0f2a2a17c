//! From a tree to the text of a YAML file that means the same.

use crate::tree::{Node, Scalar, Value};

/// The text, with a line feed at its end.
pub(crate) fn write(node: &Node) -> String {
    let mut text = String::new();
    value(&mut text, node, 0, Position::Top);
    text
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Top,
    /// After `key:`.
    Key,
    /// After `- `.
    Item,
}

fn value(out: &mut String, node: &Node, indent: usize, position: Position) {
    match &node.value {
        Value::Map(map) if !map.0.is_empty() => {
            if position == Position::Key {
                out.push('\n');
            }
            for (index, (key, node)) in map.0.iter().enumerate() {
                if index > 0 || position != Position::Item {
                    out.extend(std::iter::repeat_n(' ', indent));
                }
                out.push_str(&quoted(&key.text, false));
                out.push(':');
                value(out, node, indent + 2, Position::Key);
            }
        }
        Value::List(items) if !items.is_empty() => {
            if position == Position::Key {
                out.push('\n');
            }
            for (index, node) in items.iter().enumerate() {
                if index > 0 || position != Position::Item {
                    out.extend(std::iter::repeat_n(' ', indent));
                }
                out.push_str("- ");
                value(out, node, indent + 2, Position::Item);
            }
        }
        short => {
            if position == Position::Key {
                out.push(' ');
            }
            match short {
                Value::Null => out.push_str("null"),
                Value::Map(_) => out.push_str("{}"),
                Value::List(_) => out.push_str("[]"),
                Value::Scalar(scalar) => out.push_str(&scalar_text(scalar, indent)),
            }
            out.push('\n');
        }
    }
}

fn scalar_text(scalar: &Scalar, indent: usize) -> String {
    let text = &scalar.text;
    if !text.contains('\n') {
        return quoted(text, scalar.plain);
    }
    match block(text) {
        None => quoted(text, false),
        Some(chomping) => {
            let mut out = format!("|{chomping}");
            let body = if chomping == "+" {
                text.strip_suffix('\n').unwrap_or(text)
            } else {
                text.trim_end_matches('\n')
            };
            for line in body.split('\n') {
                out.push('\n');
                if !line.is_empty() {
                    out.extend(std::iter::repeat_n(' ', indent.max(2)));
                    out.push_str(line);
                }
            }
            out
        }
    }
}

/// How a text of several lines ends as a literal block, if it can be one.
fn block(text: &str) -> Option<&'static str> {
    let body = text.trim_end_matches('\n');
    let printable = text.chars().all(|c| c == '\n' || !c.is_control());
    let first = body.chars().next()?;
    let exotic = |c| matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    if !printable || first == ' ' || first == '\n' || text.contains(exotic) {
        return None;
    }
    match text.len() - body.len() {
        0 => Some("-"),
        1 => Some(""),
        _ => Some("+"),
    }
}

/// In quotes where another reader could take it for something else. `plain`: it may be a number or truth.
fn quoted(text: &str, plain: bool) -> String {
    if plain && (number(text) || matches!(text, "true" | "false")) {
        return text.to_owned();
    }
    let safe = |c: char| c.is_ascii_alphanumeric() || "_/.@+=,-:$%*() ;~".contains(c);
    let starts = |c: char| c.is_ascii_alphanumeric() || "_/.$".contains(c);
    let bare = text.starts_with(starts)
        && text.chars().all(safe)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ");
    if bare && !ambiguous(text) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                out.push_str(&format!("\\u{:04X}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn number(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(whole.strip_prefix('-').unwrap_or(whole)) && digits(part)
}

/// Whether some reader of YAML takes the bare text for a number, a truth, a time or nothing.
fn ambiguous(text: &str) -> bool {
    const WORDS: [&str; 12] = [
        "null", "~", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", ".nan",
    ];
    let lower = text.to_ascii_lowercase();
    let begins = lower
        .trim_start_matches('.')
        .starts_with(|c: char| c.is_ascii_digit());
    let goes_on = |c: char| c.is_ascii_hexdigit() || "_.:+-xo".contains(c);
    WORDS.contains(&lower.as_str()) || (begins && lower.chars().all(goes_on))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::place::{File, Notes};
    use crate::read::read;

    fn at() -> crate::place::At {
        let file = File::new(String::new(), String::new(), "/".into());
        crate::place::At {
            file: Notes::default().add(file),
            line: 1,
            column: 1,
            length: 1,
        }
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(write(&Node::text(text, at())), format!("{expected}\n"));
    }

    #[test]
    fn texts_that_could_be_taken_for_something_else_are_quoted() {
        check("web", "web");
        check("nginx:1.25", "nginx:1.25");
        check("no", "\"no\"");
        check("1.5", "\"1.5\"");
        check("0x1F", "\"0x1F\"");
        check("8080:80", "\"8080:80\"");
        check("", "\"\"");
        check("a: b", "\"a: b\"");
        check("a\nb\n", "|\n  a\n  b");
        check("a\nb", "|-\n  a\n  b");
        check("  a\nb", "\"  a\\nb\"");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(text in "[ -~\n\té\u{7f}]{0,40}") {
            let node = Node::list(vec![Node::text(&*text, at())], at());
            let read = read(&write(&node), at().file).expect("it is YAML");
            let list = read[0].as_list().expect("a list");
            let again = list[0].as_text().map(str::to_owned);
            prop_assert_eq!(again, Some(text));
        }
    }
}
