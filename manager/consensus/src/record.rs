//! Bytes of the group: what lies in the log and in snapshots, and what members say to each other. These are our own messages,
//! in Protocol Buffers, so that a new version of the library changes nothing on a user's disk; fields are only ever added.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use openraft::vote::RaftVote;
use openraft::vote::leader_id_std::{CommittedLeaderId, LeaderId};
use openraft::{EntryPayload, StoredMembership};
use prost::Message;

use crate::member::Member;
use crate::runtime::Runtime;

/// A command: opaque.
#[derive(Clone, PartialEq, Eq)]
pub struct Command(pub Bytes);

/// What the state machine answered to a command: opaque.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply(pub Bytes);

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command of {} bytes", self.0.len())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reply of {} bytes", self.0.len())
    }
}

openraft::declare_raft_types!(
    /// The group's types: one leader a term, as in the Raft paper.
    pub Group:
        D = Command,
        R = Reply,
        NodeId = u64,
        Node = Member,
        Term = u64,
        LeaderId = LeaderId<u64, u64>,
        AsyncRuntime = Runtime,
);

pub(crate) type LogId = openraft::LogId<CommittedLeaderId<u64>>;
pub(crate) type Vote = openraft::impls::Vote<LeaderId<u64, u64>>;
pub(crate) type Entry = openraft::type_config::alias::EntryOf<Group>;
pub(crate) type Membership = openraft::Membership<u64, Member>;
pub(crate) type GroupMembership = StoredMembership<CommittedLeaderId<u64>, u64, Member>;
pub(crate) type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<Group>;

/// Bytes that are none of ours, or of a later version.
#[derive(Debug, thiserror::Error)]
#[error("{what} cannot be read: {reason}")]
pub struct RecordError {
    what: &'static str,
    reason: String,
}

impl RecordError {
    fn new(what: &'static str, reason: impl fmt::Display) -> Self {
        RecordError {
            what,
            reason: reason.to_string(),
        }
    }
}

/// Position in the log.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct LogIdRecord {
    /// Term of the leader that wrote it.
    #[prost(uint64, tag = "1")]
    pub term: u64,
    /// Counted from 0.
    #[prost(uint64, tag = "2")]
    pub index: u64,
}

/// What a member has promised to whom.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct VoteRecord {
    /// The term.
    #[prost(uint64, tag = "1")]
    pub term: u64,
    /// The candidate.
    #[prost(uint64, tag = "2")]
    pub candidate: u64,
    /// Whether a majority voted alike: the candidate leads.
    #[prost(bool, tag = "3")]
    pub committed: bool,
}

/// A member with its Raft id.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MemberRecord {
    /// Raft id.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// Id of the node.
    #[prost(string, tag = "2")]
    pub node_id: String,
    /// `host:port`.
    #[prost(string, tag = "3")]
    pub address: String,
}

/// Voters of one configuration.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct VotersRecord {
    /// Raft ids.
    #[prost(uint64, repeated, tag = "1")]
    pub ids: Vec<u64>,
}

/// Who belongs to the group: two configurations while it changes (joint consensus), otherwise one.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MembershipRecord {
    /// Configurations.
    #[prost(message, repeated, tag = "1")]
    pub voters: Vec<VotersRecord>,
    /// Voters and learners.
    #[prost(message, repeated, tag = "2")]
    pub members: Vec<MemberRecord>,
}

/// One entry of the log.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LogEntry {
    /// Term.
    #[prost(uint64, tag = "1")]
    pub term: u64,
    /// Index.
    #[prost(uint64, tag = "2")]
    pub index: u64,
    /// What it holds.
    #[prost(oneof = "LogPayload", tags = "3, 4, 5")]
    pub payload: Option<LogPayload>,
}

/// What an entry holds.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum LogPayload {
    /// Nothing: a new leader's first entry.
    #[prost(bool, tag = "3")]
    Blank(bool),
    /// A command.
    #[prost(bytes = "bytes", tag = "4")]
    Normal(Bytes),
    /// A change of the group.
    #[prost(message, tag = "5")]
    Membership(MembershipRecord),
}

/// What a snapshot stands for.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SnapshotHeader {
    /// Version of the format: 1.
    #[prost(uint32, tag = "1")]
    pub format: u32,
    /// Name of the group.
    #[prost(string, tag = "2")]
    pub group: String,
    /// The last entry that it holds.
    #[prost(message, optional, tag = "3")]
    pub last: Option<LogIdRecord>,
    /// The membership in force there.
    #[prost(message, optional, tag = "4")]
    pub membership: Option<MembershipRecord>,
    /// Where that membership was written.
    #[prost(message, optional, tag = "5")]
    pub membership_at: Option<LogIdRecord>,
    /// The vote of the leader that sends it; none on disk.
    #[prost(message, optional, tag = "6")]
    pub vote: Option<VoteRecord>,
}

/// The end of a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SnapshotTrailer {
    /// How many records lie between header and trailer.
    #[prost(uint64, tag = "1")]
    pub records: u64,
    /// CRC-32C over all of them.
    #[prost(uint32, tag = "2")]
    pub crc: u32,
}

/// One record of a snapshot, on disk and on the wire.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SnapshotRecord {
    /// Which.
    #[prost(oneof = "SnapshotPart", tags = "1, 2, 3")]
    pub part: Option<SnapshotPart>,
}

/// Parts of a snapshot, in this order.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum SnapshotPart {
    /// First.
    #[prost(message, tag = "1")]
    Header(SnapshotHeader),
    /// The state machine's own bytes.
    #[prost(bytes = "bytes", tag = "2")]
    Body(Bytes),
    /// Last.
    #[prost(message, tag = "3")]
    Trailer(SnapshotTrailer),
}

/// A leader's message to a follower; without entries a heartbeat.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AppendRequest {
    /// The leader's vote.
    #[prost(message, optional, tag = "1")]
    pub vote: Option<VoteRecord>,
    /// What comes before the entries.
    #[prost(message, optional, tag = "2")]
    pub previous: Option<LogIdRecord>,
    /// The entries.
    #[prost(message, repeated, tag = "3")]
    pub entries: Vec<LogEntry>,
    /// How far the leader has committed.
    #[prost(message, optional, tag = "4")]
    pub commit: Option<LogIdRecord>,
}

/// The follower's answer.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AppendReply {
    /// Which.
    #[prost(oneof = "Appended", tags = "1, 2, 3, 4")]
    pub outcome: Option<Appended>,
}

/// Outcomes of an append.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Appended {
    /// All of it.
    #[prost(bool, tag = "1")]
    All(bool),
    /// As far as this.
    #[prost(message, tag = "2")]
    UpTo(LogIdRecord),
    /// What comes before the entries isn't there.
    #[prost(bool, tag = "3")]
    Conflict(bool),
    /// Another leader has been promised more.
    #[prost(message, tag = "4")]
    HigherVote(VoteRecord),
}

/// A candidate's request.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct BallotRequest {
    /// What it wants to be promised.
    #[prost(message, optional, tag = "1")]
    pub vote: Option<VoteRecord>,
    /// The end of its log.
    #[prost(message, optional, tag = "2")]
    pub last: Option<LogIdRecord>,
    /// Whether the leader itself asked for this election.
    #[prost(bool, tag = "3")]
    pub transfer: bool,
}

/// The answer to a candidate.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct BallotReply {
    /// What is promised now.
    #[prost(message, optional, tag = "1")]
    pub vote: Option<VoteRecord>,
    /// Whether to this candidate.
    #[prost(bool, tag = "2")]
    pub granted: bool,
    /// The end of the voter's log.
    #[prost(message, optional, tag = "3")]
    pub last: Option<LogIdRecord>,
}

/// A leader hands over.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TransferRequest {
    /// The leader's vote.
    #[prost(message, optional, tag = "1")]
    pub from: Option<VoteRecord>,
    /// Raft id of the one that shall lead.
    #[prost(uint64, tag = "2")]
    pub to: u64,
    /// The end of the leader's log.
    #[prost(message, optional, tag = "3")]
    pub last: Option<LogIdRecord>,
}

/// The answer to a transfer; empty when it was accepted.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TransferReply {
    /// The vote that stands in its way.
    #[prost(message, optional, tag = "1")]
    pub vote_changed: Option<VoteRecord>,
    /// The log is not as far.
    #[prost(bool, tag = "2")]
    pub behind: bool,
    /// How far it is.
    #[prost(message, optional, tag = "3")]
    pub flushed: Option<LogIdRecord>,
}

impl From<LogId> for LogIdRecord {
    fn from(id: LogId) -> Self {
        LogIdRecord {
            term: id.leader_id.term,
            index: id.index,
        }
    }
}

impl From<LogIdRecord> for LogId {
    fn from(id: LogIdRecord) -> Self {
        LogId {
            leader_id: CommittedLeaderId::new(id.term),
            index: id.index,
        }
    }
}

impl From<Vote> for VoteRecord {
    fn from(vote: Vote) -> Self {
        VoteRecord {
            term: vote.leader_id.term,
            candidate: vote.leader_id.voted_for,
            committed: vote.committed,
        }
    }
}

impl From<VoteRecord> for Vote {
    fn from(vote: VoteRecord) -> Self {
        Vote::from_leader_id(
            LeaderId {
                term: vote.term,
                voted_for: vote.candidate,
            },
            vote.committed,
        )
    }
}

pub(crate) fn vote(record: Option<VoteRecord>) -> Result<Vote, RecordError> {
    record
        .map(Vote::from)
        .ok_or_else(|| RecordError::new("a message", "it carries no vote"))
}

impl From<&Membership> for MembershipRecord {
    fn from(membership: &Membership) -> Self {
        let voters = membership.get_joint_config().iter();
        let mut members: Vec<MemberRecord> = membership
            .nodes()
            .map(|(id, member)| MemberRecord {
                id: *id,
                node_id: member.node_id.clone(),
                address: member.address.clone(),
            })
            .collect();
        members.sort_by_key(|member| member.id);
        MembershipRecord {
            voters: voters
                .map(|ids| VotersRecord {
                    ids: ids.iter().copied().collect(),
                })
                .collect(),
            members,
        }
    }
}

impl TryFrom<MembershipRecord> for Membership {
    type Error = RecordError;

    fn try_from(record: MembershipRecord) -> Result<Self, RecordError> {
        let members: BTreeMap<u64, Member> = record
            .members
            .into_iter()
            .map(|member| {
                (
                    member.id,
                    Member {
                        node_id: member.node_id,
                        address: member.address,
                    },
                )
            })
            .collect();
        let voters: Vec<BTreeSet<u64>> = record
            .voters
            .into_iter()
            .map(|voters| voters.ids.into_iter().collect())
            .collect();
        Membership::new(voters, members).map_err(|error| RecordError::new("a membership", error))
    }
}

/// The bytes of an entry.
pub(crate) fn encode_entry(entry: &Entry) -> Bytes {
    entry_record(entry).encode_to_vec().into()
}

pub(crate) fn entry_record(entry: &Entry) -> LogEntry {
    let payload = match &entry.payload {
        EntryPayload::Blank => LogPayload::Blank(true),
        EntryPayload::Normal(command) => LogPayload::Normal(command.0.clone()),
        EntryPayload::Membership(membership) => LogPayload::Membership(membership.into()),
    };
    LogEntry {
        term: entry.log_id.leader_id.term,
        index: entry.log_id.index,
        payload: Some(payload),
    }
}

/// An entry from its bytes.
pub(crate) fn decode_entry(bytes: Bytes) -> Result<Entry, RecordError> {
    entry(LogEntry::decode(bytes).map_err(|error| RecordError::new("a log entry", error))?)
}

pub(crate) fn entry(record: LogEntry) -> Result<Entry, RecordError> {
    let log_id = LogIdRecord {
        term: record.term,
        index: record.index,
    }
    .into();
    let payload = match record.payload {
        Some(LogPayload::Blank(_)) => EntryPayload::Blank,
        Some(LogPayload::Normal(command)) => EntryPayload::Normal(Command(command)),
        Some(LogPayload::Membership(membership)) => {
            EntryPayload::Membership(membership.try_into()?)
        }
        // Skipping what cannot be understood would let members differ.
        None => {
            return Err(RecordError::new(
                "a log entry",
                format!(
                    "entry {} is of a kind that this version does not know",
                    record.index
                ),
            ));
        }
    };
    Ok(Entry { log_id, payload })
}

/// The first record of a snapshot.
pub(crate) fn header(group: &str, meta: &SnapshotMeta, vote: Option<Vote>) -> SnapshotHeader {
    SnapshotHeader {
        format: SNAPSHOT_FORMAT,
        group: group.to_owned(),
        last: meta.last_log_id.map(Into::into),
        membership: Some(meta.last_membership.membership().into()),
        membership_at: meta.last_membership.log_id().map(Into::into),
        vote: vote.map(Into::into),
    }
}

/// The version of the snapshots' format that this program writes.
pub(crate) const SNAPSHOT_FORMAT: u32 = 1;

/// What a header says, checked.
pub(crate) fn meta(header: SnapshotHeader) -> Result<SnapshotMeta, RecordError> {
    if header.format != SNAPSHOT_FORMAT {
        let reason = format!(
            "it is of format {}, this version reads {SNAPSHOT_FORMAT}: start the version that wrote it",
            header.format
        );
        return Err(RecordError::new("a snapshot", reason));
    }
    let membership = header
        .membership
        .ok_or_else(|| RecordError::new("a snapshot", "it names no members"))?;
    Ok(SnapshotMeta {
        last_log_id: header.last.map(Into::into),
        last_membership: GroupMembership::new(
            header.membership_at.map(Into::into),
            membership.try_into()?,
        ),
    })
}
