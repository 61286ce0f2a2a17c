//! Which namespaces are new, and which are joined.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceType};

use crate::error::{Error, Result};
use crate::sys::nsfs;

/// Namespaces of the specification by type; those not named are the caller's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Namespaces(BTreeMap<Kind, Option<PathBuf>>);

/// The types, in the order in which they are joined: the user namespace gives the right to join the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    User,
    Ipc,
    Uts,
    Network,
    Pid,
    Cgroup,
    Time,
    Mount,
}

impl Kind {
    /// CLONE_NEW*.
    pub(crate) fn flag(self) -> i32 {
        match self {
            Kind::User => libc::CLONE_NEWUSER,
            Kind::Ipc => libc::CLONE_NEWIPC,
            Kind::Uts => libc::CLONE_NEWUTS,
            Kind::Network => libc::CLONE_NEWNET,
            Kind::Pid => libc::CLONE_NEWPID,
            Kind::Cgroup => libc::CLONE_NEWCGROUP,
            Kind::Time => libc::CLONE_NEWTIME,
            Kind::Mount => libc::CLONE_NEWNS,
        }
    }

    /// As in `/proc/PID/ns`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Ipc => "ipc",
            Kind::Uts => "uts",
            Kind::Network => "net",
            Kind::Pid => "pid",
            Kind::Cgroup => "cgroup",
            Kind::Time => "time",
            Kind::Mount => "mnt",
        }
    }

    fn of(kind: LinuxNamespaceType) -> Kind {
        match kind {
            LinuxNamespaceType::User => Kind::User,
            LinuxNamespaceType::Ipc => Kind::Ipc,
            LinuxNamespaceType::Uts => Kind::Uts,
            LinuxNamespaceType::Network => Kind::Network,
            LinuxNamespaceType::Pid => Kind::Pid,
            LinuxNamespaceType::Cgroup => Kind::Cgroup,
            LinuxNamespaceType::Time => Kind::Time,
            LinuxNamespaceType::Mount => Kind::Mount,
        }
    }
}

impl Namespaces {
    /// As the specification says.
    pub(crate) fn from_spec(spec: &[LinuxNamespace]) -> Result<Namespaces> {
        let mut found = BTreeMap::new();
        for namespace in spec {
            let kind = Kind::of(namespace.typ());
            let path = namespace
                .path()
                .clone()
                .filter(|path| !path.as_os_str().is_empty());
            if path.as_ref().is_some_and(|path| path.is_relative()) {
                return Err(Error::invalid(format!(
                    "the path of the {} namespace must be absolute",
                    kind.name()
                )));
            }
            if found.insert(kind, path).is_some() {
                return Err(Error::invalid(format!(
                    "the {} namespace is named twice",
                    kind.name()
                )));
            }
        }
        Ok(Namespaces(found))
    }

    /// Whether the container has one of its own or a given one, not the caller's.
    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.0.contains_key(&kind)
    }

    /// Whether a new one is made.
    pub(crate) fn is_new(&self, kind: Kind) -> bool {
        matches!(self.0.get(&kind), Some(None))
    }

    /// CLONE_NEW* of the new ones.
    pub(crate) fn new_flags(&self) -> i32 {
        self.0
            .iter()
            .filter(|(_, path)| path.is_none())
            .fold(0, |flags, (kind, _)| flags | kind.flag())
    }

    /// Opens those to be joined, and verifies that each is a namespace of its type.
    pub(crate) fn open(&self) -> Result<Vec<(Kind, OwnedFd)>> {
        let mut opened = Vec::new();
        for (kind, path) in &self.0 {
            let Some(path) = path else { continue };
            let what = || format!("{} namespace {}", kind.name(), path.display());
            let file = File::open(path).map_err(Error::sys("open", what()))?;
            if nsfs::kind(&file) != Ok(kind.flag()) {
                return Err(Error::invalid(format!(
                    "{} is not a {} namespace",
                    path.display(),
                    kind.name()
                )));
            }
            opened.push((*kind, file.into()));
        }
        Ok(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_decided() {
        let parse = |json: &str| {
            Namespaces::from_spec(&serde_json::from_str::<Vec<LinuxNamespace>>(json).unwrap())
        };
        let both = parse(r#"[{"type": "pid"}, {"type": "network", "path": "/proc/self/ns/net"}]"#)
            .unwrap();
        assert_eq!(both.new_flags(), libc::CLONE_NEWPID);
        assert!(both.has(Kind::Network) && !both.is_new(Kind::Network) && !both.has(Kind::Mount));
        let opened = both.open().unwrap();
        assert_eq!(opened.len(), 1);
        for wrong in [
            r#"[{"type": "pid"}, {"type": "pid"}]"#,
            r#"[{"type": "pid", "path": "relative"}]"#,
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let mistaken = parse(r#"[{"type": "mount", "path": "/proc/self/ns/net"}]"#).unwrap();
        assert!(
            mistaken
                .open()
                .unwrap_err()
                .chain()
                .contains("not a mnt namespace")
        );
        let none = parse(r#"[{"type": "uts", "path": "/etc/passwd"}]"#).unwrap();
        assert!(none.open().is_err());
    }
}
