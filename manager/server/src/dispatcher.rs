//! What nodes are told, and what they tell: their standing, what they are to run, what has become of it.
//!
//! One task, [`fan`], reads what happens and wakes the streams of the nodes that it concerns. Each stream compares what its node
//! needs by the view with what it has been told: whatever came between is one message. What nodes report goes the other way,
//! gathered over all of them ([`Statuses`]).

mod assignments;
mod fan;
mod feed;
mod statuses;
mod streams;
mod usage;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

pub(crate) use fan::{fan, tell_all};
pub(crate) use feed::Feed;
pub(crate) use statuses::{Claim, Statuses, Verdict, judge, write};
pub(crate) use streams::{assign, held_role, inform};
pub(crate) use usage::Usages;

/// What the leader keeps for its nodes; nothing of it is stored.
#[derive(Default)]
pub(crate) struct Dispatching {
    common: watch::Sender<Arc<Common>>,
    statuses: Arc<Statuses>,
    usages: Mutex<Usages>,
}

/// What every node is told alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Common {
    pub(crate) roots_pem: String,
    /// Certificate of the root that issues.
    pub(crate) certificate_pem: String,
    /// SHA-256 of it, hexadecimal.
    pub(crate) issuer: String,
    pub(crate) manager_addresses: Vec<String>,
    pub(crate) heartbeat_ms: u32,
}

impl Dispatching {
    /// What every node is told alike, now and whenever it changes.
    pub(crate) fn common(&self) -> &watch::Sender<Arc<Common>> {
        &self.common
    }

    /// What nodes have reported and is not written yet.
    pub(crate) fn statuses(&self) -> &Arc<Statuses> {
        &self.statuses
    }

    /// What tasks use.
    pub(crate) fn usages(&self) -> std::sync::MutexGuard<'_, Usages> {
        self.usages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
