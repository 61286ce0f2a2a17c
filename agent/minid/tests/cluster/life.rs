//! A cluster from its first manager to its last.

use crate::daemons::{Daemons, is_ready, request_id};
use api::v1::host_reply::State;
use api::v1::*;
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
        nodes.len() == 5 && nodes.iter().all(is_ready)
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
async fn nodes_follow_another_heartbeat_at_once() {
    let mut all = Daemons::new();
    all.start("m1");
    let made = all.init("m1", ClusterSpec::standard()).await;
    all.start("w1");
    all.join("w1", &made.worker_token, "m1")
        .await
        .expect("a worker joins");
    all.until("both are ready", async |all| {
        let nodes = all.nodes("m1").await;
        nodes.len() == 2 && nodes.iter().all(is_ready)
    })
    .await;
    let request = UpdateClusterRequest {
        spec: Some(ClusterSpec {
            node_heartbeat_ms: 1000,
            ..ClusterSpec::standard()
        }),
        ..UpdateClusterRequest::default()
    };
    all.control("m1")
        .update_cluster(request_id(request, "beat"))
        .await
        .expect("another heartbeat");
    // Who went on speaking every five seconds would be silent too long by then.
    tokio::time::sleep(std::time::Duration::from_millis(4500)).await;
    let nodes = all.nodes("m1").await;
    assert!(nodes.iter().all(is_ready), "{nodes:?}");
    let log = all.log("m1");
    assert!(!log.contains("silent too long"), "{log}");
}
