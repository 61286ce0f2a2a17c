//! The layers of an overlay, however many there are.

use std::path::Path;

use nix::errno::Errno;

use super::filesystem::terminated;
use crate::error::{Error, Result};
use crate::sys::mount::Context;

/// fsconfig(2) takes values up to this length, without the terminating zero.
const LONGEST: usize = 255;

/// Sets an option that names layers; `false` if `key` is not one.
///
/// `lowerdir` with many layers is longer than one value may be, so each is added by itself (`lowerdir+`, Linux 6.5). Before
/// that, what is too long is refused by the kernel, and the directory of the layers has to be short.
pub(super) fn set_layers(context: &Context, key: &str, value: Option<&str>) -> Result<bool> {
    let (Some(value), "lowerdir") = (value, key) else {
        return Ok(false);
    };
    let refused = |what: &str, errno: Errno| {
        let said = context
            .complaint()
            .map(|said| format!(" ({said})"))
            .unwrap_or_default();
        Error::sys("set overlay", format!("{what}{said}"))(errno)
    };
    let layers = split(value);
    for (index, layer) in layers.iter().enumerate() {
        match context.string(c"lowerdir+", &terminated(layer)?) {
            Ok(()) => {}
            Err(Errno::EINVAL) if index == 0 => {
                // An older kernel: the whole list at once.
                if value.len() > LONGEST {
                    return Err(Error::invalid(format!(
                        "lowerdir is {} bytes long and this kernel takes {LONGEST}: use shorter paths",
                        value.len()
                    )));
                }
                context
                    .string(c"lowerdir", &terminated(value)?)
                    .map_err(|errno| refused("lowerdir", errno))?;
                return Ok(true);
            }
            Err(errno) => {
                let missing = !Path::new(layer).exists();
                let what = if missing {
                    format!("layer {layer}, which does not exist")
                } else {
                    format!("layer {layer}")
                };
                return Err(refused(&what, errno));
            }
        }
    }
    Ok(true)
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
}
