//! `[SOURCE:]TARGET[:OPTIONS]`.

use crate::error::{Fault, Result};
use crate::place::{At, Path};
use crate::suggest::did_you_mean;
use crate::tree::{Map, Node, Value};

const PROPAGATIONS: [&str; 6] = [
    "rprivate", "private", "rshared", "shared", "rslave", "slave",
];
const CONSISTENCIES: [&str; 3] = ["consistent", "cached", "delegated"];

pub(super) fn long(node: &mut Node, path: &Path) -> Result<()> {
    let Value::List(items) = &mut node.value else {
        let why = format!("must be a list, and is {}", node.kind());
        return Err(Fault::new(node.at, path, why));
    };
    for (index, item) in items.iter_mut().enumerate() {
        let Some(text) = item.as_text() else {
            continue;
        };
        let map = parse(text, item.at)
            .map_err(|why| Fault::new(item.at, &path.index(index), format!("`{text}`: {why}")))?;
        item.value = Value::Map(map);
    }
    Ok(())
}

fn parse(text: &str, at: At) -> Result<Map, String> {
    let windows = text.as_bytes();
    if windows.len() > 2
        && windows[0].is_ascii_alphabetic()
        && windows[1] == b':'
        && windows[2] == b'\\'
    {
        return Err("a path of Windows is no path of a node".to_owned());
    }
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match *parts.as_slice() {
        [target] => ("", target, ""),
        [source, target] => (source, target, ""),
        [source, target, options] => (source, target, options),
        _ => return Err("more than SOURCE:TARGET:OPTIONS".to_owned()),
    };
    if target.is_empty() || (parts.len() > 1 && source.is_empty()) {
        return Err("nothing before or after a colon".to_owned());
    }
    let is_path = source.starts_with(['.', '/', '~']);
    let mut map = Map::default();
    map.put(
        "type",
        Node::plain(if is_path { "bind" } else { "volume" }, at),
    );
    if !source.is_empty() {
        map.put("source", Node::text(source, at));
    }
    map.put("target", Node::text(target, at));
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let (key, inner, value) = match option {
            "rw" => continue,
            "ro" => ("read_only", "", "true"),
            "nocopy" => ("volume", "nocopy", "true"),
            "z" | "Z" => ("bind", "selinux", option),
            option if PROPAGATIONS.contains(&option) => ("bind", "propagation", option),
            option if CONSISTENCIES.contains(&option) => ("consistency", "", option),
            option => {
                let words = PROPAGATIONS.into_iter().chain(["ro", "rw", "nocopy"]);
                let hint = did_you_mean(option, words.chain(CONSISTENCIES));
                return Err(format!("`{option}` is no option of a mount{hint}"));
            }
        };
        let value = Node::plain(value, at);
        match inner {
            "" => map.put(key, value),
            inner => {
                let mut options = Map::default();
                options.put(inner, value);
                map.put(key, Node::map(options, at));
            }
        }
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::{File, Notes};
    use crate::write::write;

    fn at() -> At {
        let file = File::new(String::new(), String::new(), "/".into());
        At {
            file: Notes::default().add(file),
            line: 1,
            column: 1,
            length: 1,
        }
    }

    fn check(text: &str, expected: &str) {
        let map = parse(text, at()).unwrap_or_else(|why| panic!("{text}: {why}"));
        let shown = write(&Node::map(map, at()));
        assert_eq!(
            shown.replace("\n  ", " ").trim().replace('\n', ", "),
            expected
        );
    }

    fn refused(text: &str, expected: &str) {
        let why = parse(text, at()).expect_err(text);
        assert!(why.contains(expected), "{why}");
    }

    #[test]
    fn short_forms_are_read() {
        check("/data", "type: volume, target: /data");
        check("db:/data", "type: volume, source: db, target: /data");
        check("./x:/data", "type: bind, source: ./x, target: /data");
        check(".:/code", "type: bind, source: ., target: /code");
        check("~/x:/y", "type: bind, source: \"~/x\", target: /y");
        check(
            "/a:/b:ro",
            "type: bind, source: /a, target: /b, read_only: true",
        );
        check("/a:/b:rw", "type: bind, source: /a, target: /b");
        check(
            "db:/b:nocopy",
            "type: volume, source: db, target: /b, volume: nocopy: true",
        );
        check(
            "/a:/b:ro,rslave",
            "type: bind, source: /a, target: /b, read_only: true, bind: propagation: rslave",
        );
        check(
            "/a:/b:cached",
            "type: bind, source: /a, target: /b, consistency: cached",
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        refused(":/data", "nothing before or after a colon");
        refused("db:", "nothing before or after a colon");
        refused("/a:/b:or", "`or` is no option of a mount; did you mean");
        refused("/a:/b:ro:x", "more than SOURCE:TARGET:OPTIONS");
        refused("C:\\x:/y", "Windows");
    }
}
