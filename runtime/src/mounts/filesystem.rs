//! New file systems, by fsopen(2).

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::fstat;
use nix::unistd::{chdir, fchdir};

use super::Planned;
use super::options::Options;
use super::overlay;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::mount::{Change, Context, attr, change};

/// File systems that are views of the kernel or are made anew: read-only is a matter of the mount, not of them.
const VIRTUAL: [&str; 8] = [
    "proc", "sysfs", "tmpfs", "mqueue", "devpts", "cgroup", "cgroup2", "overlay",
];

/// A detached mount of a new file system, with the attributes of `planned`, to be attached at `target`.
pub(crate) fn make(planned: &Planned, target: &OwnedFd) -> Result<OwnedFd> {
    let kind = terminated(&planned.kind)?;
    let context = Context::open(&kind).map_err(|errno| match errno {
        Errno::ENODEV => Error::new(
            ErrorKind::Unsupported,
            format!("the kernel has no file system {:?}", planned.kind),
        ),
        _ => Error::sys("open file system", &planned.kind)(errno),
    })?;
    let refused = |what: &str, errno: Errno| {
        let what = match context.complaint() {
            Some(complaint) => format!("{what} ({complaint})"),
            None => what.to_owned(),
        };
        Error::sys("configure", what)(errno)
    };
    set_source(&context, &planned.source).map_err(|errno| refused("source", errno))?;
    let options = &planned.options;
    let mut numbered = None;
    for (key, value) in data(planned, target)? {
        if let ("overlay", "lowerdir", Some(layers)) = (planned.kind.as_str(), key.as_str(), &value)
        {
            numbered = overlay::set_layers(&context, layers)?;
            continue;
        }
        let name = terminated(&key)?;
        let set = match &value {
            Some(value) => context.string(&name, &terminated(value)?),
            None => context.flag(&name),
        };
        set.map_err(|errno| refused(&format!("option {key}"), errno))?;
    }
    for flag in &options.superblock {
        context
            .flag(&terminated(flag)?)
            .map_err(|errno| refused(flag, errno))?;
    }
    let read_only = options.own.set & attr::RDONLY != 0;
    if read_only && !VIRTUAL.contains(&planned.kind.as_str()) {
        context.flag(c"ro").map_err(|errno| refused("ro", errno))?;
    }
    let later = if options.copy_up { attr::RDONLY } else { 0 };
    let mount = || {
        context
            .mount(options.own.set & !later)
            .map_err(|errno| refused("it", errno))
    };
    let made = match &numbered {
        Some(_) => within(overlay::DESCRIPTORS, mount)?,
        None => mount()?,
    };
    if options.copy_up {
        copy_up(target, &made)?;
        change(
            made.as_fd(),
            Change {
                set: options.own.set & later,
                ..Change::default()
            },
        )
        .map_err(Error::sys("make", "the copy read-only"))?;
    }
    Ok(made)
}

/// Does something in another working directory.
fn within<T>(directory: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = super::open_path(Path::new("."))?;
    chdir(directory).map_err(Error::sys("enter", directory))?;
    let done = work();
    fchdir(before).map_err(Error::sys("return from", directory))?;
    done
}

/// Options of the file system. A tmpfs without a mode takes that of the directory it hides, as mount(8) users expect of
/// `/tmp`.
fn data(planned: &Planned, target: &OwnedFd) -> Result<Vec<(String, Option<String>)>> {
    let mut data = planned.options.data.clone();
    if planned.kind == "tmpfs" && !data.iter().any(|(key, _)| key == "mode") {
        let status = fstat(target).map_err(Error::sys("look at", planned.destination.display()))?;
        data.push((
            "mode".to_owned(),
            Some(format!("{:o}", status.st_mode & 0o7777)),
        ));
    }
    Ok(data)
}

fn set_source(context: &Context, source: &Path) -> Result<(), Errno> {
    let source = CString::new(source.as_os_str().as_encoded_bytes()).map_err(|_| Errno::EINVAL)?;
    if source.is_empty() {
        Ok(())
    } else {
        context.string(c"source", &source)
    }
}

/// A tmpfs that begins as a copy of the directory below it.
fn copy_up(from: &OwnedFd, to: &OwnedFd) -> Result<()> {
    let path = |fd: &OwnedFd| PathBuf::from(format!("/proc/self/fd/{}/.", fd.as_raw_fd()));
    copy_directory(&path(from), &path(to)).map_err(Error::sys("copy up into", "the new tmpfs"))
}

fn copy_directory(from: &Path, to: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        // Not what a link points at.
        let metadata = entry.metadata()?;
        if metadata.is_symlink() {
            symlink(std::fs::read_link(&source)?, &target)?;
        } else if metadata.is_dir() {
            std::fs::create_dir(&target)?;
            copy_directory(&source, &target)?;
        } else if metadata.is_file() {
            std::io::copy(&mut File::open(&source)?, &mut File::create_new(&target)?)?;
        } else {
            continue;
        }
        lchown(&target, Some(metadata.uid()), Some(metadata.gid()))?;
        if !metadata.is_symlink() {
            std::fs::set_permissions(
                &target,
                std::fs::Permissions::from_mode(metadata.mode() & 0o7777),
            )?;
        }
    }
    Ok(())
}

pub(super) fn terminated(text: &str) -> Result<CString> {
    CString::new(text)
        .map_err(|_| Error::invalid(format!("mount option {text:?} has a zero byte in it")))
}

/// A file system for the container alone, with these words as its options.
pub(crate) fn private(kind: &str, words: &[&str]) -> Result<OwnedFd> {
    let options: Options = super::options::parse(words.iter().copied());
    let planned = Planned {
        destination: PathBuf::from("/"),
        kind: kind.to_owned(),
        source: PathBuf::from(kind),
        options,
    };
    make(&planned, &super::open_path(Path::new("/"))?)
}
