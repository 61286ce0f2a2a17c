//! One member of the group at work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{
    ClientWriteError, Fatal, ForwardToLeader, InitializeError, LinearizableReadError, RaftError,
};
use openraft::raft::ClientWriteResponse;
use openraft::{ChangeMembers, Raft, ReadPolicy};
use tokio::sync::watch;
use wal::{Cipher, Disk, Submit};

use crate::barrier::Barrier;
use crate::config::{SNAPSHOT_EVERY, Timings, TimingsError};
use crate::log_store::LogStore;
use crate::machine::{Machine, Position, StateMachine};
use crate::member::Member;
use crate::network::{Network, Rpc, Transport};
use crate::record::{Command, Group};
use crate::snapshots::{SnapshotError, SnapshotStore};
use crate::status::{Leadership, Status, leadership, status};

mod serve;

pub use serve::ServeError;

type Engine<S, D> = Raft<Group, Machine<S, D>>;
type WriteResult = Result<ClientWriteResponse<Group>, RaftError<Group, ClientWriteError<Group>>>;

/// What a member is made of.
pub struct Setup<D: Disk, T> {
    /// Its Raft id: drawn once, never used again.
    pub id: u64,
    /// Name of the group; snapshots of another one are refused.
    pub group: String,
    /// Its log.
    pub log: Arc<dyn Submit>,
    /// Where its snapshots lie.
    pub snapshots: D,
    /// What seals them.
    pub cipher: Arc<dyn Cipher>,
    /// How it reaches the others.
    pub transport: T,
    /// The clock of the group.
    pub timings: Timings,
    /// Entries between two snapshots; none for the default, 10,000.
    pub snapshot_every: Option<u64>,
    /// Whether snapshots are written on a thread of their own. False in simulations.
    pub threads: bool,
}

/// A member that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its timings could not work.
    #[error(transparent)]
    Timings(#[from] TimingsError),
    /// Its snapshot cannot be read.
    #[error("open the newest snapshot: {0}")]
    Snapshot(#[from] SnapshotError),
    /// Its log cannot be read, or the engine refused.
    #[error("start the consensus: {0}")]
    Engine(String),
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Where it stands in the log.
    pub at: Position,
    /// What the state machine answered.
    pub reply: Bytes,
}

/// A command that was not carried out, or of which nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Nothing was done: another member leads.
    #[error("this manager does not lead{}", led_by(.0))]
    NotLeader(Option<Member>),
    /// It may have been carried out or not, now or later: the leader changed, or this member stopped, before it was decided.
    #[error("it is unknown whether the change was made: {0}; look before you try again")]
    Unknown(String),
}

fn led_by(leader: &Option<Member>) -> String {
    leader.as_ref().map_or_else(
        || "; no leader is known".to_owned(),
        |leader| format!("; the leader is {leader}"),
    )
}

/// A read that cannot be vouched for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Another member leads.
    #[error("this manager does not lead{}", led_by(.0))]
    NotLeader(Option<Member>),
    /// Too few members answer to tell whether this one still leads.
    #[error("too few managers answer")]
    NoQuorum,
    /// This member has stopped.
    #[error("{0}")]
    Stopped(String),
}

/// A change of the group that was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// Another member leads.
    #[error("this manager does not lead{}", led_by(.0))]
    NotLeader(Option<Member>),
    /// One change at a time.
    #[error("another change of the managers is under way; try again when it is done")]
    Busy,
    /// The group would refuse it.
    #[error("{0}")]
    Refused(String),
    /// It may yet happen.
    #[error("it is unknown whether the managers were changed: {0}; look before you try again")]
    Unknown(String),
}

/// A running member.
pub struct Consensus<S: StateMachine, D: Disk> {
    raft: Engine<S, D>,
    snapshots: SnapshotStore<D>,
    barrier: Barrier,
    group: String,
    threads: bool,
    arrivals: Arc<AtomicU64>,
    leadership: watch::Receiver<Leadership>,
}

impl<S: StateMachine, D: Disk> Clone for Consensus<S, D> {
    fn clone(&self) -> Self {
        Consensus {
            raft: self.raft.clone(),
            snapshots: self.snapshots.clone(),
            barrier: self.barrier.clone(),
            group: self.group.clone(),
            threads: self.threads,
            arrivals: self.arrivals.clone(),
            leadership: self.leadership.clone(),
        }
    }
}

impl<S: StateMachine, D: Disk> Consensus<S, D> {
    /// Starts a member from what lies on its disk. A new one waits to be added, or for [`Consensus::found`].
    pub async fn start<T: Transport>(setup: Setup<D, T>, state: S) -> Result<Self, StartError> {
        setup.timings.check()?;
        let snapshots = SnapshotStore::new(setup.snapshots, setup.cipher, &setup.group);
        let machine = Machine::open(state, snapshots.clone(), setup.threads)?;
        let config = setup
            .timings
            .openraft(&setup.group, setup.snapshot_every.unwrap_or(SNAPSHOT_EVERY));
        let config = config
            .validate()
            .map_err(|error| StartError::Engine(error.to_string()))?;
        let network = Network::<T, D>::new(setup.transport, &setup.group);
        let raft = Raft::new(
            setup.id,
            Arc::new(config),
            network,
            LogStore::new(setup.log),
            machine,
        )
        .await
        .map_err(|error| StartError::Engine(error.to_string()))?;
        let confirming = raft.clone();
        let barrier = Barrier::spawn(move || {
            let raft = confirming.clone();
            async move {
                raft.ensure_linearizable(ReadPolicy::ReadIndex)
                    .await
                    .map(|_| ())
                    .map_err(read_error)
            }
        });
        let leadership = watch_leadership(&raft);
        Ok(Consensus {
            raft,
            snapshots,
            barrier,
            group: setup.group,
            threads: setup.threads,
            arrivals: Arc::default(),
            leadership,
        })
    }

    /// Founds a group of which this member is the only one. Fails when it has a past.
    pub async fn found(&self, member: Member) -> Result<(), MembershipError> {
        let members = BTreeMap::from([(*self.raft.node_id(), member)]);
        self.raft
            .initialize(members)
            .await
            .map_err(|error| match error {
                RaftError::APIError(InitializeError::NotAllowed(_)) => {
                    MembershipError::Refused("this manager belongs to a group already".to_owned())
                }
                other => MembershipError::Unknown(other.to_string()),
            })
    }

    /// Has a command carried out, and returns when it is on the disks of a majority and applied here.
    pub async fn propose(&self, command: Bytes) -> Result<Outcome, ProposeError> {
        match self.raft.client_write(Command(command)).await {
            Ok(written) => Ok(Outcome {
                at: written.log_id.into(),
                reply: written.data.0,
            }),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                Err(ProposeError::NotLeader(leader(forward)))
            }
            Err(other) => Err(ProposeError::Unknown(other.to_string())),
        }
    }

    /// Returns when everything that any member had answered before the call has been applied here; only on the leader.
    pub async fn read_barrier(&self) -> Result<(), ReadError> {
        self.barrier.pass().await
    }

    /// The same without asking the others, while the leader's lease holds: right unless clocks run at different speeds.
    pub async fn lease_barrier(&self) -> Result<(), ReadError> {
        self.raft
            .ensure_linearizable(ReadPolicy::LeaseRead)
            .await
            .map(|_| ())
            .map_err(read_error)
    }

    /// Who leads, now and whenever it changes.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    /// Returns when this member has stopped: with the reason when it had to, none when it was told to.
    pub async fn stopped(&self) -> Option<String> {
        let mut metrics = self.raft.metrics();
        loop {
            match &metrics.borrow_watched().running_state {
                Ok(()) => {}
                Err(Fatal::Stopped) => return None,
                Err(fatal) => return Some(reason(fatal)),
            }
            if metrics.changed().await.is_err() {
                return None;
            }
        }
    }

    /// What this member knows of its group.
    pub fn status(&self) -> Status {
        status(&self.raft.metrics().borrow_watched())
    }

    /// Takes in a member that has no vote yet and returns when it has caught up.
    pub async fn add_learner(&self, id: u64, member: Member) -> Result<(), MembershipError> {
        membership(self.raft.add_learner(id, member, true).await)
    }

    /// Gives learners a vote.
    pub async fn promote(&self, ids: BTreeSet<u64>) -> Result<(), MembershipError> {
        membership(
            self.raft
                .change_membership(ChangeMembers::AddVoterIds(ids), true)
                .await,
        )
    }

    /// Tells the group that a member is reached elsewhere.
    pub async fn move_member(&self, id: u64, member: Member) -> Result<(), MembershipError> {
        membership(
            self.raft
                .change_membership(
                    ChangeMembers::SetNodes(BTreeMap::from([(id, member)])),
                    true,
                )
                .await,
        )
    }

    /// Removes a member, voter or learner. Removing the last voter is refused.
    pub async fn remove(&self, id: u64) -> Result<(), MembershipError> {
        let known = self.status();
        let voter = known
            .members
            .iter()
            .any(|member| member.id == id && member.voter);
        if voter && known.voters() == 1 {
            return Err(MembershipError::Refused(
                "the last manager cannot be removed: the cluster would be gone".to_owned(),
            ));
        }
        // Of a member that is not there, too: only a leader knows, once others have agreed.
        let ids = BTreeSet::from([id]);
        let change = if voter {
            ChangeMembers::RemoveVoters(ids)
        } else {
            ChangeMembers::RemoveNodes(ids)
        };
        membership(self.raft.change_membership(change, false).await)
    }

    /// Hands the leadership to another voter: to `to`, or to the one that is furthest. Returns when another leads.
    pub async fn hand_over(
        &self,
        to: Option<u64>,
        within: Duration,
    ) -> Result<(), MembershipError> {
        let known = self.status();
        if !known.leadership.is_self {
            return Ok(());
        }
        let others = known
            .members
            .iter()
            .filter(|member| member.voter && member.id != known.id);
        let chosen = to.or_else(|| {
            others
                .max_by_key(|member| member.matched)
                .map(|member| member.id)
        });
        let Some(to) = chosen else {
            return Err(MembershipError::Refused(
                "there is no other manager that could lead".to_owned(),
            ));
        };
        self.raft
            .trigger()
            .transfer_leader(to)
            .await
            .map_err(|error| MembershipError::Unknown(error.to_string()))?;
        let mut leadership = self.leadership();
        let moved = leadership
            .wait_for(|now| !now.is_self && now.leader.is_some_and(|leader| leader != known.id));
        match tokio::time::timeout(within, moved).await {
            Ok(_) => Ok(()),
            Err(_) => Err(MembershipError::Refused(format!(
                "the manager {to} did not take over within {within:?}"
            ))),
        }
    }

    /// Has a snapshot written now; returns at once.
    pub async fn take_snapshot(&self) -> Result<(), MembershipError> {
        self.raft
            .trigger()
            .snapshot()
            .await
            .map_err(|error| MembershipError::Unknown(error.to_string()))
    }

    /// Numbers the snapshots that arrive.
    fn arrivals(&self) -> u64 {
        self.arrivals.fetch_add(1, Ordering::Relaxed)
    }

    /// Stops this member. Its disk is as a crash would leave it, which is enough.
    pub async fn shutdown(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "the consensus did not stop in order");
        }
    }
}

fn watch_leadership<S: StateMachine, D: Disk>(raft: &Engine<S, D>) -> watch::Receiver<Leadership> {
    let mut metrics = raft.metrics();
    let (tells, hears) = watch::channel(leadership(&metrics.borrow_watched()));
    tokio::spawn(async move {
        while metrics.changed().await.is_ok() {
            let now = leadership(&metrics.borrow_watched());
            tells.send_if_modified(|known| std::mem::replace(known, now) != now);
        }
    });
    hears
}

fn leader(forward: ForwardToLeader<Group>) -> Option<Member> {
    forward.leader_node
}

fn read_error(error: RaftError<Group, LinearizableReadError<Group>>) -> ReadError {
    match error {
        RaftError::APIError(LinearizableReadError::ForwardToLeader(forward)) => {
            ReadError::NotLeader(leader(forward))
        }
        RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)) => ReadError::NoQuorum,
        RaftError::Fatal(fatal) => ReadError::Stopped(stopped(&fatal)),
    }
}

fn stopped(fatal: &Fatal<Group>) -> String {
    format!("this manager's consensus has stopped: {}", reason(fatal))
}

/// What is at the bottom of it.
fn reason(fatal: &Fatal<Group>) -> String {
    match fatal {
        // What openraft puts before it (its own types) tells a person nothing.
        Fatal::StorageError(error) => {
            let text = error.to_string();
            let cause = text.split_once("std::io::error::Error: ");
            cause.map_or(text.clone(), |(_, cause)| cause.to_owned())
        }
        other => other.to_string(),
    }
}

fn membership(result: WriteResult) -> Result<(), MembershipError> {
    use openraft::errors::ChangeMembershipError as Change;
    match result {
        Ok(_) => Ok(()),
        Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
            Err(MembershipError::NotLeader(leader(forward)))
        }
        Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(
            Change::InProgress(_) | Change::UncommittedLeaderLog(_),
        ))) => Err(MembershipError::Busy),
        Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(refused))) => {
            Err(MembershipError::Refused(refused.to_string()))
        }
        Err(other) => Err(MembershipError::Unknown(other.to_string())),
    }
}

/// What arrives of a snapshot.
pub(crate) async fn next<St: Stream<Item = std::io::Result<Bytes>> + Unpin>(
    records: &mut St,
) -> std::io::Result<Option<Bytes>> {
    records.next().await.transpose()
}
