//! Getting into cgroups and namespaces.

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use crate::cgroup::Entry;
use crate::error::{Error, ErrorKind, Result};
use crate::spec::namespaces::Kind;
use crate::sys::clone::{self, Cloned};

/// A child in new namespaces `flags`, born in the unified cgroup where the kernel can do that; otherwise it has to go there:
/// the flag that comes back says so.
///
/// With `pid_namespace` the child is born in that one.
pub(crate) fn clone_into(
    flags: i32,
    entry: &Entry,
    pid_namespace: Option<BorrowedFd<'_>>,
) -> Result<(Cloned, bool)> {
    let Some(namespace) = pid_namespace else {
        return clone_here(flags, entry);
    };
    let own = std::fs::File::open("/proc/self/ns/pid")
        .map_err(Error::sys("open", "/proc/self/ns/pid"))?;
    clone::enter(namespace, libc::CLONE_NEWPID).map_err(Error::sys("join the namespace", "pid"))?;
    let cloned = clone_here(flags, entry);
    if !matches!(cloned, Ok((Cloned::Child, _))) {
        // Children that this process makes later are its own again.
        clone::enter(own.as_fd(), libc::CLONE_NEWPID)
            .map_err(Error::sys("return to the namespace", "pid"))?;
    }
    cloned
}

fn clone_here(flags: i32, entry: &Entry) -> Result<(Cloned, bool)> {
    let flags = u64::from(flags.cast_unsigned());
    let failed = |errno: Errno| {
        let kind = match errno {
            Errno::EAGAIN | Errno::ENOSPC | Errno::ENOMEM => ErrorKind::Limit,
            Errno::EPERM => ErrorKind::Permission,
            _ => ErrorKind::Io,
        };
        Error::sys("make", "the container's process in its namespaces")(errno).with_kind(kind)
    };
    if let Some(directory) = &entry.unified {
        match clone::clone(flags, Some(directory.as_fd())) {
            Ok(cloned) => return Ok((cloned, false)),
            // A cgroup that can't have processes, or a kernel that can't do this: try without, and tell what is wrong then.
            Err(Errno::EBUSY | Errno::EINVAL | Errno::EOPNOTSUPP | Errno::EACCES) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    let cloned = clone::clone(flags, None).map_err(failed)?;
    Ok((cloned, entry.unified.is_some()))
}

/// Joins the cgroups, as the process that is to be in them.
pub(crate) fn join_cgroups(entry: Entry, unified_too: bool) -> Result<()> {
    let Entry {
        tasks,
        unified_procs,
        ..
    } = entry;
    for file in tasks {
        join(file)?;
    }
    match unified_procs {
        Some(file) if unified_too => join(file),
        _ => Ok(()),
    }
}

fn join(file: OwnedFd) -> Result<()> {
    // 0 is whoever writes.
    std::fs::File::from(file)
        .write_all(b"0")
        .map_err(Error::sys("join", "the container's cgroup"))
}

/// Enters given namespaces; that of processes is for children alone, and entered by the parent.
pub(crate) fn join_namespaces(joined: &[(Kind, OwnedFd)]) -> Result<()> {
    for (kind, namespace) in joined.iter().filter(|(kind, _)| *kind != Kind::Pid) {
        clone::enter(namespace.as_fd(), kind.flag())
            .map_err(Error::sys("join the namespace", kind.name()))?;
    }
    Ok(())
}
