//! Writing one layer's entries into a directory of its own, without knowledge of the layers below.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstatat, makedev, mkdirat, mknodat};
use nix::unistd::{linkat, symlinkat};

use super::archive::{Archive, Entry, Kind};
use super::attributes::{Attributes, is_directory};
use super::path::{self, Meaning};
use super::tree::{Obstacle, Tree, is_at_or_below};
use super::{Limits, stream::Stream};
use crate::store::{StoreError, StoreResult};

/// What can only be done once the layers below are known.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Directories that the archive describes, and how.
    pub(super) directories: BTreeMap<Vec<u8>, Attributes>,
    /// Directories that only lie on the way to something.
    pub(super) implicit: BTreeSet<Vec<u8>>,
    /// Names to hide.
    pub(super) whiteouts: BTreeSet<Vec<u8>>,
    /// Directories whose lower content is to be hidden.
    pub(super) opaque: BTreeSet<Vec<u8>>,
    /// Hard links to what this layer does not hold: name and target.
    pub(super) links: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What an archive came to.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) sha256: [u8; 32],
    /// Bytes of the expanded archive.
    pub(super) expanded: u64,
    /// Bytes of its files.
    pub(super) size: u64,
    pub(super) entries: u64,
    pub(super) pending: Pending,
}

/// Writes all entries below `root`.
pub(super) fn write(
    stream: Stream<'_>,
    root: BorrowedFd<'_>,
    limits: &Limits,
) -> StoreResult<Written> {
    let tree = Tree::new(root).map_err(|source| StoreError::Io {
        operation: "open",
        object: "staging directory".to_owned(),
        source,
    })?;
    let mut writer = Writer {
        archive: Archive::new(stream),
        tree,
        limits,
        pending: Pending::default(),
        size: 0,
        apparent: 0,
    };
    let mut entries = 0;
    while let Some(entry) = writer.archive.next()? {
        entries += 1;
        if entries > limits.entries {
            return Err(StoreError::Stream {
                reason: format!("it has more than {} entries", limits.entries),
            });
        }
        writer.place(&entry)?;
    }
    writer.describe_directories()?;
    let Writer {
        archive,
        tree,
        mut pending,
        size,
        ..
    } = writer;
    let (sha256, expanded) = archive.finish()?;
    pending.implicit = tree.implicit;
    if !pending.directories.contains_key(&b""[..]) {
        pending.implicit.insert(Vec::new());
    }
    Ok(Written {
        sha256,
        expanded,
        size,
        entries,
        pending,
    })
}

struct Writer<'s, 'l> {
    archive: Archive<'s>,
    tree: Tree,
    limits: &'l Limits,
    pending: Pending,
    size: u64,
    apparent: u64,
}

impl Writer<'_, '_> {
    fn place(&mut self, entry: &Entry) -> StoreResult<()> {
        let clamped = path::clamp(&entry.name).path;
        self.check_limits(entry, &clamped)?;
        let Some((above, name)) = path::split(&clamped) else {
            return match entry.kind {
                Kind::Directory => {
                    self.pending
                        .directories
                        .insert(Vec::new(), entry.attributes.clone());
                    Ok(())
                }
                _ => Err(refuse(entry, "the root has to be a directory")),
            };
        };
        match reserved(above) {
            Meaning::Plain => {}
            Meaning::Bookkeeping => return Ok(()),
            _ => return Err(refuse(entry, "a whiteout is not a directory")),
        }
        match path::meaning(name) {
            Meaning::Plain => {}
            Meaning::Whiteout(hidden) => {
                self.pending.whiteouts.insert(path::join(above, hidden));
                return Ok(());
            }
            Meaning::Opaque => {
                self.pending.opaque.insert(above.to_vec());
                return Ok(());
            }
            Meaning::Bookkeeping => return Ok(()),
            Meaning::Malformed => return Err(refuse(entry, "a whiteout that names no entry")),
        }
        let (directory, above) = self.parent(entry, above)?;
        let full = path::join(&above, name);
        if !self.pending.links.is_empty() {
            self.pending.links.remove(&full);
        }
        match self.create(entry, &directory, name, &full) {
            Err(Failure::Exists) => {
                if self
                    .tree
                    .remove(directory.as_fd(), name, &full)
                    .map_err(|error| failed(entry, error))?
                {
                    self.forget(&full);
                }
                self.create(entry, &directory, name, &full)
                    .map_err(|failure| failure.into_error(entry))
            }
            other => other.map_err(|failure| failure.into_error(entry)),
        }
    }

    fn check_limits(&mut self, entry: &Entry, clamped: &[u8]) -> StoreResult<()> {
        if clamped.contains(&0) {
            return Err(refuse(entry, "its name holds a zero byte"));
        }
        let depth = clamped.iter().filter(|byte| **byte == b'/').count();
        if depth >= self.limits.depth {
            return Err(refuse(
                entry,
                &format!("it lies more than {} directories deep", self.limits.depth),
            ));
        }
        if entry.attributes.xattrs.len() > self.limits.xattrs {
            return Err(refuse(
                entry,
                &format!(
                    "it has more than {} extended attributes",
                    self.limits.xattrs
                ),
            ));
        }
        if let Kind::File { size } | Kind::Sparse { size, .. } = entry.kind {
            self.apparent = self.apparent.saturating_add(size);
            if self.apparent > self.limits.expanded {
                return Err(refuse(
                    entry,
                    &format!(
                        "the layer expands to more than {} bytes",
                        self.limits.expanded
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Opens the directory an entry lies in, making what is missing. Links that this very layer holds are followed, inside it.
    fn parent(&mut self, entry: &Entry, above: &[u8]) -> StoreResult<(Rc<OwnedFd>, Vec<u8>)> {
        let obstacle = match self.tree.directory(above, true) {
            Ok(fd) => return Ok((fd, above.to_vec())),
            Err(obstacle) => obstacle,
        };
        if !matches!(obstacle, Obstacle::Symlink) {
            return Err(obstructed(entry, obstacle));
        }
        let reached = match self.tree.follow(above) {
            Ok(Some(reached)) => reached,
            Ok(None) => {
                return Err(refuse(
                    entry,
                    "it passes through symlinks that lead in circles",
                ));
            }
            Err(obstacle) => return Err(obstructed(entry, obstacle)),
        };
        match self.tree.directory(&reached, false) {
            Ok(fd) => Ok((fd, reached)),
            Err(Obstacle::Absent) => Err(refuse(
                entry,
                "it passes through a symlink to what is not in the layer",
            )),
            Err(obstacle) => Err(obstructed(entry, obstacle)),
        }
    }

    fn create(
        &mut self,
        entry: &Entry,
        directory: &OwnedFd,
        name: &[u8],
        full: &[u8],
    ) -> Result<(), Failure> {
        let attributes = &entry.attributes;
        match &entry.kind {
            Kind::File { size } => {
                let mut file = new_file(directory, name)?;
                let mut rest = *size;
                while rest > 0 {
                    rest -= self
                        .archive
                        .data(rest, |bytes| file.write_all(bytes).map_err(Failure::Io))?;
                }
                self.size += size;
                attributes.apply_to_file(file.as_fd())?;
            }
            Kind::Sparse { pieces, size } => {
                let file = new_file(directory, name)?;
                file.set_len(*size)?;
                for (offset, length) in pieces {
                    let mut done = 0;
                    while done < *length {
                        done += self.archive.data(length - done, |bytes| {
                            file.write_all_at(bytes, offset + done).map_err(Failure::Io)
                        })?;
                    }
                }
                self.size += size;
                attributes.apply_to_file(file.as_fd())?;
            }
            Kind::Directory => {
                match mkdirat(directory, name, Mode::S_IRWXU) {
                    Err(Errno::EEXIST)
                        if is_directory(&fstatat(
                            directory,
                            name,
                            AtFlags::AT_SYMLINK_NOFOLLOW,
                        )?) => {}
                    other => other?,
                }
                self.tree.implicit.remove(full);
                self.pending
                    .directories
                    .insert(full.to_vec(), attributes.clone());
            }
            Kind::Symlink { target } => {
                if target.is_empty() {
                    return Err(Failure::Store(refuse(entry, "a symlink to nothing")));
                }
                symlinkat(target.as_slice(), directory, name)?;
                attributes.apply_to_symlink(directory.as_fd(), name)?;
            }
            Kind::Hardlink { target } => self.link(entry, target, directory, name, full)?,
            Kind::Character { major: 0, minor: 0 } => {
                return Err(Failure::Store(refuse(
                    entry,
                    "a device 0:0 would hide what lies below: that is for whiteouts to say",
                )));
            }
            Kind::Character { major, minor } => node(
                directory,
                name,
                SFlag::S_IFCHR,
                (*major, *minor),
                attributes,
            )?,
            Kind::Block { major, minor } => node(
                directory,
                name,
                SFlag::S_IFBLK,
                (*major, *minor),
                attributes,
            )?,
            Kind::Fifo => node(directory, name, SFlag::S_IFIFO, (0, 0), attributes)?,
        }
        Ok(())
    }

    /// Links to an object of this layer now; one that may lie below is left for later.
    fn link(
        &mut self,
        entry: &Entry,
        target: &[u8],
        directory: &OwnedFd,
        name: &[u8],
        full: &[u8],
    ) -> Result<(), Failure> {
        let clamped = path::clamp(target);
        let Some((above, target_name)) = path::split(&clamped.path).filter(|_| !clamped.escaped)
        else {
            return Err(Failure::Store(refuse(
                entry,
                "a hard link that leaves the layer",
            )));
        };
        let above = match self.tree.directory(above, false) {
            Err(Obstacle::Symlink) => match self
                .tree
                .follow(above)
                .map_err(|obstacle| obstructed(entry, obstacle))?
            {
                Some(reached) => reached,
                None => above.to_vec(),
            },
            _ => above.to_vec(),
        };
        let resolved = path::join(&above, target_name);
        if resolved == full {
            return match self
                .tree
                .stat(full)
                .map_err(|obstacle| obstructed(entry, obstacle))?
            {
                Some(_) => Ok(()),
                None => Err(Failure::Store(refuse(entry, "a hard link to itself"))),
            };
        }
        match self
            .tree
            .stat(&resolved)
            .map_err(|obstacle| obstructed(entry, obstacle))?
        {
            Some(stat) if is_directory(&stat) => {
                Err(Failure::Store(refuse(entry, "a hard link to a directory")))
            }
            Some(_) => {
                let source = self
                    .tree
                    .directory(&above, false)
                    .map_err(|obstacle| obstructed(entry, obstacle))?;
                linkat(&*source, target_name, directory, name, AtFlags::empty())?;
                Ok(())
            }
            None => {
                if self
                    .tree
                    .stat(full)
                    .map_err(|obstacle| obstructed(entry, obstacle))?
                    .is_some()
                {
                    return Err(Failure::Exists);
                }
                self.pending.links.insert(full.to_vec(), resolved);
                Ok(())
            }
        }
    }

    /// A directory has given way to something else: nothing remembered about it or below it holds any more.
    fn forget(&mut self, path: &[u8]) {
        forget_keys(&mut self.pending.directories, path);
        forget_keys(&mut self.pending.links, path);
    }

    /// Gives the directories what the archive says, last and from below: their times must not change any more.
    fn describe_directories(&mut self) -> StoreResult<()> {
        for (path, attributes) in self.pending.directories.iter().rev() {
            describe_directory(&mut self.tree, path, attributes)?;
        }
        Ok(())
    }
}

/// Gives one directory its attributes.
pub(super) fn describe_directory(
    tree: &mut Tree,
    path: &[u8],
    attributes: &Attributes,
) -> StoreResult<()> {
    let (above, name) = path::split(path).unwrap_or((b"", b""));
    let result = match tree.directory(above, false) {
        Ok(above) => attributes.apply_to_directory(above.as_fd(), name),
        Err(Obstacle::Io(error)) => Err(error),
        Err(_) => Err(io::ErrorKind::NotADirectory.into()),
    };
    result.map_err(|source| StoreError::Io {
        operation: "set attributes of",
        object: String::from_utf8_lossy(path).into_owned(),
        source,
    })
}

fn forget_keys<V>(map: &mut BTreeMap<Vec<u8>, V>, path: &[u8]) {
    let gone: Vec<Vec<u8>> = map
        .range(path.to_vec()..)
        .map(|(key, _)| key)
        .take_while(|key| key.starts_with(path))
        .filter(|key| is_at_or_below(key, path))
        .cloned()
        .collect();
    for key in gone {
        map.remove(&key);
    }
}

/// What the directories of a name mean: a component like `.wh.x` can't hold anything.
fn reserved(above: &[u8]) -> Meaning<'_> {
    above
        .split(|byte| *byte == b'/')
        .map(path::meaning)
        .find(|meaning| *meaning != Meaning::Plain)
        .unwrap_or(Meaning::Plain)
}

fn new_file(directory: &OwnedFd, name: &[u8]) -> Result<File, Errno> {
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(directory, name, flags, Mode::S_IRUSR | Mode::S_IWUSR).map(File::from)
}

fn node(
    directory: &OwnedFd,
    name: &[u8],
    kind: SFlag,
    (major, minor): (u32, u32),
    attributes: &Attributes,
) -> Result<(), Failure> {
    mknodat(
        directory,
        name,
        kind,
        Mode::S_IRUSR | Mode::S_IWUSR,
        makedev(major.into(), minor.into()),
    )?;
    attributes.apply_to_node(directory.as_fd(), name)?;
    Ok(())
}

/// Why an entry could not be made.
enum Failure {
    /// Something has its name already.
    Exists,
    Io(io::Error),
    Store(StoreError),
}

impl Failure {
    fn into_error(self, entry: &Entry) -> StoreError {
        match self {
            Failure::Exists => failed(entry, io::ErrorKind::AlreadyExists.into()),
            Failure::Io(error) => failed(entry, error),
            Failure::Store(error) => error,
        }
    }
}

impl From<Errno> for Failure {
    fn from(error: Errno) -> Failure {
        match error {
            Errno::EEXIST => Failure::Exists,
            other => Failure::Io(other.into()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Io(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Store(error)
    }
}

fn refuse(entry: &Entry, reason: &str) -> StoreError {
    StoreError::Entry {
        entry: String::from_utf8_lossy(&entry.name).into_owned(),
        reason: reason.to_owned(),
    }
}

fn obstructed(entry: &Entry, obstacle: Obstacle) -> StoreError {
    match obstacle {
        Obstacle::Symlink => refuse(entry, "it passes through a symlink"),
        Obstacle::NotDirectory => {
            refuse(entry, "it passes through something that is not a directory")
        }
        Obstacle::Absent => refuse(entry, "its directory is gone"),
        Obstacle::Io(error) => failed(entry, error),
    }
}

fn failed(entry: &Entry, error: io::Error) -> StoreError {
    match error.raw_os_error() {
        Some(libc::ENAMETOOLONG) => refuse(entry, "a part of its name is too long"),
        Some(libc::EMLINK) => refuse(entry, "too many hard links"),
        _ => StoreError::Io {
            operation: "unpack",
            object: String::from_utf8_lossy(&entry.name).into_owned(),
            source: error,
        },
    }
}
