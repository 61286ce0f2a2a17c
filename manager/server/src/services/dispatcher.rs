//! Nodes: they come, they speak, they are told what changes for them.

use std::pin::Pin;
use std::time::Instant;

use api::v1::dispatcher_server::Dispatcher as Service;
use api::v1::{
    GoodbyeReply, GoodbyeRequest, HeartbeatReply, HeartbeatRequest, SessionMessage, SessionRequest,
};
use identity::TrustBundle;
use model::{Node, NodeRole, NodeState, NodeStatus};
use store::{Change, View};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::caller;
use crate::manager::{Manager, manager_addresses};

pub(crate) struct Dispatcher(pub(crate) Manager);

#[tonic::async_trait]
impl Service for Dispatcher {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<SessionMessage, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<SessionRequest>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let caller = caller(&request)?;
        let node_id = caller.node_id()?.to_owned();
        let from = caller.address.clone().unwrap_or_default();
        let asked = request.into_inner();
        let address = if asked.address.is_empty() {
            from.clone()
        } else {
            asked.address
        };
        let description = asked.description.unwrap_or_default();
        self.0
            .change("", |view| {
                let known = view.nodes().get(&node_id).ok_or_else(|| {
                    Status::unauthenticated("this node was removed from the cluster")
                })?;
                let mut node = Node::clone(known);
                node.description = description.clone();
                node.status = NodeStatus {
                    state: NodeState::Ready.into(),
                    message: String::new(),
                    address: address.clone(),
                };
                Ok(if node == **known {
                    Vec::new()
                } else {
                    vec![Change::update(node)]
                })
            })
            .await?;
        let term = self.0.status().leadership.term;
        let opened = self
            .0
            .sessions()
            .open(&node_id, &from, term, Instant::now());
        if let Some(other) = opened.ousted {
            tracing::warn!(
                node = node_id,
                hosts = format!("{other}, {from}"),
                "one identity on two hosts: let one of them leave by force and join anew"
            );
        }
        let session_id = opened.id;
        tracing::info!(node = node_id, session = session_id, "a node has come");
        let (tells, hears) = mpsc::channel(4);
        tokio::spawn(inform(self.0.clone(), node_id, session_id, tells));
        Ok(Response::new(Box::pin(ReceiverStream::new(hears))))
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatReply>, Status> {
        let node_id = caller(&request)?.node_id()?.to_owned();
        let mut sessions = self.0.sessions();
        if !sessions.heard(&node_id, &request.get_ref().session_id, Instant::now()) {
            return Err(Status::not_found("this session is over: begin another one"));
        }
        let next_ms = u32::try_from(sessions.period().as_millis()).unwrap_or(u32::MAX);
        Ok(Response::new(HeartbeatReply { next_ms }))
    }

    async fn goodbye(
        &self,
        request: Request<GoodbyeRequest>,
    ) -> Result<Response<GoodbyeReply>, Status> {
        let node_id = caller(&request)?.node_id()?.to_owned();
        self.0.sessions().close(&node_id);
        self.0
            .change("", |view| {
                let Some(known) = view.nodes().get(&node_id) else {
                    return Ok(Vec::new());
                };
                let mut node = Node::clone(known);
                node.status.state = NodeState::Down.into();
                node.status.message = "it has left the cluster".to_owned();
                Ok(vec![Change::update(node)])
            })
            .await?;
        Ok(Response::new(GoodbyeReply {}))
    }
}

/// Tells a node what changes for it, until its session is over or another manager leads.
async fn inform(
    manager: Manager,
    node_id: String,
    session_id: String,
    tells: mpsc::Sender<Result<SessionMessage, Status>>,
) {
    let mut version = manager.replica().version();
    let mut leadership = manager.consensus().leadership();
    let term = leadership.borrow_and_update().term;
    let mut told = None;
    loop {
        let now = *leadership.borrow_and_update();
        version.borrow_and_update();
        if !now.is_self || now.term != term || !manager.sessions().holds(&node_id, &session_id) {
            // Who comes again finds the leader, or why it must not come.
            let _ = tells
                .send(Err(Status::unavailable(
                    "the session is over: begin another one",
                )))
                .await;
            return;
        }
        let message = message(
            &manager.replica().view(),
            &manager.status(),
            &node_id,
            &session_id,
        );
        if message.is_none() {
            manager.sessions().close(&node_id);
            let _ = tells
                .send(Err(Status::unauthenticated(
                    "this node was removed from the cluster",
                )))
                .await;
            return;
        }
        if message != told {
            if let Some(message) = message.clone()
                && tells.send(Ok(message)).await.is_err()
            {
                return;
            }
            told = message;
        }
        tokio::select! {
            changed = version.changed() => if changed.is_err() { return },
            changed = leadership.changed() => if changed.is_err() { return },
            // A session that was replaced or has expired changes neither.
            () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {}
            () = tells.closed() => return,
        }
    }
}

/// What a node is to know; none when it was removed.
fn message(
    view: &View,
    status: &consensus::Status,
    node_id: &str,
    session_id: &str,
) -> Option<SessionMessage> {
    let (node, cluster) = (view.nodes().get(node_id)?, view.cluster()?);
    let issuer = TrustBundle::from_pem(&cluster.root.certificate_pem)
        .map(|bundle| bundle.fingerprints().remove(0));
    Some(SessionMessage {
        session_id: session_id.to_owned(),
        role: held_role(node).into(),
        roots_pem: cluster.root.bundle_pem.clone(),
        issuer: issuer.unwrap_or_default(),
        manager_addresses: manager_addresses(status),
        heartbeat_ms: cluster.spec.node_heartbeat_ms,
    })
}

/// The role that a node has until its place in the group is given up: a manager that is demoted votes until it is removed.
pub(crate) fn held_role(node: &Node) -> NodeRole {
    if node.member.is_some() {
        NodeRole::Manager
    } else {
        node.spec.role()
    }
}
