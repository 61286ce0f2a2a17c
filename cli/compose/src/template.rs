//! `${NAME}` and its kin within a text.

/// What became of a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) text: String,
    /// Names that nothing is known of and that have no default, each as it is written.
    pub(crate) unset: Vec<(String, String)>,
}

/// Why a text cannot be filled in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unfilled {
    /// The part of the text that is meant.
    pub(crate) fragment: String,
    pub(crate) message: String,
}

/// Deepest nesting of defaults.
const DEEPEST: usize = 32;

/// Fills in every `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?message}`, `${NAME?message}`,
/// `${NAME:+other}` and `${NAME+other}`; `$$` is a dollar sign, and so is one before anything that can be no name.
pub(crate) fn fill(
    template: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Filled, Unfilled> {
    let mut parser = Parser { template, next: 0 };
    let (parts, _) = parser.parts(0)?;
    let mut filled = Filled::default();
    evaluate(&parts, lookup, &mut filled)?;
    Ok(filled)
}

enum Part<'text> {
    Text(&'text str),
    Variable {
        name: &'text str,
        written: &'text str,
        then: Then<'text>,
    },
}

enum Then<'text> {
    Nothing,
    /// In place of what is not there.
    Default(bool, Argument<'text>),
    /// It must be there.
    Required(bool, Argument<'text>),
    /// In place of what is there.
    Other(bool, Argument<'text>),
}

struct Argument<'text> {
    parts: Vec<Part<'text>>,
    /// As it is written, where a dollar sign in it can begin no name: a hash of a password, rather than a template.
    literal: Option<&'text str>,
}

struct Parser<'text> {
    template: &'text str,
    next: usize,
}

impl<'text> Parser<'text> {
    fn rest(&self) -> &'text str {
        &self.template[self.next..]
    }

    /// To the end, or to the brace that closes what is at this depth. Whether a dollar sign stood alone.
    fn parts(&mut self, depth: usize) -> Result<(Vec<Part<'text>>, bool), Unfilled> {
        let mut parts = Vec::new();
        let mut alone = false;
        let mut braces = 0;
        let mut begin = self.next;
        while let Some(found) = self.rest().find(['$', '{', '}']) {
            self.next += found;
            match self.rest().as_bytes()[0] {
                b'{' => {
                    braces += 1;
                    self.next += 1;
                    continue;
                }
                b'}' => {
                    if depth > 0 && braces == 0 {
                        break;
                    }
                    braces -= if braces > 0 { 1 } else { 0 };
                    self.next += 1;
                    continue;
                }
                _ => {}
            }
            let after = &self.rest()[1..];
            if after.starts_with('$') {
                parts.push(Part::Text(&self.template[begin..=self.next]));
                self.next += 2;
            } else if after.starts_with('{') {
                parts.push(Part::Text(&self.template[begin..self.next]));
                parts.push(self.braced(depth)?);
            } else {
                let name = name_of(after);
                if name.is_empty() {
                    alone = true;
                    self.next += 1;
                    continue;
                }
                parts.push(Part::Text(&self.template[begin..self.next]));
                parts.push(Part::Variable {
                    name,
                    written: &self.rest()[..=name.len()],
                    then: Then::Nothing,
                });
                self.next += 1 + name.len();
            }
            begin = self.next;
        }
        if depth == 0 || !self.rest().starts_with('}') {
            self.next = self.template.len();
        }
        parts.push(Part::Text(&self.template[begin..self.next]));
        Ok((parts, alone))
    }

    fn braced(&mut self, depth: usize) -> Result<Part<'text>, Unfilled> {
        let start = self.next;
        self.next += 2;
        let name = name_of(self.rest());
        self.next += name.len();
        let shown = |end: usize| {
            let text = &self.template[start..];
            let end = text.char_indices().map(|(i, _)| i).find(|i| *i >= end);
            text[..end.unwrap_or(text.len())].to_owned()
        };
        if name.is_empty() {
            return Err(Unfilled {
                fragment: shown(3),
                message:
                    "`${` must be followed by a name; write `$${` for the characters themselves"
                        .to_owned(),
            });
        }
        if depth > DEEPEST {
            return Err(Unfilled {
                fragment: shown(2 + name.len()),
                message: format!("defaults are nested more than {DEEPEST} deep"),
            });
        }
        let rest = self.rest();
        let (colon, operator) = match rest.strip_prefix(':') {
            Some(rest) => (true, rest.chars().next()),
            None => (false, rest.chars().next()),
        };
        let operator = operator.filter(|c| matches!(c, '-' | '?' | '+'));
        let then = match operator {
            Some(operator) => {
                self.next += 1 + usize::from(colon);
                let begin = self.next;
                let (parts, alone) = self.parts(depth + 1)?;
                let written = &self.template[begin..self.next];
                let argument = Argument {
                    parts,
                    literal: (alone && !written.contains("${")).then_some(written),
                };
                match operator {
                    '-' => Then::Default(colon, argument),
                    '?' => Then::Required(colon, argument),
                    _ => Then::Other(colon, argument),
                }
            }
            None => Then::Nothing,
        };
        match self.rest().chars().next() {
            Some('}') => self.next += 1,
            None => {
                return Err(Unfilled {
                    fragment: self.template[start..].to_owned(),
                    message: "`${` has no `}`".to_owned(),
                });
            }
            Some(other) => {
                return Err(Unfilled {
                    fragment: shown(self.next - start + 1),
                    message: format!(
                        "`{other}` means nothing after the name in `${{{name}`; `:-`, `-`, `:?`, `?`, `:+` and `+` do"
                    ),
                });
            }
        }
        Ok(Part::Variable {
            name,
            written: &self.template[start..self.next],
            then,
        })
    }
}

fn name_of(text: &str) -> &str {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return "";
    }
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    &text[..end.unwrap_or(text.len())]
}

fn evaluate(
    parts: &[Part<'_>],
    lookup: &dyn Fn(&str) -> Option<String>,
    filled: &mut Filled,
) -> Result<(), Unfilled> {
    for part in parts {
        let (name, written, then) = match part {
            Part::Text(text) => {
                filled.text.push_str(text);
                continue;
            }
            Part::Variable {
                name,
                written,
                then,
            } => (name, written, then),
        };
        let value = lookup(name);
        let there = |filled: bool| match &value {
            Some(value) => !filled || !value.is_empty(),
            None => false,
        };
        match then {
            Then::Default(not_empty, argument) if !there(*not_empty) => {
                match argument.literal {
                    Some(literal) => filled.text.push_str(literal),
                    None => evaluate(&argument.parts, lookup, filled)?,
                }
                continue;
            }
            Then::Other(not_empty, argument) => {
                if there(*not_empty) {
                    evaluate(&argument.parts, lookup, filled)?;
                }
                continue;
            }
            Then::Required(not_empty, argument) if !there(*not_empty) => {
                let mut why = Filled::default();
                evaluate(&argument.parts, lookup, &mut why)?;
                let missing = match (&value, why.text.is_empty()) {
                    (None, true) => format!("{name} must be set"),
                    (Some(_), true) => format!("{name} must be set, and not to nothing"),
                    (_, false) => format!("{name} must be set: {}", why.text),
                };
                return Err(Unfilled {
                    fragment: (*written).to_owned(),
                    message: missing,
                });
            }
            _ => {}
        }
        match value {
            Some(value) => filled.text.push_str(&value),
            None => filled
                .unset
                .push(((*name).to_owned(), (*written).to_owned())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(name: &str) -> Option<String> {
        match name {
            "SET" => Some("value".to_owned()),
            "EMPTY" => Some(String::new()),
            "_x1" => Some("x".to_owned()),
            _ => None,
        }
    }

    fn check(template: &str, expected: &str) {
        let filled = fill(template, &known).unwrap_or_else(|error| panic!("{template}: {error:?}"));
        assert_eq!(filled.text, expected, "{template}");
    }

    fn refused(template: &str, fragment: &str, message: &str) {
        let error = fill(template, &known).expect_err(template);
        assert_eq!(error.fragment, fragment, "{template}");
        assert!(error.message.contains(message), "{}", error.message);
    }

    #[test]
    fn every_form_is_filled_in() {
        check("", "");
        check("plain {braces} }", "plain {braces} }");
        check("a $SET b ${SET}c$_x1", "a value b valuecx");
        check("${UNSET:-d} ${EMPTY:-d} ${SET:-d}", "d d value");
        check("${UNSET-d} ${EMPTY-d} ${SET-d}", "d  value");
        check("${UNSET:+r}|${EMPTY:+r}|${SET:+r}", "||r");
        check("${UNSET+r}|${EMPTY+r}|${SET+r}", "|r|r");
        check("${SET:?e}${SET?e}${EMPTY?e}", "valuevalue");
        check("${UNSET:-}|${UNSET-}", "|");
        check("${UNSET:-${EMPTY:-${SET}}}/x", "value/x");
        check("${UNSET:-a${SET}b$SET}", "avaluebvalue");
        check("${SET:-${UNSET:?never asked for}}", "value");
        check("${UNSET:-{\"a\": {}}}", "{\"a\": {}}");
        check("${UNSET:-http://h:80/?q=1+1-1}", "http://h:80/?q=1+1-1");
        check("{{.Node.Hostname}}-${SET}", "{{.Node.Hostname}}-value");
    }

    #[test]
    fn dollars_that_begin_no_name_stay() {
        check("$$SET $${SET} $$$SET", "$SET ${SET} $value");
        check("$ $1 a$ $-", "$ $1 a$ $-");
        check("${UNSET:-$2y$05$oZ}", "$2y$05$oZ");
        check("$(date) `$((1+1))`", "$(date) `$((1+1))`");
    }

    #[test]
    fn unset_names_are_told() {
        let filled = fill("$A ${B} ${C:-} ${SET}", &known).expect("filled");
        let names: Vec<&str> = filled.unset.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["A", "B"]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        refused(
            "a ${UNSET:?give me one}",
            "${UNSET:?give me one}",
            "UNSET must be set: give me one",
        );
        refused("${UNSET?}", "${UNSET?}", "UNSET must be set");
        refused("${EMPTY:?}", "${EMPTY:?}", "and not to nothing");
        refused("${UNSET:?is $SET}", "${UNSET:?is $SET}", "is value");
        refused("x ${SET", "${SET", "has no `}`");
        refused("${SET:-a${SET}", "${SET:-a${SET}", "has no `}`");
        refused("${}", "${}", "followed by a name");
        refused("${1A}", "${1", "followed by a name");
        refused("${SET/a/b}", "${SET/", "`/` means nothing");
        refused("${SET:=b}", "${SET:", "`:` means nothing");
        refused("${é}", "${é", "followed by a name");
        refused(&"${A:-".repeat(50), "${A", "nested");
    }

    proptest! {
        #[test]
        fn nothing_panics(template in "([${}:?+A-Z -]|\\PC|\\$\\{)*") {
            let _ = fill(&template, &known);
        }

        #[test]
        fn a_text_without_dollars_stays(template in "[^$]*") {
            prop_assert_eq!(fill(&template, &known).expect("filled").text, template);
        }

        #[test]
        fn doubled_dollars_escape_everything(text in "\\PC*") {
            let template = text.replace('$', "$$");
            prop_assert_eq!(fill(&template, &known).expect("filled").text, text);
        }
    }
}
