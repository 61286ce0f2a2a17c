//! Devices of the host handed to a container.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ParseError;

/// `--device /dev/X[:/dev/Y][:rwm]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSpec {
    /// On the host.
    pub source: PathBuf,
    /// In the container.
    pub target: PathBuf,
    /// Of `r`, `w` and `m`.
    pub access: String,
}

impl FromStr for DeviceSpec {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fail =
            |why: &str| ParseError::new("device", text, why, "/dev/fuse or /dev/sda:/dev/xvda:rwm");
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, access) = match parts.as_slice() {
            [source] => (*source, *source, "rwm"),
            [source, access] if is_access(access) => (*source, *source, *access),
            [source, target] => (*source, *target, "rwm"),
            [source, target, access] if is_access(access) => (*source, *target, *access),
            [_, _, _] => return Err(fail("the access is not made of r, w and m")),
            _ => return Err(fail("it has too many colons")),
        };
        if !source.starts_with('/') || !target.starts_with('/') {
            return Err(fail("a path is not absolute"));
        }
        Ok(DeviceSpec {
            source: source.into(),
            target: target.into(),
            access: access.to_owned(),
        })
    }
}

fn is_access(text: &str) -> bool {
    !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b"rwm".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read() {
        fn check(text: &str, expected: Option<(&str, &str, &str)>) {
            let read = text.parse::<DeviceSpec>().ok();
            let read = read.as_ref().map(|d| {
                (
                    d.source.to_str().unwrap(),
                    d.target.to_str().unwrap(),
                    d.access.as_str(),
                )
            });
            assert_eq!(read, expected, "{text:?}");
        }
        check("/dev/fuse", Some(("/dev/fuse", "/dev/fuse", "rwm")));
        check("/dev/fuse:r", Some(("/dev/fuse", "/dev/fuse", "r")));
        check("/dev/sda:/dev/xvda", Some(("/dev/sda", "/dev/xvda", "rwm")));
        check(
            "/dev/sda:/dev/xvda:rw",
            Some(("/dev/sda", "/dev/xvda", "rw")),
        );
        check("fuse", None);
        check("/dev/sda:xvda", None);
        check("/dev/sda:/dev/xvda:rx", None);
        check("/a:/b:r:w", None);
        check("", None);
    }
}
