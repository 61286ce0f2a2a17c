//! A machine of the cluster.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::Meta;

/// A machine of the cluster: what is wanted of it, what it says of itself, what is seen of it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Node {
    /// Given by the certificate authority, never used again.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Version and times.
    #[prost(message, required, tag = "2")]
    pub meta: Meta,
    /// What is wanted.
    #[prost(message, required, tag = "3")]
    pub spec: NodeSpec,
    /// What it says of itself.
    #[prost(message, required, tag = "4")]
    pub description: NodeDescription,
    /// What the leader sees of it.
    #[prost(message, required, tag = "5")]
    pub status: NodeStatus,
    /// Its certificate.
    #[prost(message, required, tag = "6")]
    pub certificate: Certificate,
    /// Its place in the managers' group, when it has one.
    #[prost(message, optional, tag = "7")]
    pub member: Option<ManagerMember>,
}

/// What is wanted of a node.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NodeSpec {
    /// Labels for placement.
    #[prost(btree_map = "string, string", tag = "1")]
    pub labels: BTreeMap<String, String>,
    /// Worker or manager.
    #[prost(enumeration = "NodeRole", tag = "2")]
    pub role: i32,
    /// Whether it is given tasks.
    #[prost(enumeration = "Availability", tag = "3")]
    pub availability: i32,
}

/// What a node says of itself when it registers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NodeDescription {
    /// Its name; not unique.
    #[prost(string, tag = "1")]
    pub hostname: String,
    /// Operating system and architecture.
    #[prost(message, required, tag = "2")]
    pub platform: Platform,
    /// What it can give.
    #[prost(message, required, tag = "3")]
    pub resources: Resources,
    /// Version of its daemon.
    #[prost(string, tag = "4")]
    pub version: String,
    /// Labels from its own configuration.
    #[prost(btree_map = "string, string", tag = "5")]
    pub labels: BTreeMap<String, String>,
    /// The highest feature level that its daemon understands.
    #[prost(uint32, tag = "6")]
    pub feature_level: u32,
}

/// Operating system and architecture, as in the OCI image specification.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Platform {
    /// `linux`.
    #[prost(string, tag = "1")]
    pub os: String,
    /// `amd64`, `arm64`, ...
    #[prost(string, tag = "2")]
    pub architecture: String,
}

/// What a node has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Resources {
    /// Processors, in billionths.
    #[prost(int64, tag = "1")]
    pub nano_cpus: i64,
    /// Memory, in bytes.
    #[prost(int64, tag = "2")]
    pub memory_bytes: i64,
}

/// What the leader sees of a node.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct NodeStatus {
    /// Whether it answers.
    #[prost(enumeration = "NodeState", tag = "1")]
    pub state: i32,
    /// Why it is as it is, when that is not plain.
    #[prost(string, tag = "2")]
    pub message: String,
    /// The address that it came from, without port.
    #[prost(string, tag = "3")]
    pub address: String,
}

/// The certificate that a node was last given.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Certificate {
    /// Serial number, hexadecimal.
    #[prost(string, tag = "1")]
    pub serial: String,
    /// The role that it vouches for.
    #[prost(enumeration = "NodeRole", tag = "2")]
    pub role: i32,
    /// End of its life: milliseconds since 1970 (UTC).
    #[prost(int64, tag = "3")]
    pub not_after_ms: i64,
    /// SHA-256 of the root that issued it, hexadecimal.
    #[prost(string, tag = "4")]
    pub issuer: String,
    /// Beginning of its life: milliseconds since 1970 (UTC).
    #[prost(int64, tag = "5")]
    pub not_before_ms: i64,
}

/// A manager's place in the Raft group.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ManagerMember {
    /// Drawn when it joined; never used again.
    #[prost(uint64, tag = "1")]
    pub raft_id: u64,
    /// `host:port` where the others reach it.
    #[prost(string, tag = "2")]
    pub address: String,
}

/// Worker or manager. Managers are workers too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum NodeRole {
    /// Runs tasks.
    Worker = 0,
    /// Decides besides.
    Manager = 1,
}

/// Whether a node is given tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Availability {
    /// Yes.
    Active = 0,
    /// No new ones.
    Pause = 1,
    /// None: those it has are moved.
    Drain = 2,
}

/// Whether a node answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum NodeState {
    /// Not seen yet, or not since the leader changed.
    Unknown = 0,
    /// It answers.
    Ready = 1,
    /// It does not.
    Down = 2,
    /// It has left or was removed.
    Disconnected = 3,
}

impl fmt::Display for NodeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NodeRole::Worker => "worker",
            NodeRole::Manager => "manager",
        })
    }
}

impl fmt::Display for Availability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Availability::Active => "active",
            Availability::Pause => "pause",
            Availability::Drain => "drain",
        })
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NodeState::Unknown => "unknown",
            NodeState::Ready => "ready",
            NodeState::Down => "down",
            NodeState::Disconnected => "disconnected",
        })
    }
}

/// A word that stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{word}` is none of {choices}")]
pub struct UnknownWord {
    what: &'static str,
    word: String,
    choices: &'static str,
}

impl FromStr for NodeRole {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "worker" => Ok(NodeRole::Worker),
            "manager" => Ok(NodeRole::Manager),
            _ => Err(UnknownWord {
                what: "role",
                word: word.to_owned(),
                choices: "worker, manager",
            }),
        }
    }
}

impl FromStr for Availability {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "active" => Ok(Availability::Active),
            "pause" => Ok(Availability::Pause),
            "drain" => Ok(Availability::Drain),
            _ => Err(UnknownWord {
                what: "availability",
                word: word.to_owned(),
                choices: "active, pause, drain",
            }),
        }
    }
}
