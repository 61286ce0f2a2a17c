//! Short forms made long, so that what follows knows one form of everything.

mod ports;
mod volumes;

pub(crate) use ports::{Range, range};

use std::collections::{HashMap, HashSet};

use crate::error::{Fault, Result};
use crate::merge;
use crate::place::{Notes, Path};
use crate::suggest::did_you_mean;
use crate::tree::{Key, Map, Mark, Node, Value};

/// Sections of a file whose entries have names.
pub(crate) const SECTIONS: [&str; 5] = ["services", "networks", "volumes", "secrets", "configs"];

/// Makes everything in a document long.
pub(crate) fn canonical(document: &mut Map, notes: &Notes) -> Result<()> {
    for section in SECTIONS {
        let path = Path::of(section);
        each(document, section, &path, |entries, _| {
            for (key, entry) in &mut expect_map(entries, &path)?.0 {
                let path = path.key(&key.text);
                check_name(key, &path)?;
                match section {
                    "services" => service(entry, &path, notes)?,
                    _ => object(entry, &path)?,
                }
            }
            Ok(())
        })?;
    }
    each(document, "include", &Path::of("include"), list)
}

fn check_name(key: &Key, path: &Path) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let begins = key
        .text
        .starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    match begins && key.text.chars().all(fits) {
        true => Ok(()),
        false => Err(Fault::new(
            key.at,
            path,
            "a name is made of letters, digits, `_`, `.` and `-`, and begins with a letter or a digit",
        )),
    }
}

/// What is under a key of a mapping, unless that is empty.
fn each(
    map: &mut Map,
    key: &str,
    path: &Path,
    change: impl FnOnce(&mut Node, &Path) -> Result<()>,
) -> Result<()> {
    match map.get_mut(key).filter(|node| !node.is_null()) {
        Some(node) => change(node, path),
        None => Ok(()),
    }
}

fn expect_map<'a>(node: &'a mut Node, path: &Path) -> Result<&'a mut Map> {
    let (at, kind) = (node.at, node.kind());
    node.as_map_mut()
        .ok_or_else(|| Fault::new(at, path, format!("must be a mapping, and is {kind}")))
}

/// A network, volume, secret or config.
fn object(node: &mut Node, path: &Path) -> Result<()> {
    if node.is_null() {
        return Ok(());
    }
    let map = expect_map(node, path)?;
    each(map, "labels", &path.key("labels"), pairs)?;
    let external = map.given("external").and_then(Node::as_map).cloned();
    if let Some(external) = external {
        let at = map.get("external").expect("it is there").at;
        if let Some(name) = external.given("name") {
            map.put("name", name.clone());
        }
        map.put("external", Node::plain("true", at));
    }
    Ok(())
}

fn service(node: &mut Node, path: &Path, notes: &Notes) -> Result<()> {
    if node.is_null() {
        return Ok(());
    }
    let service = expect_map(node, path)?;
    for key in ["environment", "labels", "sysctls", "annotations"] {
        each(service, key, &path.key(key), pairs)?;
    }
    for key in [
        "dns",
        "dns_search",
        "dns_opt",
        "tmpfs",
        "env_file",
        "label_file",
        "profiles",
    ] {
        each(service, key, &path.key(key), list)?;
    }
    each(service, "env_file", &path.key("env_file"), |node, _| {
        long_items(node, "path");
        Ok(())
    })?;
    for key in ["secrets", "configs"] {
        each(service, key, &path.key(key), |node, _| {
            long_items(node, "source");
            Ok(())
        })?;
    }
    each(service, "extends", &path.key("extends"), |node, _| {
        *node = long(node, "service");
        Ok(())
    })?;
    each(service, "networks", &path.key("networks"), |node, path| {
        names(node, path, |_| Map::default())
    })?;
    each(service, "depends_on", &path.key("depends_on"), depends_on)?;
    each(service, "extra_hosts", &path.key("extra_hosts"), hosts)?;
    each(service, "ports", &path.key("ports"), ports::long)?;
    each(service, "volumes", &path.key("volumes"), volumes::long)?;
    each(service, "deploy", &path.key("deploy"), |deploy, path| {
        let deploy = expect_map(deploy, path)?;
        each(deploy, "labels", &path.key("labels"), pairs)
    })?;
    merge::unique(service, path, notes);
    Ok(())
}

/// `- NAME=value` as `NAME: value`; the last of a name counts.
fn pairs(node: &mut Node, path: &Path) -> Result<()> {
    let items = match &mut node.value {
        Value::List(items) => std::mem::take(items),
        Value::Map(_) => return Ok(()),
        _ => {
            let why = format!(
                "must be a mapping or a list of `NAME=value`, and is {}",
                node.kind()
            );
            return Err(Fault::new(node.at, path, why));
        }
    };
    let mut map = Map::default();
    let mut known = HashMap::new();
    for (index, item) in items.into_iter().enumerate() {
        let Some(text) = item.as_text() else {
            let why = match item.as_map().and_then(|map| map.0.first()) {
                Some((key, value)) => format!(
                    "must be `NAME=value`, and is a mapping; write `{}={}`",
                    key.text,
                    value.as_text().unwrap_or("value")
                ),
                None => format!("must be `NAME=value`, and is {}", item.kind()),
            };
            return Err(Fault::new(item.at, &path.index(index), why));
        };
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Node::text(value, item.at)),
            None => (text, Node::null(item.at)),
        };
        let key = Key {
            text: name.to_owned(),
            at: item.at,
        };
        match known.insert(key.text.clone(), map.0.len()) {
            None => map.0.push((key, value)),
            Some(place) => {
                known.insert(key.text.clone(), place);
                map.0[place] = (key, value);
            }
        }
    }
    node.value = Value::Map(map);
    Ok(())
}

/// One value as a list of one.
fn list(node: &mut Node, _: &Path) -> Result<()> {
    if node.as_list().is_none() {
        let mut item = node.clone();
        item.mark = Mark::None;
        node.value = Value::List(vec![item]);
    }
    Ok(())
}

/// Every single value of a list as a mapping with one key.
fn long_items(node: &mut Node, key: &str) {
    if let Value::List(items) = &mut node.value {
        for item in items {
            *item = long(item, key);
        }
    }
}

fn long(node: &Node, key: &str) -> Node {
    let Value::Scalar(_) = &node.value else {
        return node.clone();
    };
    let mut value = node.clone();
    value.mark = Mark::None;
    let mut map = Map::default();
    map.put(key, value);
    Node {
        value: Value::Map(map),
        ..*node
    }
}

/// A list of names as a mapping.
fn names(node: &mut Node, path: &Path, entry: impl Fn(&Node) -> Map) -> Result<()> {
    let items = match &mut node.value {
        Value::List(items) => std::mem::take(items),
        Value::Map(_) => return Ok(()),
        _ => {
            let why = format!(
                "must be a list of names or a mapping, and is {}",
                node.kind()
            );
            return Err(Fault::new(node.at, path, why));
        }
    };
    let mut map = Map::default();
    let mut known = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let Some(text) = item.as_text() else {
            let why = format!("must be a name, and is {}", item.kind());
            return Err(Fault::new(item.at, &path.index(index), why));
        };
        let key = Key {
            text: text.to_owned(),
            at: item.at,
        };
        if !known.insert(text.to_owned()) {
            let why = format!("`{text}` is listed twice");
            return Err(Fault::new(item.at, &path.index(index), why));
        }
        map.0.push((key, Node::map(entry(item), item.at)));
    }
    node.value = Value::Map(map);
    Ok(())
}

fn depends_on(node: &mut Node, path: &Path) -> Result<()> {
    names(node, path, |item| {
        let mut condition = Node::plain("service_started", item.at);
        condition.mark = Mark::Implied;
        let mut map = Map::default();
        map.put("condition", condition);
        map
    })
}

/// A mapping of hosts as a list of `NAME:ADDRESS`.
fn hosts(node: &mut Node, path: &Path) -> Result<()> {
    let mut items = Vec::new();
    match &node.value {
        Value::List(given) => {
            for (index, item) in given.iter().enumerate() {
                let text = item.as_text().unwrap_or_default();
                let Some((name, address)) = text.split_once(['=', ':']) else {
                    let why = "must be `NAME:ADDRESS`";
                    return Err(Fault::new(item.at, &path.index(index), why));
                };
                let address = address.trim_start_matches('[').trim_end_matches(']');
                items.push(Node::text(format!("{name}:{address}"), item.at));
            }
        }
        Value::Map(map) => {
            for (name, value) in map.iter() {
                let addresses = match &value.value {
                    Value::List(addresses) => addresses.as_slice(),
                    _ => std::slice::from_ref(value),
                };
                for address in addresses {
                    let Some(text) = address.as_text() else {
                        let why = format!("must be an address, and is {}", address.kind());
                        return Err(Fault::new(address.at, &path.key(name), why));
                    };
                    let text = text.trim_start_matches('[').trim_end_matches(']');
                    items.push(Node::text(format!("{name}:{text}"), address.at));
                }
            }
        }
        _ => {
            let why = format!("must be a list of `NAME:ADDRESS`, and is {}", node.kind());
            return Err(Fault::new(node.at, path, why));
        }
    }
    node.value = Value::List(items);
    Ok(())
}

/// One of several words.
fn choice(word: &str, words: &[&str]) -> Result<(), String> {
    match words.contains(&word) {
        true => Ok(()),
        false => Err(format!(
            "`{word}` means nothing here{}",
            did_you_mean(word, words.iter().copied())
        )),
    }
}
