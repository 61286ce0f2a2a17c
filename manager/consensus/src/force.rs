//! A group that has lost its majority, started anew from one member.
//!
//! Nobody can tell which of the last entries in this member's log were committed: the others who knew are gone. All of them are
//! kept. An acknowledged command is among them if this member ever saw it; one that was never acknowledged may come true.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use openraft::storage::RaftLogStorage;
use prost::Message;
use tokio::sync::oneshot;
use wal::{Change, Cipher, Disk, Submit};

use crate::log_store::{LogStore, marker};
use crate::machine::{Machine, Position, StateMachine};
use crate::member::Member;
use crate::record::{GroupMembership, LogId, Membership, VoteRecord, decode_entry};
use crate::snapshots::{SnapshotError, SnapshotStore};

/// Entries read at once.
const BATCH: usize = 8 << 20;

/// What a forced group begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forced {
    /// The last entry that was kept.
    pub last: Position,
    /// How many entries were replayed on top of the snapshot.
    pub replayed: u64,
}

/// A group that cannot be forced; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ForceError {
    /// There is nothing to begin with.
    #[error("this manager has neither a log nor a snapshot: there is no cluster here to force")]
    Empty,
    /// A snapshot cannot be read or written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The log cannot be read or written.
    #[error("the log: {0}")]
    Log(String),
}

/// Makes `member`, under the new Raft id `id`, the only member of its group: the whole log is replayed into a snapshot that
/// names it alone. The caller starts it as usual afterwards. Repeating it after a crash half-way is harmless.
pub async fn force_new_group<S: StateMachine, D: Disk>(
    group: &str,
    id: u64,
    member: Member,
    log: Arc<dyn Submit>,
    snapshots: D,
    cipher: Arc<dyn Cipher>,
    state: S,
) -> Result<Forced, ForceError> {
    let store = SnapshotStore::new(snapshots, cipher, group);
    let mut machine = Machine::open(state, store, true)?;
    let mut log_store = LogStore::new(log.clone());
    let log_state = log_store.get_log_state().await.map_err(|error| ForceError::Log(error.to_string()))?;
    let mut replayed = 0;
    let mut position = machine.applied().map_or(0, |id| id.index + 1) + 1;
    while log.last_index().is_some_and(|last| position <= last) {
        let from = position.max(log.first_index().unwrap_or(1));
        let entries = log.read(from..=log.last_index().unwrap_or(from), BATCH).map_err(|error| ForceError::Log(error.to_string()))?;
        for (at, bytes) in entries {
            machine.replay(decode_entry(bytes).map_err(|error| ForceError::Log(error.to_string()))?);
            position = at + 1;
            replayed += 1;
        }
    }
    let last: LogId = machine.applied().ok_or(ForceError::Empty)?;
    let alone = Membership::new(vec![BTreeSet::from([id])], BTreeMap::from([(id, member)])).map_err(|error| ForceError::Log(error.to_string()))?;
    machine.set_membership(GroupMembership::new(Some(last), alone));
    machine.builder().write()?;
    // The old log after the new snapshot: a crash between them leaves a state from which this can be repeated.
    if log_state.last_log_id.is_some() {
        change(&log, Change::Purge { to: last.index + 1, marker: marker(last) }).await?;
    }
    // Above every term this member ever heard of: an old member that returns must not be able to out-vote the new group.
    let promised = log.vote().and_then(|bytes| VoteRecord::decode(bytes).ok()).map_or(0, |vote| vote.term);
    let vote = VoteRecord { term: promised.max(last.leader_id.term) + 1, candidate: id, committed: false };
    change(&log, Change::Vote(vote.encode_to_vec().into())).await?;
    Ok(Forced { last: last.into(), replayed })
}

async fn change(log: &Arc<dyn Submit>, change: Change) -> Result<(), ForceError> {
    let (told, hears) = oneshot::channel();
    log.submit(
        change,
        Box::new(move |result| {
            let _ = told.send(result);
        }),
    );
    let done = hears.await.unwrap_or_else(|_| Err(std::io::Error::other("the log was closed")));
    done.map_err(|error| ForceError::Log(error.to_string()))
}
