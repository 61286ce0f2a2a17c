//! What waits for what.

/// A gate that has opened: it stays open for these two revisions, whatever becomes of the dependency later.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Latch {
    /// Full name of the dependency.
    #[prost(string, tag = "1")]
    pub dependency: String,
    /// Revision of the service that waited.
    #[prost(uint64, tag = "2")]
    pub revision: u64,
    /// Revision of the dependency that it waited for; 0 when it was let through without.
    #[prost(uint64, tag = "3")]
    pub dependency_revision: u64,
    /// Version of the state on which that was judged.
    #[prost(uint64, tag = "4")]
    pub judged_at: u64,
    /// Why it was let through without its dependency, for people; empty when it was not.
    #[prost(string, tag = "5")]
    pub warning: String,
}

/// A gate that a service waits at.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct GateWait {
    /// Revision of the service that waits.
    #[prost(uint64, tag = "1")]
    pub revision: u64,
    /// Since when: milliseconds since 1970 (UTC).
    #[prost(int64, tag = "2")]
    pub since_ms: i64,
    /// When it gives up. Moved on by the time in which there was no leader.
    #[prost(int64, tag = "3")]
    pub deadline_ms: i64,
    /// When a leader last looked.
    #[prost(int64, tag = "4")]
    pub counted_ms: i64,
    /// What it waits for, for people: `db service_healthy 1/2`.
    #[prost(string, tag = "5")]
    pub message: String,
    /// Whether the deadline has passed.
    #[prost(bool, tag = "6")]
    pub expired: bool,
}
