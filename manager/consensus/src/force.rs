//! A group that has lost its majority, started anew from one member.
//!
//! Nobody can tell which of the last entries in this member's log were committed: the others who knew are gone. All of them are
//! kept. An acknowledged command is among them if this member ever saw it; one that was never acknowledged may come true.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use tokio::sync::oneshot;
use wal::{Change, Cipher, Disk, Submit};

use crate::log_store::marker;
use crate::machine::{Machine, Position, StateMachine};
use crate::member::Member;
use crate::record::{
    GroupMembership, LogId, LogIdRecord, Membership, SnapshotMeta, VoteRecord, decode_entry,
};
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
    /// The state machine does not understand its log.
    #[error("{0}")]
    Refused(String),
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
    let mut replayed = 0;
    let mut position = machine.applied().map_or(0, |id| id.index + 1) + 1;
    while log.last_index().is_some_and(|last| position <= last) {
        let from = position.max(log.first_index().unwrap_or(1));
        let entries = log
            .read(from..=log.last_index().unwrap_or(from), BATCH)
            .map_err(|error| ForceError::Log(error.to_string()))?;
        for (at, bytes) in entries {
            let entry = decode_entry(bytes).map_err(|error| ForceError::Log(error.to_string()))?;
            machine.replay(entry).map_err(ForceError::Refused)?;
            position = at + 1;
            replayed += 1;
        }
    }
    let last: LogId = machine.applied().ok_or(ForceError::Empty)?;
    machine.set_membership(alone(last, id, member)?);
    // The old log goes after the new snapshot is there: a crash between them leaves a state from which this can be repeated.
    machine.builder().write()?;
    begin(&log, last, id).await?;
    Ok(Forced {
        last: last.into(),
        replayed,
    })
}

/// Puts a state on the disk of a member that has none: it is the only one of its group, at that position of the log.
#[allow(
    clippy::too_many_arguments,
    reason = "a disk in three parts, a member in two, a state in two"
)]
pub async fn plant_group<D: Disk>(
    group: &str,
    id: u64,
    member: Member,
    log: Arc<dyn Submit>,
    snapshots: D,
    cipher: Arc<dyn Cipher>,
    at: Position,
    records: impl Iterator<Item = Bytes>,
) -> Result<(), ForceError> {
    let store = SnapshotStore::new(snapshots, cipher, group);
    let last: LogId = LogIdRecord {
        term: at.term,
        index: at.index,
    }
    .into();
    let mut draft = store.draft("planted")?;
    draft.begin(SnapshotMeta {
        last_log_id: Some(last),
        last_membership: alone(last, id, member)?,
    })?;
    for record in records {
        draft.add(record)?;
    }
    store.publish(&draft.finish()?)?;
    begin(&log, last, id).await
}

fn alone(last: LogId, id: u64, member: Member) -> Result<GroupMembership, ForceError> {
    let membership = Membership::new(vec![BTreeSet::from([id])], BTreeMap::from([(id, member)]));
    let membership = membership.map_err(|error| ForceError::Log(error.to_string()))?;
    Ok(GroupMembership::new(Some(last), membership))
}

/// The log begins after `last`, in a term above every one that this member ever heard of: an old member that returns must not be
/// able to out-vote the new group.
async fn begin(log: &Arc<dyn Submit>, last: LogId, id: u64) -> Result<(), ForceError> {
    change(
        log,
        Change::Purge {
            to: last.index + 1,
            marker: marker(last),
        },
    )
    .await?;
    let promised = log
        .vote()
        .and_then(|bytes| VoteRecord::decode(bytes).ok())
        .map_or(0, |vote| vote.term);
    let vote = VoteRecord {
        term: promised.max(last.leader_id.term) + 1,
        candidate: id,
        committed: false,
    };
    change(log, Change::Vote(vote.encode_to_vec().into())).await
}

async fn change(log: &Arc<dyn Submit>, change: Change) -> Result<(), ForceError> {
    let (told, hears) = oneshot::channel();
    log.submit(
        change,
        Box::new(move |result| {
            let _ = told.send(result);
        }),
    );
    let done = hears
        .await
        .unwrap_or_else(|_| Err(std::io::Error::other("the log was closed")));
    done.map_err(|error| ForceError::Log(error.to_string()))
}
