//! A YAML document as a tree, every node with its place.

use crate::place::At;

/// A node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) at: At,
    pub(crate) mark: Mark,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Map),
}

/// What YAML takes for text, number or truth. Which of them it is, is asked by who reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Written without quotes, and nothing was put into it.
    pub(crate) plain: bool,
}

/// What a node says beside its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    None,
    /// `!reset`: what earlier files say is forgotten.
    Reset,
    /// `!override`: it takes the place of what earlier files say.
    Override,
    /// It was not written: a short form means it.
    Implied,
}

/// A mapping, in the order of the file. Keys are unique.
#[derive(Clone, Debug, Default)]
pub(crate) struct Map(pub(crate) Vec<(Key, Node)>);

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) at: At,
}

impl Node {
    pub(crate) fn new(value: Value, at: At) -> Node {
        Node {
            value,
            at,
            mark: Mark::None,
        }
    }

    pub(crate) fn null(at: At) -> Node {
        Node::new(Value::Null, at)
    }

    /// A text as if it had been written in quotes.
    pub(crate) fn text(text: impl Into<String>, at: At) -> Node {
        let text = text.into();
        Node::new(Value::Scalar(Scalar { text, plain: false }), at)
    }

    /// A number or truth as if it had been written without quotes.
    pub(crate) fn plain(text: impl Into<String>, at: At) -> Node {
        let text = text.into();
        Node::new(Value::Scalar(Scalar { text, plain: true }), at)
    }

    pub(crate) fn map(map: Map, at: At) -> Node {
        Node::new(Value::Map(map), at)
    }

    pub(crate) fn list(items: Vec<Node>, at: At) -> Node {
        Node::new(Value::List(items), at)
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    pub(crate) fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn as_map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// For people.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "empty",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

impl Map {
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, node)| node)
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&(Key, Node)> {
        self.0.iter().find(|(known, _)| known.text == key)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let found = self.0.iter_mut().find(|(known, _)| known.text == key);
        found.map(|(_, node)| node)
    }

    /// What is there under that key, and not empty.
    pub(crate) fn given(&self, key: &str) -> Option<&Node> {
        self.get(key).filter(|node| !node.is_null())
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<Node> {
        let index = self.0.iter().position(|(known, _)| known.text == key)?;
        Some(self.0.remove(index).1)
    }

    /// In the place of what was there under that key, or at the end.
    pub(crate) fn set(&mut self, key: Key, node: Node) {
        match self.0.iter_mut().find(|(known, _)| known.text == key.text) {
            Some(entry) => *entry = (key, node),
            None => self.0.push((key, node)),
        }
    }

    /// The same with a key that is not written anywhere.
    pub(crate) fn put(&mut self, key: &str, node: Node) {
        let at = node.at;
        let text = key.to_owned();
        self.set(Key { text, at }, node);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.0.iter().map(|(key, node)| (key.text.as_str(), node))
    }
}
