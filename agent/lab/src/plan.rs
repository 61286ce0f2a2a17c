//! What a lab is, decided before anything is done: names, addresses, files, command lines. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use network::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The lab's name: lower-case letters, digits and `-`, at most 32.
    pub name: String,
    /// How many managers; at least one.
    pub managers: usize,
    /// How many workers.
    pub workers: usize,
    /// Where the hosts' addresses come from: the eleventh and those after it.
    pub subnet: Ipv4Net,
    /// The daemon's program.
    pub minid: PathBuf,
}

/// A whole lab. Written to `lab.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The lab's name.
    pub name: String,
    /// Everything of the lab on the disk is below this.
    pub directory: PathBuf,
    /// The subnet of all hosts.
    pub subnet: Ipv4Net,
    /// The daemon's program.
    pub minid: PathBuf,
    /// The nodes: managers first, in the order of their numbers.
    pub nodes: Vec<Node>,
}

/// A host with its daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// `node1`, `node2`, ...
    pub name: String,
    /// What it is in the cluster that the lab begins with.
    pub role: Role,
    /// Its address on the lab's switch.
    pub address: Ipv4Addr,
}

/// What a node is in the cluster that a lab begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Takes part in consensus.
    Manager,
    /// Runs tasks only.
    Worker,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Manager => "manager",
            Role::Worker => "worker",
        })
    }
}

/// The name of the host that is no node: it has the bridge and no daemon.
pub(crate) const SWITCH: &str = "switch";
/// The hosts' link.
pub(crate) const LINK: &str = "eth0";
/// The first host's place in the subnet: those before it are left to people.
const FIRST: u32 = 11;
/// `sun_path` holds 108 bytes with the closing zero (unix(7)).
const LONGEST_SOCKET: usize = 107;

impl Plan {
    /// The lab that `spec` asks for, in the directory of all labs (absolute).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name, no manager, a subnet without room, a directory too long for sockets.
    pub fn new(spec: &Spec, root: &Path) -> Result<Plan> {
        check_name(&spec.name)?;
        if spec.managers == 0 {
            return Err(invalid(
                "number of managers",
                "0",
                "a cluster has at least one",
            ));
        }
        let count = spec.managers + spec.workers;
        let subnet = spec.subnet.trunc();
        let room = usize::try_from(u32::from(subnet.broadcast()) - u32::from(subnet.network()))
            .unwrap_or(usize::MAX)
            .saturating_sub(FIRST as usize);
        if count > room {
            let reason = format!(
                "it has no room for {count} nodes from its {FIRST}th address on: take a larger one"
            );
            return Err(invalid("subnet", &spec.subnet.to_string(), &reason));
        }
        let nodes = (0..count).map(|index| Node {
            name: format!("node{}", index + 1),
            role: if index < spec.managers {
                Role::Manager
            } else {
                Role::Worker
            },
            address: Ipv4Addr::from(u32::from(subnet.network()) + FIRST + index as u32),
        });
        let plan = Plan {
            name: spec.name.clone(),
            directory: root.join(&spec.name),
            subnet,
            minid: spec.minid.clone(),
            nodes: nodes.collect(),
        };
        plan.check_paths()?;
        Ok(plan)
    }

    fn check_paths(&self) -> Result<()> {
        for path in [&self.directory, &self.minid] {
            if path.to_str().is_none() {
                let reason = "not UTF-8, which command lines and lab.json need";
                return Err(invalid("path", &path.to_string_lossy(), reason));
            }
        }
        let longest = self.nodes.iter().map(|node| self.socket(&node.name));
        let longest = longest.max_by_key(|path| path.as_os_str().len());
        if let Some(path) = longest
            && path.as_os_str().len() > LONGEST_SOCKET
        {
            let reason = format!(
                "longer than the {LONGEST_SOCKET} bytes of a unix socket: take a shorter --root"
            );
            return Err(invalid("path", &path.to_string_lossy(), &reason));
        }
        Ok(())
    }

    /// The node of this name.
    pub fn node(&self, name: &str) -> Result<&Node> {
        let found = self.nodes.iter().find(|node| node.name == name);
        found.ok_or_else(|| Error::NoSuchNode {
            lab: self.name.clone(),
            node: name.to_owned(),
            known: self.nodes.iter().map(|node| node.name.clone()).collect(),
        })
    }

    /// Names of all hosts: the nodes, and the switch.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.nodes
            .iter()
            .map(|node| node.name.as_str())
            .chain([SWITCH])
    }

    /// Where everything of a host is.
    pub fn home(&self, host: &str) -> PathBuf {
        self.directory.join(host)
    }

    /// The daemon's data root.
    pub fn data(&self, node: &str) -> PathBuf {
        self.home(node).join("data")
    }

    /// The daemon's run root.
    pub fn run(&self, node: &str) -> PathBuf {
        self.home(node).join("run")
    }

    /// The daemon's socket.
    pub fn socket(&self, node: &str) -> PathBuf {
        self.run(node).join("minid.sock")
    }

    /// What the daemon prints.
    pub fn log(&self, host: &str) -> PathBuf {
        self.home(host).join("minid.log")
    }

    /// Where the holder takes orders.
    pub(crate) fn host_socket(&self, host: &str) -> PathBuf {
        self.home(host).join("host.sock")
    }

    /// The cgroup above everything of a host, the same in every hierarchy.
    pub fn cgroup(&self, host: &str) -> String {
        format!("mini-{}-{host}", self.name)
    }

    /// The daemon's command line.
    pub fn daemon_command(&self, node: &str) -> Vec<String> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        vec![
            text(self.minid.clone()),
            "--data-root".to_owned(),
            text(self.data(node)),
            "--run-root".to_owned(),
            text(self.run(node)),
            "--cgroup-parent".to_owned(),
            self.cgroup(node),
            "--socket".to_owned(),
            text(self.socket(node)),
            "--name".to_owned(),
            node.to_owned(),
        ]
    }

    /// What a command on a node finds in its environment, so that `minictl` there speaks to that node's daemon and has
    /// its containers.
    pub fn environment(&self, node: &str) -> BTreeMap<&'static str, String> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        BTreeMap::from([
            ("MINI_HOST", format!("unix://{}", text(self.socket(node)))),
            ("MINI_DATA_ROOT", text(self.data(node))),
            ("MINI_RUN_ROOT", text(self.run(node))),
            ("MINI_CGROUP_PARENT", self.cgroup(node)),
        ])
    }
}

/// A name that can be part of a path, a cgroup and a command line.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=32).contains(&name.len()) && name.chars().all(fits) && !name.starts_with('-') {
        return Ok(());
    }
    let reason = "1 to 32 lower-case letters, digits and '-', not beginning with '-'";
    Err(invalid("lab name", name, reason))
}

/// Whether a cgroup's name is one of the lab's: `mini-a-node1` is of lab `a`, `mini-a-b-node1` is not.
pub(crate) fn is_cgroup_of(lab: &str, cgroup: &str) -> bool {
    let host = cgroup
        .strip_prefix("mini-")
        .and_then(|rest| rest.strip_prefix(lab))
        .and_then(|rest| rest.strip_prefix('-'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    host.is_some_and(|host| host == SWITCH || host.strip_prefix("node").is_some_and(is_number))
}

pub(crate) fn invalid(what: &'static str, value: &str, reason: &str) -> Error {
    Error::Invalid {
        what,
        value: value.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, managers: usize, workers: usize, subnet: &str) -> Spec {
        Spec {
            name: name.to_owned(),
            managers,
            workers,
            subnet: subnet.parse().unwrap(),
            minid: "/bin/minid".into(),
        }
    }

    #[test]
    fn nodes_are_numbered_managers_first() {
        fn check(managers: usize, workers: usize, subnet: &str, expected: &[&str]) {
            let plan = Plan::new(&spec("lab", managers, workers, subnet), Path::new("/l")).unwrap();
            let nodes = plan.nodes.iter();
            let nodes: Vec<String> = nodes
                .map(|node| format!("{} {} {}", node.name, node.role, node.address))
                .collect();
            assert_eq!(nodes, expected);
        }
        check(1, 0, "10.66.0.0/24", &["node1 manager 10.66.0.11"]);
        check(
            2,
            1,
            "10.1.2.200/24",
            &[
                "node1 manager 10.1.2.11",
                "node2 manager 10.1.2.12",
                "node3 worker 10.1.2.13",
            ],
        );
        check(
            1,
            3,
            "10.0.0.0/28",
            &[
                "node1 manager 10.0.0.11",
                "node2 worker 10.0.0.12",
                "node3 worker 10.0.0.13",
                "node4 worker 10.0.0.14",
            ],
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        fn check(spec: Spec, root: &str, expected: &str) {
            let error = Plan::new(&spec, Path::new(root)).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        check(
            spec("", 1, 0, "10.0.0.0/24"),
            "/l",
            r#"invalid lab name "": 1 to 32"#,
        );
        check(
            spec("A", 1, 0, "10.0.0.0/24"),
            "/l",
            r#"invalid lab name "A""#,
        );
        check(
            spec("a/b", 1, 0, "10.0.0.0/24"),
            "/l",
            r#"invalid lab name "a/b""#,
        );
        check(
            spec("a", 0, 1, "10.0.0.0/24"),
            "/l",
            r#"invalid number of managers "0": a cluster has at least one"#,
        );
        check(
            spec("a", 3, 2, "10.0.0.0/28"),
            "/l",
            r#"invalid subnet "10.0.0.0/28": it has no room for 5 nodes from its 11th address on"#,
        );
        check(
            spec("a", 1, 0, "10.0.0.0/30"),
            "/l",
            r#"invalid subnet "10.0.0.0/30""#,
        );
        check(
            spec("a", 1, 0, "10.0.0.0/24"),
            &format!("/{}", "d".repeat(100)),
            "invalid path",
        );
    }

    #[test]
    fn a_node_has_its_own_files_and_flags() {
        let plan = Plan::new(&spec("lab", 1, 0, "10.66.0.0/24"), Path::new("/l")).unwrap();
        assert_eq!(
            plan.daemon_command("node1").join(" "),
            "/bin/minid --data-root /l/lab/node1/data --run-root /l/lab/node1/run --cgroup-parent mini-lab-node1 \
             --socket /l/lab/node1/run/minid.sock --name node1"
        );
        assert_eq!(
            plan.environment("node1")["MINI_HOST"],
            "unix:///l/lab/node1/run/minid.sock"
        );
        assert_eq!(plan.hosts().collect::<Vec<_>>(), ["node1", "switch"]);
        assert_eq!(
            plan.node("node7").unwrap_err().to_string(),
            r#"lab `lab` has no node "node7": it has node1"#
        );
    }

    #[test]
    fn cgroups_tell_whose_they_are() {
        fn check(lab: &str, cgroup: &str, expected: bool) {
            assert_eq!(is_cgroup_of(lab, cgroup), expected, "{lab} {cgroup}");
        }
        check("a", "mini-a-node1", true);
        check("a", "mini-a-node12", true);
        check("a", "mini-a-switch", true);
        check("a-b", "mini-a-b-node1", true);
        check("a", "mini-a-b-node1", false);
        check("a", "mini-a-node1-node1", false);
        check("a", "mini-a-node", false);
        check("a", "mini-ab-node1", false);
        check("a", "mini", false);
    }
}
