//! A node that is asked what it means. Answers that make no sense are errors with its place.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::str::FromStr;

use crate::error::{Fault, Result};
use crate::place::{At, Notes, Path};
use crate::suggest::did_you_mean;
use crate::tree::{Key, Map, Node, Value};
use crate::values;

/// A node and the way to it.
#[derive(Clone)]
pub(crate) struct View<'a> {
    pub(crate) node: &'a Node,
    pub(crate) path: Path,
    pub(crate) notes: &'a Notes,
}

impl<'a> View<'a> {
    pub(crate) fn new(node: &'a Node, path: Path, notes: &'a Notes) -> View<'a> {
        View { node, path, notes }
    }

    pub(crate) fn at(&self) -> At {
        self.node.at
    }

    pub(crate) fn fault(&self, why: impl Into<String>) -> Fault {
        Fault::new(self.node.at, &self.path, why)
    }

    pub(crate) fn warn(&self, why: impl Into<String>) {
        self.notes.warn(self.node.at, &self.path, why);
    }

    fn below(&self, node: &'a Node, path: Path) -> View<'a> {
        View::new(node, path, self.notes)
    }

    pub(crate) fn text(&self) -> Result<&'a str> {
        match &self.node.value {
            Value::Scalar(scalar) => Ok(&scalar.text),
            Value::Null => Err(self.fault("must have a value, and is empty")),
            _ => Err(self.fault(format!(
                "must be a single value, and is {}",
                self.node.kind()
            ))),
        }
    }

    pub(crate) fn string(&self) -> Result<String> {
        self.text().map(str::to_owned)
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T> {
        read(self.text()?).map_err(|why| self.fault(why))
    }

    pub(crate) fn number<T: FromStr>(&self) -> Result<T> {
        self.read(|text| {
            text.parse().map_err(|_| {
                let minus = "".parse::<T>().is_err() && "-1".parse::<T>().is_err();
                let what = if minus {
                    "a whole number from 0 on"
                } else {
                    "a whole number"
                };
                format!("must be {what}, and is `{text}`")
            })
        })
    }

    pub(crate) fn boolean(&self) -> Result<bool> {
        self.read(values::boolean)
    }

    pub(crate) fn milliseconds(&self) -> Result<u64> {
        self.read(values::duration)
    }

    pub(crate) fn bytes(&self) -> Result<u64> {
        self.read(values::bytes)
    }

    pub(crate) fn mode(&self) -> Result<u32> {
        let plain = matches!(&self.node.value, Value::Scalar(scalar) if scalar.plain);
        let mode = self.read(|text| values::mode(text, plain))?;
        let text = self.text()?;
        let decimal = plain && !text.starts_with('0') && text.len() >= 3;
        if decimal && text.bytes().all(|b| (b'0'..b'8').contains(&b)) {
            self.warn(format!(
                "is read as a decimal number, mode 0{mode:o}; write 0{text} if that is meant"
            ));
        }
        Ok(mode)
    }

    pub(crate) fn choice<T: Copy>(&self, words: &[(&str, T)]) -> Result<T> {
        let text = self.text()?;
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meant)) => Ok(*meant),
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let hint = did_you_mean(text, known.iter().copied());
                Err(self.fault(format!(
                    "must be {}, and is `{text}`{hint}",
                    known.join(" or ")
                )))
            }
        }
    }

    pub(crate) fn items(&self) -> Result<Vec<View<'a>>> {
        match &self.node.value {
            Value::List(items) => Ok(items
                .iter()
                .enumerate()
                .map(|(index, item)| self.below(item, self.path.index(index)))
                .collect()),
            Value::Null => Ok(Vec::new()),
            _ => Err(self.fault(format!("must be a list, and is {}", self.node.kind()))),
        }
    }

    pub(crate) fn strings(&self) -> Result<Vec<String>> {
        self.items()?.iter().map(View::string).collect()
    }

    pub(crate) fn map(&self) -> Result<&'a Map> {
        self.node
            .as_map()
            .ok_or_else(|| self.fault(format!("must be a mapping, and is {}", self.node.kind())))
    }

    pub(crate) fn entries(&self) -> Result<Vec<(&'a Key, View<'a>)>> {
        if self.node.is_null() {
            return Ok(Vec::new());
        }
        let entry =
            |(key, node): &'a (Key, Node)| (key, self.below(node, self.path.key(&key.text)));
        Ok(self.map()?.0.iter().map(entry).collect())
    }

    /// `NAME: value`; a name without a value has an empty one.
    pub(crate) fn pairs(&self) -> Result<BTreeMap<String, String>> {
        let pair = |(key, value): (&Key, View<'_>)| {
            let text = match value.node.is_null() {
                true => String::new(),
                false => value.string()?,
            };
            Ok((key.text.clone(), text))
        };
        self.entries()?.into_iter().map(pair).collect()
    }

    pub(crate) fn fields(&self) -> Result<Fields<'a>> {
        Ok(Fields {
            map: self.map()?,
            view: self.clone(),
            known: RefCell::default(),
        })
    }
}

/// The keys of a mapping, of which none may be left unasked for.
pub(crate) struct Fields<'a> {
    map: &'a Map,
    pub(crate) view: View<'a>,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Fields<'a> {
    /// What is under a key, unless that is empty.
    pub(crate) fn get(&self, key: &'static str) -> Option<View<'a>> {
        self.known.borrow_mut().push(key);
        let node = self.map.given(key)?;
        Some(self.view.below(node, self.view.path.key(key)))
    }

    /// The same, read.
    pub(crate) fn maybe<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&View<'a>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.get(key).map(|view| read(&view)).transpose()
    }

    pub(crate) fn or_default<T: Default>(
        &self,
        key: &'static str,
        read: impl FnOnce(&View<'a>) -> Result<T>,
    ) -> Result<T> {
        self.maybe(key, read).map(Option::unwrap_or_default)
    }

    /// Keys that are understood and not followed, and what is done instead.
    pub(crate) fn unsupported(&self, keys: &[(&'static str, &str)]) {
        for (key, why) in keys {
            self.known.borrow_mut().push(key);
            if let Some((written, node)) = self.map.entry(key)
                && !node.is_null()
            {
                let path = self.view.path.key(key);
                self.view.notes.warn(written.at, &path, *why);
            }
        }
    }

    /// Refuses keys that nobody asked for.
    pub(crate) fn finish(self) -> Result<()> {
        let known = self.known.into_inner();
        for (key, _) in &self.map.0 {
            let name = key.text.as_str();
            if known.contains(&name) {
                continue;
            }
            let path = self.view.path.key(name);
            if name.starts_with("x-") {
                let ours = known
                    .iter()
                    .copied()
                    .filter(|known| known.starts_with("x-"));
                let hint = did_you_mean(name, ours);
                if !hint.is_empty() {
                    let why = format!("an extension that means nothing here{hint}");
                    self.view.notes.warn(key.at, &path, why);
                }
                continue;
            }
            let words = known
                .iter()
                .copied()
                .filter(|known| !known.starts_with("x-"));
            let why = format!("`{name}` means nothing here{}", did_you_mean(name, words));
            return Err(Fault::new(key.at, &path, why));
        }
        Ok(())
    }
}
