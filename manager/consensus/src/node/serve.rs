//! What other members ask of this one.

use bytes::Bytes;
use futures_util::Stream;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest,
    VoteRequest,
};
use openraft::type_config::alias::SnapshotOf;
use prost::Message;
use wal::Disk;

use super::{Consensus, Rpc, next};
use crate::machine::StateMachine;
use crate::record::{
    AppendReply, AppendRequest, Appended, BallotReply, BallotRequest, Group, RecordError,
    SnapshotPart, SnapshotRecord, TransferReply, TransferRequest, VoteRecord, entry, meta, vote,
};
use crate::snapshots::SnapshotError;

/// A member's message that could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It is not one of ours.
    #[error("not a message of this group: {0}")]
    Garbled(String),
    /// This member has stopped.
    #[error("{0}")]
    Stopped(String),
    /// A snapshot could not be kept.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A snapshot broke off.
    #[error("the snapshot broke off: {0}")]
    BrokenOff(String),
}

impl From<RecordError> for ServeError {
    fn from(error: RecordError) -> Self {
        ServeError::Garbled(error.to_string())
    }
}

impl From<prost::DecodeError> for ServeError {
    fn from(error: prost::DecodeError) -> Self {
        ServeError::Garbled(error.to_string())
    }
}

fn stopped(error: impl std::fmt::Display) -> ServeError {
    ServeError::Stopped(format!("this manager's consensus has stopped: {error}"))
}

impl<S: StateMachine, D: Disk> Consensus<S, D> {
    /// Answers a member. Whether the caller is one is for the transport to know.
    pub async fn serve(&self, rpc: Rpc, message: Bytes) -> Result<Bytes, ServeError> {
        let answer = match rpc {
            Rpc::Append => self
                .serve_append(AppendRequest::decode(message)?)
                .await?
                .encode_to_vec(),
            Rpc::Vote | Rpc::PreVote => self
                .serve_ballot(rpc, BallotRequest::decode(message)?)
                .await?
                .encode_to_vec(),
            Rpc::Transfer => self
                .serve_transfer(TransferRequest::decode(message)?)
                .await?
                .encode_to_vec(),
        };
        Ok(answer.into())
    }

    async fn serve_append(&self, message: AppendRequest) -> Result<AppendReply, ServeError> {
        let request = AppendEntriesRequest::<Group> {
            vote: vote(message.vote)?,
            prev_log_id: message.previous.map(Into::into),
            entries: message
                .entries
                .into_iter()
                .map(entry)
                .collect::<Result<_, _>>()?,
            leader_commit: message.commit.map(Into::into),
        };
        let outcome = match self.raft.append_entries(request).await.map_err(stopped)? {
            AppendEntriesResponse::Success => Appended::All(true),
            AppendEntriesResponse::PartialSuccess(Some(id)) => Appended::UpTo(id.into()),
            AppendEntriesResponse::PartialSuccess(None) | AppendEntriesResponse::Conflict => {
                Appended::Conflict(true)
            }
            AppendEntriesResponse::HigherVote(vote) => Appended::HigherVote(vote.into()),
        };
        Ok(AppendReply {
            outcome: Some(outcome),
        })
    }

    async fn serve_ballot(
        &self,
        rpc: Rpc,
        message: BallotRequest,
    ) -> Result<BallotReply, ServeError> {
        let mut request =
            VoteRequest::<Group>::new(vote(message.vote)?, message.last.map(Into::into));
        request.leadership_transfer = message.transfer;
        let reply = match rpc {
            Rpc::PreVote => self.raft.pre_vote(request).await,
            _ => self.raft.vote(request).await,
        };
        let reply = reply.map_err(stopped)?;
        Ok(BallotReply {
            vote: Some(reply.vote.into()),
            granted: reply.vote_granted,
            last: reply.last_log_id.map(Into::into),
        })
    }

    async fn serve_transfer(&self, message: TransferRequest) -> Result<TransferReply, ServeError> {
        let request = TransferLeaderRequest::new(
            vote(message.from)?,
            message.to,
            message.last.map(Into::into),
        );
        Ok(
            match self
                .raft
                .handle_transfer_leader(request)
                .await
                .map_err(stopped)?
            {
                Ok(()) => TransferReply::default(),
                Err(TransferLeaderError::VoteChanged { actual, .. }) => TransferReply {
                    vote_changed: Some(actual.into()),
                    ..TransferReply::default()
                },
                Err(TransferLeaderError::LogNotFlushed { actual, .. }) => TransferReply {
                    behind: true,
                    flushed: actual.map(Into::into),
                    ..TransferReply::default()
                },
            },
        )
    }

    /// Takes in a snapshot. It becomes this member's state when it has arrived whole.
    pub async fn serve_snapshot<St>(&self, mut records: St) -> Result<Bytes, ServeError>
    where
        St: Stream<Item = std::io::Result<Bytes>> + Send + Unpin,
    {
        let broken = |error: std::io::Error| ServeError::BrokenOff(error.to_string());
        let first = next(&mut records).await.map_err(broken)?;
        let Some(SnapshotPart::Header(head)) = part(first)? else {
            return Err(ServeError::Garbled(
                "a snapshot that does not begin with a header".to_owned(),
            ));
        };
        if head.group != self.group {
            return Err(ServeError::Garbled(format!(
                "a snapshot of the cluster {}; this is {}",
                head.group, self.group
            )));
        }
        let leader = vote(head.vote)?;
        let meta = meta(head)?;
        // A name of its own: a sender that gave up may still be sending.
        let mut draft = self
            .snapshots
            .draft(&format!("received-{}", self.arrivals()))?;
        draft.begin(meta.clone())?;
        let trailer = loop {
            match part(next(&mut records).await.map_err(broken)?)? {
                Some(SnapshotPart::Body(body)) => draft.add(body)?,
                Some(SnapshotPart::Trailer(trailer)) => break trailer,
                Some(SnapshotPart::Header(_)) => {
                    return Err(ServeError::Garbled(
                        "two headers in one snapshot".to_owned(),
                    ));
                }
                None => return Err(ServeError::BrokenOff("its end is missing".to_owned())),
            }
        };
        if trailer != draft.trailer() {
            return Err(ServeError::BrokenOff(
                "records are missing or changed".to_owned(),
            ));
        }
        let stored = if self.threads {
            tokio::task::spawn_blocking(move || draft.finish())
                .await
                .map_err(stopped)??
        } else {
            draft.finish()?
        };
        let snapshot = SnapshotOf::<Group, _> {
            meta,
            snapshot: stored,
        };
        let reply = self
            .raft
            .install_full_snapshot(leader, snapshot)
            .await
            .map_err(stopped)?;
        Ok(VoteRecord::from(reply.vote).encode_to_vec().into())
    }
}

fn part(bytes: Option<Bytes>) -> Result<Option<SnapshotPart>, ServeError> {
    let Some(bytes) = bytes else { return Ok(None) };
    let record = SnapshotRecord::decode(bytes)?;
    record.part.map(Some).ok_or_else(|| {
        ServeError::Garbled(
            "a snapshot's record of a kind that this version does not know".to_owned(),
        )
    })
}
