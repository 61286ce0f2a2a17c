//! Removing trees that anyone may have filled: deeper than any path or descriptor limit, with unreadable or immutable directories,
//! and never through a symlink.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::sys;

/// Descriptors held at once; directories deeper than this are first moved up.
const DEPTH: usize = 48;

/// Removes `name` in `directory` with all below it. Its absence, also half way through, is success: somebody else removes it too.
pub(crate) fn remove_at(directory: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    match unlinkat(directory, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => return Ok(()),
        Err(Errno::EISDIR | Errno::EPERM) => {}
        Err(error) => return Err(error.into()),
    }
    let top = match open(directory, name) {
        Ok(top) => top,
        Err(Errno::ENOENT) => return Ok(()),
        Err(Errno::ENOTDIR | Errno::ELOOP) => return unlink(directory, name),
        Err(error) => return Err(error.into()),
    };
    let mut moved = 0u64;
    // Each round empties the directory of all but what it has moved up from too deep below.
    loop {
        empty(top.as_fd(), top.as_fd(), 1, &mut moved)?;
        match remove_directory(directory, name) {
            Err(error) if error.raw_os_error() == Some(libc::ENOTEMPTY) => {}
            other => return other,
        }
    }
}

/// Removes all in `directory`, except directories too deep, which are moved to `top`.
fn empty(
    top: BorrowedFd<'_>,
    directory: BorrowedFd<'_>,
    depth: usize,
    moved: &mut u64,
) -> io::Result<()> {
    let listed = openat(
        directory,
        ".",
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    let mut entries = Dir::from_fd(listed)?;
    for entry in entries.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        if entry.file_type() != Some(Type::Directory) {
            match unlink(directory, name) {
                Err(error) if error.raw_os_error() == Some(libc::EISDIR) => {}
                other => {
                    other?;
                    continue;
                }
            }
        }
        match unlinkat(directory, name, UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => continue,
            Err(_) => {}
        }
        let below = match open(directory, name) {
            Ok(below) => below,
            Err(Errno::ENOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        if depth >= DEPTH {
            move_up(top, directory, name, moved)?;
            continue;
        }
        empty(top, below.as_fd(), depth + 1, moved)?;
        drop(below);
        match remove_directory(directory, name) {
            Err(error) if error.raw_os_error() == Some(libc::ENOTEMPTY) => {}
            other => other?,
        }
    }
    Ok(())
}

fn move_up(
    top: BorrowedFd<'_>,
    directory: BorrowedFd<'_>,
    name: &[u8],
    moved: &mut u64,
) -> io::Result<()> {
    loop {
        *moved += 1;
        let target = CString::new(format!(".deep-{moved}"))?;
        match renameat(directory, name, top, target.as_c_str()) {
            Ok(()) | Err(Errno::ENOENT) => return Ok(()),
            Err(Errno::EEXIST | Errno::ENOTEMPTY | Errno::ENOTDIR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Opens a directory for listing, taking flags and modes off that are in the way.
fn open(above: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let opened = match openat(above, name, flags, Mode::empty()) {
        Err(Errno::EACCES) => {
            fchmodat(above, name, Mode::S_IRWXU, FchmodatFlags::FollowSymlink)?;
            openat(above, name, flags, Mode::empty())?
        }
        other => other?,
    };
    // File systems without such flags refuse the question; then there is nothing to clear.
    let _ = sys::clear_inode_flags(opened.as_fd());
    Ok(opened)
}

fn unlink(directory: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    match unlinkat(directory, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(Errno::EPERM) => {
            let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
            let file = openat(directory, name, flags, Mode::empty())?;
            sys::clear_inode_flags(file.as_fd())?;
            Ok(unlinkat(directory, name, UnlinkatFlags::NoRemoveDir)?)
        }
        Err(Errno::EACCES) => {
            make_writable(directory)?;
            Ok(unlinkat(directory, name, UnlinkatFlags::NoRemoveDir)?)
        }
        Err(error) => Err(error.into()),
    }
}

fn remove_directory(directory: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    match unlinkat(directory, name, UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(Errno::EEXIST) => Err(Errno::ENOTEMPTY.into()),
        Err(Errno::EACCES) => {
            make_writable(directory)?;
            Ok(unlinkat(directory, name, UnlinkatFlags::RemoveDir)?)
        }
        Err(error) => Err(error.into()),
    }
}

fn make_writable(directory: BorrowedFd<'_>) -> io::Result<()> {
    Ok(nix::sys::stat::fchmod(directory, Mode::S_IRWXU)?)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn check(fill: impl FnOnce(&std::path::Path)) {
        let place = tempfile::tempdir().unwrap();
        let outside = place.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "x").unwrap();
        fs::create_dir(place.path().join("tree")).unwrap();
        fill(&place.path().join("tree"));
        let directory = File::open(place.path()).unwrap();
        remove_at(directory.as_fd(), b"tree").unwrap();
        assert!(!place.path().join("tree").exists());
        assert!(outside.join("kept").exists());
        remove_at(directory.as_fd(), b"tree").unwrap();
    }

    #[test]
    fn any_tree_goes_and_nothing_else() {
        check(|_| {});
        check(|tree| std::os::unix::fs::symlink("../outside", tree.join("link")).unwrap());
        check(|tree| {
            fs::create_dir_all(tree.join("a/b/c")).unwrap();
            fs::write(tree.join("a/b/f"), "x").unwrap();
            fs::set_permissions(tree.join("a/b"), fs::Permissions::from_mode(0o000)).unwrap();
        });
        check(|tree| {
            for name in 0..2000 {
                fs::create_dir_all(tree.join(format!("{name}/x"))).unwrap();
            }
        });
    }

    #[test]
    fn depth_is_no_obstacle() {
        check(|tree| {
            let mut directory: OwnedFd = File::open(tree).unwrap().into();
            for _ in 0..3000 {
                nix::sys::stat::mkdirat(&directory, "long-enough-a-name", Mode::S_IRWXU).unwrap();
                directory = open(directory.as_fd(), b"long-enough-a-name").unwrap();
            }
        });
    }

    #[test]
    fn immutable_files_go() {
        check(|tree| {
            fs::create_dir(tree.join("fixed")).unwrap();
            fs::write(tree.join("fixed/file"), "x").unwrap();
            // Without the right to set the flag the plain case is tried again.
            let _ = std::process::Command::new("chattr")
                .args(["-R", "+i"])
                .arg(tree.join("fixed"))
                .output();
        });
    }
}
