//! The cgroups of a lab: one hierarchy in which every process of a host is born, so that none escapes; and all
//! hierarchies, in which the hosts' containers have theirs.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::{Error, Result};
use crate::plan::is_cgroup_of;

/// Below a host's cgroup, where its own processes are: on cgroup v2 one that has others below it can have no processes.
const LEAF: &str = "host";
/// How long killed processes may take to die: those in an uninterruptible wait take what their device takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the hierarchies are mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cgroups {
    /// The unified one, if there is one, then those of version 1.
    hierarchies: Vec<Hierarchy>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Hierarchy {
    mount: PathBuf,
    /// Version 1: its controllers and its name; empty for the unified one.
    names: Vec<String>,
}

impl Cgroups {
    /// Those of this machine.
    pub(crate) fn find() -> Result<Cgroups> {
        let path = "/proc/thread-self/mountinfo";
        let text = fs::read_to_string(path).map_err(Error::system("read", path))?;
        Ok(Cgroups::parse(&text))
    }

    /// From the text of mountinfo (proc(5)).
    fn parse(mountinfo: &str) -> Cgroups {
        let mut hierarchies = Vec::new();
        for line in mountinfo.lines() {
            let Some((left, right)) = line.split_once(" - ") else {
                continue;
            };
            let mut right = right.split(' ');
            let kind = right.next().unwrap_or_default();
            let options = right.nth(1).unwrap_or_default();
            let mount = PathBuf::from(left.split(' ').nth(4).unwrap_or_default());
            let names = options.split(',').filter(|o| !["rw", "ro"].contains(o));
            match kind {
                "cgroup2" => hierarchies.insert(
                    0,
                    Hierarchy {
                        mount,
                        names: vec![],
                    },
                ),
                "cgroup" => hierarchies.push(Hierarchy {
                    mount,
                    names: names.map(str::to_owned).collect(),
                }),
                _ => {}
            }
        }
        Cgroups { hierarchies }
    }

    /// Where processes are kept track of: the unified hierarchy, else one of version 1 that takes a process without
    /// any setting and does not account for what it uses.
    fn tracking(&self) -> Option<&Hierarchy> {
        const FIT: [&str; 4] = ["name=systemd", "pids", "freezer", "devices"];
        let has = |hierarchy: &Hierarchy, name: &str| hierarchy.names.iter().any(|n| n == name);
        let unified = self.hierarchies.iter().find(|h| h.names.is_empty());
        unified.or_else(|| {
            FIT.iter()
                .find_map(|name| self.hierarchies.iter().find(|h| has(h, name)))
        })
    }

    /// Makes the cgroup of a host.
    pub(crate) fn make(&self, cgroup: &str) -> Result<()> {
        let leaf = self.leaf(cgroup)?;
        fs::create_dir_all(&leaf).map_err(Error::system("make cgroup", leaf.display()))
    }

    /// A door into the cgroup of a host: to be passed with [`enter`]. It leads nowhere once that cgroup is removed, even
    /// when there is another of the same name.
    pub(crate) fn door(&self, cgroup: &str) -> Result<File> {
        let path = self.leaf(cgroup)?.join("cgroup.procs");
        let opened = File::options().write(true).open(&path);
        opened.map_err(Error::system("open", path.display()))
    }

    fn leaf(&self, cgroup: &str) -> Result<PathBuf> {
        let hierarchy = self.tracking().ok_or(Error::NoCgroups)?;
        Ok(hierarchy.mount.join(cgroup).join(LEAF))
    }

    /// A cgroup of a lab of this name that has processes.
    pub(crate) fn inhabited(&self, lab: &str) -> Option<PathBuf> {
        let all = self.of_lab(lab).into_iter();
        all.flat_map(|top| tree(&top))
            .find(|path| !members(path).is_empty())
    }

    /// Whether the calling process is one of the lab's.
    pub(crate) fn is_within(&self, lab: &str) -> bool {
        let own = Pid::this().as_raw();
        let all = self.of_lab(lab).into_iter();
        all.flat_map(|top| tree(&top))
            .any(|path| members(&path).contains(&own))
    }

    /// Kills every process of the lab, waits until they are gone and removes the cgroups, in every hierarchy.
    pub(crate) fn remove(&self, lab: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(1);
        loop {
            let mut left = None;
            for top in self.of_lab(lab) {
                for path in tree(&top) {
                    end_members(&path);
                }
                for path in tree(&top) {
                    if let Err(error) = fs::remove_dir(&path)
                        && error.kind() != io::ErrorKind::NotFound
                    {
                        left = Some((path, error));
                    }
                }
            }
            let Some((cgroup, error)) = left else {
                return Ok(());
            };
            if Instant::now() > deadline {
                let pids = members(&cgroup);
                return Err(Error::Undying {
                    left: if pids.is_empty() {
                        error.to_string()
                    } else {
                        format!("processes {pids:?}")
                    },
                    cgroup,
                    seconds: PATIENCE.as_secs(),
                });
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// The topmost cgroups of the lab that are there, in all hierarchies.
    fn of_lab(&self, lab: &str) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        for hierarchy in &self.hierarchies {
            let entries = fs::read_dir(&hierarchy.mount)
                .into_iter()
                .flatten()
                .flatten();
            let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
            let ours = names.filter(|name| is_cgroup_of(lab, name));
            found.extend(ours.map(|name| hierarchy.mount.join(name)));
        }
        found
    }
}

/// Moves the calling process through a [door](Cgroups::door).
pub(crate) fn enter(door: impl AsFd) -> Result<()> {
    nix::unistd::write(door, b"0")
        .map(drop)
        .map_err(Error::system("enter", "the host's cgroup"))
}

/// Kills the processes of one cgroup. A frozen process dies once it is thawed; and where there is no `cgroup.kill`
/// (version 1, or before Linux 5.14) one that multiplies is met again in the next round.
fn end_members(path: &Path) {
    for (file, value) in [
        ("cgroup.kill", "1"),
        ("cgroup.freeze", "0"),
        ("freezer.state", "THAWED"),
    ] {
        // Each exists on one version only.
        let opened = File::options().write(true).open(path.join(file));
        let _ = opened.and_then(|mut opened| io::Write::write_all(&mut opened, value.as_bytes()));
    }
    for pid in members(path) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// The processes of one cgroup. Those that the kernel shows as 0 are of another pid namespace and not ours to signal.
fn members(path: &Path) -> Vec<i32> {
    let text = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    let pids = text.lines().filter_map(|line| line.parse().ok());
    pids.filter(|pid| *pid > 0).collect()
}

/// A cgroup and all below it, deepest first.
fn tree(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(tree(&entry.path()));
        }
    }
    found.push(path.to_owned());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_tracked_where_it_costs_nothing() {
        fn check(mountinfo: &str, expected: Option<&str>, count: usize) {
            let cgroups = Cgroups::parse(mountinfo);
            let mount = cgroups.tracking().map(|h| h.mount.to_str().unwrap());
            assert_eq!((mount, cgroups.hierarchies.len()), (expected, count));
        }
        const ROOT: &str = "22 1 8:1 / / rw - ext4 /dev/vda rw\n";
        const UNIFIED: &str = "30 22 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n";
        const MEMORY: &str = "31 22 0:27 / /cg/memory rw - cgroup cgroup rw,memory\n";
        const CPU: &str = "32 22 0:28 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n";
        const PIDS: &str = "33 22 0:29 / /cg/pids rw - cgroup cgroup rw,pids\n";
        const SYSTEMD: &str = "34 22 0:30 / /cg/systemd rw - cgroup none rw,name=systemd\n";
        check(ROOT, None, 0);
        check(&[ROOT, UNIFIED].concat(), Some("/sys/fs/cgroup"), 1);
        check(&[MEMORY, UNIFIED].concat(), Some("/sys/fs/cgroup"), 2);
        check(&[MEMORY, CPU].concat(), None, 2);
        check(&[MEMORY, PIDS, CPU].concat(), Some("/cg/pids"), 3);
        check(&[PIDS, SYSTEMD].concat(), Some("/cg/systemd"), 2);
    }
}
