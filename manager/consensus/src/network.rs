//! openraft's messages over whatever reaches the other members.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use openraft::alias::VoteOf;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{Backoff, RPCOption};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderError,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{RaftNetworkFactory, RaftNetworkV2};
use prost::Message;
use wal::Disk;

use crate::member::Member;
use crate::record::{
    AppendReply, AppendRequest, Appended, BallotReply, BallotRequest, Group, RecordError,
    SnapshotPart, SnapshotRecord, SnapshotTrailer, TransferReply, TransferRequest, VoteRecord,
    entry_record, header, vote,
};
use crate::snapshots::StoredSnapshot;

/// What one member may ask of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rpc {
    /// Entries, or a heartbeat.
    Append,
    /// A vote.
    Vote,
    /// Whether a vote would be given, so that a member that was cut off disturbs nobody.
    PreVote,
    /// To lead.
    Transfer,
}

/// A message that did not arrive, or was not answered.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// There is no connection: trying again at once is of no use.
    #[error("{0}")]
    Unreachable(String),
    /// The connection broke, or the answer was not in time.
    #[error("{0}")]
    Broken(String),
}

/// The records of a snapshot on their way.
pub type SnapshotStream = BoxStream<'static, io::Result<Bytes>>;

/// How members reach each other. It must see to it that only members are heard.
pub trait Transport: Clone + Send + Sync + 'static {
    /// Asks `to`, and returns the answer, within the deadline.
    fn call(
        &self,
        to: &Member,
        rpc: Rpc,
        message: Bytes,
        deadline: Duration,
    ) -> impl Future<Output = Result<Bytes, TransportError>> + Send;

    /// Sends a snapshot to `to`, and returns the answer to it.
    fn send_snapshot(
        &self,
        to: &Member,
        records: SnapshotStream,
    ) -> impl Future<Output = Result<Bytes, TransportError>> + Send;
}

/// Connections to all members.
pub(crate) struct Network<T, D> {
    transport: T,
    group: String,
    disk: std::marker::PhantomData<fn() -> D>,
}

impl<T, D> Network<T, D> {
    pub(crate) fn new(transport: T, group: &str) -> Self {
        Network {
            transport,
            group: group.to_owned(),
            disk: std::marker::PhantomData,
        }
    }
}

impl<T: Transport, D: Disk> RaftNetworkFactory<Group> for Network<T, D> {
    type Network = Link<T, D>;

    async fn new_client(&mut self, _target: u64, member: &Member) -> Link<T, D> {
        Link {
            transport: self.transport.clone(),
            group: self.group.clone(),
            member: member.clone(),
            disk: std::marker::PhantomData,
        }
    }
}

/// The connection to one member.
pub(crate) struct Link<T, D> {
    transport: T,
    group: String,
    member: Member,
    disk: std::marker::PhantomData<fn() -> D>,
}

impl<T: Transport, D: Disk> Link<T, D> {
    async fn ask<A: Message + Default>(
        &self,
        rpc: Rpc,
        message: &impl Message,
        deadline: Duration,
    ) -> Result<A, RPCError<Group>> {
        let answer = self
            .transport
            .call(&self.member, rpc, message.encode_to_vec().into(), deadline)
            .await;
        let bytes = answer.map_err(|error| match error {
            TransportError::Unreachable(_) => RPCError::Unreachable(Unreachable::new(&error)),
            TransportError::Broken(_) => RPCError::Network(NetworkError::new(&error)),
        })?;
        A::decode(bytes).map_err(|error| RPCError::Network(NetworkError::new(&error)))
    }

    async fn ballot(
        &self,
        rpc: Rpc,
        request: VoteRequest<Group>,
        option: RPCOption,
    ) -> Result<VoteResponse<Group>, RPCError<Group>> {
        let message = BallotRequest {
            vote: Some(request.vote.into()),
            last: request.last_log_id.map(Into::into),
            transfer: request.leadership_transfer,
        };
        let reply: BallotReply = self.ask(rpc, &message, option.hard_ttl()).await?;
        Ok(VoteResponse {
            vote: vote(reply.vote).map_err(garbled)?,
            vote_granted: reply.granted,
            last_log_id: reply.last.map(Into::into),
        })
    }
}

fn garbled(error: RecordError) -> RPCError<Group> {
    RPCError::Network(NetworkError::new(&error))
}

impl<T: Transport, D: Disk> RaftNetworkV2<Group> for Link<T, D> {
    type SnapshotData = StoredSnapshot<D>;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Group>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Group>, RPCError<Group>> {
        let message = AppendRequest {
            vote: Some(request.vote.into()),
            previous: request.prev_log_id.map(Into::into),
            entries: request.entries.iter().map(entry_record).collect(),
            commit: request.leader_commit.map(Into::into),
        };
        let reply: AppendReply = self.ask(Rpc::Append, &message, option.hard_ttl()).await?;
        match reply.outcome {
            Some(Appended::All(_)) => Ok(AppendEntriesResponse::Success),
            Some(Appended::UpTo(id)) => Ok(AppendEntriesResponse::PartialSuccess(Some(id.into()))),
            Some(Appended::Conflict(_)) => Ok(AppendEntriesResponse::Conflict),
            Some(Appended::HigherVote(vote)) => Ok(AppendEntriesResponse::HigherVote(vote.into())),
            None => Err(RPCError::Network(NetworkError::from_string(
                "the answer to an append is of a kind that this version does not know",
            ))),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Group>,
        option: RPCOption,
    ) -> Result<VoteResponse<Group>, RPCError<Group>> {
        self.ballot(Rpc::Vote, request, option).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Group>,
        option: RPCOption,
    ) -> Result<VoteResponse<Group>, RPCError<Group>> {
        self.ballot(Rpc::PreVote, request, option).await
    }

    async fn full_snapshot(
        &mut self,
        leader: VoteOf<Group>,
        snapshot: openraft::alias::SnapshotOf<Group, StoredSnapshot<D>>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Group>, StreamingError<Group>> {
        let head = SnapshotPart::Header(header(&self.group, &snapshot.meta, Some(leader)));
        let sending = self
            .transport
            .send_snapshot(&self.member, records(head, snapshot.snapshot));
        let cancel: Pin<Box<dyn Future<Output = ReplicationClosed> + Send>> = Box::pin(cancel);
        let sending = std::pin::pin!(sending);
        let bytes = match futures_util::future::select(sending, cancel).await {
            futures_util::future::Either::Left((sent, _)) => sent.map_err(|error| match error {
                TransportError::Unreachable(_) => {
                    StreamingError::Unreachable(Unreachable::new(&error))
                }
                TransportError::Broken(_) => StreamingError::Network(NetworkError::new(&error)),
            })?,
            futures_util::future::Either::Right((closed, _)) => return Err(closed.into()),
        };
        let answer = VoteRecord::decode(bytes)
            .map_err(|error| StreamingError::Network(NetworkError::new(&error)))?;
        Ok(SnapshotResponse::new(answer.into()))
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Group>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Group>, RPCError<Group>> {
        let message = TransferRequest {
            from: Some((*request.from_leader()).into()),
            to: *request.to_node_id(),
            last: request.last_log_id().copied().map(Into::into),
        };
        let expected = *request.from_leader();
        let reply: TransferReply = self.ask(Rpc::Transfer, &message, option.hard_ttl()).await?;
        if let Some(actual) = reply.vote_changed {
            return Ok(Err(TransferLeaderError::VoteChanged {
                expected,
                actual: actual.into(),
            }));
        }
        if reply.behind {
            let expected = request.last_log_id().copied();
            return Ok(Err(TransferLeaderError::LogNotFlushed {
                expected,
                actual: reply.flushed.map(Into::into),
            }));
        }
        Ok(Ok(()))
    }

    fn backoff(&self) -> Option<Backoff> {
        // A member that comes back should hear of it soon: an election timer is 150 ms.
        Some(Backoff::new(std::iter::repeat(Duration::from_millis(100))))
    }
}

/// A stored snapshot as it goes over the wire: header, body, trailer, in the clear (the connection is not).
fn records<D: Disk>(head: SnapshotPart, stored: StoredSnapshot<D>) -> SnapshotStream {
    let encode = |part| Bytes::from(SnapshotRecord { part: Some(part) }.encode_to_vec());
    let mut trailer = Some(SnapshotTrailer::default());
    let mut body = stored.body();
    let tail = std::iter::from_fn(move || match body.next() {
        Some(Ok(record)) => {
            if let Some(trailer) = &mut trailer {
                trailer.records += 1;
                trailer.crc = crc32c::crc32c_append(trailer.crc, &record);
            }
            Some(Ok(encode(SnapshotPart::Body(record))))
        }
        Some(Err(error)) => {
            trailer = None;
            Some(Err(io::Error::other(error)))
        }
        None => trailer
            .take()
            .map(|trailer| Ok(encode(SnapshotPart::Trailer(trailer)))),
    });
    stream::iter(std::iter::once(Ok(encode(head))).chain(tail)).boxed()
}
