//! Paths inside a root file system that may mean harm: resolved by the kernel (openat2(2)), one descriptor after the other,
//! so that no symbolic link and no race leads out of it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};
use nix::sys::statfs::{FsType, PROC_SUPER_MAGIC, fstatfs};

use crate::error::{Error, ErrorKind, Result};

/// A directory that is the root of all paths opened below it.
#[derive(Debug)]
pub(crate) struct Root(OwnedFd);

/// What is made at the end of a path that isn't there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Make {
    /// A directory.
    Directory,
    /// An empty file.
    File,
}

impl Root {
    /// With `directory` as the root.
    pub(crate) fn new(directory: OwnedFd) -> Root {
        Root(directory)
    }

    /// Where `path` leads inside the root, symbolic links followed.
    pub(crate) fn find(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.open(path, OFlag::O_PATH, ResolveFlag::empty())
    }

    /// Where `path` leads inside the root; ELOOP if a symbolic link is on the way.
    pub(crate) fn find_plain(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.open(path, OFlag::O_PATH, ResolveFlag::RESOLVE_NO_SYMLINKS)
    }

    /// Opens `path` inside the root; ELOOP if a symbolic link is on the way.
    pub(crate) fn open_plain(&self, path: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
        self.open(path, flags, ResolveFlag::RESOLVE_NO_SYMLINKS)
    }

    fn open(&self, path: &Path, flags: OFlag, resolve: ResolveFlag) -> Result<OwnedFd, Errno> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(resolve | ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        // A rename elsewhere during the walk makes the kernel give up rather than be fooled.
        for _ in 0..64 {
            match openat2(&self.0, path, how) {
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                other => return other,
            }
        }
        Err(Errno::EAGAIN)
    }

    /// Where `path` leads inside the root, with what is missing made: directories, and `make` at the end.
    pub(crate) fn find_or_make(&self, path: &Path, make: Make) -> Result<OwnedFd> {
        match self.find(path) {
            Err(Errno::ENOENT) => self.make(path, make),
            other => other.map_err(Error::sys("open in the root file system", path.display())),
        }
    }

    fn make(&self, path: &Path, make: Make) -> Result<OwnedFd> {
        let failed = |errno| Error::sys("make in the root file system", path.display())(errno);
        let parts = parts(path)?;
        let Some((last, parents)) = parts.split_last() else {
            return self.find(Path::new("/")).map_err(failed);
        };
        let mut known = PathBuf::from("/");
        let mut directory = self.find(&known).map_err(failed)?;
        for part in parents {
            known.push(part);
            directory = self
                .enter_or_make(&directory, part, &known, Make::Directory)
                .map_err(failed)?;
        }
        known.push(last);
        self.enter_or_make(&directory, last, &known, make)
            .map_err(failed)
    }

    fn enter_or_make(
        &self,
        parent: &OwnedFd,
        name: &OsStr,
        known: &Path,
        make: Make,
    ) -> Result<OwnedFd, Errno> {
        match self.find(known) {
            Err(Errno::ENOENT) => {}
            other => return other,
        }
        let made = match make {
            Make::Directory => mkdirat(parent, name, Mode::from_bits_truncate(0o755)),
            Make::File => openat2(
                parent,
                name,
                OpenHow::new()
                    .flags(
                        OFlag::O_CREAT
                            | OFlag::O_EXCL
                            | OFlag::O_NOFOLLOW
                            | OFlag::O_CLOEXEC
                            | OFlag::O_WRONLY,
                    )
                    .mode(Mode::from_bits_truncate(0o644))
                    .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS),
            )
            .map(drop),
        };
        match made {
            // Either another was faster, or a link leads nowhere: then opening fails below.
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno),
        }
        // What was made just now, not what somebody put in its place.
        openat2(
            parent,
            name,
            OpenHow::new()
                .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
                .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS),
        )
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The names of a path below the root. `..` is left to the kernel where all exists, and refused where it doesn't.
fn parts(path: &Path) -> Result<Vec<&OsStr>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(Error::invalid(format!(
                    "{} does not exist and has \"..\" in it",
                    path.display()
                )));
            }
        }
    }
    Ok(names)
}

/// Whether what `fd` is open on is a directory.
pub(crate) fn is_directory(fd: impl AsFd) -> Result<bool, Errno> {
    Ok(SFlag::from_bits_truncate(fstat(fd)?.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFDIR)
}

/// Whether what `fd` is open on is the character device `major`:`minor`.
pub(crate) fn is_character_device(fd: impl AsFd, major: u64, minor: u64) -> Result<bool, Errno> {
    let status = fstat(fd)?;
    let kind = SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits());
    Ok(kind == SFlag::S_IFCHR && status.st_rdev == nix::sys::stat::makedev(major, minor))
}

/// The host's `/proc`, verified to be one, for settings that must reach the kernel and nothing else.
#[derive(Debug)]
pub(crate) struct Proc(OwnedFd);

impl Proc {
    /// Opens `/proc` of the mount namespace that this process is in, which must not be a container's.
    pub(crate) fn open() -> Result<Proc> {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
        let fd =
            openat2(nix::fcntl::AT_FDCWD, "/proc", how).map_err(Error::sys("open", "/proc"))?;
        let status = fstatfs(&fd).map_err(Error::sys("look at", "/proc"))?;
        // Its root directory has the first inode number, PROC_ROOT_INO.
        let root = fstat(&fd).map_err(Error::sys("look at", "/proc"))?.st_ino == 1;
        if status.filesystem_type() != PROC_SUPER_MAGIC || !root {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "/proc is not the proc file system: mount it",
            ));
        }
        Ok(Proc(fd))
    }

    /// Writes `value` to a file below, in one write. No mount beneath `/proc` and no link into another is crossed.
    pub(crate) fn write(&self, path: &str, value: &[u8]) -> Result<(), Errno> {
        let how = OpenHow::new()
            .flags(OFlag::O_WRONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY)
            .resolve(
                ResolveFlag::RESOLVE_BENEATH
                    | ResolveFlag::RESOLVE_NO_XDEV
                    | ResolveFlag::RESOLVE_NO_MAGICLINKS,
            );
        let mut file = File::from(openat2(&self.0, path, how)?);
        let failed =
            |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
        let written = file.write(value).map_err(failed)?;
        if written == value.len() {
            Ok(())
        } else {
            Err(Errno::EIO)
        }
    }
}

/// The type of the file system that `fd` is open on.
pub(crate) fn file_system(fd: impl AsFd) -> Result<FsType, Errno> {
    Ok(fstatfs(fd)?.filesystem_type())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn root() -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("root/etc")).unwrap();
        let fd = File::open(directory.path().join("root")).unwrap();
        (directory, Root::new(fd.into()))
    }

    #[test]
    fn links_stay_inside() {
        let (directory, root) = root();
        let inside = directory.path().join("root");
        symlink(directory.path(), inside.join("absolute")).unwrap();
        symlink("../../..", inside.join("up")).unwrap();
        symlink("etc", inside.join("plain")).unwrap();
        let check = |path: &str, make: Make, made: Option<&str>| {
            let found = root.find_or_make(Path::new(path), make);
            assert_eq!(found.is_ok(), made.is_some(), "{path}: {found:?}");
            if let Some(made) = made {
                assert!(inside.join(made).exists(), "{path}");
            }
        };
        check("/plain/a/b", Make::Directory, Some("etc/a/b"));
        check("/plain/a/b/file", Make::File, Some("etc/a/b/file"));
        check("/up/new", Make::Directory, Some("new"));
        check("/absolute", Make::Directory, None);
        check("/absolute/x", Make::Directory, None);
        check("/../../etc", Make::Directory, Some("etc"));
        check("/nosuch/../x", Make::Directory, None);
        check("/etc/a/b/file/below", Make::Directory, None);
        let outside: Vec<_> = std::fs::read_dir(directory.path())
            .unwrap()
            .flatten()
            .map(|e| e.file_name())
            .collect();
        assert_eq!(outside, ["root"]);
    }

    #[test]
    fn the_hosts_proc_is_one() {
        let proc = Proc::open().unwrap();
        assert_eq!(proc.write("no/such", b"1"), Err(Errno::ENOENT));
        assert_eq!(proc.write("self/exe", b"1"), Err(Errno::ELOOP));
        assert_eq!(proc.write("../etc/hostname", b"1"), Err(Errno::EXDEV));
    }
}
