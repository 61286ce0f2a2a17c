//! The keys that leave a container running: recognised in what is typed, across any split into reads.

use std::str::FromStr;

/// A sequence of keys as `--detach-keys` spells it: letters and `ctrl-X`, separated by commas.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DetachKeys(Vec<u8>);

impl Default for DetachKeys {
    /// ctrl-p ctrl-q.
    fn default() -> Self {
        DetachKeys(vec![0x10, 0x11])
    }
}

impl FromStr for DetachKeys {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',').map(key).collect::<Option<Vec<u8>>>().map(DetachKeys).ok_or_else(|| {
            format!("invalid detach keys {text:?}: write keys separated by commas, such as ctrl-p,ctrl-q or ctrl-x,a")
        })
    }
}

fn key(text: &str) -> Option<u8> {
    let single = |text: &str| match text.as_bytes() {
        [byte] if byte.is_ascii_graphic() => Some(*byte),
        _ => None,
    };
    match text.strip_prefix("ctrl-") {
        None => single(text),
        Some(letter) => match single(letter)? {
            byte @ (b'a'..=b'z' | b'A'..=b'Z' | b'@' | b'[' | b'\\' | b']' | b'^' | b'_') => {
                Some(byte & 0x1f)
            }
            _ => None,
        },
    }
}

/// Watches what is typed for the keys.
#[derive(Debug)]
pub(crate) struct Watcher {
    keys: DetachKeys,
    matched: usize,
}

impl Watcher {
    /// A watcher that has seen nothing yet.
    pub(crate) fn new(keys: DetachKeys) -> Self {
        Watcher { keys, matched: 0 }
    }

    /// Appends to `forward` what of `typed` is for the container and tells whether the keys are complete. The beginning
    /// of a possible sequence is held back until the next key decides.
    pub(crate) fn feed(&mut self, typed: &[u8], forward: &mut Vec<u8>) -> bool {
        for &byte in typed {
            if byte != self.keys.0[self.matched] {
                forward.extend_from_slice(&self.keys.0[..self.matched]);
                self.matched = 0;
            }
            if byte == self.keys.0[self.matched] {
                self.matched += 1;
            } else {
                forward.push(byte);
            }
            if self.matched == self.keys.0.len() {
                self.matched = 0;
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read() {
        fn check(text: &str, expected: Option<&[u8]>) {
            assert_eq!(
                text.parse::<DetachKeys>()
                    .ok()
                    .map(|keys| keys.0)
                    .as_deref(),
                expected,
                "{text:?}"
            );
        }
        check("ctrl-p,ctrl-q", Some(&[0x10, 0x11]));
        check("ctrl-x,a", Some(&[0x18, b'a']));
        check("a", Some(b"a"));
        check("ctrl-[", Some(&[0x1b]));
        check("ctrl-@", Some(&[0]));
        check("", None);
        check("ctrl-", None);
        check("ctrl-1", None);
        check("ab", None);
        check("a,", None);
    }

    #[test]
    fn the_sequence_is_found_across_reads() {
        fn check(reads: &[&[u8]], forwarded: &[u8], detached: bool) {
            let mut watcher = Watcher::new(DetachKeys::default());
            let mut forward = Vec::new();
            let seen = reads.iter().any(|read| watcher.feed(read, &mut forward));
            assert_eq!(
                (forward.as_slice(), seen),
                (forwarded, detached),
                "{reads:?}"
            );
        }
        check(&[b"ls\n"], b"ls\n", false);
        check(&[b"\x10\x11"], b"", true);
        check(&[b"\x10", b"\x11"], b"", true);
        check(&[b"a\x10b"], b"a\x10b", false);
        check(&[b"\x10", b"x"], b"\x10x", false);
        check(&[b"\x10\x10\x11"], b"\x10", true);
        check(&[b"\x10"], b"", false);
        check(&[b"\x11\x10"], b"\x11", false);
    }
}
