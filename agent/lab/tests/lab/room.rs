//! One lab for one test, and what of it can be left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lab::{Cluster, ClusterResult, Lab, Labs, Spec, Tokens};

pub(crate) const FAKE: &str = env!("CARGO_BIN_EXE_lab-fake");
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A root of labs for one test. Dropping it takes down what the test has left.
pub(crate) struct Room {
    pub(crate) root: tempfile::TempDir,
    pub(crate) name: String,
}

impl Room {
    /// `None` without root.
    pub(crate) fn new() -> Option<Room> {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: a lab needs root");
            return None;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Some(Room {
            root: tempfile::tempdir().unwrap(),
            name: format!("t{}-{number}", std::process::id()),
        })
    }

    pub(crate) fn labs(&self) -> Labs {
        Labs::new(self.root.path(), vec![FAKE.into(), "host".into()]).unwrap()
    }

    pub(crate) fn spec(&self, managers: usize, workers: usize) -> Spec {
        Spec {
            name: self.name.clone(),
            managers,
            workers,
            subnet: "10.66.0.0/24".parse().unwrap(),
            minid: FAKE.into(),
        }
    }

    pub(crate) fn up(&self, managers: usize, workers: usize) -> Lab {
        self.labs()
            .up(&self.spec(managers, workers), Some(&Quiet))
            .unwrap()
    }

    /// `lab exec` in a process of its own.
    pub(crate) fn exec(&self, node: &str, script: &str) -> Output {
        let mut command = Command::new(FAKE);
        command.arg("exec").arg(self.root.path());
        command.args([self.name.as_str(), node, "sh", "-c", script]);
        command.output().unwrap()
    }

    pub(crate) fn said(&self, node: &str, script: &str) -> String {
        let output = self.exec(node, script);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Everything of the lab that is not a file: processes, cgroups, mounts of the machine.
    pub(crate) fn traces(&self) -> Vec<String> {
        let prefix = format!("mini-{}-", self.name);
        let root = self.root.path().to_str().unwrap();
        let mut found = Vec::new();
        for pid in processes() {
            let read = |file: &str| {
                let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
                String::from_utf8_lossy(&bytes).replace('\0', " ")
            };
            let line = read("cmdline");
            if line.contains(root) || read("cgroup").contains(&prefix) {
                found.push(format!("process {pid} {line}"));
            }
        }
        for hierarchy in hierarchies() {
            let entries = fs::read_dir(&hierarchy).unwrap().flatten();
            let names = entries.map(|entry| entry.file_name().into_string().unwrap());
            found.extend(
                names
                    .filter(|name| name.starts_with(&prefix))
                    .map(|name| format!("cgroup {} {name}", hierarchy.display())),
            );
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mounts = mounts.lines().filter(|line| line.contains(root));
        found.extend(mounts.map(|line| format!("mount {line}")));
        found
    }

    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while !self.traces().is_empty() {
            assert!(Instant::now() < deadline, "{:#?}", self.traces());
            thread::sleep(Duration::from_millis(5));
        }
        let files: Vec<PathBuf> = fs::read_dir(self.root.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(files.is_empty(), "{files:?}");
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = self.labs().down(&self.name);
    }
}

/// A cluster that forms by itself.
pub(crate) struct Quiet;

impl Cluster for Quiet {
    fn init(&self, _: &Path, _: &str) -> ClusterResult<Tokens> {
        Ok(Tokens {
            manager: "m".to_owned(),
            worker: "w".to_owned(),
        })
    }

    fn join(&self, _: &Path, _: &str, _: &str, _: &[String]) -> ClusterResult<()> {
        Ok(())
    }
}

pub(crate) fn processes() -> Vec<u32> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != own && !is_zombie(*pid)).collect()
}

fn is_zombie(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

pub(crate) fn hierarchies() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let ours = mounts.lines().filter(|line| line.contains(" - cgroup"));
    ours.map(|line| line.split(' ').nth(4).unwrap().into())
        .collect()
}

/// The pid of a process' parent.
pub(crate) fn parent(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    after_name.split(' ').nth(1).unwrap().parse().unwrap()
}
