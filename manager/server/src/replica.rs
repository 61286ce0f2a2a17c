//! This manager's copy of what the cluster knows, fed by the consensus.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use consensus::{Position, SnapshotError, StateMachine};
use prost::Message;
use store::{Batch, BatchReply, Compacted, Event, EventRing, State, View};
use tokio::sync::watch;

/// How many events are kept for watchers that come back.
const EVENTS: usize = 10_000;

/// A handle to the copy; clones see the same.
#[derive(Clone)]
pub struct Replica {
    shared: Arc<Shared>,
}

struct Shared {
    view: RwLock<View>,
    events: Mutex<EventRing>,
    version: watch::Sender<u64>,
}

impl Default for Replica {
    fn default() -> Self {
        Replica {
            shared: Arc::new(Shared {
                view: RwLock::new(View::default()),
                events: Mutex::new(EventRing::new(EVENTS)),
                version: watch::Sender::new(0),
            }),
        }
    }
}

impl Replica {
    /// What is known now. It stays as it is, and costs nothing.
    pub fn view(&self) -> View {
        self.shared
            .view
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The version of what is known, now and whenever it changes.
    pub fn version(&self) -> watch::Receiver<u64> {
        self.shared.version.subscribe()
    }

    /// What happened after that version, and up to which version.
    pub(crate) fn events_after(&self, version: u64) -> Result<(Vec<Event>, u64), Compacted> {
        let events = self
            .shared
            .events
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let found = events.after(version)?.cloned().collect();
        Ok((found, events.newest()))
    }

    /// The state machine that feeds this copy.
    pub(crate) fn machine(&self) -> Machine {
        Machine {
            state: State::default(),
            happened: Vec::new(),
            replica: self.clone(),
        }
    }
}

/// The state machine of the cluster.
pub(crate) struct Machine {
    state: State,
    happened: Vec<(u64, Vec<Event>)>,
    replica: Replica,
}

impl StateMachine for Machine {
    fn apply(&mut self, at: Position, command: &[u8]) -> Result<Bytes, String> {
        let batch = match Batch::decode(command) {
            Ok(batch) if batch.transactions.iter().all(State::understands) => batch,
            _ => {
                return Err(format!(
                    "entry {} was written by a later version of this program; start that version here, or remove this manager from the cluster",
                    at.index
                ));
            }
        };
        // Index 0 is the founding of the group; versions count from 1, and 0 stands for "any".
        self.state.advance(at.term, at.index);
        let mut replies = Vec::with_capacity(batch.transactions.len());
        for transaction in batch.transactions {
            let applied = self.state.apply(transaction);
            replies.push(applied.reply);
            if !applied.events.is_empty() {
                self.happened.push((at.index, applied.events));
            }
        }
        Ok(BatchReply { replies }.encode_to_vec().into())
    }

    fn publish(&mut self, at: Position) {
        self.state.advance(self.state.term().max(at.term), at.index);
        *self
            .replica
            .shared
            .view
            .write()
            .unwrap_or_else(PoisonError::into_inner) = self.state.clone();
        {
            let mut events = self
                .replica
                .shared
                .events
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            for (version, happened) in self.happened.drain(..) {
                events.add(version, happened);
            }
            events.add(at.index, []);
        }
        self.replica.shared.version.send_replace(at.index);
    }

    fn image(&self) -> Box<dyn Iterator<Item = Bytes> + Send + Sync> {
        Box::new(self.state.clone().records())
    }

    fn restore(
        &mut self,
        at: Position,
        records: &mut dyn Iterator<Item = Result<Bytes, SnapshotError>>,
    ) -> Result<(), String> {
        self.state = State::from_records(records).map_err(|error| error.to_string())?;
        self.happened.clear();
        self.replica
            .shared
            .events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .reset(at.index);
        Ok(())
    }
}
