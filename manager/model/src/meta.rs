//! What every object has.

/// Version and times of an object. Written by the store alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Meta {
    /// Index of the log entry that last changed the object. An update names the version that it is based on.
    #[prost(uint64, tag = "1")]
    pub version: u64,
    /// Milliseconds since 1970 (UTC), by the clock of the leader that made it.
    #[prost(int64, tag = "2")]
    pub created_ms: i64,
    /// The same, of the last change.
    #[prost(int64, tag = "3")]
    pub updated_ms: i64,
}
