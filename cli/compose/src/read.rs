//! From the text of a YAML file to trees.
//!
//! What a file says grows by its anchors: each use of one is a copy. The copies of a file are counted while they are made, and
//! a file that would grow without measure is refused before it does.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use crate::error::{Fault, Result};
use crate::place::{At, FileId, Path};
use crate::tree::{Key, Map, Mark, Node, Scalar, Value};

/// Most that anchors may add to a file.
const MOST_COPIES: Size = Size {
    nodes: 200_000,
    bytes: 16 << 20,
};
/// Deepest nesting.
const DEEPEST: usize = 100;

/// The documents of a file.
pub(crate) fn read(text: &str, file: FileId) -> Result<Vec<Node>> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)),
        file,
        anchors: HashMap::new(),
        copied: Size::default(),
    };
    let mut documents = Vec::new();
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            Event::StreamEnd => break,
            event => documents.push(reader.node(event, span, 0)?.node),
        }
    }
    Ok(documents)
}

struct Reader<'text> {
    parser: Parser<'text, StrInput<'text>>,
    file: FileId,
    /// What an anchor stands for.
    anchors: HashMap<usize, Built>,
    /// What copies have added so far.
    copied: Size,
}

#[derive(Clone)]
struct Built {
    node: Node,
    size: Size,
    /// How many levels it has below itself.
    height: usize,
}

#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
}

impl Size {
    fn add(&mut self, other: Size) {
        self.nodes = self.nodes.saturating_add(other.nodes);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    fn exceeds(self, limit: Size) -> bool {
        self.nodes > limit.nodes || self.bytes > limit.bytes
    }
}

impl<'text> Reader<'text> {
    fn next(&mut self) -> Result<Option<(Event<'text>, Span)>> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok(next)) => Ok(Some(next)),
            Some(Err(error)) => Err(self.malformed(&error)),
        }
    }

    fn malformed(&self, error: &ScanError) -> Fault {
        let marker = error.marker();
        let at = At {
            file: self.file,
            line: number(marker.line()),
            column: number(marker.col() + 1),
            length: 1,
        };
        Fault::new(
            at,
            &Path::default(),
            format!("not valid YAML: {}", error.info()),
        )
    }

    fn at(&self, span: &Span) -> At {
        let one_line = span.start.line() == span.end.line();
        let length = span.end.col().saturating_sub(span.start.col());
        At {
            file: self.file,
            line: number(span.start.line()),
            column: number(span.start.col() + 1),
            length: if one_line { number(length.max(1)) } else { 1 },
        }
    }

    fn node(&mut self, event: Event<'text>, span: Span, depth: usize) -> Result<Built> {
        let at = self.at(&span);
        if depth > DEEPEST {
            return Err(too_deep(at));
        }
        let (built, anchor) = match event {
            Event::Alias(id) => return self.alias(id, at, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                (
                    scalar(text.into_owned(), plain, tag.as_deref(), at)?,
                    anchor,
                )
            }
            Event::SequenceStart(_, anchor, tag) => {
                let built = self.list(at, depth)?;
                (marked(built, tag.as_deref())?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                let built = self.map(at, depth)?;
                (marked(built, tag.as_deref())?, anchor)
            }
            _ => {
                let why = "not valid YAML: the file ends within a value";
                return Err(Fault::new(at, &Path::default(), why));
            }
        };
        if anchor != 0 {
            self.count(built.size, at)?;
            self.anchors.insert(anchor, built.clone());
        }
        Ok(built)
    }

    fn alias(&mut self, id: usize, at: At, depth: usize) -> Result<Built> {
        let Some(built) = self.anchors.get(&id) else {
            let why = "an anchor cannot be used within itself";
            return Err(Fault::new(at, &Path::default(), why));
        };
        let (size, height) = (built.size, built.height);
        if depth + height > DEEPEST {
            return Err(too_deep(at));
        }
        self.count(size, at)?;
        Ok(self.anchors[&id].clone())
    }

    fn count(&mut self, size: Size, at: At) -> Result<()> {
        self.copied.add(size);
        match self.copied.exceeds(MOST_COPIES) {
            true => Err(Fault::new(
                at,
                &Path::default(),
                format!(
                    "the anchors of this file repeat too much: with this one they stand for more than {} values or {} MiB of text",
                    MOST_COPIES.nodes,
                    MOST_COPIES.bytes >> 20
                ),
            )),
            false => Ok(()),
        }
    }

    fn list(&mut self, at: At, depth: usize) -> Result<Built> {
        let mut items = Vec::new();
        let mut size = Size { nodes: 1, bytes: 0 };
        let mut height = 0;
        while let Some((event, span)) = self.next()? {
            if event == Event::SequenceEnd {
                break;
            }
            let item = self.node(event, span, depth + 1)?;
            size.add(item.size);
            height = height.max(item.height + 1);
            items.push(item.node);
        }
        Ok(Built {
            node: Node::list(items, at),
            size,
            height,
        })
    }

    fn map(&mut self, at: At, depth: usize) -> Result<Built> {
        let mut map = Map::default();
        let mut lines = HashMap::new();
        let mut merged: Vec<Built> = Vec::new();
        let mut size = Size { nodes: 1, bytes: 0 };
        let mut height = 0;
        while let Some((event, span)) = self.next()? {
            if event == Event::MappingEnd {
                break;
            }
            let key = self.node(event, span, depth + 1)?;
            let (key, plain) = key_of(key.node)?;
            let Some((event, span)) = self.next()? else {
                break;
            };
            let value = self.node(event, span, depth + 1)?;
            if plain && key.text == "<<" {
                merged.push(value);
                continue;
            }
            if let Some(line) = lines.insert(key.text.clone(), key.at.line) {
                let why = format!(
                    "`{}` is given twice in one mapping: first in line {line}",
                    key.text
                );
                return Err(Fault::new(key.at, &Path::default(), why));
            }
            size.add(value.size);
            size.bytes += key.text.len();
            height = height.max(value.height + 1);
            map.0.push((key, value.node));
        }
        let mut known: HashSet<String> = lines.into_keys().collect();
        for value in merged {
            size.add(value.size);
            height = height.max(value.height);
            merge(&mut map, &mut known, value.node)?;
        }
        Ok(Built {
            node: Node::map(map, at),
            size,
            height,
        })
    }
}

/// `<<`: what the mapping does not say itself is taken from others, from the first one that says it.
fn merge(map: &mut Map, known: &mut HashSet<String>, from: Node) -> Result<()> {
    let at = from.at;
    let sources = match from.value {
        Value::Map(source) => vec![source],
        Value::List(items) => {
            let sources = items.into_iter().map(|item| match item.value {
                Value::Map(source) => Ok(source),
                _ => Err(no_source(item.at)),
            });
            sources.collect::<Result<_>>()?
        }
        Value::Null => Vec::new(),
        Value::Scalar(_) => return Err(no_source(at)),
    };
    for (key, node) in sources.into_iter().flat_map(|source| source.0) {
        if known.insert(key.text.clone()) {
            map.0.push((key, node));
        }
    }
    Ok(())
}

fn no_source(at: At) -> Fault {
    let why = "`<<` takes a mapping or a list of mappings: `<<: *anchor`";
    Fault::new(at, &Path::default(), why)
}

fn too_deep(at: At) -> Fault {
    let why = format!("nested more than {DEEPEST} levels deep");
    Fault::new(at, &Path::default(), why)
}

fn key_of(node: Node) -> Result<(Key, bool)> {
    let at = node.at;
    match node.value {
        Value::Scalar(Scalar { text, plain }) => Ok((Key { text, at }, plain)),
        _ => Err(Fault::new(
            at,
            &Path::default(),
            "a key must be a single word or text",
        )),
    }
}

fn scalar(text: String, plain: bool, tag: Option<&Tag>, at: At) -> Result<Built> {
    let mut plain = plain;
    if let Some(tag) = tag
        && tag.core_suffix() == Some("str")
    {
        plain = false;
    }
    let size = Size {
        nodes: 1,
        bytes: text.len(),
    };
    let null = plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL");
    let value = match null {
        true => Value::Null,
        false => Value::Scalar(Scalar { text, plain }),
    };
    let built = Built {
        node: Node::new(value, at),
        size,
        height: 0,
    };
    marked(built, tag)
}

fn marked(mut built: Built, tag: Option<&Tag>) -> Result<Built> {
    let Some(tag) = tag else {
        return Ok(built);
    };
    if tag.core_suffix().is_some() {
        return Ok(built);
    }
    built.node.mark = match (tag.handle(), tag.suffix()) {
        ("!", "reset") => Mark::Reset,
        ("!", "override") => Mark::Override,
        ("!", "") => Mark::None,
        _ => {
            let why = format!(
                "the tag {} means nothing here; `!reset` and `!override` do",
                tag.original()
            );
            return Err(Fault::new(built.node.at, &Path::default(), why));
        }
    };
    Ok(built)
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::{File, Notes};
    use crate::write;

    fn parse(text: &str) -> Result<Vec<Node>> {
        let file = File::new("t.yml".to_owned(), text.to_owned(), "/".into());
        read(text, Notes::default().add(file))
    }

    fn check(text: &str, expected: &str) {
        let documents = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let printed: Vec<String> = documents.iter().map(write::write).collect();
        assert_eq!(printed.join("---\n"), expected, "{text}");
    }

    fn refused(text: &str, expected: &str) {
        let error = format!("{:?}", parse(text).expect_err(text));
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn documents_are_read() {
        check("a: 1\nb: [x, 'y z']\n", "a: 1\nb:\n  - x\n  - y z\n");
        check(
            "yes: no\non: 22:22\nx: ~\n",
            "\"yes\": \"no\"\n\"on\": \"22:22\"\nx: null\n",
        );
        check("a: 1\n---\na: 2\n", "a: 1\n---\na: 2\n");
        check("\u{feff}a: 1\r\nb: 2\r\n", "a: 1\nb: 2\n");
        check(
            "x:\n  &o\n  k:\n    v: 1\nw: *o\n",
            "x:\n  k:\n    v: 1\nw:\n  k:\n    v: 1\n",
        );
    }

    #[test]
    fn merge_keys_fill_what_is_not_said() {
        check(
            "a: &a {x: 1, w: 1}\nb: &b {w: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 3\n",
            "a:\n  x: 1\n  w: 1\nb:\n  w: 2\n  z: 2\nc:\n  x: 3\n  w: 1\n  z: 2\n",
        );
        check(
            "a: &a {x: 1}\nb: {<<: *a, <<: *a, \"<<\": t}\n",
            "a:\n  x: 1\nb:\n  \"<<\": t\n  x: 1\n",
        );
        refused("a: &a 1\nb: {<<: *a}", "`<<` takes a mapping");
        refused("a: &a [1]\nb: {<<: *a}", "`<<` takes a mapping");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        refused(
            "a: 1\nb: 2\na: 3\n",
            "`a` is given twice in one mapping: first in line 1",
        );
        refused("a: &a [*a]", "within itself");
        refused("a: *b", "not valid YAML");
        refused("a: [1", "not valid YAML");
        refused("a: !secret x", "the tag !secret means nothing here");
        refused("? [a]\n: b", "a key must be");
        refused(&"[".repeat(5000), "recursion limit exceeded");
        refused(
            &format!("{}{}", "[".repeat(150), "]".repeat(150)),
            "nested more than 100 levels",
        );
        let nested: String = (0..300).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
        refused(&nested, "nested");
    }

    #[test]
    fn anchors_cannot_grow_without_measure() {
        let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
        for level in 1..10 {
            let uses = vec![format!("*a{}", level - 1); 9].join(", ");
            laughs.push_str(&format!("a{level}: &a{level} [{uses}]\n"));
        }
        refused(&laughs, "repeat too much");

        let long = "x".repeat(100_000);
        let uses = "- *a\n".repeat(180_000);
        refused(&format!("a: &a {long}\nb:\n{uses}"), "repeat too much");

        let chain: String = (0..90)
            .map(|i| format!("{}- &a{i}\n", " ".repeat(i)))
            .collect();
        assert!(parse(&chain).is_ok());
    }

    #[test]
    fn a_megabyte_of_anchors_is_read() {
        let lines = (0..30_000).map(|i| format!("k{i}: &anchor{i} {{value: {i}}}\n"));
        let text: String = lines.collect();
        assert!(text.len() > 1_000_000);
        assert_eq!(parse(&text).expect("it is read").len(), 1);
    }
}
