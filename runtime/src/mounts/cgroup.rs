//! The container's own cgroups at `/sys/fs/cgroup`.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::options::{self, Options};
use super::{Context, Planned, filesystem, open_path, place};
use crate::error::{Error, Result};
use crate::safefs::{Make, Root};
use crate::sys::mount::{self, Change, attr};

/// The unified hierarchy's name among the cgroups of a container.
const UNIFIED: &str = "unified";

/// Mounts them at the planned place: cgroup2 as such, v1 as a tmpfs with one directory per hierarchy.
pub(super) fn mount(root: &Root, planned: &Planned, context: &Context) -> Result<()> {
    let target = root.find_or_make(&planned.destination, Make::Directory)?;
    let v1: BTreeMap<&str, &Path> = context
        .cgroups
        .iter()
        .filter(|(name, _)| *name != UNIFIED)
        .map(|(name, path)| (name.as_str(), path.as_path()))
        .collect();
    let unified = context.cgroups.get(UNIFIED);
    match unified {
        Some(path) if v1.is_empty() => place(&cgroup2(planned, path, context)?, &target, planned),
        _ => {
            let read_only = planned.options.own.set & attr::RDONLY;
            let tmpfs = Planned {
                kind: "tmpfs".to_owned(),
                source: PathBuf::from("tmpfs"),
                options: Options {
                    own: Change {
                        set: planned.options.own.set & !attr::RDONLY,
                        ..planned.options.own
                    },
                    ..options::parse(["mode=755"])
                },
                ..planned.clone()
            };
            let tree = filesystem::make(&tmpfs, &target)?;
            place(&tree, &target, &tmpfs)?;
            for (directory, links, path) in hierarchies(&v1, unified.map(PathBuf::as_path)) {
                bind(root, planned, &directory, path)?;
                for link in links {
                    let at =
                        PathBuf::from(format!("/proc/self/fd/{}", tree.as_raw_fd())).join(&link);
                    symlink(&directory, at).map_err(Error::sys("link", link))?;
                }
            }
            mount::change(
                tree.as_fd(),
                Change {
                    set: read_only,
                    ..Change::default()
                },
            )
            .map_err(Error::sys("make read-only", planned.destination.display()))?;
            match planned.options.propagation {
                Some(propagation) => mount::propagate(tree.as_fd(), propagation).map_err(
                    Error::sys("set the propagation of", planned.destination.display()),
                ),
                None => Ok(()),
            }
        }
    }
}

/// Directory, further names of it, and the container's cgroup of each hierarchy.
fn hierarchies<'a>(
    v1: &BTreeMap<&str, &'a Path>,
    unified: Option<&'a Path>,
) -> Vec<(String, Vec<String>, &'a Path)> {
    let mut by_path: BTreeMap<&Path, Vec<String>> = BTreeMap::new();
    for (name, path) in v1 {
        by_path
            .entry(path)
            .or_default()
            .push(name.strip_prefix("name=").unwrap_or(name).to_owned());
    }
    let mut found: Vec<_> = by_path
        .into_iter()
        .map(|(path, names)| {
            let links = if names.len() > 1 {
                names.clone()
            } else {
                Vec::new()
            };
            (names.join(","), links, path)
        })
        .collect();
    found.extend(unified.map(|path| (UNIFIED.to_owned(), Vec::new(), path)));
    found
}

fn cgroup2(planned: &Planned, path: &Path, context: &Context) -> Result<OwnedFd> {
    if context.own_cgroup_namespace {
        // A new mount shows what the namespace's root is: the container's own cgroup.
        let fresh = Planned {
            kind: "cgroup2".to_owned(),
            source: PathBuf::from("cgroup"),
            ..planned.clone()
        };
        if let Ok(tree) = filesystem::make(&fresh, &open_path(Path::new("/"))?) {
            return Ok(tree);
        }
    }
    clone(path)
}

fn bind(root: &Root, planned: &Planned, name: &str, path: &Path) -> Result<()> {
    let target = root.find_or_make(&planned.destination.join(name), Make::Directory)?;
    let tree = clone(path)?;
    mount::attach_changed(tree.as_fd(), target.as_fd(), planned.options.own)
        .map_err(Error::sys("attach", path.display()))
}

fn clone(path: &Path) -> Result<OwnedFd> {
    let source = open_path(path)?;
    mount::clone_tree(source.as_fd(), false).map_err(Error::sys("clone", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joint_hierarchies_get_links() {
        let (cpu, systemd, unified) = (
            Path::new("/c/cpu,cpuacct/x"),
            Path::new("/c/systemd/x"),
            Path::new("/c/unified/x"),
        );
        let v1 = BTreeMap::from([("cpu", cpu), ("cpuacct", cpu), ("name=systemd", systemd)]);
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            hierarchies(&v1, Some(unified)),
            [
                ("cpu,cpuacct".to_owned(), names(&["cpu", "cpuacct"]), cpu),
                ("systemd".to_owned(), vec![], systemd),
                ("unified".to_owned(), vec![], unified)
            ]
        );
    }
}
