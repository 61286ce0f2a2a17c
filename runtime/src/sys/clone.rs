//! clone3(2) and setns(2).

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::Pid;

/// linux/sched.h; it needs more than 32 bits.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which side of a clone this is.
#[derive(Debug)]
pub(crate) enum Cloned {
    /// The new process.
    Child,
    /// The old one, and a descriptor of the new.
    Parent(Pid, OwnedFd),
}

/// Makes a child with its own copy of memory and descriptors, in new namespaces `flags` (CLONE_NEW*), and in the cgroup
/// (v2) whose directory is `cgroup`.
///
/// The caller must have one thread, or the child might wait for ever for a lock that nobody will release.
pub(crate) fn clone(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Cloned, Errno> {
    let mut pidfd: libc::c_int = -1;
    // SAFETY: a structure of integers may be all zeroes.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags | libc::CLONE_PIDFD as u64;
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::try_from(cgroup.as_raw_fd()).map_err(|_| Errno::EBADF)?;
    }
    // SAFETY: without CLONE_VM the child has its own memory and goes on from here like after fork(2); `args` and `pidfd`
    // outlive the call. One thread only, as the caller warrants, so no lock is held in the child's copy.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw mut args,
            size_of::<libc::clone_args>(),
        )
    };
    match Errno::result(result)? {
        0 => Ok(Cloned::Child),
        pid => {
            // SAFETY: with CLONE_PIDFD a successful call has stored a new descriptor there.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Cloned::Parent(Pid::from_raw(pid as i32), pidfd))
        }
    }
}

/// Enters the namespaces `flags` of what `fd` is: one namespace, or a process (since Linux 5.8).
pub(crate) fn enter(fd: BorrowedFd<'_>, flags: i32) -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    Errno::result(unsafe { libc::setns(fd.as_raw_fd(), flags) }).map(drop)
}

/// Leaves for new namespaces `flags`.
pub(crate) fn unshare(flags: i32) -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    Errno::result(unsafe { libc::unshare(flags) }).map(drop)
}
