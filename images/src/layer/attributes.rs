//! What a file carries besides its content: mode, owner, time, extended attributes; read from and written to the disk.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;

use nix::fcntl::AtFlags;
use nix::sys::stat::{
    FchmodatFlags, FileStat, Mode, UtimensatFlags, fchmod, fchmodat, futimens, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat};

use crate::store::sys;

/// The largest numeric user or group id: beyond it tools take ids for negative numbers.
pub(crate) const MAX_ID: u32 = i32::MAX as u32;

/// Mode (the lower twelve bits), owner, modification time, extended attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds and nanoseconds.
    pub(crate) mtime: (i64, u32),
    pub(crate) xattrs: Vec<(CString, Vec<u8>)>,
}

impl Attributes {
    /// What a directory gets that no layer describes: it belongs to this process's user, which is root.
    pub(crate) fn of_unknown_directory() -> Attributes {
        let (uid, gid) = own_ids();
        Attributes {
            mode: 0o755,
            uid,
            gid,
            ..Attributes::default()
        }
    }

    /// Reads the attributes of `name` in `directory`, of which `stat` is known; the overlay's own are left out.
    pub(crate) fn read(
        directory: BorrowedFd<'_>,
        name: &[u8],
        stat: &FileStat,
    ) -> io::Result<Attributes> {
        let mut xattrs = sys::xattrs(&sys::proc_path(directory, name)?)?;
        xattrs.retain(|(name, _)| !belongs_to_overlay(name));
        Ok(Attributes {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime: (stat.st_mtime, stat.st_mtime_nsec as u32),
            xattrs,
        })
    }

    /// Gives an open file, just created by this process with mode 0600, its attributes. Ownership comes first: a change of it takes
    /// setuid bits and capabilities away.
    pub(crate) fn apply_to_file(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        if !self.is_own() {
            fchown(
                file,
                Some(Uid::from_raw(self.uid)),
                Some(Gid::from_raw(self.gid)),
            )?;
        }
        fchmod(file, Mode::from_bits_truncate(self.mode))?;
        for (name, value) in self.kept_xattrs() {
            tolerate(sys::set_xattr_of_file(file, name, value), name, true)?;
        }
        futimens(file, &omit(), &self.time())?;
        Ok(())
    }

    /// Gives the directory `name` in `directory` its attributes.
    pub(crate) fn apply_to_directory(
        &self,
        directory: BorrowedFd<'_>,
        name: &[u8],
    ) -> io::Result<()> {
        let place = if name.is_empty() { &b"."[..] } else { name };
        self.chown_at(directory, place)?;
        fchmodat(
            directory,
            place,
            Mode::from_bits_truncate(self.mode),
            FchmodatFlags::FollowSymlink,
        )?;
        self.finish_at(directory, place, true)
    }

    /// Gives a device or FIFO, just made, its attributes.
    pub(crate) fn apply_to_node(&self, directory: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
        self.chown_at(directory, name)?;
        // The object was made by this process in a directory that only it writes to: there is no link to be followed.
        fchmodat(
            directory,
            name,
            Mode::from_bits_truncate(self.mode),
            FchmodatFlags::FollowSymlink,
        )?;
        self.finish_at(directory, name, false)
    }

    /// Gives a symlink its attributes; it has no mode of its own.
    pub(crate) fn apply_to_symlink(
        &self,
        directory: BorrowedFd<'_>,
        name: &[u8],
    ) -> io::Result<()> {
        if !self.is_own() {
            self.chown_at(directory, name)?;
        }
        self.finish_at(directory, name, false)
    }

    fn chown_at(&self, directory: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
        fchownat(
            directory,
            name,
            Some(Uid::from_raw(self.uid)),
            Some(Gid::from_raw(self.gid)),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        )?;
        Ok(())
    }

    fn finish_at(
        &self,
        directory: BorrowedFd<'_>,
        name: &[u8],
        user_xattrs: bool,
    ) -> io::Result<()> {
        if self.kept_xattrs().next().is_some() {
            let path = sys::proc_path(directory, name)?;
            for (key, value) in self.kept_xattrs() {
                tolerate(sys::set_xattr(&path, key, value), key, user_xattrs)?;
            }
        }
        utimensat(
            directory,
            name,
            &omit(),
            &self.time(),
            UtimensatFlags::NoFollowSymlink,
        )?;
        Ok(())
    }

    /// New files belong to this process's user already.
    fn is_own(&self) -> bool {
        (self.uid, self.gid) == own_ids()
    }

    /// `security.capability` last, so that nothing after it takes it away.
    fn kept_xattrs(&self) -> impl Iterator<Item = (&CStr, &[u8])> {
        let all = || {
            self.xattrs
                .iter()
                .filter(|(name, _)| !belongs_to_overlay(name))
        };
        let capability = |name: &CStr| name.to_bytes() == b"security.capability";
        all()
            .filter(move |(name, _)| !capability(name))
            .chain(all().filter(move |(name, _)| capability(name)))
            .map(|(name, value)| (name.as_c_str(), value.as_slice()))
    }

    fn time(&self) -> TimeSpec {
        TimeSpec::new(self.mtime.0, self.mtime.1.into())
    }
}

/// The user and group that new files belong to; asked once, for there are many files.
fn own_ids() -> (u32, u32) {
    static OWN: OnceLock<(u32, u32)> = OnceLock::new();
    *OWN.get_or_init(|| (Uid::effective().as_raw(), Gid::effective().as_raw()))
}

/// `trusted.overlay.*` and `user.overlay.*` steer overlayfs: an archive has no say in them.
pub(crate) fn belongs_to_overlay(name: &CStr) -> bool {
    name.to_bytes().split(|byte| *byte == b'.').nth(1) == Some(b"overlay")
}

/// The device number of a whiteout is 0:0.
pub(crate) fn is_whiteout(stat: &FileStat) -> bool {
    stat.st_mode & libc::S_IFMT == libc::S_IFCHR && stat.st_rdev == 0
}

/// Is it a directory?
pub(crate) fn is_directory(stat: &FileStat) -> bool {
    stat.st_mode & libc::S_IFMT == libc::S_IFDIR
}

/// Marks a directory as hiding what the lower layers have in it.
pub(crate) fn set_opaque(directory: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    sys::set_xattr(
        &sys::proc_path(directory, name)?,
        c"trusted.overlay.opaque",
        b"y",
    )
}

/// Does the directory hide what the lower layers have in it?
pub(crate) fn is_opaque(directory: BorrowedFd<'_>, name: &[u8]) -> io::Result<bool> {
    let path = sys::proc_path(directory.as_fd(), name)?;
    Ok(sys::xattr(&path, c"trusted.overlay.opaque")?.as_deref() == Some(b"y"))
}

/// A file system without such attributes, and `user.*` on what can't have them (xattr(7)), lose them silently, as with every other tool.
fn tolerate(result: io::Result<()>, name: &CStr, user_xattrs: bool) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(()),
        Err(error)
            if error.raw_os_error() == Some(libc::EPERM)
                && !user_xattrs
                && name.to_bytes().starts_with(b"user.") =>
        {
            Ok(())
        }
        other => other,
    }
}

fn omit() -> TimeSpec {
    TimeSpec::new(0, libc::UTIME_OMIT)
}
