//! The first use of an empty volume: the image's files at its target are copied into it, as Docker does. The source is a
//! detached, read-only mount of the root file system, walked by descriptor; no name in it can lead out of it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{
    FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown, symlink,
};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag, mknod};

use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::sys;

/// Copies what the tree of `root` has at `target` into the volume at `volume`, when that is empty. A copy that was
/// broken off is begun again. A target that is missing or no directory copies nothing.
pub(crate) fn copy_up(root: &OwnedFd, target: &Path, volume: &Path) -> Result<()> {
    let data = volume.join("_data");
    let mark = volume.join("copying");
    let source = match sys::open_in_root(root, target, OFlag::O_RDONLY | OFlag::O_DIRECTORY) {
        Ok(source) => source,
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)
            ) =>
        {
            return Ok(());
        }
        Err(error) => return Err(Error::io("open in the image", target)(error)),
    };
    let Some(_lock) = Lock::wait(volume)? else {
        return Err(Error::NotFound {
            what: "volume",
            name: volume.display().to_string(),
        });
    };
    if mark.exists() {
        clear(&data)?;
    } else if !is_empty(&data)? {
        return Ok(());
    }
    File::create(&mark).map_err(Error::io("write", &mark))?;
    let destination = Rc::new(open_directory(&data).map_err(Error::io("open", &data))?);
    let mut copier = Copier {
        links: HashMap::new(),
    };
    let result = copier.directory(&source, &destination);
    if let Err((path, error)) = result {
        clear(&data)?;
        let _ = fs::remove_file(&mark);
        let object = target.join(path);
        return Err(Error::io("copy into the volume from the image", object)(
            error,
        ));
    }
    fs::remove_file(&mark).map_err(Error::io("remove", &mark))
}

fn is_empty(directory: &Path) -> Result<bool> {
    let mut entries = fs::read_dir(directory).map_err(Error::io("read", directory))?;
    Ok(entries.next().is_none())
}

fn clear(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory)
        .map_err(Error::io("read", directory))?
        .flatten()
    {
        let path = entry.path();
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if is_dir {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.map_err(Error::io("remove", &path))?;
    }
    Ok(())
}

fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW)
        .open(path)?;
    Ok(file.into())
}

/// Where it failed, beneath the target, and why.
type Failed = (PathBuf, io::Error);

struct Copier {
    /// Device and inode of files with several names, and where the first one was copied to: by its directory's
    /// descriptor, for a container that has the volume already might put a link in the place of a directory.
    links: HashMap<(u64, u64), (Rc<OwnedFd>, OsString)>,
}

impl Copier {
    fn directory(&mut self, source: &OwnedFd, destination: &Rc<OwnedFd>) -> Result<(), Failed> {
        let here = |error| (PathBuf::new(), error);
        let listing = sys::beneath(source, "".as_ref());
        let mut names: Vec<OsString> = fs::read_dir(&listing)
            .and_then(|entries| entries.map(|entry| entry.map(|e| e.file_name())).collect())
            .map_err(here)?;
        names.sort();
        for name in &names {
            self.entry(source, destination, name)
                .map_err(|(below, error)| (Path::new(name).join(below), error))?;
        }
        // Last, so that what was made in it doesn't change its time.
        let meta = fs::metadata(&listing).map_err(here)?;
        attributes(
            &sys::beneath(source, ".".as_ref()),
            &sys::beneath(destination, ".".as_ref()),
            &meta,
        )
        .map_err(here)
    }

    fn entry(
        &mut self,
        source: &OwnedFd,
        destination: &Rc<OwnedFd>,
        name: &OsString,
    ) -> Result<(), Failed> {
        let here = |error| (PathBuf::new(), error);
        let from = sys::beneath(source, name);
        let to = sys::beneath(destination, name);
        let meta = fs::symlink_metadata(&from).map_err(here)?;
        let kind = meta.file_type();
        if kind.is_dir() {
            fs::create_dir(&to).map_err(here)?;
            let from = open_directory(&from).map_err(here)?;
            let to = Rc::new(open_directory(&to).map_err(here)?);
            return self.directory(&from, &to);
        }
        if meta.nlink() > 1 {
            let key = (meta.dev(), meta.ino());
            if let Some((directory, first)) = self.links.get(&key) {
                return fs::hard_link(sys::beneath(directory, first), &to).map_err(here);
            }
            self.links
                .insert(key, (Rc::clone(destination), name.clone()));
        }
        if kind.is_symlink() {
            symlink(fs::read_link(&from).map_err(here)?, &to).map_err(here)?;
        } else if kind.is_file() {
            copy_file(&from, &to).map_err(here)?;
        } else {
            let kind = match (
                kind.is_fifo(),
                kind.is_char_device(),
                kind.is_block_device(),
            ) {
                (true, _, _) => SFlag::S_IFIFO,
                (_, true, _) => SFlag::S_IFCHR,
                (_, _, true) => SFlag::S_IFBLK,
                // A socket means nothing without the process that listened on it.
                _ => return Ok(()),
            };
            mknod(&to, kind, Mode::empty(), meta.rdev()).map_err(|errno| here(errno.into()))?;
        }
        attributes(&from, &to, &meta).map_err(here)
    }
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::options()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(from)?;
    let mut destination = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(to)?;
    io::copy(&mut source, &mut destination)?;
    Ok(())
}

/// Owner, then mode (chown clears setuid), then extended attributes (chown clears capabilities), then times.
fn attributes(from: &Path, to: &Path, meta: &fs::Metadata) -> io::Result<()> {
    lchown(to, Some(meta.uid()), Some(meta.gid()))?;
    if !meta.file_type().is_symlink() {
        fs::set_permissions(to, fs::Permissions::from_mode(meta.mode() & 0o7777))?;
    }
    for (name, value) in sys::xattrs(from)? {
        if name.to_bytes().starts_with(b"trusted.overlay.")
            || name.to_bytes().starts_with(b"user.overlay.")
        {
            continue;
        }
        match sys::set_xattr(to, &name, &value) {
            // The volume's file system may know no attributes.
            Err(error) if error.raw_os_error() == Some(libc::ENOTSUP) => {}
            other => other?,
        }
    }
    if meta.is_file() || meta.is_dir() {
        let times = fs::FileTimes::new()
            .set_modified(meta.modified()?)
            .set_accessed(meta.accessed()?);
        File::open(to)?.set_times(times)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_copied_once() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        let volume = dir.path().join("volume");
        fs::create_dir_all(image.join("srv/sub")).unwrap();
        fs::create_dir_all(volume.join("_data")).unwrap();
        fs::write(image.join("srv/one"), "1").unwrap();
        fs::set_permissions(image.join("srv/one"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::hard_link(image.join("srv/one"), image.join("srv/sub/two")).unwrap();
        symlink("../../etc/passwd", image.join("srv/link")).unwrap();
        fs::set_permissions(image.join("srv"), fs::Permissions::from_mode(0o1777)).unwrap();
        symlink("/srv", image.join("alias")).unwrap();
        let root: OwnedFd = File::open(&image).unwrap().into();

        copy_up(&root, Path::new("/alias"), &volume).unwrap();
        let data = volume.join("_data");
        assert_eq!(fs::read_to_string(data.join("one")).unwrap(), "1");
        assert_eq!(
            fs::metadata(data.join("one")).unwrap().mode() & 0o7777,
            0o640
        );
        assert_eq!(fs::metadata(&data).unwrap().mode() & 0o7777, 0o1777);
        assert_eq!(
            fs::metadata(data.join("one")).unwrap().ino(),
            fs::metadata(data.join("sub/two")).unwrap().ino()
        );
        assert_eq!(
            fs::read_link(data.join("link")).unwrap(),
            Path::new("../../etc/passwd")
        );
        assert_eq!(
            fs::metadata(data.join("one")).unwrap().modified().unwrap(),
            fs::metadata(image.join("srv/one"))
                .unwrap()
                .modified()
                .unwrap()
        );

        fs::write(image.join("srv/one"), "changed").unwrap();
        copy_up(&root, Path::new("/srv"), &volume).unwrap();
        assert_eq!(
            fs::read_to_string(data.join("one")).unwrap(),
            "1",
            "not empty any more"
        );

        fs::write(volume.join("copying"), "").unwrap();
        copy_up(&root, Path::new("/srv"), &volume).unwrap();
        assert_eq!(
            fs::read_to_string(data.join("one")).unwrap(),
            "changed",
            "a broken-off copy is begun again"
        );
        assert!(!volume.join("copying").exists());
    }

    #[test]
    fn a_missing_target_copies_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("volume/_data")).unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let root: OwnedFd = File::open(dir.path()).unwrap().into();
        for target in ["/missing", "/file", "/../../etc"] {
            copy_up(&root, Path::new(target), &dir.path().join("volume")).unwrap();
        }
        assert!(is_empty(&dir.path().join("volume/_data")).unwrap());
    }
}
