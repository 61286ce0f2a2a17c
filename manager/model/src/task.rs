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
    /// The service that it belongs to.
    #[prost(string, tag = "3")]
    pub service_id: String,
    /// Which of the service's revisions it runs.
    #[prost(uint64, tag = "4")]
    pub revision: u64,
    /// Number among the service's replicas, from 1; 0 where it is one per node.
    #[prost(uint64, tag = "5")]
    pub slot: u64,
    /// The node that it is bound to; empty before.
    #[prost(string, tag = "6")]
    pub node_id: String,
    /// The state it shall reach; written by managers alone.
    #[prost(enumeration = "TaskState", tag = "8")]
    pub desired_state: i32,
    /// The state it is in.
    #[prost(message, required, tag = "9")]
    pub status: TaskStatus,
    /// How often a task was started in this slot before, within the window of the restart policy.
    #[prost(uint32, tag = "10")]
    pub attempt: u32,
    /// When the first of these was made: milliseconds since 1970 (UTC).
    #[prost(int64, tag = "11")]
    pub window_ms: i64,
    /// It is not started before: milliseconds since 1970 (UTC); 0 for at once.
    #[prost(int64, tag = "12")]
    pub not_before_ms: i64,
    /// Which run of a job it belongs to.
    #[prost(uint64, tag = "13")]
    pub job_iteration: u64,
    /// Why it was told to end, for people.
    #[prost(string, tag = "14")]
    pub reason: String,
    /// Ports of its node that were chosen for it, those of mode `host`.
    #[prost(message, repeated, tag = "15")]
    pub ports: Vec<crate::PortSpec>,
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
    /// Whether it does its work.
    #[prost(enumeration = "Health", tag = "6")]
    pub health: i32,
    /// Id of its container; empty before there is one.
    #[prost(string, tag = "7")]
    pub container_id: String,
    /// Its addresses on its networks.
    #[prost(message, repeated, tag = "8")]
    pub addresses: Vec<TaskAddress>,
    /// Whether others may be sent to it.
    #[prost(bool, tag = "9")]
    pub routable: bool,
    /// When it was first seen running, by the clock of `at_ms`; 0 while it never was.
    #[prost(int64, tag = "10")]
    pub running_ms: i64,
}

impl TaskStatus {
    /// This status, after an earlier one of the same task: it remembers since when the task has been running.
    #[must_use]
    pub fn after(mut self, earlier: &TaskStatus) -> Self {
        self.running_ms = match earlier.running_ms {
            0 if self.running_ms == 0 && self.state() == TaskState::Running => self.at_ms,
            0 => self.running_ms,
            known => known,
        };
        self
    }

    /// For how long it ran, as far as is known: milliseconds. Of a task that has ended.
    pub fn ran_ms(&self) -> i64 {
        match self.running_ms {
            0 => 0,
            running_ms => (self.at_ms - running_ms).max(0),
        }
    }
}

/// The address of a task on a network.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct TaskAddress {
    /// Name of the network.
    #[prost(string, tag = "1")]
    pub network: String,
    /// The address, without prefix length.
    #[prost(string, tag = "2")]
    pub address: String,
}

/// Whether a container does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Health {
    /// Nobody asks it.
    Unprobed = 0,
    /// It has not said so yet, and may take its time.
    Starting = 1,
    /// It does.
    Healthy = 2,
    /// It does not.
    Unhealthy = 3,
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

impl TaskState {
    /// Whether the task will never run again.
    pub fn is_final(self) -> bool {
        self > TaskState::Running
    }
}

impl Task {
    /// Whether its process lives, as far as anybody knows.
    pub fn is_live(&self) -> bool {
        matches!(
            self.status.state(),
            TaskState::Starting | TaskState::Running
        )
    }

    /// Whether it is meant to run, and can still.
    pub fn is_wanted(&self) -> bool {
        self.desired_state() <= TaskState::Running && !self.status.state().is_final()
    }

    /// What people call it: `<service>.<slot>`, or `<service>.<node id>` where it is one per node.
    pub fn name(&self, service: &str) -> String {
        match self.slot {
            0 if self.node_id.is_empty() => format!("{service}.{}", self.id),
            0 => format!("{service}.{}", self.node_id),
            slot => format!("{service}.{slot}"),
        }
    }
}

impl std::fmt::Display for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Health::Unprobed => "none",
            Health::Starting => "starting",
            Health::Healthy => "healthy",
            Health::Unhealthy => "unhealthy",
        })
    }
}
