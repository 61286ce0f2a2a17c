//! The few system calls that neither std nor nix wraps. All of the crate's `unsafe` stands here.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, OpenHow, ResolveFlag, fcntl, openat2};

/// A descriptor of a process (pidfd_open(2)): polls readable once the process has ended.
pub(crate) fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    match RawFd::try_from(fd) {
        // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The descriptors that were open when this program was executed, beside the standard streams. To be asked for once.
pub(crate) fn inherited() -> io::Result<Vec<OwnedFd>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        numbers.extend(
            entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<RawFd>().ok()),
        );
    }
    // Whatever this program opened itself is closed when it executes another.
    let is_inherited = |number: &RawFd| {
        // SAFETY: F_GETFD of any number touches no memory.
        let flags = unsafe { libc::fcntl(*number, libc::F_GETFD) };
        *number > 2 && flags >= 0 && flags & libc::FD_CLOEXEC == 0
    };
    numbers.retain(is_inherited);
    // SAFETY: they are open, and nothing in this program made them, so that nobody owns them.
    Ok(numbers
        .into_iter()
        .map(|number| unsafe { OwnedFd::from_raw_fd(number) })
        .collect())
}

/// Lets `command` inherit descriptors under their own numbers: FD_CLOEXEC is cleared in the child alone, so no other
/// child of this process ever sees them. The command keeps them open until it is dropped.
pub(crate) fn inherit(command: &mut Command, descriptors: Vec<OwnedFd>) {
    let work = move || {
        for descriptor in &descriptors {
            fcntl(descriptor.as_fd(), FcntlArg::F_SETFD(FdFlag::empty()))
                .map_err(io::Error::from)?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure calls fcntl(2) alone, which is async-signal-safe, and allocates nothing.
    unsafe { command.pre_exec(work) };
}

/// Opens `path` inside the tree of `root`: symbolic links and `..` never lead out of it (openat2(2)).
pub(crate) fn open_in_root(root: impl AsFd, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
    let relative = path.strip_prefix("/").unwrap_or(path);
    let relative = if relative.as_os_str().is_empty() {
        Path::new(".")
    } else {
        relative
    };
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    Ok(openat2(root, relative, how)?)
}

/// A file of the tree of `root`, read whole up to `most` bytes; `None` when there is no such regular file.
pub(crate) fn read_in_root(root: impl AsFd, path: &Path, most: u64) -> io::Result<Option<String>> {
    use std::io::Read;
    let fd = match open_in_root(root, path, OFlag::O_RDONLY | OFlag::O_NONBLOCK) {
        Ok(fd) => fd,
        Err(error) => {
            return match error.raw_os_error() {
                Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP) => Ok(None),
                _ => Err(error),
            };
        }
    };
    let file = File::from(fd);
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The extended attributes of a file, links not followed.
pub(crate) fn xattrs(path: &Path) -> io::Result<Vec<(CString, Vec<u8>)>> {
    let path = c_string(path)?;
    // SAFETY: `path` ends in NUL and lives through the call; the buffer's length is its own.
    let names = fill(|buffer| unsafe {
        libc::llistxattr(path.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len())
    })?;
    let mut result = Vec::new();
    for name in names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let name = CString::new(name).map_err(io::Error::other)?;
        // SAFETY: as above, for both strings.
        let value = fill(|buffer| unsafe {
            libc::lgetxattr(
                path.as_ptr(),
                name.as_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
            )
        })?;
        result.push((name, value));
    }
    Ok(result)
}

/// Sets an extended attribute, links not followed.
pub(crate) fn set_xattr(path: &Path, name: &CString, value: &[u8]) -> io::Result<()> {
    let path = c_string(path)?;
    // SAFETY: both strings end in NUL and live through the call; the length is that of `value`.
    let result = unsafe {
        libc::lsetxattr(
            path.as_ptr(),
            name.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The most that the kernel gives for a list or a value: XATTR_SIZE_MAX, xattr(7).
const XATTR_MAX: usize = 64 << 10;

fn fill(call: impl Fn(&mut [u8]) -> isize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; XATTR_MAX];
    match usize::try_from(call(&mut buffer)) {
        Ok(length) => {
            buffer.truncate(length);
            Ok(buffer)
        }
        Err(_) => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ENOTSUP) => Ok(Vec::new()),
            error => Err(error),
        },
    }
}

fn c_string(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

/// The path by which this process reaches `name` in an open directory without following a link on the way.
pub(crate) fn beneath(directory: &OwnedFd, name: &std::ffi::OsStr) -> std::path::PathBuf {
    Path::new(&format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_stay_in_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("inside"), "inside").unwrap();
        fs::write(dir.path().join("outside"), "outside").unwrap();
        symlink("/inside", root.join("etc/absolute")).unwrap();
        symlink("../../outside", root.join("etc/upwards")).unwrap();
        symlink("loop", root.join("etc/loop")).unwrap();
        let opened: OwnedFd = File::open(&root).unwrap().into();
        let check = |path: &str, expected: Option<&str>| {
            let read = read_in_root(&opened, Path::new(path), 1 << 20).unwrap();
            assert_eq!(read.as_deref(), expected, "{path}");
        };
        check("/inside", Some("inside"));
        check("/etc/absolute", Some("inside"));
        check("/etc/upwards", None);
        check("/../../outside", None);
        check("/etc/loop", None);
        check("/etc", None);
        check("/missing/file", None);
    }

    #[test]
    fn a_descriptor_is_inherited_under_its_number() {
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("echo seen >&{}", writer.as_raw_fd()));
        inherit(&mut command, vec![writer]);
        assert!(command.status().unwrap().success());
        drop(command);
        assert_eq!(io::read_to_string(File::from(reader)).unwrap(), "seen\n");
    }

    #[test]
    fn an_ended_process_is_seen() {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        let mut child = Command::new("true").spawn().unwrap();
        let fd = pidfd_open(child.id() as i32).unwrap();
        let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut fds, PollTimeout::from(5000u16)).unwrap(), 1);
        child.wait().unwrap();
    }
}
