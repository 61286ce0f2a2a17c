//! What nodes are sent to do once: to fetch what a task has printed, to run a further process in its container.
//!
//! A caller opens an errand; the node hears of it with its assignments, and calls back with what it finds. Both sides' streams
//! are joined here by bounded channels: who reads slowly slows down who writes. When the caller goes away, the errand is taken
//! back; when the node's session ends, the caller is told.

pub(crate) mod exec;
pub(crate) mod logs;
mod merge;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::v1::{Errand, ExecInput, ExecOutput, NodeLogLine, errand};
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use crate::dispatcher::Feed;

/// Errands that are under way; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Errands {
    open: Arc<Mutex<BTreeMap<String, Open>>>,
}

/// An errand, and the caller's ends.
struct Open {
    node_id: String,
    /// None when the node has called back.
    ends: Option<Ends>,
}

/// The caller's ends of an errand.
pub(crate) enum Ends {
    /// Where what was printed goes.
    Logs(mpsc::Sender<FromLogs>),
    /// Where what the caller types comes from, and what the process prints goes.
    Exec {
        /// Ends when the caller is gone.
        input: mpsc::Receiver<ExecInput>,
        /// Closed when the caller is gone.
        output: mpsc::Sender<Result<ExecOutput, Status>>,
        /// Dropped when the node has said all.
        ends_with: oneshot::Sender<()>,
    },
}

/// What a node sends of a log.
#[derive(Debug)]
pub(crate) enum FromLogs {
    /// Some of it.
    Lines(Vec<NodeLogLine>),
    /// Something that cannot be read.
    Trouble(String),
    /// That was all.
    End,
}

/// An errand that a node was given; taken back when this is dropped.
pub(crate) struct Given {
    id: String,
    feed: Arc<Feed>,
    errands: Errands,
}

impl Errands {
    /// Gives a node an errand.
    pub(crate) fn give(
        &self,
        node_id: &str,
        feed: Arc<Feed>,
        what: errand::What,
        ends: Ends,
    ) -> Given {
        let id = identity::new_id();
        let open = Open {
            node_id: node_id.to_owned(),
            ends: Some(ends),
        };
        self.open().insert(id.clone(), open);
        feed.send(Errand {
            id: id.clone(),
            what: Some(what),
        });
        Given {
            id,
            feed,
            errands: self.clone(),
        }
    }

    /// A node calls back: the caller's ends, once, and only for the node that was given the errand.
    pub(crate) fn take(&self, id: &str, node_id: &str) -> Result<Ends, Status> {
        let mut open = self.open();
        let known = open.get_mut(id).filter(|open| open.node_id == node_id);
        known.and_then(|open| open.ends.take()).ok_or_else(|| {
            Status::not_found("this node has no such errand: nobody waits for it any more")
        })
    }

    /// The node has done it: there is nothing to take back.
    pub(crate) fn done(&self, id: &str) {
        self.open().remove(id);
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Given {
    /// Whether the node has called back.
    pub(crate) fn is_taken(&self) -> bool {
        let open = self.errands.open();
        open.get(&self.id).is_none_or(|open| open.ends.is_none())
    }

    /// Returns when the node's session is over.
    pub(crate) async fn node_lost(&self) {
        self.feed.ended().await;
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        let open = self.errands.open().remove(&self.id);
        if open.is_some() {
            self.feed.take_back(&self.id);
        }
    }
}

#[cfg(test)]
mod tests;
