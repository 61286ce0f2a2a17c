//! Questions to the descriptor of a namespace, ioctl_nsfs(2).

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;

const NS_GET_NSTYPE: libc::c_ulong = 0xb703;

/// The type of a namespace as CLONE_NEW*.
pub(crate) fn kind(namespace: impl AsFd) -> Result<i32, Errno> {
    // SAFETY: NS_GET_NSTYPE takes no argument; any other kind of file refuses it.
    Errno::result(unsafe { libc::ioctl(namespace.as_fd().as_raw_fd(), NS_GET_NSTYPE as _) })
}
