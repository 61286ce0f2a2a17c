//! What the group's commands are fed to.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};

use crate::record::{Group, GroupMembership, LogId, Reply, SnapshotMeta};
use crate::snapshots::{SnapshotError, SnapshotStore, StoredSnapshot};
use wal::Disk;

type Snapshot<D> = openraft::type_config::alias::SnapshotOf<Group, StoredSnapshot<D>>;

/// Where in the log a command stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Term of the leader that wrote it.
    pub term: u64,
    /// Counted from 0.
    pub index: u64,
}

impl From<LogId> for Position {
    fn from(id: LogId) -> Self {
        Position {
            term: id.leader_id.term,
            index: id.index,
        }
    }
}

/// What the group's commands change, the same on every member: no clock, no randomness, no input besides the commands.
pub trait StateMachine: Send + Sync + 'static {
    /// Carries out one command and answers it. Called in the order of the log, once for every index.
    ///
    /// # Errors
    /// Why the command cannot be understood; nothing has changed then. The member stops: what it skipped, it would never learn.
    fn apply(&mut self, at: Position, command: &[u8]) -> Result<Bytes, String>;

    /// Everything applied so far may be seen by readers. Called after a batch, in a long one after every thousand,
    /// and before any of the answers is sent.
    fn publish(&mut self, at: Position);

    /// The state as records, for a snapshot; takes the state as it is now at once, and is iterated later, elsewhere.
    fn image(&self) -> Box<dyn Iterator<Item = Bytes> + Send + Sync>;

    /// Replaces the state by that of a snapshot. On an error the old state stays.
    fn restore(
        &mut self,
        at: Position,
        records: &mut dyn Iterator<Item = Result<Bytes, SnapshotError>>,
    ) -> Result<(), String>;
}

/// Of a long batch (after a restart, a million entries) so many are published together: nobody keeps all that happened in it.
const PUBLISH_AFTER: usize = 1000;

pub(crate) struct Machine<S, D: Disk> {
    state: S,
    applied: Option<LogId>,
    membership: GroupMembership,
    store: SnapshotStore<D>,
    current: Option<StoredSnapshot<D>>,
    /// Whether snapshots are written on a thread of their own; a simulation has only one.
    threads: bool,
}

impl<S: StateMachine, D: Disk> Machine<S, D> {
    /// The state machine as its newest snapshot has it.
    pub(crate) fn open(
        state: S,
        store: SnapshotStore<D>,
        threads: bool,
    ) -> Result<Self, SnapshotError> {
        store.remove_drafts()?;
        let current = store.newest()?;
        let mut machine = Machine {
            state,
            applied: None,
            membership: GroupMembership::default(),
            store,
            current: None,
            threads,
        };
        if let Some(snapshot) = current {
            machine.load(&snapshot)?;
            machine.current = Some(snapshot);
        }
        Ok(machine)
    }

    fn load(&mut self, snapshot: &StoredSnapshot<D>) -> Result<(), SnapshotError> {
        let at = snapshot
            .meta
            .last_log_id
            .map(Position::from)
            .unwrap_or_default();
        let refused = |reason| SnapshotError::Refused {
            name: snapshot.name.clone(),
            reason,
        };
        self.state
            .restore(at, &mut snapshot.body())
            .map_err(refused)?;
        self.applied = snapshot.meta.last_log_id;
        self.membership = snapshot.meta.last_membership.clone();
        self.state.publish(at);
        Ok(())
    }

    /// Entries outside the protocol: a group that is forced anew replays its log.
    pub(crate) fn replay(&mut self, entry: crate::record::Entry) -> Result<(), String> {
        let at = Position::from(entry.log_id);
        if let EntryPayload::Normal(command) = &entry.payload {
            self.state.apply(at, &command.0)?;
        }
        self.applied = Some(entry.log_id);
        self.state.publish(at);
        Ok(())
    }

    /// Lets readers see what was applied, and then answers.
    fn publish(&mut self, answers: &mut Vec<(ApplyResponder<Group>, Bytes)>) {
        if let Some(applied) = self.applied {
            self.state.publish(applied.into());
        }
        for (responder, reply) in answers.drain(..) {
            responder.send(Reply(reply));
        }
    }

    pub(crate) fn applied(&self) -> Option<LogId> {
        self.applied
    }

    pub(crate) fn set_membership(&mut self, membership: GroupMembership) {
        self.membership = membership;
    }

    pub(crate) fn builder(&self) -> Builder<D> {
        Builder {
            meta: SnapshotMeta {
                last_log_id: self.applied,
                last_membership: self.membership.clone(),
            },
            image: Some(self.state.image()),
            store: self.store.clone(),
            threads: self.threads,
        }
    }
}

impl<S: StateMachine, D: Disk> RaftStateMachine<Group> for Machine<S, D> {
    type SnapshotData = StoredSnapshot<D>;
    type SnapshotBuilder = Builder<D>;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, GroupMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<Group>, io::Error>> + Unpin + OptionalSend,
    {
        let mut answers = Vec::new();
        let mut unseen = 0;
        let mut refused = None;
        while let Some((entry, responder)) = entries.try_next().await? {
            let at = Position::from(entry.log_id);
            let reply = match entry.payload {
                EntryPayload::Blank => Bytes::new(),
                EntryPayload::Normal(command) => match self.state.apply(at, &command.0) {
                    Ok(reply) => reply,
                    Err(reason) => {
                        refused = Some(reason);
                        break;
                    }
                },
                EntryPayload::Membership(membership) => {
                    self.membership = GroupMembership::new(Some(entry.log_id), membership);
                    Bytes::new()
                }
            };
            self.applied = Some(entry.log_id);
            unseen += 1;
            if let Some(responder) = responder {
                answers.push((responder, reply));
            }
            if unseen == PUBLISH_AFTER {
                unseen = 0;
                self.publish(&mut answers);
            }
        }
        self.publish(&mut answers);
        refused.map_or(Ok(()), |reason| Err(io::Error::other(reason)))
    }

    async fn get_snapshot_builder(&mut self) -> Builder<D> {
        self.builder()
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: StoredSnapshot<D>,
    ) -> Result<(), io::Error> {
        debug_assert_eq!(meta.last_log_id, snapshot.meta.last_log_id);
        // Into the state first: what the state machine refuses must not become the newest on disk.
        let snapshot = self.store.adopt(snapshot).map_err(io::Error::other)?;
        self.load(&snapshot).map_err(io::Error::other)?;
        self.current = Some(self.store.publish(&snapshot).map_err(io::Error::other)?);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<D>>, io::Error> {
        // A builder may have published a newer one meanwhile.
        self.current = self.store.newest().map_err(io::Error::other)?;
        Ok(self.current.clone().map(|stored| Snapshot {
            meta: stored.meta.clone(),
            snapshot: stored,
        }))
    }
}

/// Writes one snapshot.
pub(crate) struct Builder<D: Disk> {
    meta: SnapshotMeta,
    image: Option<Box<dyn Iterator<Item = Bytes> + Send + Sync>>,
    store: SnapshotStore<D>,
    threads: bool,
}

impl<D: Disk> Builder<D> {
    pub(crate) fn write(self) -> Result<StoredSnapshot<D>, SnapshotError> {
        let mut draft = self.store.draft("built")?;
        draft.begin(self.meta)?;
        for record in self.image.into_iter().flatten() {
            draft.add(record)?;
        }
        self.store.publish(&draft.finish()?)
    }
}

impl<D: Disk> RaftSnapshotBuilder<Group> for Builder<D> {
    type SnapshotData = StoredSnapshot<D>;

    async fn build_snapshot(&mut self) -> Result<Snapshot<D>, io::Error> {
        let work = Builder {
            meta: self.meta.clone(),
            image: self.image.take(),
            store: self.store.clone(),
            threads: self.threads,
        };
        let stored = if self.threads {
            tokio::task::spawn_blocking(move || work.write())
                .await
                .map_err(io::Error::other)?
        } else {
            work.write()
        };
        let stored = stored.map_err(io::Error::other)?;
        Ok(Snapshot {
            meta: stored.meta.clone(),
            snapshot: stored,
        })
    }
}
