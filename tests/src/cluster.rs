//! A cluster for the length of one test: real daemons, each on a host of its own in a lab, on a [`Host`] of the test.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::command::{Done, Running};
use crate::host::{Host, binary};
use crate::leaks::hierarchies;
use crate::registry::Registry;
use crate::wait;
use crate::words::Words;

/// How long the managers may take to agree again after whatever a test did to them, on a machine that runs other tests beside.
const SETTLE: Duration = Duration::from_secs(30);

/// A lab with its daemons. Dropping it takes it down and checks that nothing was left behind.
#[derive(Debug)]
pub struct Cluster {
    host: Host,
    name: String,
    /// Before the lab goes, they go.
    pub(crate) registries: Vec<Registry>,
}

impl Cluster {
    /// A cluster of nodes that are all ready: `node1` and the other managers, then the workers. Nothing without root.
    pub fn start(managers: usize, workers: usize) -> Option<Cluster> {
        Cluster::bring_up(managers, workers, &[])
    }

    /// So many hosts with daemons that belong to no cluster.
    pub fn hosts(count: usize) -> Option<Cluster> {
        Cluster::bring_up(count, 0, &["--no-cluster"])
    }

    fn bring_up(managers: usize, workers: usize, more: &[&str]) -> Option<Cluster> {
        let mut host = Host::start()?;
        let name = host.cgroup_parent().trim_start_matches("/mini-").to_owned();
        host.set("MINI_LAB_ROOT", host.path("labs").display().to_string());
        let cluster = Cluster {
            host,
            name,
            registries: Vec::new(),
        };
        let (managers, workers) = (managers.to_string(), workers.to_string());
        let mut words = vec!["--managers", &managers, "--workers", &workers];
        words.extend(more);
        cluster.lab("up", words).ok();
        Some(cluster)
    }

    /// The host that the lab is on.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// `minictl lab VERB` on this lab, to its end.
    #[track_caller]
    pub fn lab(&self, verb: &str, words: impl Words) -> Done {
        let mut line = vec!["lab".to_owned(), verb.to_owned()];
        line.extend(["--name".to_owned(), self.name.clone()]);
        line.extend(words.words());
        self.host.minictl(line)
    }

    /// `minictl` on a node, to its end.
    #[track_caller]
    pub fn on(&self, node: &str, words: impl Words) -> Done {
        let mut line = vec![node.to_owned(), "--".to_owned(), "minictl".to_owned()];
        line.extend(words.words());
        self.lab("exec", line)
    }

    /// A script on a node, to its end.
    #[track_caller]
    pub fn sh(&self, node: &str, script: &str) -> Done {
        self.lab("exec", [node, "--", "sh", "-ec", script])
    }

    /// The lab's name.
    pub fn lab_name(&self) -> &str {
        &self.name
    }

    /// Any program, to be started on a node.
    pub fn command(&self, node: &str, program: &str) -> Command {
        let mut command = self.host.command(binary("minictl"));
        command.args(["lab", "exec", "--name", &self.name, node, "--", program]);
        command
    }

    /// `minictl` on a node, beside the test.
    #[track_caller]
    pub fn spawn(&self, node: &str, words: impl Words) -> Running {
        let mut command = self.command(node, "minictl");
        command.args(words.words());
        Running::start(command)
    }

    /// Keeps a configuration file of this name, asked on that node.
    #[track_caller]
    pub fn keep(&self, node: &str, config: &str) -> Done {
        self.sh(
            node,
            &format!("echo {config} | minictl config create {config} -"),
        )
    }

    /// The names of all configuration files, as that node's manager knows them.
    #[track_caller]
    pub fn configs(&self, node: &str) -> Vec<String> {
        self.on(node, ["config", "ls", "--format", "{{.Name}}"])
            .ok()
            .lines()
    }

    /// What a daemon has logged.
    pub fn log(&self, node: &str) -> String {
        let path = self.host.path("labs").join(&self.name).join(node);
        fs::read_to_string(path.join("minid.log")).unwrap_or_default()
    }

    /// The process of a node's daemon.
    #[track_caller]
    pub fn pid(&self, node: &str) -> i32 {
        let all = self.lab("ls", [""; 0]).ok();
        let found = all.lines().into_iter().find_map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            (words.next()? == node).then(|| words.nth(2)?.parse().ok())?
        });
        found.unwrap_or_else(|| panic!("{node} should have a process: {all}"))
    }

    /// What `node ls` tells of the nodes, one JSON object each; nothing while nobody answers.
    #[track_caller]
    pub fn nodes(&self, asked: &str) -> Vec<Value> {
        let told = self.on(asked, ["node", "ls", "--format", "{{json .}}"]);
        let lines = told.lines();
        lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// One word of what `node ls` tells of a node: `Status`, `ManagerStatus`, ...
    #[track_caller]
    pub fn word(&self, asked: &str, node: &str, column: &str) -> String {
        let nodes = self.nodes(asked);
        let found = nodes.iter().find(|told| told["Hostname"] == node);
        found
            .and_then(|told| told[column].as_str())
            .unwrap_or_default()
            .to_owned()
    }

    /// The node that leads, as `asked` knows it; waits for one.
    #[track_caller]
    pub fn leader(&self, asked: &str) -> String {
        self.eventually(&format!("{asked} knows a leader"), || {
            let nodes = self.nodes(asked);
            let leader = nodes
                .iter()
                .find(|told| told["ManagerStatus"] == "Leader")?;
            Some(leader["Hostname"].as_str()?.to_owned())
        })
    }

    /// Waits until a node is ready, as `asked` knows it; a manager must be reached, too.
    #[track_caller]
    pub fn until_ready(&self, asked: &str, node: &str) {
        self.eventually(&format!("{asked} knows {node} as ready"), || {
            let nodes = self.nodes(asked);
            let told = nodes.iter().find(|told| told["Hostname"] == node)?;
            let reached = told["ManagerStatus"] != "Unreachable";
            (told["Status"] == "Ready" && reached).then_some(())
        });
    }

    /// Asks `probe` until it answers; fails with what the daemons logged when it never does.
    #[track_caller]
    pub fn eventually<T>(&self, what: &str, probe: impl FnMut() -> Option<T>) -> T {
        wait::within(SETTLE, probe).unwrap_or_else(|| {
            let labs = self.host.path("labs").join(&self.name);
            let nodes = fs::read_dir(labs).into_iter().flatten().flatten();
            let mut logs: Vec<String> = nodes
                .map(|node| node.file_name().to_string_lossy().into_owned())
                .map(|node| format!("--- {node}\n{}", self.log(&node)))
                .collect();
            logs.sort();
            panic!("it never came about: {what}\n{}", logs.join("\n"))
        })
    }

    /// Processes and cgroups of the lab, anywhere on the machine.
    fn traces(&self) -> Vec<String> {
        let prefix = format!("mini-{}-", self.name);
        let mut found = Vec::new();
        for root in hierarchies() {
            let entries = fs::read_dir(&root).into_iter().flatten().flatten();
            let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
            let own = names.filter(|name| name.starts_with(&prefix));
            found.extend(own.map(|name| format!("cgroup {}/{name}", root.display())));
        }
        let directory = self.host.directory().display().to_string();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(&directory) {
                found.push(format!("process {:?} {line}", entry.file_name()));
            }
        }
        found
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.registries.clear();
        let down = self.lab("down", [""; 0]);
        if std::thread::panicking() {
            return;
        }
        down.ok();
        let mut left = Vec::new();
        wait::within(Duration::from_secs(5), || {
            left = self.traces();
            left.is_empty().then_some(())
        });
        let labs = fs::read_dir(self.host.path("labs")).into_iter().flatten();
        left.extend(
            labs.flatten()
                .map(|lab| format!("file {}", lab.path().display())),
        );
        assert!(
            left.is_empty(),
            "left behind by the lab:\n  {}",
            left.join("\n  ")
        );
    }
}

/// A [`Cluster`], or the end of the test with a line that says why it can't run (not root).
#[macro_export]
macro_rules! cluster {
    ($managers:expr, $workers:expr) => {
        match $crate::Cluster::start($managers, $workers) {
            Some(cluster) => cluster,
            None => return,
        }
    };
}

/// The program that lies where the tests' binaries lie.
pub fn program(name: &str) -> String {
    binary(name).display().to_string()
}
