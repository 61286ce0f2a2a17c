//! The root is replaced while everything goes on.

use crate::daemons::{Daemons, is_ready};
use api::v1::host_reply::State;
use api::v1::*;
use model::ClusterSpec;

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
        all.nodes("m1").await.iter().all(is_ready)
    })
    .await;
    for name in ["m1", "m2", "m3", "w1"] {
        all.kill(name);
        all.start(name);
    }
    all.until("after a restart too", async |all| {
        let nodes = all.try_nodes("m2").await;
        nodes.is_ok_and(|nodes| nodes.len() == 4 && nodes.iter().all(is_ready))
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
