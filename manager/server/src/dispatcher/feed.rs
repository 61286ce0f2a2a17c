//! The streams of one session, and what wakes them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use api::v1::{AssignmentsMessage, Errand, errand};
use store::View;
use tokio::sync::{Notify, watch};

use super::assignments::{self, Known};

/// The streams of one session of a node, for as long as the session lasts.
#[derive(Default)]
pub(crate) struct Feed {
    over: watch::Sender<bool>,
    standing: Notify,
    work: Notify,
    /// Which stream of assignments is the node's own: the newest.
    stream: AtomicU64,
    known: Mutex<Known>,
    errands: Mutex<VecDeque<Errand>>,
}

impl Feed {
    /// The session is over.
    pub(crate) fn end(&self) {
        self.over.send_replace(true);
    }

    /// Whether the session is over.
    pub(crate) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Returns when the session is over.
    pub(crate) async fn ended(&self) {
        // The sender lives as long as this.
        drop(self.over.subscribe().wait_for(|over| *over).await);
    }

    /// Something about the node itself may have changed.
    pub(crate) fn wake_standing(&self) {
        self.standing.notify_one();
    }

    /// Returns when something about the node itself may have changed.
    pub(crate) async fn standing_changed(&self) {
        self.standing.notified().await;
    }

    /// What the node is to do may have changed.
    pub(crate) fn wake_work(&self) {
        self.work.notify_one();
    }

    /// Returns when what the node is to do may have changed.
    pub(crate) async fn work_changed(&self) {
        self.work.notified().await;
    }

    /// What the node has been told. A view that is looked at while this is held is not older than any event that was compared
    /// with it before: nothing is missed.
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a stream of assignments: one that was there before ends. Returns its number.
    pub(crate) fn begin_stream(&self) -> u64 {
        *self.known() = Known::default();
        let number = self.stream.fetch_add(1, Ordering::SeqCst) + 1;
        self.work.notify_waiters();
        number
    }

    /// Whether that stream of assignments is the newest.
    pub(crate) fn is_newest(&self, stream: u64) -> bool {
        self.stream.load(Ordering::SeqCst) == stream
    }

    /// What the node is to be told next; none for nothing.
    pub(crate) fn next(
        &self,
        node_id: &str,
        view: impl FnOnce() -> View,
    ) -> Option<AssignmentsMessage> {
        let found = {
            let mut known = self.known();
            assignments::next(&view(), node_id, &mut known)
        };
        let errands: Vec<Errand> = self.errands().drain(..).collect();
        if errands.is_empty() {
            return found;
        }
        Some(AssignmentsMessage {
            errands,
            ..found.unwrap_or_default()
        })
    }

    /// Gives the node an errand.
    pub(crate) fn send(&self, errand: Errand) {
        self.errands().push_back(errand);
        self.wake_work();
    }

    /// Takes an errand back; one that the node has been told of is cancelled.
    pub(crate) fn take_back(&self, id: &str) {
        let mut errands = self.errands();
        let before = errands.len();
        errands.retain(|errand| errand.id != id);
        if errands.len() == before {
            errands.push_back(Errand {
                id: identity::new_id(),
                what: Some(errand::What::Cancel(id.to_owned())),
            });
        }
        drop(errands);
        self.wake_work();
    }

    fn errands(&self) -> MutexGuard<'_, VecDeque<Errand>> {
        self.errands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
