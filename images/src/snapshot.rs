//! A container's root file system: the image's layers below, a writable one on top.

use std::ffi::CString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread;

use nix::fcntl::AtFlags;
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::fstatat;
use nix::sys::utsname::uname;

use crate::layer::Attributes;
use crate::store::sys::MountContext;
use crate::store::{Image, SnapshotRecord, Store, StoreError, StoreResult, to_json};

/// Lower layers that overlayfs takes (fs/overlayfs/params.h, `OVL_MAX_STACK`).
const MAX_LOWER: usize = 500;
/// `MOUNT_ATTR_RDONLY` (mount_setattr(2)).
const READ_ONLY: u32 = 1;
/// What `fsconfig(2)` takes as one string, the final zero included.
const MAX_PARAMETER: usize = 256;

/// The directories that make an overlay mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Topmost first, as overlayfs wants them.
    pub lower: Vec<PathBuf>,
    /// Takes what the container writes.
    pub upper: PathBuf,
    /// Overlayfs's own.
    pub work: PathBuf,
}

impl Store {
    /// Makes the writable layer of a container.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when a layer is not there, [`StoreError::TooManyLayers`], a snapshot of that name existing, or the
    /// kernel's refusals, a full disk among them; nothing is left then.
    pub fn prepare(&self, container: &str, image: &Image) -> StoreResult<Snapshot> {
        let target = self.active_path(container);
        if !is_plain_name(container) {
            return Err(StoreError::malformed(
                "container id",
                format!("{container:?}"),
            ));
        }
        let chain: Vec<String> = image.layers.iter().map(ToString::to_string).collect();
        let lower = self.lower(&chain)?;
        let staging = self.staging()?;
        let upper = staging.path().join("upper");
        let work = staging.path().join("work");
        for path in [&upper, &work] {
            DirBuilder::new()
                .mode(0o755)
                .create(path)
                .map_err(StoreError::io("create", path))?;
        }
        describe_root(&lower[0], staging.path())?;
        let record = SnapshotRecord {
            image: image.id.to_string(),
            manifest: image.manifest.to_string(),
            layers: chain,
        };
        let path = staging.path().join("snapshot.json");
        fs::write(&path, to_json(&record)?).map_err(StoreError::io("write", &path))?;
        let content = staging.path().join("fs");
        fs::remove_dir(&content).map_err(StoreError::io("remove", &content))?;

        let _locked = self.lock()?;
        // A collection may have come in between.
        if let Some(missing) = image.layers.iter().find(|layer| !self.has_layer(layer)) {
            return Err(StoreError::Missing {
                object: format!("layer {missing}"),
            });
        }
        if target.exists() {
            return Err(StoreError::io("create", &target)(io::Error::from(
                io::ErrorKind::AlreadyExists,
            )));
        }
        staging.publish(&target)?;
        Ok(Snapshot {
            lower,
            upper: target.join("upper"),
            work: target.join("work"),
        })
    }

    /// The snapshot of a container, `None` when there is none.
    ///
    /// # Errors
    /// A layer missing, a damaged record, or the kernel's refusals.
    pub fn snapshot(&self, container: &str) -> StoreResult<Option<Snapshot>> {
        if !is_plain_name(container) {
            return Ok(None);
        }
        let Some(record) = self.snapshot_record(container)? else {
            return Ok(None);
        };
        let directory = self.active_path(container);
        Ok(Some(Snapshot {
            lower: self.lower(&record.layers)?,
            upper: directory.join("upper"),
            work: directory.join("work"),
        }))
    }

    /// Deletes the writable layer of a container; it not being there is success.
    ///
    /// # Errors
    /// The kernel's refusals. What is left then is deleted when the store is opened next.
    pub fn remove_snapshot(&self, container: &str) -> StoreResult<()> {
        if !is_plain_name(container) {
            return Ok(());
        }
        let trash = {
            let locked = self.lock()?;
            self.to_trash(&locked, &self.active_path(container))?
        };
        trash.map_or(Ok(()), |path| self.delete(&path))
    }

    /// The directories of layers, topmost first; what lies below one that hides everything is left out.
    fn lower(&self, chain: &[String]) -> StoreResult<Vec<PathBuf>> {
        let mut lower = Vec::new();
        for id in chain.iter().rev() {
            let id = crate::store::parse_digest("snapshot", id)?;
            let meta = self.layer_meta(&id)?.ok_or_else(|| StoreError::Missing {
                object: format!("layer {id}"),
            })?;
            lower.push(self.layer_path(&id).join("fs"));
            if meta.opaque_root {
                break;
            }
        }
        if lower.len() > MAX_LOWER {
            return Err(StoreError::TooManyLayers {
                count: lower.len(),
                limit: MAX_LOWER,
            });
        }
        if lower.is_empty() {
            // Overlayfs wants at least one.
            lower.push(self.root().join("empty"));
        }
        Ok(lower)
    }
}

impl Snapshot {
    /// Mounts the overlay without attaching it anywhere: it lives as long as the descriptor, and can be looked into through it.
    ///
    /// With `read_only`, the writable layer is only looked at, too, and may be in use by a running container.
    ///
    /// # Errors
    /// The kernel's refusals; needs CAP_SYS_ADMIN.
    pub fn mount_detached(&self, read_only: bool) -> StoreResult<OwnedFd> {
        self.mount(read_only, adds_layers())
            .map_err(StoreError::io("mount overlay of", &self.upper))
    }

    pub(crate) fn mount(&self, read_only: bool, one_by_one: bool) -> io::Result<OwnedFd> {
        // Descriptors stand for the directories: paths may be too long for a parameter, and may hold characters that need escaping.
        let open = |path: &Path| {
            File::open(path).map_err(|error| {
                io::Error::new(error.kind(), format!("open {}: {error}", path.display()))
            })
        };
        let mut lower = Vec::new();
        if read_only {
            lower.push(open(&self.upper)?);
        }
        for path in &self.lower {
            lower.push(open(path)?);
        }
        let writable = if read_only {
            None
        } else {
            Some((open(&self.upper)?, open(&self.work)?))
        };
        let assemble = |naming| assemble(&lower, writable.as_ref(), read_only, naming);
        if one_by_one {
            return assemble(Naming::OneByOne);
        }
        // A thread of its own may have a working directory of its own.
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                unshare(CloneFlags::CLONE_FS)?;
                std::env::set_current_dir(DESCRIPTORS)?;
                assemble(Naming::Numbered)
            });
            thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the thread that mounts ended early")))
        })
    }
}

/// The directory whose entries are this process's descriptors.
const DESCRIPTORS: &str = "/proc/self/fd";

/// How layers are named to the kernel.
#[derive(Clone, Copy)]
enum Naming {
    /// `lowerdir+`, from Linux 6.7 on.
    OneByOne,
    /// All in one parameter, `7:8:9`, relative to [`DESCRIPTORS`]: a parameter is short.
    Numbered,
}

/// Whether the kernel has `lowerdir+`. It can't be tried: before 6.5 it is refused too late, and noted in the kernel's log.
fn adds_layers() -> bool {
    let release = uname().ok();
    let release = release.as_ref().and_then(|name| name.release().to_str());
    let mut numbers = release
        .unwrap_or_default()
        .split(|letter: char| !letter.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(7))
}

fn assemble(
    lower: &[File],
    writable: Option<&(File, File)>,
    read_only: bool,
    naming: Naming,
) -> io::Result<OwnedFd> {
    let context = MountContext::open(c"overlay")?;
    match naming {
        Naming::OneByOne => {
            for layer in lower {
                context.set(c"lowerdir+", &by_descriptor(layer)?)?;
            }
        }
        Naming::Numbered => {
            let numbers: Vec<String> = lower
                .iter()
                .map(|layer| layer.as_raw_fd().to_string())
                .collect();
            let joined = numbers.join(":");
            if joined.len() >= MAX_PARAMETER {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!("{} layers take Linux 6.7 or newer", lower.len()),
                ));
            }
            context.set(c"lowerdir", &CString::new(joined)?)?;
        }
    }
    match writable {
        Some((upper, work)) => {
            context.set(c"upperdir", &by_descriptor(upper)?)?;
            context.set(c"workdir", &by_descriptor(work)?)?;
        }
        None => context.flag(c"ro")?,
    }
    context.mount(if read_only { READ_ONLY } else { 0 })
}

fn by_descriptor(file: &File) -> io::Result<CString> {
    Ok(CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?)
}

/// The root of the merged tree shows the upper directory's attributes: they have to be those of the image.
fn describe_root(lower: &Path, staging: &Path) -> StoreResult<()> {
    let describe = || -> io::Result<()> {
        let above = File::open(lower)?;
        let stat = fstatat(&above, ".", AtFlags::empty())?;
        let attributes = Attributes::read(above.as_fd(), b"", &stat)?;
        attributes.apply_to_directory(File::open(staging)?.as_fd(), b"upper")
    };
    describe().map_err(StoreError::io("copy attributes of", lower))
}

/// Can it stand as a file name below `active/`?
fn is_plain_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !Path::new(name).as_os_str().as_bytes().contains(&b'/')
}
