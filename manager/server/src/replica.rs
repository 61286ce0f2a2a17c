//! This manager's copy of what the cluster knows, fed by the consensus.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use bytes::Bytes;
use consensus::{Position, SnapshotError, StateMachine};
use prost::Message;
use store::{Batch, BatchReply, Compacted, Event, EventRing, State, View};
use tokio::sync::watch;

/// How many events are kept for watchers that come back.
const EVENTS: usize = 10_000;
/// How many may wait for a follower before it has to look at everything anew.
const WAITING: usize = 50_000;

/// A handle to the copy; clones see the same.
#[derive(Clone)]
pub struct Replica {
    shared: Arc<Shared>,
}

struct Shared {
    view: RwLock<View>,
    /// Held while the view changes, so that events and view can be taken together.
    told: Mutex<Told>,
    version: watch::Sender<u64>,
}

/// What has happened, for those who want to know.
struct Told {
    ring: EventRing,
    followers: Vec<Weak<Mutex<Inbox>>>,
}

/// Events that a follower has not taken yet.
struct Inbox {
    batches: VecDeque<Arc<[Event]>>,
    waiting: usize,
    /// There were too many, or the state was replaced: everything is to be looked at anew.
    lost: bool,
}

/// Follows everything that happens, at its own pace. Others may come too late for an event; a follower is told that it did.
pub(crate) struct Follower {
    inbox: Arc<Mutex<Inbox>>,
    replica: Replica,
}

impl Default for Replica {
    fn default() -> Self {
        Replica {
            shared: Arc::new(Shared {
                view: RwLock::new(View::default()),
                told: Mutex::new(Told {
                    ring: EventRing::new(EVENTS),
                    followers: Vec::new(),
                }),
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
        let told = self.told();
        let found = told.ring.after(version)?.cloned().collect();
        Ok((found, told.ring.newest()))
    }

    /// Follows what happens from now on. The first that is taken is the whole view.
    pub(crate) fn follow(&self) -> Follower {
        let inbox = Arc::new(Mutex::new(Inbox {
            batches: VecDeque::new(),
            waiting: 0,
            lost: true,
        }));
        self.told().followers.push(Arc::downgrade(&inbox));
        Follower {
            inbox,
            replica: self.clone(),
        }
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.shared
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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

impl Follower {
    /// What is known now, and the events that led there since the last time; none when everything is to be looked at anew.
    pub(crate) fn take(&mut self) -> (View, Option<Vec<Arc<[Event]>>>) {
        let _told = self.replica.told();
        let view = self.replica.view();
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        inbox.waiting = 0;
        let batches = std::mem::take(&mut inbox.batches);
        let lost = std::mem::take(&mut inbox.lost);
        (view, (!lost).then(|| batches.into()))
    }
}

impl Inbox {
    fn put(&mut self, batch: &Arc<[Event]>) {
        self.waiting += batch.len();
        if self.lost || self.waiting > WAITING {
            self.lose();
        } else {
            self.batches.push_back(batch.clone());
        }
    }

    fn lose(&mut self) {
        self.batches.clear();
        self.lost = true;
    }
}

impl Told {
    fn tell(&mut self, happened: impl Iterator<Item = (u64, Vec<Event>)>) {
        let followers: Vec<_> = self.followers.iter().filter_map(Weak::upgrade).collect();
        for (version, events) in happened {
            if !followers.is_empty() {
                let batch: Arc<[Event]> = events.clone().into();
                for inbox in &followers {
                    inbox
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .put(&batch);
                }
            }
            self.ring.add(version, events);
        }
        self.followers.retain(|inbox| inbox.strong_count() > 0);
    }

    fn forget(&mut self, version: u64) {
        self.ring.reset(version);
        for inbox in self.followers.iter().filter_map(Weak::upgrade) {
            inbox.lock().unwrap_or_else(PoisonError::into_inner).lose();
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
        {
            let mut told = self.replica.told();
            *self
                .replica
                .shared
                .view
                .write()
                .unwrap_or_else(PoisonError::into_inner) = self.state.clone();
            told.tell(self.happened.drain(..));
            told.ring.add(at.index, []);
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
        let mut told = self.replica.told();
        *self
            .replica
            .shared
            .view
            .write()
            .unwrap_or_else(PoisonError::into_inner) = self.state.clone();
        told.forget(at.index);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use consensus::{Position, StateMachine};
    use model::Config;
    use prost::Message;
    use store::{Batch, Change, Transaction};

    use super::{Machine, Replica};

    fn apply(machine: &mut Machine, index: u64, name: &str) {
        let at = Position { term: 1, index };
        let mut config = Config {
            id: name.to_owned(),
            ..Config::default()
        };
        config.spec.name = name.to_owned();
        let batch = Batch {
            transactions: vec![Transaction {
                changes: vec![Change::create(config)],
                ..Transaction::default()
            }],
        };
        machine.apply(at, &batch.encode_to_vec()).expect("applied");
        machine.publish(at);
    }

    #[test]
    fn a_follower_takes_the_view_first_and_then_what_changed() {
        let replica = Replica::default();
        let mut machine = replica.machine();
        apply(&mut machine, 1, "a");
        let mut follower = replica.follow();
        let (view, events) = follower.take();
        assert!(view.version() == 1 && events.is_none(), "it is new");
        assert!(
            follower.take().1.expect("events").is_empty(),
            "nothing happened"
        );
        apply(&mut machine, 2, "b");
        apply(&mut machine, 3, "c");
        let (view, events) = follower.take();
        let versions: Vec<u64> = events
            .expect("events")
            .iter()
            .flat_map(|batch| batch.iter().map(|event| event.version))
            .collect();
        assert_eq!((view.version(), versions), (3, vec![2, 3]));
        let at = Position { term: 1, index: 4 };
        let records: Vec<_> = machine.image().collect();
        let mut records = records.into_iter().map(Ok);
        machine.restore(at, &mut records).expect("restored");
        machine.publish(at);
        assert!(follower.take().1.is_none(), "the state was replaced");
    }
}
