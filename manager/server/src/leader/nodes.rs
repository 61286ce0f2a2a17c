//! Nodes that are silent too long are down.

use std::time::{Duration, Instant};

use model::{Node, NodeState};
use store::{Change, View};
use tonic::Status;

use crate::manager::Manager;

/// The nodes that were there, as far as anybody knew; and those that were let in and have not come yet.
pub(super) fn there(view: &View) -> Vec<String> {
    let there = |node: &&std::sync::Arc<Node>| node.status.state() != NodeState::Down;
    view.nodes()
        .iter()
        .filter(there)
        .map(|node| node.id.clone())
        .collect()
}

/// Marks those whose session has run out. A leader that nobody answers marks none: maybe it is itself that cannot be reached.
pub(super) async fn mark_silent(manager: &Manager) -> Result<(), Status> {
    if !manager.has_quorum() {
        manager.sessions().pardon(Instant::now());
        return Ok(());
    }
    let view = manager.replica().view();
    let period = view
        .cluster()
        .map_or(5000, |cluster| cluster.spec.node_heartbeat_ms);
    let silent = {
        let mut sessions = manager.sessions();
        sessions.set_period(Duration::from_millis(u64::from(period)));
        sessions.expire(Instant::now())
    };
    if silent.is_empty() {
        return Ok(());
    }
    let marked = manager.change("", |view| Ok(mark(view, &silent))).await;
    match &marked {
        Ok(_) => tracing::warn!(nodes = silent.join(", "), "silent too long"),
        Err(_) => {
            // Tried again at the next look, unless they come before.
            let now = Instant::now();
            let mut sessions = manager.sessions();
            for node in silent {
                sessions.suspect(node, now);
            }
        }
    }
    marked.map(|_| ())
}

fn mark(view: &View, silent: &[String]) -> Vec<Change> {
    let known = silent
        .iter()
        .filter_map(|id| view.nodes().get(id))
        .filter(|node| node.status.state() != NodeState::Down);
    known
        .map(|node| {
            let mut node = Node::clone(node);
            node.status.state = NodeState::Down.into();
            node.status.message = "heartbeat failure".to_owned();
            Change::update(node)
        })
        .collect()
}
