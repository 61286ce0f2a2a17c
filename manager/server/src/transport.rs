//! How managers of the group reach each other: the Raft service, over TLS, with the certificate of exactly that node.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::v1::raft_client::RaftClient;
use api::v1::{DescribeRequest, RaftMessage};
use bytes::Bytes;
use consensus::{Member, Rpc, SnapshotStream, Transport, TransportError};
use futures_util::StreamExt;
use rustls::pki_types::ServerName;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::tls::Tls;

/// How long a manager looks for another one that answers in its place.
const LOOK_ELSEWHERE: Duration = Duration::from_millis(700);

/// How long a snapshot may take to arrive.
const SNAPSHOT: Duration = Duration::from_secs(600);

/// Connections to other managers; clones share them.
#[derive(Clone)]
pub(crate) struct Peers {
    tls: Tls,
    channels: Arc<Mutex<Channels>>,
}

/// Channels by node id and address, and the certificate that they show: what was shown when a connection began counts for as
/// long as it lasts, so a certificate that was renewed needs new ones.
#[derive(Default)]
struct Channels {
    certificate: String,
    to: BTreeMap<(String, String), Channel>,
}

impl Peers {
    pub(crate) fn new(tls: Tls) -> Self {
        Peers {
            tls,
            channels: Arc::default(),
        }
    }

    /// The channel to that node at that address: nobody else is believed there.
    pub(crate) fn channel(&self, member: &Member) -> Result<Channel, TransportError> {
        let key = (member.node_id.clone(), member.address.clone());
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let certificate = self.tls.peer().serial;
        if channels.certificate != certificate {
            // What is on its way on the old ones ends in its time.
            channels.to.clear();
            channels.certificate = certificate;
        }
        if let Some(channel) = channels.to.get(&key) {
            return Ok(channel.clone());
        }
        let name = ServerName::try_from(member.node_id.clone()).map_err(|_| {
            TransportError::Unreachable(format!("`{}` is no id of a node", member.node_id))
        })?;
        let tls = self.tls.clone();
        let channel = api::connect::tls(&member.address, move || tls.client(), name);
        channels.to.insert(key, channel.clone());
        Ok(channel)
    }

    pub(crate) fn raft(&self, member: &Member) -> Result<RaftClient<Channel>, TransportError> {
        let client = RaftClient::new(self.channel(member)?);
        Ok(client
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX))
    }
}

/// Tells whether another process answers as the manager that is about to start here, under its Raft id at its address: a host
/// that was cloned with its disk. Two of them could vote twice.
pub async fn runs_elsewhere(tls: &Tls, address: &str, raft_id: u64) -> bool {
    let member = Member {
        node_id: tls.peer().node_id,
        address: address.to_owned(),
    };
    let asking = async {
        let mut client = Peers::new(tls.clone()).raft(&member).ok()?;
        client.describe(DescribeRequest {}).await.ok()
    };
    let answer = tokio::time::timeout(LOOK_ELSEWHERE, asking).await;
    answer
        .ok()
        .flatten()
        .is_some_and(|reply| reply.get_ref().raft_id == raft_id)
}

impl Transport for Peers {
    async fn call(
        &self,
        to: &Member,
        rpc: Rpc,
        message: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, TransportError> {
        let mut client = self.raft(to)?;
        let request = Request::new(RaftMessage { body: message });
        let asking = async {
            match rpc {
                Rpc::Append => client.append(request).await,
                Rpc::Vote => client.vote(request).await,
                Rpc::PreVote => client.pre_vote(request).await,
                Rpc::Transfer => client.transfer(request).await,
            }
        };
        match tokio::time::timeout(deadline, asking).await {
            Ok(Ok(reply)) => Ok(reply.into_inner().body),
            Ok(Err(status)) => Err(failure(to, &status)),
            Err(_) => Err(TransportError::Broken(format!(
                "{to} did not answer within {deadline:?}"
            ))),
        }
    }

    async fn send_snapshot(
        &self,
        to: &Member,
        records: SnapshotStream,
    ) -> Result<Bytes, TransportError> {
        let mut client = self.raft(to)?;
        let (feed, messages) = mpsc::channel(4);
        let feeding = tokio::spawn(feed_all(records, feed));
        let sent =
            tokio::time::timeout(SNAPSHOT, client.snapshot(ReceiverStream::new(messages))).await;
        feeding.abort();
        // A task that was stopped had nothing more to say.
        if let Ok(Err(error)) = feeding.await {
            return Err(TransportError::Broken(format!(
                "read the snapshot for {to}: {error}"
            )));
        }
        match sent {
            Ok(Ok(reply)) => Ok(reply.into_inner().body),
            Ok(Err(status)) => Err(failure(to, &status)),
            Err(_) => Err(TransportError::Broken(format!(
                "{to} did not take the snapshot within {SNAPSHOT:?}"
            ))),
        }
    }
}

/// Feeds the records of a snapshot. One that cannot be read ends them before the trailer: the receiver sees that they are not all.
async fn feed_all(mut records: SnapshotStream, feed: mpsc::Sender<RaftMessage>) -> io::Result<()> {
    while let Some(body) = records.next().await.transpose()? {
        if feed.send(RaftMessage { body }).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn failure(to: &Member, status: &Status) -> TransportError {
    let reason = format!("{to}: {}", status.message());
    match status.code() {
        Code::Unavailable
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::FailedPrecondition => TransportError::Unreachable(reason),
        _ => TransportError::Broken(reason),
    }
}
