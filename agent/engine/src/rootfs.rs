//! Looking into a container's files from outside: a detached, read-only mount for one that doesn't run, the root of its
//! first process for one that does. Names are looked up inside, never on the host.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use images::Snapshot;
use nix::fcntl::OFlag;

use crate::error::{Error, Result};
use crate::sys;
use crate::users::{self, Identity};

/// More than any real one; a larger file is cut here.
const MOST_OF_PASSWD: u64 = 8 << 20;

/// A read-only view of a snapshot that is mounted nowhere.
pub(crate) fn open(snapshot: &Snapshot) -> Result<OwnedFd> {
    Ok(snapshot.mount_detached(true)?)
}

/// The root of a running process.
pub(crate) fn of_process(pid: i32) -> Result<OwnedFd> {
    let path = format!("/proc/{pid}/root");
    File::options()
        .read(true)
        .custom_flags(OFlag::O_DIRECTORY.bits() | OFlag::O_PATH.bits())
        .open(&path)
        .map(OwnedFd::from)
        .map_err(Error::io("open", &path))
}

/// Who `USER[:GROUP]` is there.
pub(crate) fn identity(root: &OwnedFd, user: &str, groups: &[String]) -> Result<Identity> {
    let read = |path: &'static str| {
        sys::read_in_root(root, Path::new(path), MOST_OF_PASSWD)
            .map(Option::unwrap_or_default)
            .map_err(Error::io("read in the container", path))
    };
    users::resolve(user, groups, &read("/etc/passwd")?, &read("/etc/group")?)
}

use std::os::unix::fs::OpenOptionsExt;
