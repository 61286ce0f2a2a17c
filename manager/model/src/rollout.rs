//! How far the tasks of a service have become tasks of its newest revision.

/// A rollout: kept in the store, so that a new leader goes on where the old one stood.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Rollout {
    /// What it does.
    #[prost(enumeration = "RolloutState", tag = "1")]
    pub state: i32,
    /// The revision that it leads to.
    #[prost(uint64, tag = "2")]
    pub to: u64,
    /// The revision that it came from.
    #[prost(uint64, tag = "3")]
    pub from: u64,
    /// When it began: milliseconds since 1970 (UTC).
    #[prost(int64, tag = "4")]
    pub started_ms: i64,
    /// When it ended; 0 before.
    #[prost(int64, tag = "5")]
    pub completed_ms: i64,
    /// Why it stands as it does, for people.
    #[prost(string, tag = "6")]
    pub message: String,
    /// Tasks of the new revision that failed within the time that they are watched, by task id.
    #[prost(string, repeated, tag = "7")]
    pub failed: Vec<String>,
    /// When the last slot was begun: the pause between two batches counts from its success.
    #[prost(int64, tag = "8")]
    pub last_batch_ms: i64,
    /// Why it returns to what was before, for people; empty when a person asked for it.
    #[prost(string, tag = "9")]
    pub reason: String,
}

/// What a rollout does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum RolloutState {
    /// It goes on.
    Updating = 0,
    /// Too many tasks failed: it waits for a person.
    Paused = 1,
    /// Every task is of the new revision.
    Completed = 2,
    /// Too many tasks failed: it returns to what was before.
    RollingBack = 3,
    /// Returning failed too: it waits for a person.
    RollbackPaused = 4,
    /// It has returned to what was before.
    RolledBack = 5,
}

impl RolloutState {
    /// Whether tasks are being replaced.
    pub fn moves(self) -> bool {
        matches!(self, RolloutState::Updating | RolloutState::RollingBack)
    }
}

impl std::fmt::Display for RolloutState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            RolloutState::Updating => "updating",
            RolloutState::Paused => "paused",
            RolloutState::Completed => "completed",
            RolloutState::RollingBack => "rollback_started",
            RolloutState::RollbackPaused => "rollback_paused",
            RolloutState::RolledBack => "rollback_completed",
        })
    }
}
