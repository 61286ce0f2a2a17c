//! Who may call what.

use crate::daemons::Daemons;
use api::v1::host_reply::State;
use api::v1::*;
use model::{ClusterSpec, NodeRole};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_expired_nodes_are_turned_away() {
    let mut all = Daemons::new();
    for name in ["m1", "x1", "w1"] {
        all.start(name);
    }
    let made = all.init("m1", ClusterSpec::standard()).await;
    let foreign = all.init("x1", ClusterSpec::standard()).await;
    let wrong = all
        .join("w1", &foreign.worker_token, "m1")
        .await
        .expect_err("a token of another cluster");
    assert!(
        wrong.message().contains("belongs to another cluster"),
        "{wrong}"
    );
    all.control("m1")
        .rotate_join_token(RotateJoinTokenRequest {
            role: NodeRole::Worker.into(),
        })
        .await
        .expect("rotated");
    let old = all
        .join("w1", &made.worker_token, "m1")
        .await
        .expect_err("an old token");
    assert!(old.message().contains("not valid any more"), "{old}");
    let cut = all
        .join("w1", &made.worker_token[..40], "m1")
        .await
        .expect_err("half a token");
    assert!(cut.message().contains("cut off"), "{cut}");
    assert_eq!(
        all.host("w1").await.state(),
        State::Inactive,
        "nothing is left of a join that failed"
    );

    let tokens = all
        .control("m1")
        .get_join_tokens(GetJoinTokensRequest {})
        .await
        .expect("tokens")
        .into_inner()
        .tokens
        .expect("tokens");
    all.join("w1", &tokens.worker, "m1")
        .await
        .expect("the new token");
    // A worker's certificate opens the dispatcher and nothing else.
    let channel = all.as_node("w1", "m1");
    let message = || RaftMessage { body: "x".into() };
    let mut raft = raft_client::RaftClient::new(channel.clone());
    let mut control = control_client::ControlClient::new(channel.clone());
    let mut membership = membership_client::MembershipClient::new(channel.clone());
    let refusals = [
        raft.append(message()).await.map(drop),
        raft.vote(message()).await.map(drop),
        raft.pre_vote(message()).await.map(drop),
        raft.transfer(message()).await.map(drop),
        raft.snapshot(tokio_stream::iter([message()]))
            .await
            .map(drop),
        raft.describe(DescribeRequest {}).await.map(drop),
        membership.join(JoinGroupRequest::default()).await.map(drop),
        membership.leave(LeaveGroupRequest {}).await.map(drop),
        control.get_cluster(GetClusterRequest {}).await.map(drop),
        control
            .update_cluster(UpdateClusterRequest::default())
            .await
            .map(drop),
        control
            .get_join_tokens(GetJoinTokensRequest {})
            .await
            .map(drop),
        control
            .rotate_join_token(RotateJoinTokenRequest::default())
            .await
            .map(drop),
        control
            .get_unlock_key(GetUnlockKeyRequest {})
            .await
            .map(drop),
        control.rotate_root(RotateRootRequest {}).await.map(drop),
        control.get_status(GetStatusRequest {}).await.map(drop),
        control.backup(BackupRequest {}).await.map(drop),
        control.list_nodes(ListNodesRequest {}).await.map(drop),
        control.get_node(GetNodeRequest::default()).await.map(drop),
        control
            .update_node(UpdateNodeRequest::default())
            .await
            .map(drop),
        control
            .remove_node(RemoveNodeRequest::default())
            .await
            .map(drop),
        control
            .list_tasks(ListTasksRequest::default())
            .await
            .map(drop),
        control
            .create_config(CreateConfigRequest::default())
            .await
            .map(drop),
        control
            .get_config(GetConfigRequest::default())
            .await
            .map(drop),
        control.list_configs(ListConfigsRequest {}).await.map(drop),
        control
            .remove_config(RemoveConfigRequest::default())
            .await
            .map(drop),
        control.watch(WatchRequest::default()).await.map(drop),
    ];
    for (number, refusal) in refusals.into_iter().enumerate() {
        assert_eq!(
            refusal.expect_err("a worker may not").code(),
            Code::PermissionDenied,
            "call {number}"
        );
    }
    // Pretending to pass on a manager's request does not help.
    let mut forged = tonic::Request::new(ListNodesRequest {});
    forged
        .metadata_mut()
        .insert(api::metadata::FORWARDED_BY, "m1".parse().expect("text"));
    assert_eq!(
        control.list_nodes(forged).await.expect_err("forged").code(),
        Code::PermissionDenied
    );
    let mut host = host_client::HostClient::new(channel);
    assert_eq!(
        host.leave(LeaveRequest { force: true })
            .await
            .expect_err("never over the network")
            .code(),
        Code::PermissionDenied
    );

    let foreign = all.as_node("x1", "m1");
    let refused = control_client::ControlClient::new(foreign)
        .list_nodes(ListNodesRequest {})
        .await
        .expect_err("a foreign manager");
    assert_eq!(
        refused.code(),
        Code::Unavailable,
        "TLS turns it away: {refused}"
    );
}
