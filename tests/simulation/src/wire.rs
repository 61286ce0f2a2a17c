//! Messages between members, clients and the administrator, and how a member sends them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use consensus::record::{AppendRequest, BallotReply, BallotRequest};
use consensus::{Member, Position, Rpc, SnapshotStream, Transport, TransportError};
use futures_util::StreamExt;
use prost::Message as _;
use tokio::sync::oneshot;

use crate::dice::Digest;
use crate::planted::Planted;
use crate::power::lock;
use crate::registers::{Command, Reply};

/// Who sends and receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Address {
    Member(u64),
    Client(u64),
    Admin,
}

/// What the administrator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    Learner(u64),
    Promote(u64),
    Remove(u64),
    HandOver,
    Snapshot,
}

/// A request or an answer.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Raft(Rpc, Bytes),
    /// The records; false when the sender breaks off after them.
    Snapshot(Vec<Bytes>, bool),
    Write(Command),
    Read(u64),
    Errand(Errand),
    /// Bytes of another member.
    Answer(Bytes),
    /// It could not be served.
    Broken(String),
    /// Nobody listens there: nothing was done.
    Closed,
    Written(Option<Position>, Reply),
    Value(u64),
    /// Nothing was done; who leads.
    NotLeader(Option<u64>),
    #[expect(dead_code, reason = "it is read where what happens is printed")]
    Unknown(String),
    ErrandDone,
    #[expect(dead_code, reason = "it is read where what happens is printed")]
    ErrandFailed(String),
}

/// A message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) from: Address,
    pub(crate) to: Address,
    /// Number of the request, the same in its answer.
    pub(crate) id: u64,
    pub(crate) body: Body,
}

impl Message {
    /// Its answer.
    pub(crate) fn answer(&self, body: Body) -> Message {
        Message {
            from: self.to,
            to: self.from,
            id: self.id,
            body,
        }
    }

    pub(crate) fn is_answer(&self) -> bool {
        !matches!(
            self.body,
            Body::Raft(..) | Body::Snapshot(..) | Body::Write(_) | Body::Read(_) | Body::Errand(_)
        )
    }

    pub(crate) fn digest(&self, digest: &mut Digest) {
        let number = |address| match address {
            Address::Member(id) => id,
            Address::Client(id) => 1000 + id,
            Address::Admin => 2000,
        };
        digest.word(number(self.from));
        digest.word(number(self.to));
        digest.word(self.id);
        match &self.body {
            Body::Raft(_, bytes) | Body::Answer(bytes) => digest.bytes(bytes),
            Body::Snapshot(records, _) => records.iter().for_each(|record| digest.bytes(record)),
            other => digest.bytes(format!("{other:?}").as_bytes()),
        }
    }
}

/// What waits to be taken by the network.
#[derive(Clone, Default)]
pub(crate) struct Outbox {
    queue: Arc<Mutex<(u64, Vec<Message>)>>,
}

impl Outbox {
    /// A number for a request.
    pub(crate) fn number(&self) -> u64 {
        let mut queue = lock(&self.queue);
        queue.0 += 1;
        queue.0
    }

    pub(crate) fn send(&self, message: Message) {
        lock(&self.queue).1.push(message);
    }

    pub(crate) fn drain(&self) -> Vec<Message> {
        std::mem::take(&mut lock(&self.queue).1)
    }
}

/// A member's connections, in one life.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) me: u64,
    pub(crate) outbox: Outbox,
    pub(crate) waiting: Arc<Mutex<BTreeMap<u64, oneshot::Sender<Body>>>>,
    pub(crate) planted: Option<Planted>,
}

/// How long a connection is believed in while a snapshot is on its way.
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(2);

/// The member that lives at an address.
pub(crate) fn id_of(member: &Member) -> u64 {
    member.address.parse().unwrap_or(0)
}

/// The member as the group knows it.
pub(crate) fn member(id: u64) -> Member {
    Member {
        node_id: format!("node{id}"),
        address: id.to_string(),
    }
}

/// Forgets a request that nobody waits for any more.
struct Forget<'a>(&'a Wire, u64);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        lock(&self.0.waiting).remove(&self.1);
    }
}

impl Wire {
    /// Hands an answer to whom it is for.
    pub(crate) fn answered(&self, message: Message) {
        if let Some(waiting) = lock(&self.waiting).remove(&message.id) {
            // Whoever asked may have given up.
            let _ = waiting.send(message.body);
        }
    }

    async fn ask(
        &self,
        to: &Member,
        body: Body,
        patience: Duration,
    ) -> Result<Bytes, TransportError> {
        let id = self.outbox.number();
        let (told, hears) = oneshot::channel();
        lock(&self.waiting).insert(id, told);
        let _forget = Forget(self, id);
        self.outbox.send(Message {
            from: Address::Member(self.me),
            to: Address::Member(id_of(to)),
            id,
            body,
        });
        match tokio::time::timeout(patience, hears).await {
            Ok(Ok(Body::Answer(bytes))) => Ok(bytes),
            Ok(Ok(Body::Closed)) => Err(TransportError::Unreachable("nobody listens".to_owned())),
            Ok(Ok(Body::Broken(reason))) => Err(TransportError::Broken(reason)),
            Ok(_) => Err(TransportError::Broken("the connection broke".to_owned())),
            Err(_) => Err(TransportError::Broken("no answer in time".to_owned())),
        }
    }

    /// The grant that a member did not give.
    fn invent(&self, message: &Bytes) -> Option<Bytes> {
        let request = BallotRequest::decode(message.clone()).ok()?;
        let reply = BallotReply {
            vote: request.vote,
            granted: true,
            last: None,
        };
        Some(reply.encode_to_vec().into())
    }
}

impl Transport for Wire {
    async fn call(
        &self,
        to: &Member,
        rpc: Rpc,
        message: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, TransportError> {
        if self.planted == Some(Planted::VotesInvented)
            && rpc == Rpc::Vote
            && let Some(reply) = self.invent(&message)
        {
            tokio::time::sleep(Duration::from_millis(3)).await;
            return Ok(reply);
        }
        self.ask(to, Body::Raft(rpc, message), deadline).await
    }

    async fn send_snapshot(
        &self,
        to: &Member,
        records: SnapshotStream,
    ) -> Result<Bytes, TransportError> {
        let records: Vec<io::Result<Bytes>> = records.collect().await;
        let whole = records.iter().all(Result::is_ok);
        let records = records.into_iter().map_while(Result::ok).collect();
        let body = Body::Snapshot(records, whole);
        self.ask(to, body, SNAPSHOT_PATIENCE).await
    }
}

/// Term of the leader that sends these entries.
pub(crate) fn leading_term(message: &Bytes) -> Option<u64> {
    AppendRequest::decode(message.clone())
        .ok()?
        .vote
        .map(|vote| vote.term)
}
