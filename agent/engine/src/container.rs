//! A container: its record on the disk and the state it is seen in.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use network::Endpoint;
use serde::{Deserialize, Serialize};

use crate::health::{Health, HealthCheck};
use crate::parse::port::ExposedPort;
use crate::request::RunSpec;

/// A container as seen at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Container {
    /// What it was made of.
    #[serde(flatten)]
    pub record: Record,
    /// What it is doing.
    pub state: State,
    /// Its places in networks, while it runs; published ports with them.
    pub endpoints: Vec<Endpoint>,
}

impl Container {
    /// 64 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.record.id
    }

    /// The first twelve of them.
    pub fn short_id(&self) -> &str {
        short(&self.record.id)
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// Whether it runs or is paused.
    pub fn is_alive(&self) -> bool {
        matches!(self.state.status, Status::Running | Status::Paused)
    }
}

pub(crate) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// What a container was made of: `container.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Unique on this host.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// The image as it was asked for.
    pub image: String,
    /// `sha256:` and 64 digits: the image's config.
    pub image_id: String,
    /// What is executed and how, image and request put together.
    pub process: ProcessConfig,
    /// Labels of image and request.
    pub labels: BTreeMap<String, String>,
    /// Ports that image and request expose.
    pub exposed: Vec<ExposedPort>,
    /// Its mounts, volumes named.
    pub mounts: Vec<Mount>,
    /// What tells whether it is well, image and request put together; `None` when neither says anything.
    #[serde(default)]
    pub health: Option<HealthCheck>,
    /// The request as it was given.
    pub spec: RunSpec,
    /// Beneath which cgroup its own lies, e.g. `mini`.
    pub cgroup_parent: String,
}

impl Record {
    /// The path of its cgroup in every hierarchy.
    pub fn cgroup_path(&self) -> String {
        format!("/{}/{}", self.cgroup_parent, self.id)
    }
}

/// What is executed in a container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcessConfig {
    /// The entrypoint, then the command.
    pub entrypoint: Vec<String>,
    /// The command, or the arguments of the entrypoint.
    pub command: Vec<String>,
    /// `NAME=VALUE`.
    pub env: Vec<String>,
    /// `USER[:GROUP]` as in the image or the request; empty is root.
    pub user: String,
    /// Absolute.
    pub workdir: PathBuf,
    /// With a terminal.
    pub tty: bool,
    /// Standard input stays open.
    pub stdin: bool,
    /// The signal that stops it, e.g. `SIGTERM`.
    pub stop_signal: String,
}

impl ProcessConfig {
    /// Everything that is executed.
    pub fn args(&self) -> Vec<String> {
        self.entrypoint
            .iter()
            .chain(&self.command)
            .cloned()
            .collect()
    }
}

/// One mount of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// bind, volume or tmpfs.
    pub kind: MountKind,
    /// Where, in the container.
    pub target: PathBuf,
    /// Nothing may be written through it.
    pub read_only: bool,
    /// `rprivate` unless asked for otherwise.
    pub propagation: String,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum MountKind {
    /// A path of the host.
    Bind {
        /// The path.
        source: PathBuf,
        /// With the mounts below it.
        recursive: bool,
    },
    /// A volume.
    Volume {
        /// Its name.
        name: String,
        /// Made without a name for this container: goes with it.
        anonymous: bool,
    },
    /// Memory.
    Tmpfs {
        /// Options of the mount.
        options: Vec<String>,
    },
}

/// What a container is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// In one word.
    pub status: Status,
    /// Its first process, seen from the host.
    pub pid: Option<i32>,
    /// As a shell would tell it: 137 after SIGKILL.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether the kernel killed a process of it for want of memory.
    pub oom_killed: bool,
    /// Why it could not be started or went lost.
    pub error: Option<String>,
    /// When it was started last.
    pub started_at: Option<Timestamp>,
    /// When it ended last.
    pub finished_at: Option<Timestamp>,
    /// How it is, while it runs and is probed.
    #[serde(default)]
    pub health: Option<Health>,
}

impl State {
    pub(crate) fn new(status: Status) -> Self {
        State {
            status,
            pid: None,
            exit_code: None,
            signal: None,
            oom_killed: false,
            error: None,
            started_at: None,
            finished_at: None,
            health: None,
        }
    }
}

/// The state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Made, never started.
    Created,
    /// Its first process runs.
    Running,
    /// Frozen.
    Paused,
    /// Its first process has ended.
    Exited,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Exited => "exited",
        })
    }
}

/// How a container ended: what the monitor writes as `exit.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitStatus {
    /// As a shell would tell it: 137 after SIGKILL.
    pub exit_code: i32,
    /// The signal that ended it.
    #[serde(default)]
    pub signal: Option<i32>,
    /// Whether the kernel killed a process of it for want of memory.
    #[serde(default)]
    pub oom_killed: bool,
    /// Its first process.
    #[serde(default)]
    pub pid: Option<i32>,
    /// When it was started.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub finished_at: Option<Timestamp>,
    /// Why its end was not seen.
    #[serde(default)]
    pub error: Option<String>,
}
