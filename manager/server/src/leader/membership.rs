//! The group of managers follows what the cluster wants of its nodes.

use std::time::Duration;

use model::{Availability, Node, NodeRole};
use store::{Change, View};
use tonic::Status;

use crate::failure;
use crate::manager::Manager;

/// How long another manager may take to lead.
const HAND_OVER: Duration = Duration::from_secs(3);

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// This manager leads and shall not: another one first.
    HandOver(Option<u64>),
    /// A place in the group that belongs to no manager any more.
    Remove(u64),
    /// A node that has lost its place, and does not know yet.
    Forget(String),
}

/// Takes one step, if there is one to take.
pub(super) async fn keep(manager: &Manager) -> Result<(), Status> {
    let consensus = manager.consensus();
    let Some(step) = next(&manager.replica().view(), &consensus.status()) else {
        return Ok(());
    };
    tracing::info!(?step, "the group of managers is to change");
    match step {
        Step::HandOver(to) => consensus
            .hand_over(to, HAND_OVER)
            .await
            .map_err(failure::membership),
        Step::Remove(raft_id) => consensus.remove(raft_id).await.map_err(failure::membership),
        Step::Forget(node_id) => {
            let forget = |view: &View| {
                let Some(node) = view.nodes().get(&node_id) else {
                    return Ok(Vec::new());
                };
                let mut node = Node::clone(node);
                node.member = None;
                Ok(vec![Change::update(node)])
            };
            manager.change("", forget).await.map(|_| ())
        }
    }
}

/// What has to be done next, so that the group is what the cluster wants. One change at a time.
fn next(view: &View, status: &consensus::Status) -> Option<Step> {
    let wanted = |raft_id: u64| {
        view.nodes().iter().find(|node| {
            node.member
                .as_ref()
                .is_some_and(|member| member.raft_id == raft_id)
        })
    };
    let fit = |node: &Node| {
        node.spec.role() == NodeRole::Manager && node.spec.availability() != Availability::Drain
    };
    for member in &status.members {
        let node = wanted(member.id);
        if node.is_some_and(|node| node.spec.role() == NodeRole::Manager) {
            continue;
        }
        if member.id == status.id {
            return (status.voters() > 1).then_some(Step::HandOver(None));
        }
        return Some(Step::Remove(member.id));
    }
    for node in view.nodes().iter() {
        let Some(place) = &node.member else { continue };
        let known = status
            .members
            .iter()
            .any(|member| member.id == place.raft_id);
        if node.spec.role() == NodeRole::Worker && !known {
            return Some(Step::Forget(node.id.clone()));
        }
    }
    // A drained manager still votes, but another one leads if it can.
    if wanted(status.id).is_some_and(|node| !fit(node)) {
        let able = |member: &&consensus::MemberStatus| {
            let alive = member
                .silent_for
                .is_some_and(|silent| silent < Duration::from_secs(1));
            member.voter
                && member.id != status.id
                && alive
                && wanted(member.id).is_some_and(|node| fit(node))
        };
        let to = status
            .members
            .iter()
            .filter(able)
            .max_by_key(|member| member.matched)?;
        return Some(Step::HandOver(Some(to.id)));
    }
    None
}

#[cfg(test)]
mod tests;
