//! Device files, and the links that every `/dev` has.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstat, makedev, mknodat};
use nix::unistd::{Gid, Uid, fchownat, symlinkat};
use oci_spec::runtime::{LinuxDevice, LinuxDeviceType};

use super::open_path;
use crate::error::{Error, Result};
use crate::safefs::{Make, Root};
use crate::sys::mount;

/// One device file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) path: PathBuf,
    pub(crate) kind: SFlag,
    pub(crate) major: u64,
    pub(crate) minor: u64,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The devices of the specification after those that every container has; a later one of the same path replaces.
pub(crate) fn plan(spec: &[LinuxDevice]) -> Result<Vec<Device>> {
    let character = |(name, major, minor): (&str, u64, u64)| Device {
        path: Path::new("/dev").join(name),
        kind: SFlag::S_IFCHR,
        major,
        minor,
        mode: 0o666,
        uid: 0,
        gid: 0,
    };
    let mut devices: Vec<Device> = DEFAULTS.into_iter().map(character).collect();
    for device in spec {
        let planned = from_spec(device)?;
        devices.retain(|known| known.path != planned.path);
        devices.push(planned);
    }
    Ok(devices)
}

const DEFAULTS: [(&str, u64, u64); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

fn from_spec(device: &LinuxDevice) -> Result<Device> {
    let path = device.path().clone();
    let invalid = |what: &str| Error::invalid(format!("device {}: {what}", path.display()));
    let kind = match device.typ() {
        LinuxDeviceType::C | LinuxDeviceType::U => SFlag::S_IFCHR,
        LinuxDeviceType::B => SFlag::S_IFBLK,
        LinuxDeviceType::P => SFlag::S_IFIFO,
        LinuxDeviceType::A => return Err(invalid("its type must be c, b, u or p")),
    };
    if !path.is_absolute() || path.file_name().is_none() {
        return Err(invalid("its path must be absolute and end in a name"));
    }
    let number = |number: i64| {
        u64::try_from(number)
            .ok()
            .filter(|number| *number < 1 << 32)
    };
    let numbers = if kind == SFlag::S_IFIFO {
        Some((0, 0))
    } else {
        number(device.major()).zip(number(device.minor()))
    };
    let Some((major, minor)) = numbers else {
        return Err(invalid("its numbers can't be negative"));
    };
    let mode = device.file_mode().unwrap_or(0o666) & 0o7777;
    Ok(Device {
        path,
        kind,
        major,
        minor,
        mode,
        uid: device.uid().unwrap_or(0),
        gid: device.gid().unwrap_or(0),
    })
}

/// Makes them inside `root`; `bind` takes the host's files where a process of a user namespace may not make its own.
pub(crate) fn make(root: &Root, devices: &[Device], bind: bool) -> Result<()> {
    for device in devices {
        let failed = |error: Error| error.within(format!("make device {}", device.path.display()));
        make_one(root, device, bind).map_err(failed)?;
    }
    Ok(())
}

fn make_one(root: &Root, device: &Device, bind: bool) -> Result<()> {
    let parent = device.path.parent().unwrap_or(Path::new("/"));
    let name = device.path.file_name().unwrap_or_default();
    let directory = directory(root, parent)?;
    if bind {
        return bind_host(root, device);
    }
    let permissions = Mode::from_bits_truncate(device.mode);
    match mknodat(
        &directory,
        name,
        device.kind,
        permissions,
        makedev(device.major, device.minor),
    ) {
        Ok(()) => {}
        Err(Errno::EEXIST) => return verify(&directory, name, device),
        Err(Errno::EPERM) => return bind_host(root, device),
        Err(errno) => return Err(Error::sys("make", device.path.display())(errno)),
    }
    let set = || Error::sys("set owner and mode of", device.path.display());
    if (device.uid, device.gid) != (0, 0) {
        let (uid, gid) = (Uid::from_raw(device.uid), Gid::from_raw(device.gid));
        fchownat(
            &directory,
            name,
            Some(uid),
            Some(gid),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        )
        .map_err(set())?;
        // A change of owner clears some bits of the mode.
        fchmodat(&directory, name, permissions, FchmodatFlags::FollowSymlink).map_err(set())?;
    }
    Ok(())
}

/// The directory of a device, made if need be. `/dev` itself must not be a link: nothing is made elsewhere.
fn directory(root: &Root, path: &Path) -> Result<OwnedFd> {
    match root.find_plain(path) {
        Ok(directory) => Ok(directory),
        Err(Errno::ENOENT) => root.find_or_make(path, Make::Directory),
        Err(Errno::ELOOP) => Err(Error::invalid(format!(
            "{} of the root file system is a symbolic link",
            path.display()
        ))),
        Err(errno) => Err(Error::sys("open in the root file system", path.display())(
            errno,
        )),
    }
}

/// What is there already must be that very device.
fn verify(directory: &OwnedFd, name: &OsStr, device: &Device) -> Result<()> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let there = openat(directory, name, flags, Mode::empty()).and_then(fstat);
    let status = there.map_err(Error::sys("look at", device.path.display()))?;
    let kind = SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits());
    let number =
        device.kind == SFlag::S_IFIFO || status.st_rdev == makedev(device.major, device.minor);
    if kind == device.kind && number {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{} is there and is something else",
        device.path.display()
    )))
}

fn bind_host(root: &Root, device: &Device) -> Result<()> {
    let host = open_path(&device.path)?;
    let status = fstat(&host).map_err(Error::sys("look at", device.path.display()))?;
    if status.st_rdev != makedev(device.major, device.minor) {
        return Err(Error::invalid(format!(
            "{} of the host is another device",
            device.path.display()
        )));
    }
    let target = root.find_or_make(&device.path, Make::File)?;
    let tree = mount::clone_tree(host.as_fd(), false)
        .map_err(Error::sys("clone", device.path.display()))?;
    mount::attach(tree.as_fd(), target.as_fd()).map_err(Error::sys("attach", device.path.display()))
}

/// The links of `/dev`; what is there already stays.
pub(crate) fn link(root: &Root) -> Result<()> {
    let dev = directory(root, Path::new("/dev"))?;
    for (name, target) in LINKS {
        match symlinkat(target, &dev, name) {
            Ok(()) | Err(Errno::EEXIST | Errno::EROFS) => {}
            Err(errno) => return Err(Error::sys("link", format!("/dev/{name}"))(errno)),
        }
    }
    Ok(())
}

/// Binds `terminal` at `/dev/console`, by descriptor: no name inside the container is trusted (CVE-2025-52565).
pub(crate) fn console(root: &Root, terminal: &OwnedFd) -> Result<()> {
    let failed = |error: Error| error.within("make /dev/console");
    directory(root, Path::new("/dev")).map_err(failed)?;
    let target = root
        .find_or_make(Path::new("/dev/console"), Make::File)
        .map_err(failed)?;
    let tree = mount::clone_tree(terminal.as_fd(), false)
        .map_err(Error::sys(
            "clone",
            format!("descriptor {}", terminal.as_raw_fd()),
        ))
        .map_err(failed)?;
    mount::attach(tree.as_fd(), target.as_fd())
        .map_err(Error::sys("attach", "the terminal"))
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_decided() {
        let parse = |json: &str| plan(&[serde_json::from_str(json).unwrap()]);
        let with = |json: &str| parse(json).unwrap().pop().unwrap();
        let own = with(
            r#"{"path": "/dev/own", "type": "c", "major": 1, "minor": 7, "fileMode": 416, "uid": 5}"#,
        );
        assert_eq!(
            (own.kind, own.major, own.minor, own.mode, own.uid, own.gid),
            (SFlag::S_IFCHR, 1, 7, 0o640, 5, 0)
        );
        assert_eq!(plan(&[]).unwrap().len(), 6);
        assert_eq!(
            parse(r#"{"path": "/dev/null", "type": "c", "major": 1, "minor": 3}"#)
                .unwrap()
                .len(),
            6
        );
        assert_eq!(
            with(r#"{"path": "/dev/f", "type": "p"}"#).kind,
            SFlag::S_IFIFO
        );
        for wrong in [
            r#"{"path": "dev/x", "type": "c", "major": 1, "minor": 7}"#,
            r#"{"path": "/", "type": "c", "major": 1, "minor": 7}"#,
            r#"{"path": "/dev/x", "type": "c", "major": -1, "minor": 7}"#,
            r#"{"path": "/dev/x", "type": "a", "major": 1, "minor": 7}"#,
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
