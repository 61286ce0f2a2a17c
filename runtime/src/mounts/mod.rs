//! The mounts of a specification: first decided ([`Planned`]), then made inside the container's mount namespace, by
//! descriptor alone.

pub(crate) mod cgroup;
pub(crate) mod devices;
pub(crate) mod filesystem;
pub(crate) mod options;
pub(crate) mod overlay;
pub(crate) mod restrict;

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::statfs::{PROC_SUPER_MAGIC, SYSFS_MAGIC};

use crate::error::{Error, ErrorKind, Result};
use crate::safefs::{self, Make, Root};
use crate::sys::mount;
use options::{Bind, Options};

/// One mount as it will be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Where, absolute inside the container.
    pub(crate) destination: PathBuf,
    /// `bind` for binds.
    pub(crate) kind: String,
    /// A path of the host for binds, absolute; else a word for the file system.
    pub(crate) source: PathBuf,
    pub(crate) options: Options,
}

impl Planned {
    /// Decides one mount of the specification. `bundle` is what relative sources start from.
    pub(crate) fn new(spec: &oci_spec::runtime::Mount, bundle: &Path) -> Result<Planned> {
        let destination = spec.destination().clone();
        let words = spec.options().iter().flatten().map(String::as_str);
        let mut options = options::parse(words);
        let mut kind = spec.typ().clone().unwrap_or_default();
        if kind == "bind" {
            options.bind = Some(options.bind.unwrap_or(Bind::One));
        }
        let source = match (spec.source(), options.bind) {
            (Some(source), Some(_)) => bundle.join(source),
            (Some(source), None) => source.clone(),
            (None, Some(_)) => {
                return Err(Error::invalid(format!(
                    "the bind mount at {} has no source",
                    destination.display()
                )));
            }
            (None, None) => PathBuf::from(&kind),
        };
        if options.bind.is_some() {
            "bind".clone_into(&mut kind);
        }
        if kind.is_empty() {
            return Err(Error::invalid(format!(
                "the mount at {} has neither type nor bind option",
                destination.display()
            )));
        }
        if options.id_map.is_some()
            || spec.uid_mappings().is_some()
            || spec.gid_mappings().is_some()
        {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the mount at {} maps ids: not supported yet",
                    destination.display()
                ),
            ));
        }
        // Older specifications allow a relative destination: it is taken from the root.
        Ok(Planned {
            destination: Path::new("/").join(destination),
            kind,
            source,
            options,
        })
    }
}

/// Makes one mount inside `root`. For a bind, the source must have been opened before: [`open_source`].
pub(crate) fn make(
    root: &Root,
    planned: &Planned,
    source: Option<&OwnedFd>,
    context: &Context,
) -> Result<()> {
    let failed = |error: Error| {
        error.within(format!(
            "mount {} at {}",
            planned.kind,
            planned.destination.display()
        ))
    };
    let made = match (planned.kind.as_str(), source) {
        ("bind", Some(source)) => bind(root, planned, source),
        ("cgroup" | "cgroup2", _) => cgroup::mount(root, planned, context),
        _ => new(root, planned),
    };
    made.map_err(failed)
}

/// What mounts need to know of the container beside their own words.
#[derive(Debug)]
pub(crate) struct Context {
    /// The container's cgroups, by controller.
    pub(crate) cgroups: std::collections::BTreeMap<String, PathBuf>,
    /// It has a cgroup namespace of its own.
    pub(crate) own_cgroup_namespace: bool,
}

/// Opens what a bind mount binds, in the runtime's own mount namespace.
pub(crate) fn open_source(planned: &Planned) -> Result<Option<OwnedFd>> {
    if planned.kind != "bind" {
        return Ok(None);
    }
    let mut options = File::options();
    options.read(true).custom_flags(OFlag::O_PATH.bits());
    let file = options.open(&planned.source).map_err(|error| {
        let what = format!("bind source {}", planned.source.display());
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::InvalidSpec,
            _ => ErrorKind::Io,
        };
        Error::sys("open", what)(error).with_kind(kind)
    })?;
    Ok(Some(file.into()))
}

fn bind(root: &Root, planned: &Planned, source: &OwnedFd) -> Result<()> {
    let source_path = || planned.source.display();
    let make = match safefs::is_directory(source).map_err(Error::sys("look at", source_path()))? {
        true => Make::Directory,
        false => Make::File,
    };
    let recursive = planned.options.bind == Some(Bind::Tree);
    let tree = mount::clone_tree(source.as_fd(), recursive).map_err(|errno| match errno {
        Errno::EINVAL => Error::caused(
            ErrorKind::Unsupported,
            format!("clone {}: something mounted there can't be cloned (a namespace file, or an unbindable mount)", source_path()),
            errno,
        ),
        _ => Error::sys("clone", planned.source.display())(errno),
    })?;
    let target = root.find_or_make(&planned.destination, make)?;
    if make == Make::Directory
        && !safefs::is_directory(&target)
            .map_err(Error::sys("look at", planned.destination.display()))?
    {
        return Err(Error::invalid(format!(
            "{} is a directory, {} is not",
            source_path(),
            planned.destination.display()
        )));
    }
    place(&tree, &target, planned)
}

/// A mount of a new file system.
fn new(root: &Root, planned: &Planned) -> Result<()> {
    let kernel = matches!(planned.kind.as_str(), "proc" | "sysfs");
    let target = if kernel {
        // What is written below must reach the kernel: no links, CVE-2019-16884 and CVE-2023-27561.
        match root.find_plain(&planned.destination) {
            Err(Errno::ELOOP) => {
                return Err(Error::invalid(format!(
                    "{} must not be a symbolic link",
                    planned.destination.display()
                )));
            }
            Err(Errno::ENOENT) => root.find_or_make(&planned.destination, Make::Directory)?,
            other => other.map_err(Error::sys(
                "open in the root file system",
                planned.destination.display(),
            ))?,
        }
    } else {
        root.find_or_make(&planned.destination, Make::Directory)?
    };
    let tree = match filesystem::make(planned, &target) {
        // A file system of the host's network namespace can be seen but not mounted anew from another user namespace.
        Err(error) if planned.kind == "sysfs" && error.kind() == ErrorKind::Permission => {
            let host = open_path(Path::new("/sys"))?;
            mount::clone_tree(host.as_fd(), true).map_err(|_| error)?
        }
        other => other?,
    };
    place(&tree, &target, planned)?;
    if kernel {
        let magic = if planned.kind == "proc" {
            PROC_SUPER_MAGIC
        } else {
            SYSFS_MAGIC
        };
        let there = root
            .find_plain(&planned.destination)
            .and_then(safefs::file_system);
        if there != Ok(magic) {
            return Err(Error::invalid(format!(
                "{} is not what was mounted there",
                planned.destination.display()
            )));
        }
    }
    Ok(())
}

/// Gives a detached mount its attributes and attaches it.
pub(crate) fn place(tree: &OwnedFd, target: &OwnedFd, planned: &Planned) -> Result<()> {
    let words = || format!("the options of {}", planned.destination.display());
    // A new file system has its attributes already.
    let own = match planned.kind.as_str() {
        "bind" | "cgroup" => planned.options.own,
        _ => mount::Change::default(),
    };
    mount::attach_changed(tree.as_fd(), target.as_fd(), own)
        .map_err(Error::sys("attach at", planned.destination.display()))?;
    mount::change(tree.as_fd(), planned.options.all).map_err(Error::sys("set", words()))?;
    if let Some(propagation) = planned.options.propagation {
        mount::propagate(tree.as_fd(), propagation).map_err(Error::sys("set", words()))?;
    }
    Ok(())
}

/// A path of the runtime's own mount namespace.
pub(crate) fn open_path(path: &Path) -> Result<OwnedFd> {
    let mut options = File::options();
    let file = options
        .read(true)
        .custom_flags(OFlag::O_PATH.bits())
        .open(path);
    file.map(OwnedFd::from)
        .map_err(Error::sys("open", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_decided() {
        let check = |json: &str, expected: Result<(&str, &str, &str), &str>| {
            let spec: oci_spec::runtime::Mount = serde_json::from_str(json).unwrap();
            let planned = Planned::new(&spec, Path::new("/bundle"));
            match (planned, expected) {
                (Ok(planned), Ok((destination, kind, source))) => {
                    assert_eq!(
                        (
                            planned.destination.to_str().unwrap(),
                            planned.kind.as_str(),
                            planned.source.to_str().unwrap()
                        ),
                        (destination, kind, source),
                        "{json}"
                    );
                }
                (Err(error), Err(part)) => {
                    assert!(error.chain().contains(part), "{json}: {}", error.chain())
                }
                (planned, _) => panic!("{json}: {planned:?}"),
            }
        };
        check(
            r#"{"destination": "/proc", "type": "proc", "source": "proc"}"#,
            Ok(("/proc", "proc", "proc")),
        );
        check(
            r#"{"destination": "tmp", "type": "tmpfs"}"#,
            Ok(("/tmp", "tmpfs", "tmpfs")),
        );
        check(
            r#"{"destination": "/a", "source": "rel", "options": ["rbind"]}"#,
            Ok(("/a", "bind", "/bundle/rel")),
        );
        check(
            r#"{"destination": "/a", "type": "none", "source": "/abs", "options": ["bind"]}"#,
            Ok(("/a", "bind", "/abs")),
        );
        check(
            r#"{"destination": "/a", "type": "bind", "source": "/abs"}"#,
            Ok(("/a", "bind", "/abs")),
        );
        check(r#"{"destination": "/a", "type": "bind"}"#, Err("no source"));
        check(r#"{"destination": "/a"}"#, Err("neither type"));
    }
}
