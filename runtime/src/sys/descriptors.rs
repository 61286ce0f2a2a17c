//! Tables of descriptors.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// Marks all descriptors from `first` on to be closed when a program is executed.
pub(crate) fn close_on_exec_from(first: u32) -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    match Errno::result(result) {
        Ok(_) => Ok(()),
        // The flag came with Linux 5.11.
        Err(Errno::EINVAL | Errno::ENOSYS) => {
            mark_each(first);
            Ok(())
        }
        Err(errno) => Err(errno),
    }
}

/// One by one: `/proc/self/fd` would be shorter, but inside a container it may lie.
fn mark_each(first: u32) {
    const HIGHEST: i32 = 1 << 16;
    for number in i32::try_from(first).unwrap_or(HIGHEST)..HIGHEST {
        // SAFETY: F_SETFD changes one flag of an open number, and is refused for any other.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// Makes `fd` the descriptor `number`, which stays open when a program is executed.
pub(crate) fn place(fd: BorrowedFd<'_>, number: i32) -> Result<(), Errno> {
    if fd.as_raw_fd() == number {
        return fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).map(drop);
    }
    // SAFETY: dup2 replaces a number of this process' table; callers place 0, 1 and 2, which nothing in Rust owns.
    Errno::result(unsafe { libc::dup2(fd.as_raw_fd(), number) }).map(drop)
}

/// The descriptor `number` that was inherited, if it is open. The caller must be the only one to ask for it.
pub(crate) fn inherited(number: i32) -> Option<OwnedFd> {
    // SAFETY: F_GETFD of any number only tells whether it is open.
    let open = unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0;
    // SAFETY: it is open, and by the caller's warrant nobody else owns it.
    open.then(|| unsafe { OwnedFd::from_raw_fd(number) })
}

/// Closes all descriptors from 3 on but `kept`.
///
/// # Safety
/// Nothing that owns one of the others may be used or dropped in this process any more.
pub(crate) unsafe fn close_all_but(mut kept: Vec<i32>) {
    kept.sort_unstable();
    let mut from = 3;
    for fd in kept.into_iter().chain([i32::MAX]) {
        if fd > from {
            // SAFETY: no memory is involved, and by the caller's warrant nobody misses what is closed.
            unsafe { libc::syscall(libc::SYS_close_range, from, fd - 1, 0) };
        }
        from = fd.saturating_add(1);
    }
}

/// Whether the descriptor `number` was inherited: it is open and stays so when a program is executed.
pub(crate) fn is_inherited(number: i32) -> bool {
    // SAFETY: F_GETFD of any number only tells whether it is open, and its flags.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    flags >= 0 && flags & libc::FD_CLOEXEC == 0
}
