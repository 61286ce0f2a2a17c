//! Mistakes that the simulation must find. They live in its own wrappers, never in the product.

/// A mistake, planted to prove that the checks can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// A vote is acknowledged and never reaches the disk.
    VoteNotSynced,
    /// Entries are acknowledged at once and reach the disk later.
    AppendNotSynced,
    /// A leader answers reads without asking the others whether it still leads.
    StaleRead,
    /// A candidate counts votes that nobody gave.
    VotesInvented,
    /// A snapshot has all but its last command.
    SnapshotShort,
    /// One key keeps its older value when a snapshot is restored.
    SnapshotKeepsOld,
    /// A member leaves out one command.
    ApplySkipped,
    /// A member carries out the first command after a restart twice.
    ApplyTwice,
    /// What was cut off the log is there again after a restart.
    TruncationLost,
    /// A write of which nobody knows is reported as done.
    UnknownIsSuccess,
    /// The log is purged further than the snapshot reaches.
    PurgedTooFar,
    /// A snapshot is acknowledged and forgotten after a restart, while the log below it is gone.
    SnapshotForgotten,
    /// A write that the leader has sent to the others is reported as refused when it stops to lead.
    UnknownIsRefused,
}

impl Planted {
    /// All of them.
    pub const ALL: [Planted; 13] = [
        Planted::VoteNotSynced,
        Planted::AppendNotSynced,
        Planted::StaleRead,
        Planted::VotesInvented,
        Planted::SnapshotShort,
        Planted::SnapshotKeepsOld,
        Planted::ApplySkipped,
        Planted::ApplyTwice,
        Planted::TruncationLost,
        Planted::UnknownIsSuccess,
        Planted::PurgedTooFar,
        Planted::SnapshotForgotten,
        Planted::UnknownIsRefused,
    ];
}
