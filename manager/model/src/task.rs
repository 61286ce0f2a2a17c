//! A unit of work: one attempt to run a container.

use crate::Meta;

/// One attempt to run one slot of a service. Bound once to a node; its state only goes forward.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Task {
    /// Drawn when it was made.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Version and times.
    #[prost(message, required, tag = "2")]
    pub meta: Meta,
    /// The service that it belongs to; empty for a task of its own.
    #[prost(string, tag = "3")]
    pub service_id: String,
    /// Name for people: `<service>.<slot>`.
    #[prost(string, tag = "4")]
    pub name: String,
    /// Number among the service's replicas, from 1; 0 where it is one per node.
    #[prost(uint64, tag = "5")]
    pub slot: u64,
    /// The node that it is bound to; empty before.
    #[prost(string, tag = "6")]
    pub node_id: String,
    /// What is run.
    #[prost(message, required, tag = "7")]
    pub spec: TaskSpec,
    /// The state it shall reach.
    #[prost(enumeration = "TaskState", tag = "8")]
    pub desired_state: i32,
    /// The state it is in.
    #[prost(message, required, tag = "9")]
    pub status: TaskStatus,
}

/// What a task runs.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct TaskSpec {
    /// Image reference.
    #[prost(string, tag = "1")]
    pub image: String,
    /// Instead of the image's entry point.
    #[prost(string, repeated, tag = "2")]
    pub command: Vec<String>,
    /// Arguments to it.
    #[prost(string, repeated, tag = "3")]
    pub arguments: Vec<String>,
    /// `NAME=value`.
    #[prost(string, repeated, tag = "4")]
    pub environment: Vec<String>,
}

/// What is seen of a task.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct TaskStatus {
    /// How far it has come.
    #[prost(enumeration = "TaskState", tag = "1")]
    pub state: i32,
    /// When that was seen: milliseconds since 1970 (UTC).
    #[prost(int64, tag = "2")]
    pub at_ms: i64,
    /// What goes on.
    #[prost(string, tag = "3")]
    pub message: String,
    /// What went wrong.
    #[prost(string, tag = "4")]
    pub error: String,
    /// How its process ended.
    #[prost(int32, optional, tag = "5")]
    pub exit_code: Option<i32>,
}

/// How far a task has come; it never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum TaskState {
    /// Made.
    New = 0,
    /// Given what it needs of the cluster: addresses, ports.
    Pending = 64,
    /// Bound to a node.
    Assigned = 192,
    /// The node has taken it on.
    Accepted = 256,
    /// Its image is pulled, its container made.
    Preparing = 320,
    /// It could start at once.
    Ready = 384,
    /// Its process lives and is not known to be healthy.
    Starting = 448,
    /// It does what it shall.
    Running = 512,
    /// It ended with 0.
    Complete = 576,
    /// It was told to end.
    Shutdown = 640,
    /// It ended with another code.
    Failed = 704,
    /// The node could not take it on.
    Rejected = 768,
    /// It is to be forgotten.
    Remove = 800,
    /// Its node was lost.
    Orphaned = 832,
}

impl std::fmt::Display for TaskState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", format!("{self:?}").to_lowercase())
    }
}
