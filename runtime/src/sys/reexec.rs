//! The runtime's own program, out of the reach of containers (CVE-2019-5736).
//!
//! A process on its way into a container still is the runtime's program, and the container may open that program by
//! `/proc/PID/exe` and write to it later. So it runs from a clone that can't be written: a detached read-only mount of the
//! program's file, which costs one more execve(2) and no memory; or, before Linux 5.12, a sealed copy in memory.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::copy;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::statvfs::{FsFlags, fstatvfs};

use super::mount::{self, Change, attr};
use super::{owned, process};
use crate::error::{Error, ErrorKind, Result};

const EXE: &str = "/proc/self/exe";
/// Set for the second execution, so that there is no third.
const MARK: &str = "_MINIRUN_PROTECTED";
const NAME: &std::ffi::CStr = c"minirun";

/// Executes this program again from a clone of itself that can't be written, unless it already runs from one. For the start
/// of `main`, in a process that will enter a container.
///
/// # Errors
/// Neither a clone nor a copy in memory can be made.
pub fn protect() -> Result<()> {
    let failed = || Error::sys("protect", "minirun's own program");
    let program = crate::mounts::open_path(Path::new(EXE))?;
    if is_protected(&program) {
        // Executed by descriptor, it would be listed by a number.
        return process::set_name(NAME).map_err(failed());
    }
    if std::env::var_os(MARK).is_some() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "minirun's own program can't be protected: is /proc mounted?",
        ));
    }
    match read_only_clone(&program) {
        Ok(clone) => execute(clone.as_fd()).map_err(failed()),
        Err(_) => sealed_copy()
            .and_then(|copy| execute(copy.as_fd()))
            .map_err(failed()),
    }
}

/// A clone in no mount namespace, or a sealed copy: both have names that no file of a mounted file system has.
fn is_protected(program: &OwnedFd) -> bool {
    let name = std::fs::read_link(EXE)
        .map(|path| path.into_os_string().into_vec())
        .unwrap_or_default();
    if name.starts_with(b"/memfd:minirun") {
        return true;
    }
    let read_only =
        fstatvfs(program).is_ok_and(|status| status.flags().contains(FsFlags::ST_RDONLY));
    read_only && (name == b"/" || name.starts_with(b"(unreachable)"))
}

fn read_only_clone(program: &OwnedFd) -> Result<OwnedFd, Errno> {
    let clone = mount::clone_tree(program.as_fd(), false)?;
    mount::change(
        clone.as_fd(),
        Change {
            set: attr::RDONLY | attr::NOSUID | attr::NODEV,
            ..Change::default()
        },
    )?;
    Ok(clone)
}

fn sealed_copy() -> Result<OwnedFd, Errno> {
    /// Linux 6.3 wants to know; older kernels refuse the flag.
    const MFD_EXEC: libc::c_uint = 0x10;
    let create = |flags: libc::c_uint| {
        // SAFETY: the name is a static string.
        owned(unsafe {
            libc::syscall(
                libc::SYS_memfd_create,
                NAME.as_ptr(),
                flags | libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING,
            )
        })
    };
    let memory = create(MFD_EXEC).or_else(|_| create(0))?;
    let failed = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    let mut memory = File::from(memory);
    copy(&mut File::open(EXE).map_err(failed)?, &mut memory).map_err(failed)?;
    let seals = SealFlag::F_SEAL_SEAL
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_WRITE;
    fcntl(&memory, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(memory.into())
}

/// Returns only if it fails.
fn execute(program: BorrowedFd<'_>) -> Result<(), Errno> {
    let terminated = |text: &OsStr| CString::new(text.as_bytes()).map_err(|_| Errno::EINVAL);
    let args = std::env::args_os()
        .map(|arg| terminated(&arg))
        .collect::<Result<Vec<_>, _>>()?;
    let mark = (OsString::from(MARK), OsString::from("1"));
    let env = std::env::vars_os().chain([mark]).map(|(name, value)| {
        let mut variable = name;
        variable.push("=");
        variable.push(value);
        terminated(&variable)
    });
    let env = env.collect::<Result<Vec<_>, _>>()?;
    let pointers = |strings: &[CString]| {
        strings
            .iter()
            .map(|one| one.as_ptr())
            .chain([std::ptr::null()])
            .collect::<Vec<_>>()
    };
    let (arg_pointers, env_pointers) = (pointers(&args), pointers(&env));
    // SAFETY: both lists end in null and point to terminated strings that live until the call has replaced this program.
    let result = unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            c"".as_ptr(),
            arg_pointers.as_ptr(),
            env_pointers.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    Errno::result(result).map(drop)
}
