//! Paths that the container must not see, or not change.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::{filesystem, open_path};
use crate::error::{Error, ErrorKind, Result};
use crate::safefs::{self, Root};
use crate::sys::mount::{self, Change, attr};

/// Hides files behind the host's `/dev/null` and directories behind an empty one. What isn't there needs no hiding.
pub(crate) fn mask(root: &Root, paths: &[PathBuf]) -> Result<()> {
    let mut covers = Covers::default();
    for path in paths {
        let Some(target) = find(root, path)? else {
            continue;
        };
        let failed = |error: Error| error.within(format!("mask {}", path.display()));
        let is_directory =
            safefs::is_directory(&target).map_err(Error::sys("look at", path.display()))?;
        let cover = covers.next(is_directory).map_err(failed)?;
        mount::attach(cover.as_fd(), target.as_fd()).map_err(Error::sys("mask", path.display()))?;
    }
    Ok(())
}

/// Makes paths read-only where they are.
pub(crate) fn read_only(root: &Root, paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        let Some(target) = find(root, path)? else {
            continue;
        };
        let failed = || Error::sys("make read-only", path.display());
        let tree = mount::clone_tree(target.as_fd(), true).map_err(failed())?;
        let change = Change {
            set: attr::RDONLY,
            clear: 0,
            recursive: false,
        };
        mount::attach_changed(tree.as_fd(), target.as_fd(), change).map_err(failed())?;
    }
    Ok(())
}

fn find(root: &Root, path: &Path) -> Result<Option<OwnedFd>> {
    match root.find(path) {
        Ok(target) => Ok(Some(target)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(Error::sys("open in the root file system", path.display())(
            errno,
        )),
    }
}

/// What paths are hidden behind. Kernels before 6.15 copy only mounts that are attached: the first is attached itself.
#[derive(Default)]
struct Covers {
    file: Option<OwnedFd>,
    directory: Option<OwnedFd>,
}

impl Covers {
    /// A detached mount.
    fn next(&mut self, directory: bool) -> Result<OwnedFd> {
        let copy = |cover: &OwnedFd| {
            mount::clone_tree(cover.as_fd(), false).map_err(Error::sys("copy", "what hides paths"))
        };
        match (directory, &self.directory, &self.file) {
            (true, Some(cover), _) | (false, _, Some(cover)) => copy(cover),
            (true, None, _) => {
                let made = empty()?;
                let kept = made
                    .try_clone()
                    .map_err(Error::sys("copy", "a descriptor"))?;
                self.directory = Some(kept);
                Ok(made)
            }
            (false, _, None) => copy(self.file.insert(null()?)),
        }
    }
}

/// An empty directory that stays so.
fn empty() -> Result<OwnedFd> {
    filesystem::private(
        "tmpfs",
        &[
            "ro",
            "nosuid",
            "nodev",
            "noexec",
            "size=0k",
            "nr_inodes=1",
            "mode=755",
        ],
    )
}

/// The host's null device: what the image has at that name may be anything (CVE-2025-31133).
fn null() -> Result<OwnedFd> {
    let null = open_path(Path::new("/dev/null"))?;
    if safefs::is_character_device(&null, 1, 3) == Ok(true) {
        return Ok(null);
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        "/dev/null of the host is not the null device",
    ))
}
