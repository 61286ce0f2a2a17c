//! The second pass over an unpacked layer, once the layers below it are known: whiteouts, hard links downwards, inherited directories.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;

use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, mknodat};
use nix::unistd::{linkat, symlinkat};

use super::attributes::{Attributes, is_directory, set_opaque};
use super::lower::{Found, Lower};
use super::path;
use super::tree::{Obstacle, Tree};
use super::unpack::{Pending, describe_directory};
use crate::store::{StoreError, StoreResult};

/// What the second pass found and added.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Finalised {
    /// The layer hides everything below it.
    pub(crate) opaque_root: bool,
    /// Bytes of files copied up from below.
    pub(crate) copied: u64,
}

/// Completes the layer in `root`.
pub(crate) fn finalise(
    root: BorrowedFd<'_>,
    pending: &mut Pending,
    lower: &Lower,
) -> StoreResult<Finalised> {
    let tree = Tree::new(root).map_err(|source| failed("open", b"", source))?;
    let mut pass = Pass {
        tree,
        pending,
        lower,
        touched: BTreeSet::new(),
        finalised: Finalised::default(),
    };
    pass.tree.implicit = std::mem::take(&mut pass.pending.implicit);
    pass.links()?;
    pass.opaque_directories()?;
    pass.whiteouts()?;
    pass.inherit()?;
    pass.restore()?;
    Ok(pass.finalised)
}

struct Pass<'a> {
    tree: Tree,
    pending: &'a mut Pending,
    lower: &'a Lower,
    /// Directories that got new entries, and with them a new time.
    touched: BTreeSet<Vec<u8>>,
    finalised: Finalised,
}

impl Pass<'_> {
    /// Copies the target up, at its own name too, so that both stay one file.
    fn links(&mut self) -> StoreResult<()> {
        for (name, target) in std::mem::take(&mut self.pending.links) {
            if self.stat(&target)?.is_none() {
                let missing = || {
                    refuse(
                        &name,
                        &format!(
                            "a hard link to {}, which does not exist",
                            String::from_utf8_lossy(&target)
                        ),
                    )
                };
                let found = self.lookup(&target)?.ok_or_else(missing)?;
                if is_directory(&found.stat) {
                    return Err(refuse(&name, "a hard link to a directory"));
                }
                self.copy_up(&found, &target)?;
            }
            let (source, source_name) = self.open_parent(&target)?;
            let (directory, link_name) = self.open_parent(&name)?;
            linkat(
                &*source,
                source_name,
                &*directory,
                link_name,
                AtFlags::empty(),
            )
            .map_err(|error| failed("link", &name, error))?;
        }
        Ok(())
    }

    fn opaque_directories(&mut self) -> StoreResult<()> {
        for path in self.pending.opaque.clone() {
            if path.is_empty() {
                self.finalised.opaque_root = true;
                continue;
            }
            let below = self
                .lookup(&path)?
                .is_some_and(|found| is_directory(&found.stat));
            if !below {
                continue;
            }
            match self.stat(&path)? {
                Some(stat) if is_directory(&stat) => {}
                Some(_) => continue,
                None => {
                    let Some(()) = self.make_directory(&path)? else {
                        continue;
                    };
                }
            }
            self.hide_content(&path)?;
        }
        Ok(())
    }

    fn whiteouts(&mut self) -> StoreResult<()> {
        for path in self.pending.whiteouts.clone() {
            // Whatever is not there below needs no hiding; a name through a symlink is not there.
            let Some(found) = self.lookup(&path)? else {
                continue;
            };
            match self.stat(&path)? {
                Some(stat) if is_directory(&stat) => {
                    if is_directory(&found.stat) {
                        self.hide_content(&path)?;
                    }
                }
                Some(_) => {}
                None => self.hide(&path)?,
            }
        }
        Ok(())
    }

    fn hide(&mut self, path: &[u8]) -> StoreResult<()> {
        let Some((above, name)) = path::split(path) else {
            return Ok(());
        };
        let directory = match self.tree.directory(above, true) {
            Ok(directory) => directory,
            // This layer has something else than a directory there, which hides all below it already.
            Err(Obstacle::Symlink | Obstacle::NotDirectory) => return Ok(()),
            Err(obstacle) => return Err(obstructed(path, obstacle)),
        };
        self.touched.insert(above.to_vec());
        mknodat(&*directory, name, SFlag::S_IFCHR, Mode::empty(), 0)
            .map_err(|error| failed("make whiteout", path, error))
    }

    fn hide_content(&mut self, path: &[u8]) -> StoreResult<()> {
        let (directory, name) = self.open_parent(path)?;
        set_opaque(directory.as_fd(), name).map_err(|error| failed("make opaque", path, error))
    }

    /// `None` when this layer has something else on the way.
    fn make_directory(&mut self, path: &[u8]) -> StoreResult<Option<()>> {
        let above = path::split(path).map_or(&b""[..], |(above, _)| above);
        self.touched.insert(above.to_vec());
        match self.tree.directory(path, true) {
            Ok(_) => Ok(Some(())),
            Err(Obstacle::Symlink | Obstacle::NotDirectory) => Ok(None),
            Err(obstacle) => Err(obstructed(path, obstacle)),
        }
    }

    /// Directories that the archive does not describe look as they do below.
    fn inherit(&mut self) -> StoreResult<()> {
        let implicit = std::mem::take(&mut self.tree.implicit);
        for path in implicit.iter().rev() {
            let below = match self.hidden_by_this_layer(path) {
                true => None,
                false => self.lookup(path)?.filter(|found| is_directory(&found.stat)),
            };
            let attributes = match below {
                Some(found) => found
                    .attributes()
                    .map_err(|error| failed("read attributes of", path, error))?,
                None => Attributes::of_unknown_directory(),
            };
            describe_directory(&mut self.tree, path, &attributes)?;
        }
        Ok(())
    }

    /// Gives directories that this pass wrote into their time back.
    fn restore(&mut self) -> StoreResult<()> {
        for path in &self.touched {
            if let Some(attributes) = self.pending.directories.get(path) {
                describe_directory(&mut self.tree, path, attributes)?;
            }
        }
        Ok(())
    }

    fn hidden_by_this_layer(&self, path: &[u8]) -> bool {
        let Pending {
            whiteouts, opaque, ..
        } = &*self.pending;
        path::ancestry(path).any(|above| whiteouts.contains(above))
            || path::ancestry(path)
                .skip(1)
                .any(|above| opaque.contains(above))
    }

    fn copy_up(&mut self, found: &Found, path: &[u8]) -> StoreResult<()> {
        let attributes = found
            .attributes()
            .map_err(|error| failed("read attributes of", path, error))?;
        let (directory, name) = self.open_parent(path)?;
        let copied = match found.stat.st_mode & libc::S_IFMT {
            libc::S_IFREG => copy_file(found, directory.as_fd(), name, &attributes),
            libc::S_IFLNK => copy_symlink(found, directory.as_fd(), name, &attributes).map(|()| 0),
            kind => copy_node(found, kind, directory.as_fd(), name, &attributes).map(|()| 0),
        };
        self.finalised.copied += copied.map_err(|error| failed("copy up", path, error))?;
        Ok(())
    }

    /// The directory a path lies in, made if need be, and the last component.
    fn open_parent<'p>(
        &mut self,
        path: &'p [u8],
    ) -> StoreResult<(std::rc::Rc<std::os::fd::OwnedFd>, &'p [u8])> {
        let (above, name) = path::split(path).unwrap_or((b"", b"."));
        self.touched.insert(above.to_vec());
        let directory = self
            .tree
            .directory(above, true)
            .map_err(|obstacle| obstructed(path, obstacle))?;
        Ok((directory, name))
    }

    fn stat(&mut self, path: &[u8]) -> StoreResult<Option<nix::sys::stat::FileStat>> {
        self.tree
            .stat(path)
            .map_err(|obstacle| obstructed(path, obstacle))
    }

    fn lookup(&self, path: &[u8]) -> StoreResult<Option<Found>> {
        self.lower
            .lookup(path)
            .map_err(|error| failed("look up", path, error))
    }
}

fn copy_file(
    found: &Found,
    directory: BorrowedFd<'_>,
    name: &[u8],
    attributes: &Attributes,
) -> io::Result<u64> {
    let source = openat(
        &found.above,
        found.name.as_slice(),
        OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let target = openat(directory, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let mut target = File::from(target);
    let copied = io::copy(&mut File::from(source), &mut target)?;
    attributes.apply_to_file(target.as_fd())?;
    Ok(copied)
}

fn copy_symlink(
    found: &Found,
    directory: BorrowedFd<'_>,
    name: &[u8],
    attributes: &Attributes,
) -> io::Result<()> {
    let target = readlinkat(&found.above, found.name.as_slice())?.into_vec();
    symlinkat(target.as_slice(), directory, name)?;
    attributes.apply_to_symlink(directory, name)
}

fn copy_node(
    found: &Found,
    kind: u32,
    directory: BorrowedFd<'_>,
    name: &[u8],
    attributes: &Attributes,
) -> io::Result<()> {
    mknodat(
        directory,
        name,
        SFlag::from_bits_truncate(kind),
        Mode::S_IRUSR | Mode::S_IWUSR,
        found.stat.st_rdev,
    )?;
    attributes.apply_to_node(directory, name)
}

fn refuse(path: &[u8], reason: &str) -> StoreError {
    StoreError::Entry {
        entry: String::from_utf8_lossy(path).into_owned(),
        reason: reason.to_owned(),
    }
}

fn obstructed(path: &[u8], obstacle: Obstacle) -> StoreError {
    match obstacle {
        Obstacle::Io(error) => failed("open directory of", path, error),
        Obstacle::Symlink => refuse(path, "it passes through a symlink"),
        Obstacle::NotDirectory | Obstacle::Absent => {
            refuse(path, "it passes through something that is not a directory")
        }
    }
}

fn failed(operation: &'static str, path: &[u8], error: impl Into<io::Error>) -> StoreError {
    StoreError::Io {
        operation,
        object: String::from_utf8_lossy(path).into_owned(),
        source: error.into(),
    }
}
