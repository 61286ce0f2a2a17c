//! The few system calls that no safe wrapper here offers: extended attributes, inode flags, and mounts that are never attached.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Names the object `name` in `directory` without following it, for calls that know paths only (xattr(7) before Linux 6.13).
pub(crate) fn proc_path(directory: BorrowedFd<'_>, name: &[u8]) -> io::Result<CString> {
    let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
    path.extend_from_slice(if name.is_empty() { b"." } else { name });
    CString::new(path).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// fsetxattr(2).
pub(crate) fn set_xattr_of_file(file: BorrowedFd<'_>, name: &CStr, value: &[u8]) -> io::Result<()> {
    // SAFETY: the name ends in a zero byte and the pointer and length are those of one live slice; the kernel only reads them.
    let result = unsafe {
        libc::fsetxattr(
            file.as_raw_fd(),
            name.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// lsetxattr(2): a last component that is a symlink is not followed.
pub(crate) fn set_xattr(path: &CStr, name: &CStr, value: &[u8]) -> io::Result<()> {
    // SAFETY: both strings end in a zero byte and the value's pointer and length are those of one live slice; the kernel only reads them.
    let result = unsafe {
        libc::lsetxattr(
            path.as_ptr(),
            name.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// lgetxattr(2); `None` when the attribute is absent or the file system knows none.
pub(crate) fn xattr(path: &CStr, name: &CStr) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0u8; 256];
    loop {
        // SAFETY: the kernel writes at most `value.len()` bytes to the vector's own memory; the strings end in a zero byte.
        let length = unsafe {
            libc::lgetxattr(
                path.as_ptr(),
                name.as_ptr(),
                value.as_mut_ptr().cast(),
                value.len(),
            )
        };
        if let Ok(length) = usize::try_from(length) {
            value.truncate(length);
            return Ok(Some(value));
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::ENODATA | libc::EOPNOTSUPP) => return Ok(None),
            Some(libc::ERANGE) if value.len() < 65_536 => value.resize(65_536, 0),
            _ => return Err(error),
        }
    }
}

/// llistxattr(2) with each value, sorted by name; empty when the file system knows none.
pub(crate) fn xattrs(path: &CStr) -> io::Result<Vec<(CString, Vec<u8>)>> {
    let mut names = vec![0u8; 1024];
    let length = loop {
        // SAFETY: the kernel writes at most `names.len()` bytes to the vector's own memory; the path ends in a zero byte.
        let length =
            unsafe { libc::llistxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
        if let Ok(length) = usize::try_from(length) {
            break length;
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EOPNOTSUPP) => return Ok(Vec::new()),
            Some(libc::ERANGE) if names.len() < 65_536 => names.resize(65_536, 0),
            _ => return Err(error),
        }
    };
    let mut found = Vec::new();
    for name in names[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let Ok(name) = CString::new(name) else {
            continue;
        };
        if let Some(value) = xattr(path, &name)? {
            found.push((name, value));
        }
    }
    found.sort();
    Ok(found)
}

/// Takes the immutable and append-only flags off (ioctl_iflags(2)), so that the object can be removed.
pub(crate) fn clear_inode_flags(file: BorrowedFd<'_>) -> io::Result<()> {
    const GET_FLAGS: libc::c_ulong = 0x8008_6601;
    const SET_FLAGS: libc::c_ulong = 0x4008_6602;
    const IMMUTABLE: libc::c_int = 0x10;
    const APPEND: libc::c_int = 0x20;
    let mut flags: libc::c_int = 0;
    // SAFETY: FS_IOC_GETFLAGS writes one int to the address given, which is a live local of that type.
    if unsafe { libc::ioctl(file.as_raw_fd(), GET_FLAGS as _, &raw mut flags) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if flags & (IMMUTABLE | APPEND) == 0 {
        return Ok(());
    }
    flags &= !(IMMUTABLE | APPEND);
    // SAFETY: FS_IOC_SETFLAGS reads one int from the address given, which is a live local of that type.
    if unsafe { libc::ioctl(file.as_raw_fd(), SET_FLAGS as _, &raw const flags) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A file system being configured (fsopen(2)).
pub(crate) struct MountContext(OwnedFd);

impl MountContext {
    const SET_FLAG: libc::c_uint = 0;
    const SET_STRING: libc::c_uint = 1;
    const CREATE: libc::c_uint = 6;

    pub(crate) fn open(kind: &CStr) -> io::Result<MountContext> {
        const FSOPEN_CLOEXEC: libc::c_uint = 1;
        // SAFETY: fsopen reads a string that ends in a zero byte and returns a new descriptor.
        let fd = unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) };
        owned(fd).map(MountContext)
    }

    pub(crate) fn set(&self, key: &CStr, value: &CStr) -> io::Result<()> {
        self.configure(Self::SET_STRING, Some(key), Some(value))
    }

    pub(crate) fn flag(&self, key: &CStr) -> io::Result<()> {
        self.configure(Self::SET_FLAG, Some(key), None)
    }

    /// Creates the superblock and a mount of it that belongs to no mount namespace; it goes when the descriptor is closed.
    pub(crate) fn mount(self, attributes: u32) -> io::Result<OwnedFd> {
        const FSMOUNT_CLOEXEC: libc::c_uint = 1;
        self.configure(Self::CREATE, None, None)?;
        // SAFETY: fsmount takes the descriptor and two integers and returns a new descriptor.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_fsmount,
                self.0.as_raw_fd(),
                FSMOUNT_CLOEXEC,
                attributes,
            )
        };
        owned(fd)
    }

    fn configure(
        &self,
        command: libc::c_uint,
        key: Option<&CStr>,
        value: Option<&CStr>,
    ) -> io::Result<()> {
        let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
        // SAFETY: fsconfig reads strings that end in a zero byte, or takes null where the command has none.
        let result = unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                self.0.as_raw_fd(),
                command,
                pointer(key),
                pointer(value),
                0,
            )
        };
        if result == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        match self.explanation() {
            Some(text) => Err(io::Error::new(error.kind(), format!("{error} ({text})"))),
            None => Err(error),
        }
    }

    /// The kernel's own words on the last failure, read from the context's descriptor.
    fn explanation(&self) -> Option<String> {
        let mut text = [0u8; 512];
        let length = nix::unistd::read(self.0.as_fd(), &mut text).ok()?;
        let text = String::from_utf8_lossy(&text[..length]);
        Some(text.trim().trim_start_matches("e ").to_owned()).filter(|text| !text.is_empty())
    }
}

fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just returned this descriptor to this call alone, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}
