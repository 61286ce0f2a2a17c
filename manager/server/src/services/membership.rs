//! A manager takes its place in the group, or gives it up.

use std::collections::BTreeSet;
use std::time::Duration;

use api::v1::membership_server::Membership as Service;
use api::v1::{
    DescribeRequest, JoinGroupReply, JoinGroupRequest, LeaveGroupReply, LeaveGroupRequest,
};
use consensus::Member;
use model::{ManagerMember, Node, NodeRole};
use store::Change;
use tonic::{Request, Response, Status};

use super::{caller, request_id};
use crate::failure;
use crate::manager::Manager;

/// How long a joiner may take to answer when it is called back.
const CALL_BACK: Duration = Duration::from_secs(5);
/// How long it may take to catch up before it gets a vote.
const CATCH_UP: Duration = Duration::from_secs(300);

pub(crate) struct Membership(pub(crate) Manager);

#[tonic::async_trait]
impl Service for Membership {
    async fn join(
        &self,
        request: Request<JoinGroupRequest>,
    ) -> Result<Response<JoinGroupReply>, Status> {
        let node_id = caller(&request)?.node_id()?.to_owned();
        let request_id = request_id(&request)?;
        let JoinGroupRequest { raft_id, address } = request.into_inner();
        let member = Member {
            node_id: node_id.clone(),
            address: address.clone(),
        };
        self.call_back(&member, raft_id).await?;
        self.0
            .change(&request_id, |view| {
                let node = view.nodes().get(&node_id).ok_or_else(|| {
                    Status::unauthenticated("this node was removed from the cluster")
                })?;
                if node.spec.role() != NodeRole::Manager {
                    return Err(Status::permission_denied(format!(
                        "node {node_id} is to be a worker"
                    )));
                }
                let mut node = Node::clone(node);
                node.member = Some(ManagerMember {
                    raft_id,
                    address: address.clone(),
                });
                Ok(vec![Change::update(node)])
            })
            .await?;
        let consensus = self.0.consensus();
        // The place that it had before, under another Raft id, is not its own any more.
        let former: Vec<u64> = consensus
            .status()
            .members
            .iter()
            .filter(|known| known.member.node_id == node_id && known.id != raft_id)
            .map(|known| known.id)
            .collect();
        for id in former {
            consensus.remove(id).await.map_err(failure::membership)?;
        }
        let caught_up =
            tokio::time::timeout(CATCH_UP, consensus.add_learner(raft_id, member)).await;
        caught_up
            .map_err(|_| Status::deadline_exceeded("the joining manager does not catch up"))?
            .map_err(failure::membership)?;
        consensus
            .promote(BTreeSet::from([raft_id]))
            .await
            .map_err(failure::membership)?;
        tracing::info!(
            node = node_id,
            raft_id,
            address,
            "a manager has joined the group"
        );
        let voters = u32::try_from(consensus.status().voters()).unwrap_or(u32::MAX);
        Ok(Response::new(JoinGroupReply { voters }))
    }

    async fn leave(
        &self,
        request: Request<LeaveGroupRequest>,
    ) -> Result<Response<LeaveGroupReply>, Status> {
        let node_id = caller(&request)?.node_id()?.to_owned();
        self.0
            .change("", |view| {
                let Some(node) = view.nodes().get(&node_id) else {
                    return Ok(Vec::new());
                };
                let mut node = Node::clone(node);
                node.spec.role = NodeRole::Worker.into();
                node.member = None;
                Ok(vec![Change::update(node)])
            })
            .await?;
        let consensus = self.0.consensus();
        let places: Vec<u64> = consensus
            .status()
            .members
            .iter()
            .filter(|known| known.member.node_id == node_id)
            .map(|known| known.id)
            .collect();
        for id in places {
            consensus.remove(id).await.map_err(failure::membership)?;
        }
        Ok(Response::new(LeaveGroupReply {}))
    }
}

impl Membership {
    /// Sees that the joiner is where it says: a member that cannot be reached would cost the group its quorum.
    async fn call_back(&self, member: &Member, raft_id: u64) -> Result<(), Status> {
        let unreachable = |reason: String| {
            Status::failed_precondition(format!(
                "the leader ({}) cannot reach the joining manager at {}: {reason}; give the right address with --advertise-addr, and open the port",
                self.0.hostname(),
                member.address
            ))
        };
        let mut client = self
            .0
            .peers()
            .raft(member)
            .map_err(|error| unreachable(error.to_string()))?;
        let answer = tokio::time::timeout(CALL_BACK, client.describe(DescribeRequest {})).await;
        let answer = answer
            .map_err(|_| unreachable("no answer".to_owned()))?
            .map_err(|status| unreachable(status.message().to_owned()))?;
        if answer.into_inner().raft_id == raft_id {
            Ok(())
        } else {
            Err(unreachable("another manager answers there".to_owned()))
        }
    }
}
