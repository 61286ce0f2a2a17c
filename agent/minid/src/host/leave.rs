//! How this host leaves its cluster.

use api::v1::dispatcher_client::DispatcherClient;
use api::v1::membership_client::MembershipClient;
use api::v1::*;
use std::time::Duration;
use tonic::Status;

use super::Host;
use crate::cluster::{Member, Phase};
use crate::description::hostname;
use crate::session::channel;

/// How long a node that leaves waits for its managers to note it.
const FAREWELL: Duration = Duration::from_secs(5);

impl Host {
    pub(super) async fn leave_cluster(&self, force: bool) -> Result<(), Status> {
        let _changing = self.0.change().await;
        match self.0.phase() {
            Phase::Inactive => {
                return Err(Status::failed_precondition(
                    "this node belongs to no cluster",
                ));
            }
            Phase::Member(member) if member.manager().is_some() => {
                if !force {
                    return Err(Status::failed_precondition(
                        self.what_leaving_costs(&member),
                    ));
                }
                give_up_place(&member).await;
                farewell(&member).await;
            }
            Phase::Member(member) => farewell(&member).await,
            Phase::Locked(_) | Phase::Failed(_) if !force => {
                return Err(Status::failed_precondition(
                    "this node cannot tell its managers that it leaves: with --force it only forgets the cluster",
                ));
            }
            Phase::Locked(_) | Phase::Failed(_) => {}
        }
        self.0.forget().await.map_err(Status::internal)
    }

    fn what_leaving_costs(&self, member: &Member) -> String {
        let name = hostname(self.0.options());
        let voters = member
            .manager()
            .map_or(0, |manager| manager.status().voters());
        let cost = match voters {
            0 | 1 => {
                "it is the last one: the cluster and everything it knows would be gone".to_owned()
            }
            _ => format!("{} of {voters} managers would be left", voters - 1),
        };
        format!(
            "this node is a manager, and {cost}; demote it first (`minictl node demote {name}`), or leave with --force"
        )
    }
}

/// Gives up the place in the group, if others can go on; whoever leaves by force leaves even if nobody hears it.
async fn give_up_place(member: &Member) {
    let Some(manager) = member.manager() else {
        return;
    };
    if manager.status().voters() < 2 {
        return;
    }
    manager.hand_over(FAREWELL).await;
    for address in server::manager_addresses(&manager.status()) {
        if address == member.state().advertise {
            continue;
        }
        let asked = MembershipClient::new(channel(member, &address));
        let left = tokio::time::timeout(FAREWELL, async move {
            { asked }.leave(LeaveGroupRequest {}).await
        })
        .await;
        if matches!(left, Ok(Ok(_))) {
            return;
        }
    }
    tracing::warn!(
        "no manager noted that this one leaves: remove it there with `minictl node demote` and `minictl node rm`"
    );
}

/// Tells a manager that this node leaves.
pub(super) async fn farewell(member: &Member) {
    for address in member.state().managers {
        if member.manager().is_some() && address == member.state().advertise {
            continue;
        }
        let asked = DispatcherClient::new(channel(member, &address));
        let heard = tokio::time::timeout(FAREWELL, async move {
            { asked }.goodbye(GoodbyeRequest {}).await
        })
        .await;
        if matches!(heard, Ok(Ok(_))) {
            return;
        }
    }
}
