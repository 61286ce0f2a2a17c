//! One directory of a container in one hierarchy: its place, and its making.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::UNIFIED;
use super::error::{CgroupError, Result};
use super::files;
use super::layout::{Controller, Layout, Version};

/// One directory of a container in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) version: Version,
    pub(super) path: PathBuf,
    /// Where the hierarchy is mounted; the directory itself when that is no longer of interest.
    mount: PathBuf,
    pub(super) names: Vec<String>,
}

/// A path below each hierarchy's mount, from what a specification says.
pub(super) fn relative(path: &str) -> Result<PathBuf> {
    let bad = |why| CgroupError::Path {
        path: path.to_owned(),
        why,
    };
    let of_systemd = systemd(path);
    let text = of_systemd.as_deref().unwrap_or(path);
    if text.contains('\0') || text.contains('\n') {
        return Err(bad("it has a line end or a zero byte in it"));
    }
    let mut relative = PathBuf::new();
    for component in Path::new(text).components() {
        match component {
            Component::Normal(part) if part.len() > 255 => {
                return Err(bad("a part is longer than 255 bytes"));
            }
            Component::Normal(part) => relative.push(part),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(bad("it may not lead upwards"));
            }
        }
    }
    match relative.as_os_str().is_empty() {
        true => Err(bad("it must name a directory below the root")),
        false => Ok(relative),
    }
}

/// `machine.slice:libpod:1f2e` as a path.
fn systemd(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split(':').collect();
    match parts[..] {
        [slice, prefix, name] if !path.contains('/') && !name.is_empty() => {
            let slice = if slice.is_empty() {
                "system.slice"
            } else {
                slice
            };
            let dash = if prefix.is_empty() { "" } else { "-" };
            Some(format!("{slice}/{prefix}{dash}{name}.scope"))
        }
        _ => None,
    }
}

impl Group {
    /// One for each hierarchy.
    pub(super) fn all(layout: &Layout, relative: &Path) -> Vec<Group> {
        let v1 = layout.v1.iter().map(|v1| Group {
            version: Version::V1,
            path: v1.mount.join(relative),
            mount: v1.mount.clone(),
            names: v1.names.clone(),
        });
        let v2 = layout.v2.iter().map(|v2| Group {
            version: Version::V2,
            path: v2.mount.join(relative),
            mount: v2.mount.clone(),
            names: vec![UNIFIED.to_owned()],
        });
        v1.chain(v2).collect()
    }

    /// From what a state recorded.
    pub(super) fn from_paths(paths: &BTreeMap<String, PathBuf>) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (name, path) in paths {
            match groups.iter_mut().find(|group| group.path == *path) {
                Some(group) => group.names.push(name.clone()),
                None => groups.push(Group {
                    version: if name == UNIFIED {
                        Version::V2
                    } else {
                        Version::V1
                    },
                    path: path.clone(),
                    mount: path.clone(),
                    names: vec![name.clone()],
                }),
            }
        }
        groups
    }

    /// The same, deeper.
    pub(super) fn below(&self, relative: &Path) -> Group {
        Group {
            path: self.path.join(relative),
            ..self.clone()
        }
    }

    /// Controllers of a v1 hierarchy.
    pub(super) fn controllers(&self) -> Vec<Controller> {
        self.names
            .iter()
            .filter_map(|name| Controller::from_v1(name))
            .collect()
    }

    /// Makes the directory and its parents, ready for processes.
    pub(super) fn make(&self) -> Result<()> {
        let mut made = self.make_directories();
        // Someone else removed an empty parent in between.
        for _ in 0..8 {
            match &made {
                Err(CgroupError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    made = self.make_directories();
                }
                _ => break,
            }
        }
        made
    }

    fn make_directories(&self) -> Result<()> {
        let cpuset =
            self.version == Version::V1 && self.controllers().contains(&Controller::Cpuset);
        let mut directory = self.mount.clone();
        for part in self
            .path
            .strip_prefix(&self.mount)
            .unwrap_or(&self.path)
            .components()
        {
            if self.version == Version::V2 {
                enable_controllers(&directory)?;
            }
            let parent = directory.clone();
            directory.push(part);
            match fs::create_dir(&directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(CgroupError::io("make cgroup", &directory)(error));
                }
                _ => {}
            }
            if cpuset {
                inherit(&parent, &directory)?;
            }
        }
        Ok(())
    }
}

/// A new v1 cpuset is empty, and no process may enter it before it has processors and memory nodes.
fn inherit(parent: &Path, directory: &Path) -> Result<()> {
    for name in ["cpuset.cpus", "cpuset.mems"] {
        let file = directory.join(name);
        let read = |path: PathBuf| fs::read_to_string(&path).map_err(CgroupError::io("read", path));
        if read(file.clone())?.trim().is_empty() {
            let value = read(parent.join(name))?;
            fs::write(&file, value.trim()).map_err(CgroupError::io("write", &file))?;
        }
    }
    Ok(())
}

/// Passes every controller of a v2 directory on to those below it. One that can't be passed on is missed only by a limit that
/// needs it, whose file is then not there.
fn enable_controllers(directory: &Path) -> Result<()> {
    let words = |name: &str| fs::read_to_string(directory.join(name)).unwrap_or_default();
    let (available, enabled) = (words("cgroup.controllers"), words("cgroup.subtree_control"));
    let enabled: Vec<&str> = enabled.split_whitespace().collect();
    let missing: Vec<String> = available
        .split_whitespace()
        .filter(|controller| !enabled.contains(controller))
        .map(|controller| format!("+{controller}"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let control = directory.join("cgroup.subtree_control");
    if files::write(&control, &missing.join(" ")).is_err() {
        for one in missing {
            // Such as +cpu while realtime processes are about; the others must not suffer.
            let _ = files::write(&control, &one);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below() {
        let check = |path: &str, expected: Result<&str, &str>| {
            let seen = relative(path).map_err(|error| error.to_string());
            match expected {
                Ok(expected) => assert_eq!(seen.as_deref(), Ok(Path::new(expected)), "{path}"),
                Err(part) => assert!(
                    seen.as_ref().is_err_and(|text| text.contains(part)),
                    "{path}: {seen:?}"
                ),
            }
        };
        check("/mini/c1", Ok("mini/c1"));
        check("mini//./c1/", Ok("mini/c1"));
        check(
            "machine.slice:libpod:1f",
            Ok("machine.slice/libpod-1f.scope"),
        );
        check(":docker:1f", Ok("system.slice/docker-1f.scope"));
        check("../escaped", Err("upwards"));
        check("/a/../../escaped", Err("upwards"));
        check("..:x:../../y", Err("upwards"));
        check("/", Err("below the root"));
        check("", Err("below the root"));
        check("/a\nb", Err("line end"));
        check(&"x".repeat(256), Err("255"));
    }

    #[test]
    fn states_bring_groups_back() {
        let paths = BTreeMap::from([
            ("cpu".to_owned(), PathBuf::from("/c/cpu,cpuacct/x")),
            ("cpuacct".to_owned(), PathBuf::from("/c/cpu,cpuacct/x")),
            ("name=systemd".to_owned(), PathBuf::from("/c/systemd/x")),
            ("unified".to_owned(), PathBuf::from("/c/unified/x")),
        ]);
        let groups = Group::from_paths(&paths);
        assert_eq!(groups.len(), 3);
        assert_eq!(
            groups[0].controllers(),
            [Controller::Cpu, Controller::CpuAccounting]
        );
        assert_eq!(groups[2].version, Version::V2);
        let all = crate::cgroup::Cgroups::from_paths(&paths);
        assert_eq!(all.paths(), paths);
    }
}
