//! The layers of an overlay, however many there are.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;

use super::filesystem::terminated;
use super::open_path;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::mount::Context;

/// fsconfig(2) takes values up to this length, without the terminating zero.
const LONGEST: usize = 255;
/// The first kernel with `lowerdir+`. Before 6.5 an unknown option was not even refused when it was set.
const ADDS_LAYERS: (u32, u32) = (6, 7);

/// Layers that are named by the numbers of their descriptors: the file system has to be made in [`DESCRIPTORS`].
#[derive(Debug)]
pub(super) struct Numbered(#[expect(dead_code, reason = "held open, never used")] Vec<OwnedFd>);

/// The directory whose entries are this process's descriptors.
pub(super) const DESCRIPTORS: &str = "/proc/self/fd";

/// Sets `lowerdir`. With many layers it is longer than one value may be, so each is added by itself; on older kernels the one
/// value is a list of numbers, `7:8:9`, which is short enough for 60 layers and more.
pub(super) fn set_layers(context: &Context, lowerdir: &str) -> Result<Option<Numbered>> {
    let layers = split(lowerdir);
    if release().is_none_or(|release| release >= ADDS_LAYERS) {
        for layer in &layers {
            context
                .string(c"lowerdir+", &terminated(layer)?)
                .map_err(|errno| refused(context, &format!("layer {layer}"), errno))?;
        }
        return Ok(None);
    }
    let descriptors = layers
        .iter()
        .map(|layer| open_path(Path::new(layer)))
        .collect::<Result<Vec<_>>>()?;
    let numbers = numbers(&descriptors);
    if numbers.len() > LONGEST {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "an overlay of {} layers takes Linux {}.{} or newer",
                layers.len(),
                ADDS_LAYERS.0,
                ADDS_LAYERS.1
            ),
        ));
    }
    context
        .string(c"lowerdir", &terminated(&numbers)?)
        .map_err(|errno| refused(context, "lowerdir", errno))?;
    Ok(Some(Numbered(descriptors)))
}

fn refused(context: &Context, what: &str, errno: Errno) -> Error {
    let said = context
        .complaint()
        .map(|said| format!(" ({said})"))
        .unwrap_or_default();
    Error::sys("set overlay", format!("{what}{said}"))(errno)
}

fn numbers(descriptors: &[OwnedFd]) -> String {
    let numbers: Vec<String> = descriptors
        .iter()
        .map(|descriptor| descriptor.as_raw_fd().to_string())
        .collect();
    numbers.join(":")
}

/// Version and patch level of the running kernel.
fn release() -> Option<(u32, u32)> {
    let name = nix::sys::utsname::uname().ok()?;
    version(name.release().to_str()?)
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release
        .split(|letter: char| !letter.is_ascii_digit())
        .map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The layers of a `lowerdir` value: separated by colons, a colon in a name has a backslash before it.
fn split(value: &str) -> Vec<String> {
    let mut layers = vec![String::new()];
    let mut escaped = false;
    for letter in value.chars() {
        match letter {
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            ':' if !escaped => layers.push(String::new()),
            _ => {
                if let Some(last) = layers.last_mut() {
                    last.push(letter);
                }
            }
        }
        escaped = false;
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers() {
        let check = |value: &str, expected: &[&str]| assert_eq!(split(value), expected, "{value}");
        check("/a", &["/a"]);
        check("/a:/b:/c", &["/a", "/b", "/c"]);
        check("/a\\:b:/c\\\\d", &["/a:b", "/c\\d"]);
    }

    #[test]
    fn releases() {
        let check = |release: &str, expected| assert_eq!(version(release), expected, "{release}");
        check("6.1.0-56-cloud-amd64", Some((6, 1)));
        check("6.12", Some((6, 12)));
        check("5.15.0-rc1", Some((5, 15)));
        check("linux", None);
    }
}
