//! What a host has that outlives a command: the list that must be as short after a test as before it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::spaces::Spaces;
use crate::wait;

/// Where to look.
#[derive(Debug)]
pub struct Watched<'a> {
    /// The host's namespaces.
    pub spaces: &'a Spaces,
    /// The cgroup all of its containers are under.
    pub cgroup_parent: &'a str,
    /// Everything of the host is below this directory.
    pub directory: &'a Path,
    /// The data root.
    pub data: PathBuf,
    /// The run root.
    pub run: PathBuf,
    /// Processes that belong to the test itself.
    pub spared: Vec<i32>,
}

/// Everything found, one line each.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Leaks(BTreeSet<String>);

impl Leaks {
    /// Looks everywhere.
    pub fn find(watched: &Watched<'_>) -> Leaks {
        let mut found = BTreeSet::new();
        found.extend(mounts(watched));
        found.extend(network(watched));
        found.extend(
            watched
                .cgroups()
                .iter()
                .map(|path| format!("cgroup {}", path.display())),
        );
        found.extend(
            watched
                .processes()
                .into_iter()
                .map(|pid| format!("process {pid}: {}", title(pid))),
        );
        found.extend(files(watched));
        Leaks(found)
    }

    /// What is here and was not there `before`.
    pub fn since(&self, before: &Leaks) -> Vec<String> {
        self.0.difference(&before.0).cloned().collect()
    }
}

impl Watched<'_> {
    /// Processes of the host: those in its network namespace or in its cgroups, whoever started them.
    pub fn processes(&self) -> Vec<i32> {
        let own = i32::try_from(std::process::id()).expect("a process id is small");
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").expect("/proc").flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
                continue;
            };
            if pid == own || self.spared.contains(&pid) || is_zombie(pid) {
                continue;
            }
            let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            let under = format!(":{}/", self.cgroup_parent);
            if self.spaces.holds(pid) || groups.lines().any(|line| line.contains(&under)) {
                found.push(pid);
            }
        }
        found
    }

    /// Cgroup directories below the host's parent, deepest first.
    pub fn cgroups(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for root in hierarchies() {
            below(
                &root.join(self.cgroup_parent.trim_start_matches('/')),
                &mut found,
            );
        }
        found
    }

    /// Kills every process of the host and waits until they are gone.
    pub fn kill_everything(&self) {
        wait::within(Duration::from_secs(10), || {
            let left = self.processes();
            for pid in &left {
                // SAFETY: kill has no memory effects; the process was just seen in a namespace or cgroup that only this test has.
                unsafe { libc::kill(*pid, libc::SIGKILL) };
            }
            left.is_empty().then_some(())
        });
    }

    /// Removes the host's cgroups, its parent included.
    pub fn remove_cgroups(&self) {
        for root in hierarchies() {
            let parent = root.join(self.cgroup_parent.trim_start_matches('/'));
            if !parent.exists() {
                continue;
            }
            let mut all = Vec::new();
            below(&parent, &mut all);
            all.push(parent);
            for directory in all {
                let _ = fs::write(directory.join("freezer.state"), "THAWED");
                wait::within(Duration::from_secs(5), || {
                    (fs::remove_dir(&directory).is_ok() || !directory.exists()).then_some(())
                });
            }
        }
    }
}

/// Where the hierarchies of cgroups are mounted.
pub fn hierarchies() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut roots = Vec::new();
    for line in mounts.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let kind = right.split(' ').next().unwrap_or_default();
        let target = left.split(' ').nth(4).unwrap_or_default();
        if kind == "cgroup" || kind == "cgroup2" {
            roots.push(PathBuf::from(target));
        }
    }
    roots
}

/// Adds the directories below `directory`, deepest first.
pub(crate) fn below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            below(&entry.path(), found);
            found.push(entry.path());
        }
    }
}

/// Mounts of the host, and mounts on the machine below the host's directory.
fn mounts(watched: &Watched<'_>) -> Vec<String> {
    let own = watched
        .spaces
        .enter(|| fs::read_to_string("/proc/thread-self/mountinfo").expect("mounts of the host"));
    let target = |line: &str| line.split(' ').nth(4).unwrap_or_default().to_owned();
    let mut found: Vec<String> = own
        .lines()
        .map(|line| format!("mount {}", target(line)))
        .collect();
    let machine = fs::read_to_string("/proc/self/mountinfo").expect("mounts of the machine");
    let directory = watched.directory.display().to_string();
    found.extend(
        machine
            .lines()
            .filter(|line| line.contains(&directory))
            .map(|line| format!("machine's mount {}", target(line))),
    );
    found
}

fn network(watched: &Watched<'_>) -> Vec<String> {
    let print = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default()
    };
    let (links, tables) = watched.spaces.enter(|| {
        (
            print("ip", &["-o", "link"]),
            print("nft", &["list", "tables"]),
        )
    });
    let name = |line: &str| line.split(": ").nth(1).unwrap_or_default().to_owned();
    let mut found: Vec<String> = links
        .lines()
        .map(|line| format!("link {}", name(line)))
        .collect();
    found.extend(tables.lines().map(|line| format!("nft {line}")));
    found
}

/// Files that stand for something alive or half-made. Images, volumes and networks that a person made are not among them.
fn files(watched: &Watched<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let data = [
        "containers",
        "names",
        "images/active",
        "images/staging",
        "images/ingest",
        "images/trash",
        "images/leases",
    ];
    for directory in data {
        entries(&watched.data, directory, &mut found);
    }
    let run = [
        "containers",
        "runtime",
        "network/endpoints",
        "network/netns",
    ];
    for directory in run {
        entries(&watched.run, directory, &mut found);
    }
    // A directory of each network; in it a file for each address, and `last`, which only says where to look for the next.
    for network in fs::read_dir(watched.run.join("network/leases"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let directory = Path::new("network/leases").join(network.file_name());
        entries(&watched.run, &directory, &mut found);
    }
    found.retain(|file| !file.starts_with("file network/leases/") || !file.ends_with("/last"));
    found
}

fn entries(root: &Path, directory: impl AsRef<Path>, found: &mut Vec<String>) {
    let directory = directory.as_ref();
    for entry in fs::read_dir(root.join(directory))
        .into_iter()
        .flatten()
        .flatten()
    {
        found.push(format!(
            "file {}/{}",
            directory.display(),
            entry.file_name().to_string_lossy()
        ));
    }
}

fn is_zombie(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_none_or(|(_, rest)| rest.starts_with('Z'))
}

fn title(pid: i32) -> String {
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.replace('\0', " ").trim().to_owned()
}
