//! System calls that the libraries don't wrap, each as one safe function.

pub(crate) mod clone;
pub(crate) mod descriptors;
pub(crate) mod mount;
pub(crate) mod nsfs;
pub(crate) mod pidfd;
pub(crate) mod process;
pub(crate) mod reexec;
pub(crate) mod terminal;

use std::os::fd::{FromRawFd, OwnedFd};

use nix::errno::Errno;

/// The result of a system call that returns a descriptor.
fn owned(result: libc::c_long) -> Result<OwnedFd, Errno> {
    let fd = i32::try_from(Errno::result(result)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: callers pass what a system call returned that makes a descriptor, so it is open and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
