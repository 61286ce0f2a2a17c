//! What people ask of machines.

use std::sync::Arc;

use api::v1::{
    ListNodesReply, NodeReply, NodeView, RemoveNodeReply, RemoveNodeRequest, UpdateNodeRequest,
};
use model::{Cluster, Node, NodeRole, NodeState, Revocation};
use std::time::Duration;
use store::{Change, View};
use tonic::Status;

use crate::manager::Manager;

/// A manager that has not answered the leader for so long is unreachable.
const UNREACHABLE: Duration = Duration::from_secs(2);

pub(crate) async fn list(manager: &Manager) -> Result<ListNodesReply, Status> {
    let view = manager.read().await?;
    let status = manager.status();
    let nodes = view
        .nodes()
        .iter()
        .map(|node| show(node, &status))
        .collect();
    Ok(ListNodesReply {
        nodes,
        version: view.version(),
    })
}

pub(crate) async fn get(manager: &Manager, wanted: &str) -> Result<NodeReply, Status> {
    let view = manager.read().await?;
    let node = find(&view, wanted)?;
    Ok(NodeReply {
        node: Some(show(node, &manager.status())),
    })
}

pub(crate) async fn update(
    manager: &Manager,
    request_id: &str,
    asked: UpdateNodeRequest,
) -> Result<NodeReply, Status> {
    let spec = asked
        .spec
        .ok_or_else(|| Status::invalid_argument("no spec was given"))?;
    check_labels(spec.labels.iter())?;
    let mut id = String::new();
    manager
        .change(request_id, |view| {
            let known = find(view, &asked.node)?;
            id.clone_from(&known.id);
            let mut node = Node::clone(known);
            if asked.version != 0 && node.meta.version != asked.version {
                return Err(Status::aborted(format!(
                    "node `{}` was changed meanwhile; look at it and try again",
                    asked.node
                )));
            }
            let (was, becomes) = (node.spec.role(), spec.role());
            if was == NodeRole::Manager && becomes == NodeRole::Worker {
                may_demote(&node, view, &manager.status())?;
            }
            node.spec = spec.clone();
            Ok(if node == **known {
                Vec::new()
            } else {
                vec![Change::update(node)]
            })
        })
        .await?;
    let view = manager.replica().view();
    let node = if id.is_empty() {
        find(&view, &asked.node)?
    } else {
        find(&view, &id)?
    };
    Ok(NodeReply {
        node: Some(show(node, &manager.status())),
    })
}

pub(crate) async fn remove(
    manager: &Manager,
    request_id: &str,
    asked: &RemoveNodeRequest,
) -> Result<RemoveNodeReply, Status> {
    let mut id = String::new();
    manager
        .change(request_id, |view| {
            let node = find(view, &asked.node)?;
            id.clone_from(&node.id);
            may_remove(node, asked.force)?;
            let cluster = view
                .cluster()
                .ok_or_else(|| Status::unavailable("this manager has not caught up yet"))?;
            let mut cluster = Cluster::clone(cluster);
            cluster.revoked.push(Revocation {
                node_id: node.id.clone(),
                until_ms: node.certificate.not_after_ms,
            });
            Ok(vec![Change::remove(&**node), Change::update(cluster)])
        })
        .await?;
    manager.sessions().close(&id);
    Ok(RemoveNodeReply {})
}

/// The node that a person means: an id, a name that one node has, or the beginning of one id.
pub(crate) fn find<'a>(view: &'a View, wanted: &str) -> Result<&'a Arc<Node>, Status> {
    if wanted.is_empty() {
        return Err(Status::invalid_argument("no node was named"));
    }
    if let Some(node) = view.nodes().get(wanted) {
        return Ok(node);
    }
    let named: Vec<_> = view
        .nodes()
        .iter()
        .filter(|node| node.description.hostname == wanted)
        .collect();
    let found = if named.is_empty() {
        view.nodes().with_prefix(wanted).collect()
    } else {
        named
    };
    match found.as_slice() {
        [node] => Ok(*node),
        [] => Err(Status::not_found(format!(
            "there is no node `{wanted}`; see `minictl node ls`"
        ))),
        several => {
            let ids: Vec<String> = several
                .iter()
                .map(|node| format!("{} ({})", node.id, node.status.state()))
                .collect();
            Err(Status::invalid_argument(format!(
                "`{wanted}` is ambiguous: {}; name one by its id",
                ids.join(", ")
            )))
        }
    }
}

fn show(node: &Node, status: &consensus::Status) -> NodeView {
    let place = node.member.as_ref().and_then(|member| {
        status
            .members
            .iter()
            .find(|known| known.id == member.raft_id)
    });
    let leader = place.is_some_and(|place| status.leadership.leader == Some(place.id));
    let reachable = place
        .is_some_and(|place| leader || place.silent_for.is_some_and(|silent| silent < UNREACHABLE));
    NodeView {
        node: Some(node.clone()),
        leader,
        reachable,
    }
}

fn check_labels<'a>(labels: impl Iterator<Item = (&'a String, &'a String)>) -> Result<(), Status> {
    for (key, _) in labels {
        if key.is_empty() || key.contains(['=', ' ']) {
            return Err(Status::invalid_argument(format!(
                "`{key}` is no key for a label: it must not be empty nor hold `=` or spaces"
            )));
        }
    }
    Ok(())
}

/// A manager may go if the others can decide without it.
fn may_demote(node: &Node, view: &View, status: &consensus::Status) -> Result<(), Status> {
    let managers = view
        .nodes()
        .iter()
        .filter(|node| node.spec.role() == NodeRole::Manager)
        .count();
    let name = &node.description.hostname;
    if managers <= 1 {
        return Err(Status::failed_precondition(format!(
            "{name} is the last manager: promote another node first"
        )));
    }
    let others = status.members.iter().filter(|member| {
        member.voter
            && node
                .member
                .as_ref()
                .is_none_or(|place| place.raft_id != member.id)
    });
    let (mut alive, mut all) = (0, 0);
    for other in others {
        all += 1;
        if other.id == status.id || other.silent_for.is_some_and(|silent| silent < UNREACHABLE) {
            alive += 1;
        }
    }
    if alive < consensus::quorum(all) {
        return Err(Status::failed_precondition(format!(
            "without {name} the cluster would lose its quorum: only {alive} of the {all} other managers answer"
        )));
    }
    Ok(())
}

fn may_remove(node: &Node, force: bool) -> Result<(), Status> {
    let name = &node.description.hostname;
    if node.spec.role() == NodeRole::Manager || node.member.is_some() {
        return Err(Status::failed_precondition(format!(
            "{name} is a manager: demote it first (`minictl node demote {name}`)"
        )));
    }
    if node.status.state() == NodeState::Ready && !force {
        return Err(Status::failed_precondition(format!(
            "{name} is there and ready: let it leave first (`minictl cluster leave` on it), or remove it by force (`minictl node rm --force {name}`)"
        )));
    }
    Ok(())
}
