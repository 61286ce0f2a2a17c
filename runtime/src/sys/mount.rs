//! Mounts by descriptor: open_tree(2), move_mount(2), fsopen(2), fsconfig(2), fsmount(2), mount_setattr(2).

use std::ffi::CStr;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use nix::errno::Errno;
use nix::mount::MsFlags;

use super::owned;

/// MOUNT_ATTR_* of mount_setattr(2).
pub(crate) mod attr {
    pub(crate) const RDONLY: u64 = 0x1;
    pub(crate) const NOSUID: u64 = 0x2;
    pub(crate) const NODEV: u64 = 0x4;
    pub(crate) const NOEXEC: u64 = 0x8;
    /// All the bits that say how access times are kept; 0 in them is relatime.
    pub(crate) const ATIME: u64 = 0x70;
    pub(crate) const NOATIME: u64 = 0x10;
    pub(crate) const STRICTATIME: u64 = 0x20;
    pub(crate) const NODIRATIME: u64 = 0x80;
    pub(crate) const NOSYMFOLLOW: u64 = 0x20_0000;
}

const OPEN_TREE_CLONE: libc::c_uint = 1;
const OPEN_TREE_CLOEXEC: libc::c_uint = libc::O_CLOEXEC as libc::c_uint;
const AT_RECURSIVE: libc::c_uint = 0x8000;
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 0x4;
const MOVE_MOUNT_T_EMPTY_PATH: libc::c_uint = 0x40;
const FSOPEN_CLOEXEC: libc::c_uint = 1;
const FSMOUNT_CLOEXEC: libc::c_uint = 1;
const FSCONFIG_SET_FLAG: libc::c_uint = 0;
const FSCONFIG_SET_STRING: libc::c_uint = 1;
const FSCONFIG_CMD_CREATE: libc::c_uint = 6;

/// A detached copy of the mount at `fd` (of what lies below `fd` alone), with those beneath it if `recursive`.
pub(crate) fn clone_tree(fd: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd, Errno> {
    let recursive = if recursive { AT_RECURSIVE } else { 0 };
    let flags =
        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | libc::AT_EMPTY_PATH as libc::c_uint | recursive;
    // SAFETY: the path is a static string; the kernel reads no other memory.
    owned(unsafe { libc::syscall(libc::SYS_open_tree, fd.as_raw_fd(), c"".as_ptr(), flags) })
}

/// Attaches the detached mount `mount` where `target` points.
pub(crate) fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: both paths are static strings; the kernel reads no other memory.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            target.as_raw_fd(),
            c"".as_ptr(),
            flags,
        )
    };
    Errno::result(result).map(drop)
}

/// A file system that is being configured.
#[derive(Debug)]
pub(crate) struct Context(OwnedFd);

impl Context {
    /// Begins with a file system of type `kind`.
    pub(crate) fn open(kind: &CStr) -> Result<Context, Errno> {
        // SAFETY: `kind` is a terminated string for the length of the call.
        owned(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) })
            .map(Context)
    }

    /// An option without a value.
    pub(crate) fn flag(&self, key: &CStr) -> Result<(), Errno> {
        self.configure(FSCONFIG_SET_FLAG, key.as_ptr(), ptr::null())
    }

    /// An option with a value.
    pub(crate) fn string(&self, key: &CStr, value: &CStr) -> Result<(), Errno> {
        self.configure(FSCONFIG_SET_STRING, key.as_ptr(), value.as_ptr())
    }

    /// Makes the file system and a detached mount of it.
    pub(crate) fn mount(&self, attributes: u64) -> Result<OwnedFd, Errno> {
        self.configure(FSCONFIG_CMD_CREATE, ptr::null(), ptr::null())?;
        // SAFETY: no memory of ours is involved.
        owned(unsafe {
            libc::syscall(
                libc::SYS_fsmount,
                self.0.as_raw_fd(),
                FSMOUNT_CLOEXEC,
                attributes,
            )
        })
    }

    /// What the kernel has to say about the last failure, if anything.
    pub(crate) fn complaint(&self) -> Option<String> {
        let mut text = [0; 1024];
        let mut file = std::fs::File::from(self.0.try_clone().ok()?);
        let mut said = Vec::new();
        while let Ok(length) = file.read(&mut text) {
            // `e overlay: No changes allowed`: e, w or i, and the sentence.
            let message = String::from_utf8_lossy(&text[..length]);
            said.push(message.get(2..).unwrap_or_default().trim().to_owned());
            if length == 0 || said.len() > 8 {
                break;
            }
        }
        said.retain(|message| !message.is_empty());
        (!said.is_empty()).then(|| said.join("; "))
    }

    fn configure(
        &self,
        command: libc::c_uint,
        key: *const libc::c_char,
        value: *const libc::c_char,
    ) -> Result<(), Errno> {
        // SAFETY: key and value are null or terminated strings that outlive the call, as the methods above see to.
        let result = unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                self.0.as_raw_fd(),
                command,
                key,
                value,
                0,
            )
        };
        Errno::result(result).map(drop)
    }
}

/// What to change on a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// Attributes to set.
    pub(crate) set: u64,
    /// Attributes to clear before that.
    pub(crate) clear: u64,
    /// On all mounts beneath as well.
    pub(crate) recursive: bool,
}

#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Changes attributes of the attached mount at `fd`. Kernels before 5.12 can't change those of a tree.
pub(crate) fn change(fd: BorrowedFd<'_>, change: Change) -> Result<(), Errno> {
    match set(fd, change) {
        Err(Errno::ENOSYS) if !change.recursive => remount(fd, change),
        other => other,
    }
}

/// Attaches the detached mount `mount` with changed attributes. Kernels before 5.12 change only what is attached, so that there
/// it is seen as it was for a moment.
pub(crate) fn attach_changed(
    mount: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    change: Change,
) -> Result<(), Errno> {
    match set(mount, change) {
        Err(Errno::ENOSYS) if !change.recursive => {
            attach(mount, target)?;
            remount(mount, change)
        }
        other => other.and_then(|()| attach(mount, target)),
    }
}

/// By mount_setattr(2), whether the mount is attached or not.
fn set(fd: BorrowedFd<'_>, change: Change) -> Result<(), Errno> {
    if change.set == 0 && change.clear == 0 {
        return Ok(());
    }
    // Times are one field of several bits: to set one value, all bits have to be cleared.
    let clear = change.clear
        | if change.set & attr::ATIME != 0 {
            attr::ATIME
        } else {
            0
        };
    let attributes = MountAttr {
        set: change.set,
        clear,
        propagation: 0,
        userns_fd: 0,
    };
    set_attributes(fd, change.recursive, &attributes)
}

/// Sets the propagation of the mount at `fd`.
pub(crate) fn propagate(fd: BorrowedFd<'_>, propagation: MsFlags) -> Result<(), Errno> {
    let kind = propagation - MsFlags::MS_REC;
    let attributes = MountAttr {
        set: 0,
        clear: 0,
        propagation: kind.bits(),
        userns_fd: 0,
    };
    match set_attributes(fd, propagation.contains(MsFlags::MS_REC), &attributes) {
        Err(Errno::ENOSYS) => {
            let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
            nix::mount::mount(
                None::<&str>,
                path.as_str(),
                None::<&str>,
                propagation,
                None::<&str>,
            )
        }
        other => other,
    }
}

fn set_attributes(
    fd: BorrowedFd<'_>,
    recursive: bool,
    attributes: &MountAttr,
) -> Result<(), Errno> {
    let flags = libc::AT_EMPTY_PATH as libc::c_uint | if recursive { AT_RECURSIVE } else { 0 };
    // SAFETY: path and structure outlive the call, and the size given is the structure's.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            flags,
            ptr::from_ref(attributes),
            size_of::<MountAttr>(),
        )
    };
    Errno::result(result).map(drop)
}

/// The way before Linux 5.12: all flags anew, those that stay included.
fn remount(fd: BorrowedFd<'_>, change: Change) -> Result<(), Errno> {
    use nix::sys::statvfs::FsFlags;
    const FLAGS: [(u64, FsFlags, MsFlags); 6] = [
        (attr::RDONLY, FsFlags::ST_RDONLY, MsFlags::MS_RDONLY),
        (attr::NOSUID, FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (attr::NODEV, FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (attr::NOEXEC, FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (attr::NOATIME, FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (
            attr::NODIRATIME,
            FsFlags::ST_NODIRATIME,
            MsFlags::MS_NODIRATIME,
        ),
    ];
    let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    let now = nix::sys::statvfs::fstatvfs(fd)?.flags();
    let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
    for (attribute, seen, flag) in FLAGS {
        let kept = now.contains(seen) && change.clear & attribute == 0;
        if kept || change.set & attribute != 0 {
            flags |= flag;
        }
    }
    if change.set & attr::STRICTATIME != 0 {
        flags |= MsFlags::MS_STRICTATIME;
    }
    nix::mount::mount(
        None::<&str>,
        path.as_str(),
        None::<&str>,
        flags,
        None::<&str>,
    )
}
