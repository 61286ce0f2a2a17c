//! What the layers below hold, seen as overlayfs will show them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, fstatat};

use super::attributes::{Attributes, is_directory, is_opaque, is_whiteout};

/// The roots of the layers below one, topmost first, down to and with the first that hides all below it.
#[derive(Debug, Default)]
pub(crate) struct Lower {
    layers: Vec<OwnedFd>,
}

/// An object in one of the layers.
pub(super) struct Found {
    /// The directory it lies in.
    pub(super) above: OwnedFd,
    /// Its name there, empty for the layer's root.
    pub(super) name: Vec<u8>,
    pub(super) stat: FileStat,
}

impl Found {
    pub(super) fn attributes(&self) -> io::Result<Attributes> {
        Attributes::read(self.above.as_fd(), &self.name, &self.stat)
    }
}

/// What one layer says about a path.
enum Answer {
    Here(Found),
    /// Ask the next one.
    Silent,
    /// There is nothing, whatever lies below.
    Gone,
}

impl Lower {
    pub(crate) fn new(layers: Vec<OwnedFd>) -> Lower {
        Lower { layers }
    }

    /// The topmost object at a clamped path; symlinks are not followed.
    pub(super) fn lookup(&self, path: &[u8]) -> io::Result<Option<Found>> {
        for layer in &self.layers {
            match ask(layer, path)? {
                Answer::Here(found) => return Ok(Some(found)),
                Answer::Silent => {}
                Answer::Gone => return Ok(None),
            }
        }
        Ok(None)
    }
}

fn ask(layer: &OwnedFd, path: &[u8]) -> io::Result<Answer> {
    let mut above = layer.try_clone()?;
    if path.is_empty() {
        let stat = fstatat(&above, ".", AtFlags::empty())?;
        return Ok(Answer::Here(Found {
            above,
            name: Vec::new(),
            stat,
        }));
    }
    let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let mut hides_below = false;
    for (place, name) in parts.iter().enumerate() {
        let stat = match fstatat(&above, *name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::ENOENT) => {
                return Ok(if hides_below {
                    Answer::Gone
                } else {
                    Answer::Silent
                });
            }
            Err(error) => return Err(error.into()),
        };
        if is_whiteout(&stat) {
            return Ok(Answer::Gone);
        }
        if place + 1 == parts.len() {
            return Ok(Answer::Here(Found {
                above,
                name: name.to_vec(),
                stat,
            }));
        }
        if !is_directory(&stat) {
            return Ok(Answer::Gone);
        }
        hides_below |= is_opaque(above.as_fd(), name)?;
        above = openat(
            &above,
            *name,
            OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
            Mode::empty(),
        )?;
    }
    Ok(Answer::Silent)
}
