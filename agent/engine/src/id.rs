//! Ids and made-up names.

use std::fs::File;
use std::io::Read;

use crate::error::{Error, Result};
use crate::parse::ParseError;

/// 64 random hexadecimal digits.
pub(crate) fn random_id() -> Result<String> {
    let bytes: [u8; 32] = random()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A made-up name: an adjective and a noun, a number behind them from the second try on.
pub(crate) fn random_name(attempt: u32) -> Result<String> {
    let bytes: [u8; 3] = random()?;
    let [a, b, c] = bytes.map(usize::from);
    let adjective = ADJECTIVES[a % ADJECTIVES.len()];
    let noun = NOUNS[b % NOUNS.len()];
    Ok(match attempt {
        0 => format!("{adjective}_{noun}"),
        _ => format!("{adjective}_{noun}{}", c % 100),
    })
}

/// Whether `text` is a whole id.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 64 && is_hex(text)
}

/// Whether `text` may be the beginning of an id.
pub(crate) fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Checks a container's name: letters, digits, `_`, `.` and `-`, beginning with a letter or digit, two at least.
pub(crate) fn check_name(name: &str) -> Result<&str, ParseError> {
    let name = name.strip_prefix('/').unwrap_or(name);
    let first = name
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    let rest = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    let why = match (first && rest, name.len()) {
        (false, _) => "only letters, digits and _ . - are allowed, the first one a letter or digit",
        (_, 0..=1) => "it is shorter than two characters",
        (_, 201..) => "it is longer than 200 characters",
        _ if is_id(name) => "it looks like an id",
        _ => return Ok(name),
    };
    Err(ParseError::new("container name", name, why, "web-1"))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(Error::io("read", "/dev/urandom"))?;
    Ok(bytes)
}

#[rustfmt::skip]
const ADJECTIVES: [&str; 64] = [
    "amber", "autumn", "balmy", "bold", "brave", "breezy", "bright", "brisk", "calm", "candid", "cheery", "clear",
    "clever", "coral", "cosy", "crisp", "curious", "dapper", "daring", "deft", "eager", "early", "fair", "fleet",
    "fond", "frank", "fresh", "frosty", "gentle", "glad", "golden", "grand", "happy", "hardy", "hazel", "humble",
    "ivory", "jolly", "keen", "kind", "lively", "lucid", "lucky", "mellow", "merry", "mild", "misty", "nimble",
    "noble", "olive", "placid", "plucky", "proud", "quiet", "rapid", "ruby", "silver", "snug", "spry", "steady",
    "sunny", "tidy", "vivid", "warm",
];
#[rustfmt::skip]
const NOUNS: [&str; 64] = [
    "acorn", "alder", "anchor", "aspen", "badger", "barge", "beacon", "beaver", "birch", "bison", "brook", "canoe",
    "cedar", "comet", "coot", "crane", "cricket", "curlew", "delta", "dune", "egret", "ember", "falcon", "fern",
    "finch", "fjord", "gannet", "glade", "grouse", "harbor", "heron", "holly", "ibis", "island", "juniper", "kestrel",
    "lagoon", "larch", "lark", "linnet", "lynx", "maple", "marten", "meadow", "newt", "oriole", "osprey", "otter",
    "pebble", "pine", "plover", "puffin", "quail", "raven", "reed", "robin", "sedge", "sparrow", "stoat", "swift",
    "tern", "thistle", "willow", "wren",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_whole_and_differ() {
        let (a, b) = (random_id().unwrap(), random_id().unwrap());
        assert!(is_id(&a) && is_id(&b) && a != b);
    }

    #[test]
    fn made_up_names_are_valid() {
        for attempt in 0..50 {
            let name = random_name(attempt).unwrap();
            assert_eq!(check_name(&name).unwrap(), name);
        }
    }

    #[test]
    fn names_are_checked() {
        fn check(name: &str, valid: bool) {
            assert_eq!(check_name(name).is_ok(), valid, "{name:?}");
        }
        check("web", true);
        check("web-1.a_b", true);
        check("/web", true);
        check("w1", true);
        check("w", false);
        check("", false);
        check("-web", false);
        check("..", false);
        check("a/b", false);
        check("a b", false);
        check("ä1", false);
        check(&"a".repeat(201), false);
        check(&"a".repeat(64), false);
        check(&"g".repeat(64), true);
    }
}
