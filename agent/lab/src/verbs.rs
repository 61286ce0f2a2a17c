//! What is done with a lab that is up: look at it, end and stop daemons, cut wires.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use network::Switch;

use crate::error::{Error, Result};
use crate::host::client;
use crate::host::protocol::{Daemon, Request};
use crate::labs::Lab;
use crate::partition::{cut_off_from, cuts};
use crate::plan::{Node, SWITCH};
use crate::record::{self, Record};
use crate::up::wait_for_sockets;

/// A node as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// What was planned.
    pub node: Node,
    /// The daemon's pid while it lives.
    pub pid: Option<i32>,
    /// How the daemon is.
    pub condition: Condition,
    /// The daemon's socket.
    pub socket: PathBuf,
    /// Names of the nodes that a partition keeps from it.
    pub cut_off_from: Vec<String>,
}

/// How a daemon is; its text is one or two words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The host is up and its daemon was never started.
    Absent,
    /// It runs.
    Running,
    /// SIGSTOP holds it.
    Paused,
    /// It ended by itself with this code.
    Exited(i32),
    /// A signal ended it.
    Killed,
    /// The host itself is gone.
    Lost,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Absent => f.write_str("absent"),
            Condition::Running => f.write_str("running"),
            Condition::Paused => f.write_str("paused"),
            Condition::Exited(code) => write!(f, "exited ({code})"),
            Condition::Killed => f.write_str("killed"),
            Condition::Lost => f.write_str("lost"),
        }
    }
}

impl Lab {
    /// Every node, managers first.
    pub fn nodes(&self) -> Result<Vec<NodeView>> {
        let plan = self.plan();
        let view = |node: &Node| {
            let (pid, condition) = match client::ask(plan, &node.name, &Request::Status) {
                Ok(asked) => (asked.status.daemon.pid(), condition(asked.status.daemon)),
                Err(Error::Lost { .. }) => (None, Condition::Lost),
                Err(error) => return Err(error),
            };
            Ok(NodeView {
                node: node.clone(),
                pid,
                condition,
                socket: plan.socket(&node.name),
                cut_off_from: cut_off_from(&self.record.cuts, &node.name),
            })
        };
        plan.nodes.iter().map(view).collect()
    }

    /// Ends a node's daemon with SIGKILL and returns when it is gone. Its containers go on, as they do on a machine.
    ///
    /// # Errors
    /// [`Error::Refused`] when none runs; [`Error::NoSuchNode`], [`Error::Lost`].
    pub fn kill(&self, node: &str) -> Result<()> {
        self.order(node, &Request::Kill)
    }

    /// Starts a node's daemon again, with the same command line and data, and returns when it listens.
    ///
    /// # Errors
    /// [`Error::Refused`] when one runs; [`Error::Ended`], [`Error::Silent`], [`Error::NoSuchNode`], [`Error::Lost`].
    pub fn start(&self, node: &str) -> Result<()> {
        let name = &self.plan().node(node)?.name;
        self.start_daemon(name)?;
        wait_for_sockets(self.plan(), [name.as_str()].into_iter())
    }

    /// Stops a node's daemon with SIGSTOP: it neither answers nor ends.
    ///
    /// # Errors
    /// [`Error::Refused`] when none runs or it is stopped; [`Error::NoSuchNode`], [`Error::Lost`].
    pub fn pause(&self, node: &str) -> Result<()> {
        self.order(node, &Request::Pause)
    }

    /// Lets a stopped daemon go on.
    ///
    /// # Errors
    /// [`Error::Refused`] when none is stopped; [`Error::NoSuchNode`], [`Error::Lost`].
    pub fn unpause(&self, node: &str) -> Result<()> {
        self.order(node, &Request::Unpause)
    }

    /// Cuts the nodes of `side` off from those of `other`, or from all the rest. What was cut before stays so.
    ///
    /// # Errors
    /// [`Error::Invalid`] for groups that make no partition; [`Error::NoSuchNode`], [`Error::Busy`], [`Error::Lost`].
    pub fn partition(&mut self, side: &[String], other: Option<&[String]>) -> Result<()> {
        let more = cuts(self.plan(), side, other)?;
        self.cut(|before| before.union(&more).cloned().collect())
    }

    /// Ends every partition.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Lost`].
    pub fn heal(&mut self) -> Result<()> {
        self.cut(|_| BTreeSet::new())
    }

    fn cut(&mut self, new: impl FnOnce(&Pairs) -> Pairs) -> Result<()> {
        let plan = self.plan();
        let directory = plan.directory.clone();
        let not_up = || Error::NotUp {
            name: plan.name.clone(),
            directory: directory.clone(),
            orphans: None,
        };
        let lock = record::lock(&directory, &plan.name)?.ok_or_else(not_up)?;
        let asked = client::ask(plan, SWITCH, &Request::Status)?;
        // Another command may have cut since this one read the record.
        let mut record = Record::read(&directory)?.ok_or_else(not_up)?;
        record.cuts = new(&record.cuts);
        // The record first: a command that dies in between is made good by its repetition.
        record.write()?;
        Switch::open(client::namespace(&asked, "net")?)?.cut(&record.cuts)?;
        self.record = record;
        drop(lock);
        Ok(())
    }

    fn order(&self, node: &str, request: &Request) -> Result<()> {
        let node = self.plan().node(node)?;
        client::ask(self.plan(), &node.name, request).map(drop)
    }
}

type Pairs = BTreeSet<(String, String)>;

fn condition(daemon: Daemon) -> Condition {
    match daemon {
        Daemon::Absent => Condition::Absent,
        Daemon::Running(_) => Condition::Running,
        Daemon::Paused(_) => Condition::Paused,
        Daemon::Exited(code) => Condition::Exited(code),
        Daemon::Killed(_) => Condition::Killed,
    }
}
