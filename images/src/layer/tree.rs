//! The directory a layer is written into, and the only way to write into it.
//!
//! Every operation names one component below a directory descriptor; descriptors come from `openat2(2)` confined beneath the root and
//! refusing symlinks. So neither a name nor a link in a layer reaches anything outside, whatever else is wrong.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::path;
use crate::store::removal;

/// Descriptors kept per layer: archives list a directory's entries together, so few are needed.
const CACHED_DIRECTORIES: usize = 40;
/// Links followed in one name (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Why a directory can't be opened.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// A component is a symlink.
    Symlink,
    /// A component is neither directory nor symlink.
    NotDirectory,
    /// A component does not exist.
    Absent,
    /// The kernel refuses.
    Io(io::Error),
}

impl From<Errno> for Obstacle {
    fn from(error: Errno) -> Obstacle {
        Obstacle::Io(error.into())
    }
}

pub(super) struct Tree {
    root: Rc<OwnedFd>,
    cache: HashMap<Vec<u8>, Rc<OwnedFd>>,
    /// Directories made because an entry lay in them, not because the archive described them.
    pub(super) implicit: BTreeSet<Vec<u8>>,
}

impl Tree {
    pub(super) fn new(root: BorrowedFd<'_>) -> io::Result<Tree> {
        Ok(Tree {
            root: Rc::new(root.try_clone_to_owned()?),
            cache: HashMap::new(),
            implicit: BTreeSet::new(),
        })
    }

    /// Opens the directory at a clamped path; with `create`, missing ones are made (mode 0755) and remembered as implicit.
    pub(super) fn directory(
        &mut self,
        directory: &[u8],
        create: bool,
    ) -> Result<Rc<OwnedFd>, Obstacle> {
        let Some((above, name)) = path::split(directory) else {
            return Ok(Rc::clone(&self.root));
        };
        if let Some(fd) = self.cache.get(directory) {
            return Ok(Rc::clone(fd));
        }
        let above = self.directory(above, create)?;
        let fd = match open_directory(above.as_fd(), name) {
            Err(Obstacle::Absent) if create => {
                mkdirat(&*above, name, Mode::from_bits_truncate(0o755))?;
                self.implicit.insert(directory.to_vec());
                open_directory(above.as_fd(), name)?
            }
            other => other?,
        };
        if self.cache.len() >= CACHED_DIRECTORIES {
            self.cache.clear();
        }
        let fd = Rc::new(fd);
        self.cache.insert(directory.to_vec(), Rc::clone(&fd));
        Ok(fd)
    }

    /// What lies at a path, the last component not followed; `None` when it or a directory above is not there.
    pub(super) fn stat(&mut self, path: &[u8]) -> Result<Option<FileStat>, Obstacle> {
        let Some((above, name)) = path::split(path) else {
            return Ok(Some(fstatat(&*self.root, ".", AtFlags::empty())?));
        };
        match self.directory(above, false) {
            Ok(above) => match fstatat(&*above, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(stat) => Ok(Some(stat)),
                Err(Errno::ENOENT) => Ok(None),
                Err(error) => Err(error.into()),
            },
            Err(Obstacle::Absent | Obstacle::Symlink | Obstacle::NotDirectory) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Where a directory's name leads when the symlinks that this layer itself holds are followed, clamped to the root.
    /// `None` when they lead round in circles.
    pub(super) fn follow(&mut self, directory: &[u8]) -> Result<Option<Vec<u8>>, Obstacle> {
        let mut rest: Vec<Vec<u8>> = directory
            .split(|byte| *byte == b'/')
            .rev()
            .map(<[u8]>::to_vec)
            .collect();
        let mut reached: Vec<u8> = Vec::new();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            match part.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    reached =
                        path::split(&reached).map_or_else(Vec::new, |(above, _)| above.to_vec());
                    continue;
                }
                _ => {}
            }
            let target = match self.directory(&reached, false) {
                Ok(fd) => match readlinkat(&*fd, part.as_slice()) {
                    Ok(target) => Some(target.into_vec()),
                    Err(Errno::EINVAL | Errno::ENOENT) => None,
                    Err(error) => return Err(error.into()),
                },
                Err(Obstacle::Absent) => None,
                Err(other) => return Err(other),
            };
            match target {
                Some(target) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Ok(None);
                    }
                    if target.starts_with(b"/") {
                        reached.clear();
                    }
                    rest.extend(target.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
                }
                None => reached = path::join(&reached, &part),
            }
        }
        Ok(Some(reached))
    }

    /// Removes what lies at `name` in `directory` (whose path is `path`), a whole directory if need be. Returns whether it was one.
    pub(super) fn remove(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
    ) -> io::Result<bool> {
        match unlinkat(directory, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => return Ok(false),
            Err(Errno::EISDIR | Errno::EPERM) => {}
            Err(error) => return Err(error.into()),
        }
        self.cache.retain(|known, _| !is_at_or_below(known, path));
        self.implicit.retain(|known| !is_at_or_below(known, path));
        removal::remove_at(directory, name)?;
        Ok(true)
    }
}

/// Is `candidate` the path itself or something below it?
pub(super) fn is_at_or_below(candidate: &[u8], path: &[u8]) -> bool {
    candidate
        .strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// Opens one component as a directory, to be named in further calls.
fn open_directory(above: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Obstacle> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
        .resolve(
            ResolveFlag::RESOLVE_BENEATH
                | ResolveFlag::RESOLVE_NO_SYMLINKS
                | ResolveFlag::RESOLVE_NO_MAGICLINKS
                | ResolveFlag::RESOLVE_NO_XDEV,
        );
    loop {
        return match openat2(above, name, how) {
            Ok(fd) => Ok(fd),
            // A rename elsewhere made the kernel unsure (openat2(2)).
            Err(Errno::EAGAIN) => continue,
            Err(Errno::ENOENT) => Err(Obstacle::Absent),
            Err(Errno::ELOOP) => Err(Obstacle::Symlink),
            Err(Errno::ENOTDIR) => match fstatat(above, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(stat) if stat.st_mode & libc::S_IFMT == libc::S_IFLNK => Err(Obstacle::Symlink),
                _ => Err(Obstacle::NotDirectory),
            },
            Err(error) => Err(error.into()),
        };
    }
}
