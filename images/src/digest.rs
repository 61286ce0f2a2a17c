//! The name of content: the SHA-256 of its bytes (image-spec, descriptor.md, "Digests").

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const PREFIX: &str = "sha256:";

/// A checked `sha256:` digest, so one that may stand in paths and URLs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid digest {text:?}: {reason}")]
pub struct DigestError {
    /// What was to be read, cut where it is long.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Digest {
    /// The digest whose bytes are known.
    pub fn from_sha256(bytes: [u8; 32]) -> Digest {
        Digest(bytes)
    }

    /// The digest of some content.
    pub fn of(content: &[u8]) -> Digest {
        Digest(Sha256::digest(content).into())
    }

    /// The 64 digits without the algorithm's name.
    pub fn hex(&self) -> String {
        self.to_string().split_off(PREFIX.len())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(PREFIX.len() + 64);
        text.push_str(PREFIX);
        for byte in self.0 {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        f.pad(&text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Digest, DigestError> {
        let fail = |reason| DigestError {
            text: text.chars().take(100).collect(),
            reason,
        };
        let (algorithm, digits) = text
            .split_once(':')
            .ok_or_else(|| fail("it has to look like sha256:<64 hexadecimal digits>"))?;
        if algorithm != "sha256" {
            return Err(fail("only sha256 is supported"));
        }
        if digits.len() != 64 {
            return Err(fail("sha256 has 64 hexadecimal digits"));
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
                return Err(fail("its digits are 0-9 and a-f"));
            };
            *byte = high << 4 | low;
        }
        Ok(Digest(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Digest, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_digests() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert_eq!(empty.parse(), Ok(Digest::of(b"")));
        assert_eq!(Digest::of(b"").hex(), empty[7..]);
        assert_eq!(format!("{:.12}", Digest::of(b"")), empty[..12]);
    }

    #[test]
    fn refuses_what_is_none() {
        let a64 = "a".repeat(64);
        for (text, reason) in [
            (String::new(), "look like"),
            ("sha256".to_owned(), "look like"),
            (format!("sha512:{a64}{a64}"), "only sha256"),
            (format!("SHA256:{a64}"), "only sha256"),
            (format!("sha256:{a64}a"), "64 hexadecimal"),
            (format!("sha256:{}", &a64[1..]), "64 hexadecimal"),
            (format!("sha256:{}", "A".repeat(64)), "0-9 and a-f"),
            ("sha256:../../../../etc/passwd".to_owned(), "64 hexadecimal"),
            (format!("sha256:../{}", &a64[3..]), "0-9 and a-f"),
            (format!("sha256:é{}", &a64[2..]), "0-9 and a-f"),
        ] {
            let error = text.parse::<Digest>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
