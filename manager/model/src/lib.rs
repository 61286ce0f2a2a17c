#![forbid(unsafe_code)]
//! The nouns of a cluster, as they are stored, sent and talked about. No clock, no files, no network: what is decided from them
//! is decided elsewhere.
//!
//! The types carry their Protocol Buffers tags, so that one definition serves the disk, the wire and the code; the `.proto`
//! files in `manager/api/proto` say the same for other languages, and a test holds both together. Fields are only ever added.

pub mod cluster;
pub mod config;
mod meta;
pub mod node;
pub mod task;

pub use cluster::{Cluster, ClusterSpec, JoinTokens, Revocation, RootCa, RootRotation};
pub use config::{Config, ConfigSpec};
pub use meta::Meta;
pub use node::{
    Availability, Certificate, ManagerMember, Node, NodeDescription, NodeRole, NodeSpec, NodeState,
    NodeStatus, Platform, Resources,
};
pub use task::{Task, TaskSpec, TaskState, TaskStatus};

/// What this program understands of what managers write. Raised in the cluster when every manager understands it; a manager
/// refuses to start on more than it understands.
pub const FEATURE_LEVEL: u32 = 1;
