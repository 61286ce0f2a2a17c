//! Names of containers.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// A container's id: 1 to 128 of `A-Z a-z 0-9 _ + - .`, neither `.` nor `..`. It is safe as the name of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(String);

impl ContainerId {
    /// The longest id, in bytes.
    pub const MAX: usize = 128;

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContainerId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
        if text.is_empty()
            || text.len() > Self::MAX
            || text == "."
            || text == ".."
            || !text.bytes().all(allowed)
        {
            return Err(Error::invalid(format!(
                "invalid container id {text:?}: 1 to {} letters, digits and \"_+-.\" are allowed",
                Self::MAX
            )));
        }
        Ok(ContainerId(text.to_owned()))
    }
}

/// For people: of 64 hexadecimal digits, which container engines use, the first twelve.
impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.as_str();
        let is_digest = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        f.write_str(if is_digest { &id[..12] } else { id })
    }
}

impl AsRef<str> for ContainerId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        let check = |text: &str, valid: bool| {
            assert_eq!(text.parse::<ContainerId>().is_ok(), valid, "{text:?}")
        };
        for text in ["a", "0", "a_b+c-d.e", "...", ".a", &"x".repeat(128)] {
            check(text, true);
        }
        for text in [
            "",
            ".",
            "..",
            "a/b",
            "a b",
            "/",
            "a\0",
            "ä",
            "a\n",
            &"x".repeat(129),
        ] {
            check(text, false);
        }
        let shown = |text: &str| text.parse::<ContainerId>().unwrap().to_string();
        assert_eq!(shown(&"0123456789abcdef".repeat(4)), "0123456789ab");
        assert_eq!(shown("c1"), "c1");
    }
}
