#![forbid(unsafe_code)]
//! Raft for opaque bytes.
//!
//! A group of members agrees on a sequence of *commands*; every member feeds them, in that order, to its [`StateMachine`].
//! What a command means, how a member is reached and who may be one is not known here. The protocol is openraft's; ours are
//! the log on disk (crate `wal`), the snapshots on disk ([`snapshot`](snapshots)), and the messages' bytes ([`record`](mod@record)):
//! a library's types never lie on a user's disk.
//!
//! Invariants:
//! - A vote is on disk (fsync) before anyone is told of it, an entry before this member acknowledges it. A leader sends entries
//!   to the others before they are on its own disk; one that restarts therefore never goes on leading in its old term.
//! - A command that [`Consensus::propose`] answered is never lost while a majority's disks live. One that it did not answer is
//!   [`ProposeError::Unknown`], never reported as a success nor as a failure.
//! - A Raft id is drawn once and never used again, not even by the same host.

mod barrier;
mod config;
mod force;
mod log_store;
mod machine;
mod member;
mod network;
mod node;
mod quorum;
pub mod record;
mod runtime;
mod snapshots;
mod status;

pub use config::{Timings, TimingsError};
pub use force::{ForceError, Forced, force_new_group, plant_group};
pub use machine::{Position, StateMachine};
pub use member::Member;
pub use network::{Rpc, SnapshotStream, Transport, TransportError};
pub use node::{
    Consensus, MembershipError, Outcome, ProposeError, ReadError, ServeError, Setup, StartError,
};
pub use quorum::{quorum, tolerance};
pub use runtime::seed_simulation;
pub use snapshots::{SnapshotError, SnapshotStore};
pub use status::{Leadership, MemberStatus, Standing, Status};

#[cfg(test)]
mod tests;
