//! Which cgroup hierarchies this machine has, and where.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a controller is called here, on either version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Controller {
    /// Processor time.
    Cpu,
    /// Processor time used (v1 only).
    CpuAccounting,
    /// Processors and memory nodes.
    Cpuset,
    /// Device files: a controller on v1, a program on v2.
    Devices,
    /// Stopping (v1 only; v2 has it in every cgroup).
    Freezer,
    /// Huge pages.
    Hugetlb,
    /// Block devices: `blkio` on v1, `io` on v2.
    Io,
    /// Memory.
    Memory,
    /// Marks on packets (v1 only).
    NetCls,
    /// Priority of packets (v1 only).
    NetPrio,
    /// Number of tasks.
    Pids,
    /// RDMA handles.
    Rdma,
}

impl Controller {
    const ALL: [Controller; 12] = [
        Controller::Cpu,
        Controller::CpuAccounting,
        Controller::Cpuset,
        Controller::Devices,
        Controller::Freezer,
        Controller::Hugetlb,
        Controller::Io,
        Controller::Memory,
        Controller::NetCls,
        Controller::NetPrio,
        Controller::Pids,
        Controller::Rdma,
    ];

    pub(super) fn v1_name(self) -> &'static str {
        match self {
            Controller::Cpu => "cpu",
            Controller::CpuAccounting => "cpuacct",
            Controller::Cpuset => "cpuset",
            Controller::Devices => "devices",
            Controller::Freezer => "freezer",
            Controller::Hugetlb => "hugetlb",
            Controller::Io => "blkio",
            Controller::Memory => "memory",
            Controller::NetCls => "net_cls",
            Controller::NetPrio => "net_prio",
            Controller::Pids => "pids",
            Controller::Rdma => "rdma",
        }
    }

    pub(super) fn from_v1(name: &str) -> Option<Controller> {
        Controller::ALL
            .into_iter()
            .find(|controller| controller.v1_name() == name)
    }

    /// From the name in `cgroup.controllers` or the head of a file's name.
    pub(super) fn from_v2(name: &str) -> Option<Controller> {
        match name {
            "io" => Some(Controller::Io),
            "blkio" => None,
            _ => Controller::from_v1(name),
        }
    }
}

/// One mounted v1 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct V1 {
    pub(super) mount: PathBuf,
    pub(super) controllers: Vec<Controller>,
    /// What it is called in a state: `cpu`, or `name=systemd`.
    pub(super) names: Vec<String>,
}

/// The unified hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct V2 {
    pub(super) mount: PathBuf,
    /// Those it has at its root.
    pub(super) controllers: Vec<Controller>,
}

impl V2 {
    /// With the controllers that this directory has.
    pub(super) fn at(mount: PathBuf) -> V2 {
        V2 {
            controllers: controllers(&controllers_at(&mount)),
            mount,
        }
    }
}

/// The text of `cgroup.controllers`; empty when there is none.
pub(super) fn controllers_at(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("cgroup.controllers")).unwrap_or_default()
}

/// From the text of `cgroup.controllers`.
pub(super) fn controllers(text: &str) -> Vec<Controller> {
    text.split_whitespace()
        .filter_map(Controller::from_v2)
        .collect()
}

/// All hierarchies of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Layout {
    pub(super) v1: Vec<V1>,
    pub(super) v2: Option<V2>,
}

/// Which rules hold for a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

impl Layout {
    /// From the text of /proc/self/mountinfo (proc(5)) and a way to read `cgroup.controllers`.
    pub(super) fn parse(mountinfo: &str, read: impl Fn(&Path) -> String) -> Layout {
        let mut v1: BTreeMap<String, (bool, V1)> = BTreeMap::new();
        let mut v2: Option<(bool, PathBuf)> = None;
        for mount in mountinfo.lines().filter_map(Mount::parse) {
            // A mount of the whole hierarchy is preferred to one of a part.
            let whole = mount.root == "/";
            match mount.kind {
                "cgroup2" if v2.as_ref().is_none_or(|known| whole && !known.0) => {
                    v2 = Some((whole, mount.target))
                }
                "cgroup" => {
                    let names = hierarchy_names(mount.options);
                    let key = names.join(",");
                    if !names.is_empty() && v1.get(&key).is_none_or(|known| whole && !known.0) {
                        let controllers = names
                            .iter()
                            .filter_map(|name| Controller::from_v1(name))
                            .collect();
                        v1.insert(
                            key,
                            (
                                whole,
                                V1 {
                                    mount: mount.target,
                                    controllers,
                                    names,
                                },
                            ),
                        );
                    }
                }
                _ => {}
            }
        }
        let v2 = v2.map(|(_, mount)| V2 {
            controllers: controllers(&read(&mount)),
            mount,
        });
        Layout {
            v1: v1.into_values().map(|(_, v1)| v1).collect(),
            v2,
        }
    }

    /// Where a controller is; `None` when this machine doesn't have it.
    pub(super) fn version(&self, controller: Controller) -> Option<Version> {
        if self
            .v1
            .iter()
            .any(|v1| v1.controllers.contains(&controller))
        {
            return Some(Version::V1);
        }
        let v2 = self.v2.as_ref()?;
        // Programs guard devices, and only where no v1 controller does.
        let there = controller == Controller::Devices || v2.controllers.contains(&controller);
        there.then_some(Version::V2)
    }
}

/// The fields of a line of mountinfo that matter here.
struct Mount<'a> {
    root: &'a str,
    target: PathBuf,
    kind: &'a str,
    options: &'a str,
}

impl Mount<'_> {
    fn parse(line: &str) -> Option<Mount<'_>> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, target) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1)?);
        Some(Mount {
            root,
            target: unescape(target),
            kind,
            options,
        })
    }
}

/// Spaces, tabs, newlines and backslashes are written in octal.
fn unescape(field: &str) -> PathBuf {
    let mut parts = field.split('\\');
    let mut path = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok())
        {
            Some(byte) => path.push(char::from(byte)),
            None => path.push('\\'),
        }
        path.push_str(part.get(3..).unwrap_or_default());
    }
    PathBuf::from(path)
}

fn hierarchy_names(options: &str) -> Vec<String> {
    options
        .split(',')
        .filter(|option| {
            option.starts_with("name=")
                || Controller::from_v1(option).is_some()
                || *option == "perf_event"
        })
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
90 31 0:32 /docker/1 /elsewhere rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    const PURE: &str = "\
25 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
26 23 0:28 /part /mnt/a\\040b rw - cgroup2 cgroup2 rw
";

    #[test]
    fn hierarchies_are_found() {
        let layout = Layout::parse(HYBRID, |_| "hugetlb".to_owned());
        let mounts: Vec<_> = layout
            .v1
            .iter()
            .map(|v1| v1.mount.to_str().unwrap())
            .collect();
        assert_eq!(
            mounts,
            [
                "/sys/fs/cgroup/cpu,cpuacct",
                "/sys/fs/cgroup/memory",
                "/sys/fs/cgroup/systemd"
            ]
        );
        assert_eq!(
            layout.v1[0].controllers,
            [Controller::Cpu, Controller::CpuAccounting]
        );
        assert_eq!(layout.v1[2].names, ["name=systemd"]);
        assert_eq!(
            layout.v2.as_ref().unwrap().mount,
            Path::new("/sys/fs/cgroup/unified")
        );
        let pure = Layout::parse(PURE, |_| {
            "cpuset cpu io memory hugetlb pids rdma misc".to_owned()
        });
        assert_eq!(pure.v2.as_ref().unwrap().mount, Path::new("/sys/fs/cgroup"));
        assert!(pure.v1.is_empty());
        let check = |layout: &Layout, controller: Controller, expected: Option<Version>| {
            assert_eq!(layout.version(controller), expected, "{controller:?}");
        };
        check(&layout, Controller::Memory, Some(Version::V1));
        check(&layout, Controller::Hugetlb, Some(Version::V2));
        check(&layout, Controller::Pids, None);
        check(&layout, Controller::Devices, Some(Version::V2));
        check(&pure, Controller::Io, Some(Version::V2));
        check(&pure, Controller::NetCls, None);
        check(&Layout::default(), Controller::Devices, None);
        assert_eq!(Layout::parse("", |_| String::new()), Layout::default());
    }

    #[test]
    fn targets_may_have_spaces() {
        assert_eq!(unescape("/mnt/a\\040b"), Path::new("/mnt/a b"));
        assert_eq!(unescape("/plain"), Path::new("/plain"));
    }
}
