//! What can go wrong with a lab.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal or a failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value that a person gave is not acceptable.
    #[error("invalid {what} {value:?}: {reason}")]
    Invalid {
        /// What the value was meant to be, e.g. `lab name`.
        what: &'static str,
        /// The value as it was given.
        value: String,
        /// Why it is refused and what would do.
        reason: String,
    },

    /// Only root may make namespaces and cgroups.
    #[error("a lab needs root, for namespaces and cgroups of its own: try sudo")]
    NotRoot,

    /// There is a lab of this name.
    #[error("lab `{0}` is up already; take it down with `{command}`", command = down_command(.0))]
    UpAlready(String),

    /// Processes run where those of a lab of this name would be.
    #[error(
        "a lab `{name}` runs with another --root: processes are in {}; take it down there, or choose another --name",
        .cgroup.display()
    )]
    Elsewhere {
        /// The lab.
        name: String,
        /// One of its cgroups.
        cgroup: PathBuf,
    },

    /// There is no lab of this name.
    #[error("lab `{name}` is not up: there is no {}{}", .directory.display(), Orphans(.directory, .orphans))]
    NotUp {
        /// The lab.
        name: String,
        /// Where it would be.
        directory: PathBuf,
        /// A cgroup with processes of a lab of that name, which has another root or lost its directory.
        orphans: Option<PathBuf>,
    },

    /// The lab was interrupted before it had a record.
    #[error("lab `{0}` was interrupted while it came up; take it down with `{command}`", command = down_command(.0))]
    Half(String),

    /// Another command is at work on the lab.
    #[error(
        "lab `{0}` is being brought up, changed or taken down by another minictl: wait for it or end it, then try again"
    )]
    Busy(String),

    /// The lab was to be taken down by one of its own processes.
    #[error("lab `{0}` cannot be taken down from within: leave `minictl lab exec` first")]
    FromWithin(String),

    /// A node that the lab does not have.
    #[error("lab `{lab}` has no node {node:?}: it has {}", .known.join(", "))]
    NoSuchNode {
        /// The lab.
        lab: String,
        /// The name as given.
        node: String,
        /// The names it has.
        known: Vec<String>,
    },

    /// The host could not be made.
    #[error("make host {node}: {reason}")]
    Host {
        /// The host.
        node: String,
        /// What it said.
        reason: String,
    },

    /// The process that holds a host's namespaces is gone.
    #[error("host {node} is gone, its process has ended: take the lab down with `{command}`", command = down_command(.lab))]
    Lost {
        /// The lab.
        lab: String,
        /// The host.
        node: String,
    },

    /// The daemon is not in a condition for what was asked.
    #[error("{node} {reason}")]
    Refused {
        /// The node.
        node: String,
        /// Why not, after the node's name: `is paused already`.
        reason: String,
    },

    /// A daemon ended before it was of any use.
    #[error("the daemon of {node} {how} right after its start{}", Tail(.log))]
    Ended {
        /// The node.
        node: String,
        /// `exited with code 1` or `was killed by signal 9`.
        how: String,
        /// The last lines of its log.
        log: String,
    },

    /// A daemon does not listen on its socket.
    #[error("the daemon of {node} does not listen on {} after {seconds} s{}", .socket.display(), Tail(.log))]
    Silent {
        /// The node.
        node: String,
        /// The socket it should listen on.
        socket: PathBuf,
        /// How long it was waited for.
        seconds: u64,
        /// The last lines of its log.
        log: String,
    },

    /// A call to a daemon failed while the cluster was formed.
    #[error("{operation} {node}")]
    Cluster {
        /// `start the cluster on` or `join`.
        operation: &'static str,
        /// The node.
        node: String,
        /// What the caller's [`Cluster`](crate::Cluster) said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// No mounted cgroup hierarchy can keep track of the hosts' processes.
    #[error(
        "no cgroup hierarchy is mounted in which the hosts' processes could be kept track of: mount cgroup2 at /sys/fs/cgroup"
    )]
    NoCgroups,

    /// Processes of the lab do not die.
    #[error("{} is still there {seconds} s after its processes were killed: {left}", .cgroup.display())]
    Undying {
        /// The cgroup.
        cgroup: PathBuf,
        /// What is in there, or what the kernel says.
        left: String,
        /// How long it was waited for.
        seconds: u64,
    },

    /// `lab.json` is not what was written there.
    #[error("read {}: not a lab's record", .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },

    /// The network refused.
    #[error(transparent)]
    Network(#[from] network::Error),

    /// The kernel or the file system refused.
    #[error("{operation} {object}")]
    System {
        /// What was being done, e.g. `make directory`.
        operation: &'static str,
        /// To what.
        object: String,
        /// The refusal.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: the io error of an operation on an object.
    pub(crate) fn system<E: Into<io::Error>>(
        operation: &'static str,
        object: impl fmt::Display,
    ) -> impl FnOnce(E) -> Error {
        move |source| Error::System {
            operation,
            object: object.to_string(),
            source: source.into(),
        }
    }

    /// Whether a program to be executed does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::System { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

fn down_command(name: &str) -> String {
    if name == crate::DEFAULT_NAME {
        "minictl lab down".to_owned()
    } else {
        format!("minictl lab down --name {name}")
    }
}

struct Tail<'a>(&'a str);

impl fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => f.write_str("; its log is empty"),
            log => write!(f, "; its log ends with:\n{log}"),
        }
    }
}

struct Orphans<'a>(&'a PathBuf, &'a Option<PathBuf>);

impl fmt::Display for Orphans<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(cgroup) = self.1 else {
            return Ok(());
        };
        write!(
            f,
            ", but processes are in {}; if no lab of that name is up with another --root, make the directory again \
             (mkdir {}) and repeat",
            cgroup.display(),
            self.0.display()
        )
    }
}
