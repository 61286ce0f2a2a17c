//! Daemons as real processes on loopback, asked over their sockets.

mod daemons;

use api::v1::host_reply::State;
use api::v1::*;
use daemons::{Daemons, request_id};
use model::{Availability, ClusterSpec, ConfigSpec, NodeRole};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_made_joined_led_and_left() {
    let mut all = Daemons::new();
    all.start("m1");
    assert_eq!(all.host("m1").await.state(), State::Inactive);
    let refused = all
        .control("m1")
        .list_nodes(ListNodesRequest {})
        .await
        .expect_err("no cluster");
    assert!(
        refused.message().contains("minictl cluster init"),
        "{refused}"
    );

    let made = all.init("m1", ClusterSpec::standard()).await;
    assert!(made.worker_token.starts_with("MINITKN-1-"));
    let twice = all
        .host_client("m1")
        .init(InitRequest {
            advertise_address: all.address("m1"),
            ..InitRequest::default()
        })
        .await;
    assert!(
        twice
            .expect_err("twice")
            .message()
            .contains("belongs to the cluster")
    );

    for name in ["m2", "m3"] {
        all.start(name);
        let joined = all
            .join(name, &made.manager_token, "m1")
            .await
            .expect("a manager joins");
        assert_eq!(joined.role(), NodeRole::Manager);
    }
    for name in ["w1", "w2"] {
        all.start(name);
        let joined = all
            .join(name, &made.worker_token, "m2")
            .await
            .expect("a worker joins through any manager");
        assert_eq!(joined.role(), NodeRole::Worker);
    }
    all.until("all are ready", async |all| {
        let nodes = all.nodes("m3").await;
        nodes.len() == 5 && nodes.iter().all(daemons::is_ready)
    })
    .await;
    let status = all
        .control("m2")
        .get_status(GetStatusRequest {})
        .await
        .expect("a status")
        .into_inner();
    assert_eq!(
        (status.quorum, status.tolerance, status.managers.len()),
        (2, 1, 3)
    );
    assert!(
        status
            .managers
            .iter()
            .all(|manager| manager.voter && manager.reachable),
        "{status:?}"
    );
    let worker = all
        .control("w1")
        .list_nodes(ListNodesRequest {})
        .await
        .expect_err("a worker shows nothing");
    assert!(
        worker.message().contains("this node is a worker"),
        "{worker}"
    );

    // A change through a follower is seen at once through any other manager; repeated under one id it is made once.
    let asked = CreateConfigRequest {
        spec: Some(ConfigSpec {
            name: "motd".into(),
            data: "hello".into(),
            ..ConfigSpec::default()
        }),
    };
    let first = all
        .control("m3")
        .create_config(request_id(asked.clone(), "once"))
        .await
        .expect("made")
        .into_inner();
    let second = all
        .control("m2")
        .create_config(request_id(asked.clone(), "once"))
        .await
        .expect("made before")
        .into_inner();
    assert_eq!(first, second);
    let taken = all
        .control("m1")
        .create_config(asked)
        .await
        .expect_err("the name is taken");
    assert_eq!(taken.code(), Code::AlreadyExists, "{taken}");

    // The leader dies: another leads, nothing is lost; it comes back and follows.
    let leader = all.leader("m2").await;
    all.kill(&leader);
    let survivor = ["m1", "m2", "m3"]
        .into_iter()
        .find(|name| *name != leader)
        .expect("two are left");
    all.until("another leads", async |all| {
        all.control(survivor)
            .get_config(GetConfigRequest {
                config: "motd".into(),
            })
            .await
            .is_ok()
    })
    .await;
    assert_ne!(all.leader(survivor).await, leader);
    all.start(&leader);
    all.until("it is back", async |all| {
        all.host(&leader).await.state() == State::Active && !all.host(&leader).await.leader
    })
    .await;

    // Promotion, demotion of the leader, drain, removal.
    let w1 = all.host("w1").await.node_id;
    let mut spec = all.spec(survivor, &w1).await;
    spec.role = NodeRole::Manager.into();
    all.update(survivor, &w1, spec.clone())
        .await
        .expect("promoted");
    all.until("w1 votes", async |all| {
        all.voters(survivor).await == 4 && all.host("w1").await.role() == NodeRole::Manager
    })
    .await;
    let leader = all.leader("w1").await;
    let id = all.host(&leader).await.node_id;
    let mut demoted = all.spec("w1", &id).await;
    demoted.role = NodeRole::Worker.into();
    all.update("w1", &id, demoted).await.expect("demoted");
    all.until("the old leader is a worker", async |all| {
        all.host(&leader).await.role() == NodeRole::Worker && all.voters("w1").await == 3
    })
    .await;
    assert_ne!(all.leader("w1").await, leader);

    let next = all.leader("w1").await;
    let next_id = all.host(&next).await.node_id;
    let mut drained = all.spec("w1", &next_id).await;
    drained.availability = Availability::Drain.into();
    all.update("w1", &next_id, drained).await.expect("drained");
    all.until("a drained manager leads no more", async |all| {
        all.leader("w1").await != next
    })
    .await;

    let w2 = all.host("w2").await.node_id;
    let busy = all
        .control("w1")
        .remove_node(RemoveNodeRequest {
            node: w2.clone(),
            force: false,
        })
        .await
        .expect_err("it is there");
    assert!(busy.message().contains("ready"), "{busy}");
    all.control("w1")
        .remove_node(RemoveNodeRequest {
            node: w2,
            force: true,
        })
        .await
        .expect("by force");
    all.until("the removed node is told", async |all| {
        all.host("w2").await.error.contains("was removed")
    })
    .await;
    all.host_client("w2")
        .leave(LeaveRequest { force: false })
        .await
        .expect("it leaves");
    assert_eq!(all.host("w2").await.state(), State::Inactive);
    let manager = all
        .host_client("w1")
        .leave(LeaveRequest { force: false })
        .await
        .expect_err("a manager stays");
    assert!(manager.message().contains("demote it first"), "{manager}");
    all.host_client("w1")
        .leave(LeaveRequest { force: true })
        .await
        .expect("by force");
    let rest = ["m1", "m2", "m3"]
        .into_iter()
        .find(|name| *name != leader)
        .expect("a manager");
    all.until("two are left", async |all| all.voters(rest).await == 2)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_majority_is_forced_and_a_backup_is_restored() {
    let mut all = Daemons::new();
    for name in ["m1", "m2", "m3"] {
        all.start(name);
    }
    let made = all
        .init(
            "m1",
            ClusterSpec {
                autolock: true,
                ..ClusterSpec::standard()
            },
        )
        .await;
    assert!(made.unlock_key.starts_with("MINIKEY-1-"));
    for name in ["m2", "m3"] {
        all.join(name, &made.manager_token, "m1")
            .await
            .expect("joined");
    }
    for number in 0..20 {
        all.config("m1", &format!("config{number}"))
            .await
            .expect("made");
    }
    let backup = all.backup("m2").await;

    all.kill("m2");
    all.kill("m3");
    all.kill("m1");
    all.start("m1");
    assert_eq!(all.host("m1").await.state(), State::Locked);
    let locked = all
        .control("m1")
        .list_nodes(ListNodesRequest {})
        .await
        .expect_err("locked");
    assert!(locked.message().contains("cluster unlock"), "{locked}");
    let wrong = identity::UnlockKey::generate().to_string();
    let refused = all
        .host_client("m1")
        .unlock(UnlockRequest { key: wrong })
        .await
        .expect_err("the wrong key");
    assert!(refused.message().contains("wrong unlock key"), "{refused}");
    all.host_client("m1")
        .unlock(UnlockRequest {
            key: made.unlock_key.clone(),
        })
        .await
        .expect("unlocked");
    let stuck = all.config("m1", "stuck").await.expect_err("no quorum");
    assert!(
        stuck
            .message()
            .contains("no manager leads: it takes 2 of the 3"),
        "{stuck}"
    );

    let forced = InitRequest {
        force_new_cluster: true,
        ..InitRequest::default()
    };
    all.host_client("m1").init(forced).await.expect("forced");
    assert_eq!(all.voters("m1").await, 1);
    for number in 0..20 {
        let asked = GetConfigRequest {
            config: format!("config{number}"),
        };
        all.control("m1")
            .get_config(asked)
            .await
            .expect("nothing acknowledged is lost");
    }
    all.start("m4");
    all.join("m4", &made.manager_token, "m1")
        .await
        .expect("the cluster grows again");
    assert_eq!(all.voters("m1").await, 2);

    all.start("r1");
    let damaged = all
        .restore("r1", &backup[..backup.len() - 1])
        .await
        .expect_err("cut off");
    assert!(
        damaged.message().contains("nothing was changed"),
        "{damaged}"
    );
    assert_eq!(all.host("r1").await.state(), State::Inactive);
    let restored = all.restore("r1", &backup).await.expect("restored");
    assert_eq!(restored.worker_token, made.worker_token);
    let asked = GetConfigRequest {
        config: "config19".into(),
    };
    all.control("r1")
        .get_config(asked)
        .await
        .expect("it is in the backup");
    all.config("r1", "after")
        .await
        .expect("a cluster of one decides");
}

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

#[tokio::test(flavor = "multi_thread")]
async fn the_root_is_replaced_while_everything_goes_on() {
    let mut all = Daemons::new();
    for name in ["m1", "m2", "m3", "w1"] {
        all.start(name);
    }
    let made = all.init("m1", ClusterSpec::standard()).await;
    for name in ["m2", "m3"] {
        all.join(name, &made.manager_token, "m1")
            .await
            .expect("joined");
    }
    all.join("w1", &made.worker_token, "m1")
        .await
        .expect("joined");
    let before = all
        .control("m1")
        .get_cluster(GetClusterRequest {})
        .await
        .expect("a cluster")
        .into_inner();
    all.control("m2")
        .rotate_root(RotateRootRequest {})
        .await
        .expect("begun");
    all.until("the old root is gone", async |all| {
        all.control("m3")
            .get_cluster(GetClusterRequest {})
            .await
            .is_ok_and(|view| !view.get_ref().rotating_root)
    })
    .await;
    let after = all
        .control("m1")
        .get_cluster(GetClusterRequest {})
        .await
        .expect("a cluster")
        .into_inner();
    assert_ne!(before.roots_pem, after.roots_pem);
    all.until("all are ready under the new root", async |all| {
        all.nodes("m1").await.iter().all(daemons::is_ready)
    })
    .await;
    for name in ["m1", "m2", "m3", "w1"] {
        all.kill(name);
        all.start(name);
    }
    all.until("after a restart too", async |all| {
        let nodes = all.try_nodes("m2").await;
        nodes.is_ok_and(|nodes| nodes.len() == 4 && nodes.iter().all(daemons::is_ready))
            && all.host("w1").await.state() == State::Active
    })
    .await;
    all.start("w2");
    let old = all
        .join("w2", &made.worker_token, "m1")
        .await
        .expect_err("the token names the old root");
    assert!(
        old.message().contains("root was replaced"),
        "{old}\n{}",
        all.log("m1")
    );
}
