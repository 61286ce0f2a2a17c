//! One file laid over another.
//!
//! Mappings are merged key by key, single values replaced, lists appended; what names the same thing (a port, a mount, a file)
//! replaces it. `!reset` and `!override` stay on what they were written at until everything is merged, so that it is the same
//! in which order files are merged.

use std::collections::HashMap;

use crate::error::{Fault, Result};
use crate::place::{Notes, Path};
use crate::tree::{Key, Map, Mark, Node, Value};

/// Which thing an item of a list is about.
type About = fn(&Node) -> Option<String>;

/// How two values of one key become one.
enum Rule {
    /// As their kind says.
    Usual,
    /// The later one alone.
    Replace,
    /// Items that name the same thing replace each other.
    Keyed(About),
    /// Options of a logging driver: those of another driver are replaced.
    Logging,
}

/// `over` laid over `base`; both are at `path`, which is empty for whole documents.
pub(crate) fn merge(base: Node, over: Node, path: &[&str], notes: &Notes) -> Result<Node> {
    if over.mark == Mark::Reset {
        return Ok(over);
    }
    if base.mark == Mark::Reset {
        let mark = Mark::Override;
        return Ok(Node { mark, ..over });
    }
    if over.mark == Mark::Override {
        return Ok(over);
    }
    let mark = base.mark;
    let mut merged = by_rule(base, over, path, notes)?;
    if mark == Mark::Override {
        merged.mark = mark;
    }
    Ok(merged)
}

fn by_rule(base: Node, over: Node, path: &[&str], notes: &Notes) -> Result<Node> {
    let rule = rule(path);
    match rule {
        Rule::Replace => return Ok(over),
        Rule::Logging if drivers_differ(&base, &over) => return Ok(over),
        _ => {}
    }
    let (base_at, over_at) = (base.at, over.at);
    let kinds = (base.kind(), over.kind());
    let value = match (base.value, over.value) {
        (value, Value::Null) => return Ok(Node::new(value, base_at)),
        (Value::Null, value) | (Value::Scalar(_), value @ Value::Scalar(_)) => {
            let mark = over.mark;
            return Ok(Node {
                value,
                at: over_at,
                mark,
            });
        }
        (Value::Map(base), Value::Map(over)) => Value::Map(maps(base, over, path, notes)?),
        (Value::List(mut items), Value::List(more)) => {
            items.extend(more);
            match rule {
                Rule::Keyed(key) => keep_last(&mut items, key, |_, _| {}),
                _ => keep_first(&mut items),
            }
            Value::List(items)
        }
        _ => {
            let file = notes.file(base_at.file);
            let why = format!(
                "is {} here, and {} in {}:{}",
                kinds.1, kinds.0, file.name, base_at.line
            );
            return Err(Fault::new(over_at, &Path(path.join(".")), why));
        }
    };
    Ok(Node::new(value, over_at))
}

fn maps(mut base: Map, over: Map, path: &[&str], notes: &Notes) -> Result<Map> {
    let keys = base.0.iter().enumerate();
    let places: HashMap<String, usize> = keys.map(|(i, (key, _))| (key.text.clone(), i)).collect();
    for (key, node) in over.0 {
        match places.get(&key.text) {
            None => base.0.push((key, node)),
            Some(&place) => {
                let (known, value) = &mut base.0[place];
                let below: Vec<&str> = path.iter().copied().chain([key.text.as_str()]).collect();
                let before = std::mem::replace(value, Node::null(node.at));
                *value = merge(before, node, &below, notes)?;
                let at = key.at;
                let text = std::mem::take(&mut known.text);
                *known = Key { text, at };
            }
        }
    }
    Ok(base)
}

fn drivers_differ(base: &Node, over: &Node) -> bool {
    let driver = |node: &Node| node.as_map()?.get("driver")?.as_text().map(str::to_owned);
    matches!((driver(base), driver(over)), (Some(base), Some(over)) if base != over)
}

fn rule(path: &[&str]) -> Rule {
    match *path {
        ["services", _, "command" | "entrypoint"]
        | ["services", _, "healthcheck", "test"]
        | [
            "services",
            _,
            "environment" | "labels" | "sysctls" | "annotations",
            _,
        ]
        | ["services", _, "ulimits", _] => Rule::Replace,
        ["services", _, "logging"] => Rule::Logging,
        ["services", _, key] => match KEYED.iter().find(|(known, _)| *known == key) {
            Some((_, key)) => Rule::Keyed(*key),
            None => Rule::Usual,
        },
        ["networks", _, "ipam", "config"] => Rule::Keyed(|node| text_of(node, "subnet")),
        _ => Rule::Usual,
    }
}

/// Lists of a service, and what of an item says which thing it is about.
const KEYED: [(&str, About); 7] = [
    ("ports", port),
    ("volumes", |node| text_of(node, "target")),
    ("devices", device),
    ("tmpfs", |node| before_colon(node.as_text()?)),
    ("secrets", |node| file(node, "/run/secrets/")),
    ("configs", |node| file(node, "/")),
    ("env_file", |node| text_of(node, "path")),
];

fn text_of(node: &Node, key: &str) -> Option<String> {
    node.as_map()?.get(key)?.as_text().map(str::to_owned)
}

fn port(node: &Node) -> Option<String> {
    let part = |key, usual: &str| text_of(node, key).unwrap_or_else(|| usual.to_owned());
    Some(format!(
        "{}:{}:{}/{}",
        part("host_ip", ""),
        part("published", ""),
        text_of(node, "target")?,
        part("protocol", "tcp")
    ))
}

fn device(node: &Node) -> Option<String> {
    match node.as_text() {
        Some(text) => text.split(':').nth(1).or(Some(text)).map(str::to_owned),
        None => text_of(node, "target").or_else(|| text_of(node, "source")),
    }
}

fn before_colon(text: &str) -> Option<String> {
    text.split(':').next().map(str::to_owned)
}

fn file(node: &Node, directory: &str) -> Option<String> {
    let target = text_of(node, "target").or_else(|| text_of(node, "source"))?;
    match target.starts_with('/') {
        true => Some(target),
        false => Some(format!("{directory}{target}")),
    }
}

/// Of what names the same thing only the last, where the first was.
fn keep_last(items: &mut Vec<Node>, key: About, mut dropped: impl FnMut(&Node, &Node)) {
    let mut kept: Vec<Node> = Vec::new();
    let mut places = HashMap::new();
    for item in std::mem::take(items) {
        match key(&item) {
            None => kept.push(item),
            Some(key) => match places.get(&key) {
                Some(&place) => {
                    dropped(&kept[place], &item);
                    kept[place] = item;
                }
                None => {
                    places.insert(key, kept.len());
                    kept.push(item);
                }
            },
        }
    }
    *items = kept;
}

/// Of equal single values only the first.
fn keep_first(items: &mut Vec<Node>) {
    let mut known = std::collections::HashSet::new();
    items.retain(|item| match item.as_text() {
        Some(text) => known.insert(text.to_owned()),
        None => true,
    });
}

/// Drops from the lists of one service what a later item of the same list replaces.
pub(crate) fn unique(service: &mut Map, path: &Path, notes: &Notes) {
    for (name, key) in KEYED {
        let Some(Node {
            value: Value::List(items),
            ..
        }) = service.get_mut(name)
        else {
            continue;
        };
        keep_last(items, key, |first, second| {
            let line = second.at.line;
            let why = format!("is given again in line {line}, and that counts");
            notes.warn(first.at, &path.key(name), why);
        });
    }
}

/// Without what was reset, when nothing is merged any more.
pub(crate) fn settle(node: &mut Node) {
    if node.mark != Mark::Implied {
        node.mark = Mark::None;
    }
    match &mut node.value {
        Value::Map(map) => {
            map.0.retain(|(_, node)| node.mark != Mark::Reset);
            map.0.iter_mut().for_each(|(_, node)| settle(node));
        }
        Value::List(items) => {
            items.retain(|node| node.mark != Mark::Reset);
            items.iter_mut().for_each(settle);
        }
        Value::Null | Value::Scalar(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::canonical;
    use crate::place::File;
    use crate::read::read;
    use crate::write::write;

    fn document(text: &str, notes: &Notes) -> Node {
        let file = File::new("t.yml".to_owned(), text.to_owned(), "/".into());
        let mut documents = read(text, notes.add(file)).expect("it is YAML");
        let mut document = documents.remove(0);
        canonical(document.as_map_mut().expect("a mapping"), notes).expect("it is canonical");
        document
    }

    /// Merges one service of several files.
    fn check(files: &[&str], expected: &str) {
        let notes = Notes::default();
        let wrap = |file: &&str| {
            let lines = file.lines().map(|line| format!("    {line}\n"));
            document(
                &format!("services:\n  web:\n{}", lines.collect::<String>()),
                &notes,
            )
        };
        let documents: Vec<Node> = files.iter().map(wrap).collect();
        let fold = |mut documents: std::iter::Cloned<std::slice::Iter<'_, Node>>| {
            let first = documents.next().expect("a file");
            documents.fold(first, |base, over| {
                merge(base, over, &[], &notes).expect("merged")
            })
        };
        let mut merged = fold(documents.iter().cloned());
        settle(&mut merged);
        let body = format!(
            "services:\n  web:\n{}",
            expected
                .lines()
                .map(|line| format!("    {line}\n"))
                .collect::<String>()
        );
        assert_eq!(write(&merged), body);

        if let [first, rest @ ..] = documents.as_slice()
            && !rest.is_empty()
        {
            let rest = fold(rest.iter().cloned());
            let mut again = merge(first.clone(), rest, &[], &notes).expect("merged");
            settle(&mut again);
            assert_eq!(write(&again), body, "in the other order");
        }
    }

    #[test]
    fn mappings_are_merged_and_values_replaced() {
        check(&["image: a\ntty: true", "image: b"], "image: b\ntty: true");
        check(
            &["environment: [A=1, B=2]", "environment:\n  B: 3\n  C:"],
            "environment:\n  A: \"1\"\n  B: 3\n  C: null",
        );
        check(&["command: [a, b]", "command: c"], "command: c");
        check(&["command: [a, b]", "command: [c]"], "command:\n  - c");
        check(&["image: a\nports:", "image:"], "image: a\nports: null");
        check(
            &[
                "healthcheck: {test: [CMD, a], retries: 2}",
                "healthcheck: {test: b}",
            ],
            "healthcheck:\n  test: b\n  retries: 2",
        );
        check(
            &["networks: [a]", "networks: {a: {aliases: [x]}, b: }"],
            "networks:\n  a:\n    aliases:\n      - x\n  b: null",
        );
        check(
            &[
                "logging: {driver: a, options: {x: 1}}",
                "logging: {driver: b}",
            ],
            "logging:\n  driver: b",
        );
        check(
            &[
                "logging: {driver: a, options: {x: 1}}",
                "logging: {options: {w: 2}}",
            ],
            "logging:\n  driver: a\n  options:\n    x: 1\n    w: 2",
        );
    }

    #[test]
    fn lists_are_appended_and_things_replaced() {
        check(
            &["dns: 1.1.1.1", "dns: [2.2.2.2, 1.1.1.1]"],
            "dns:\n  - \"1.1.1.1\"\n  - \"2.2.2.2\"",
        );
        check(
            &["volumes: ['a:/x', 'b:/y']", "volumes: ['./c:/x:ro']"],
            "volumes:\n  - type: bind\n    source: ./c\n    target: /x\n    read_only: true\n  - type: volume\n    source: b\n    target: /y",
        );
        check(
            &["ports: ['80:80']", "ports: ['80:80', '81:80']"],
            "ports:\n  - mode: ingress\n    protocol: tcp\n    published: \"80\"\n    target: 80\n  - mode: ingress\n    protocol: tcp\n    published: \"81\"\n    target: 80",
        );
        check(
            &["secrets: [a]", "secrets: [{source: b, target: a}]"],
            "secrets:\n  - source: b\n    target: a",
        );
        check(
            &[
                "env_file: a.env",
                "env_file: [b.env, {path: a.env, required: false}]",
            ],
            "env_file:\n  - path: a.env\n    required: false\n  - path: b.env",
        );
    }

    #[test]
    fn tags_forget_and_replace() {
        check(&["dns: [a]\ntty: true", "dns: !reset []"], "tty: true");
        check(&["dns: [a]", "dns: !override [b]"], "dns:\n  - b");
        check(&["dns: [a]", "dns: !reset []", "dns: [b]"], "dns:\n  - b");
        check(
            &["dns: [a]", "dns: !override [b]", "dns: [c]"],
            "dns:\n  - b\n  - c",
        );
        check(
            &["environment: {A: 1, B: 2}", "environment: {A: !reset null}"],
            "environment:\n  B: 2",
        );
        check(
            &["depends_on: [a, b]", "depends_on: !override [c]"],
            "depends_on:\n  c:\n    condition: service_started",
        );
        check(&["dns: !reset []\ntty: true"], "tty: true");
    }

    #[test]
    fn other_kinds_are_refused() {
        let notes = Notes::default();
        let base = document("services:\n  web:\n    deploy: {replicas: 1}\n", &notes);
        let over = document("services:\n  web:\n    deploy: {replicas: [1]}\n", &notes);
        let error = merge(base, over, &[], &notes)
            .expect_err("refused")
            .told(&notes);
        assert!(
            error.to_string().contains(
                "services.web.deploy.replicas: is a list here, and a single value in t.yml:3"
            ),
            "{error}"
        );
    }
}
