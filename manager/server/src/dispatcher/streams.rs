//! The two streams of a session: what a node is, and what it is to do.

use std::sync::Arc;

use api::v1::{AssignmentsMessage, SessionMessage};
use model::{Node, NodeRole};
use store::View;
use tokio::sync::mpsc;
use tonic::Status;

use super::{Common, Feed};
use crate::manager::Manager;

/// Tells a node what changes for it, until its session is over or another manager leads.
pub(crate) async fn inform(
    manager: Manager,
    node_id: String,
    session_id: String,
    feed: Arc<Feed>,
    tells: mpsc::Sender<Result<SessionMessage, Status>>,
) {
    let mut common = manager.dispatching().common().subscribe();
    let mut leadership = manager.consensus().leadership();
    let term = leadership.borrow_and_update().term;
    let mut told = None;
    loop {
        let now = *leadership.borrow_and_update();
        if !now.is_self || now.term != term || feed.is_over() {
            // Who comes again finds the leader, or why it must not come.
            let _ = tells.send(Err(over())).await;
            return;
        }
        let alike = common.borrow_and_update().clone();
        let message = message(&manager.replica().view(), &alike, &node_id, &session_id);
        let Some(message) = message else {
            manager.sessions().close(&node_id);
            let removed = Status::unauthenticated("this node was removed from the cluster");
            let _ = tells.send(Err(removed)).await;
            return;
        };
        if told.as_ref() != Some(&message) {
            if tells.send(Ok(message.clone())).await.is_err() {
                return;
            }
            told = Some(message);
        }
        tokio::select! {
            changed = common.changed() => if changed.is_err() { return },
            changed = leadership.changed() => if changed.is_err() { return },
            () = feed.standing_changed() => {}
            () = feed.ended() => {}
            () = tells.closed() => return,
        }
    }
}

/// Tells a node what it is to run, until its session is over or it begins another stream.
pub(crate) async fn assign(
    manager: Manager,
    node_id: String,
    feed: Arc<Feed>,
    tells: mpsc::Sender<Result<AssignmentsMessage, Status>>,
) {
    let stream = feed.begin_stream();
    loop {
        if feed.is_over() {
            let _ = tells.send(Err(over())).await;
            return;
        }
        if !feed.is_newest(stream) {
            // What woke this one was meant for the other.
            feed.wake_work();
            return;
        }
        if let Some(message) = feed.next(&node_id, || manager.replica().view())
            && tells.send(Ok(message)).await.is_err()
        {
            return;
        }
        tokio::select! {
            () = feed.work_changed() => {}
            () = feed.ended() => {}
            () = tells.closed() => return,
        }
    }
}

fn over() -> Status {
    Status::unavailable("the session is over: begin another one")
}

/// What a node is to know; none when it was removed.
fn message(
    view: &View,
    common: &Common,
    node_id: &str,
    session_id: &str,
) -> Option<SessionMessage> {
    let node = view.nodes().get(node_id)?;
    Some(SessionMessage {
        session_id: session_id.to_owned(),
        role: held_role(node).into(),
        roots_pem: common.roots_pem.clone(),
        issuer: common.issuer.clone(),
        manager_addresses: common.manager_addresses.clone(),
        heartbeat_ms: common.heartbeat_ms,
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
