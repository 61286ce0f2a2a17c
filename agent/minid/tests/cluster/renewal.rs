//! Certificates that end while connections go on.

use std::time::{Duration, Instant};

use api::v1::*;
use model::ClusterSpec;

use crate::daemons::{Daemons, is_ready};

/// The shortest life that a cluster may give its certificates.
const LIFE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn the_group_and_its_nodes_outlive_their_certificates() {
    let mut all = Daemons::new();
    for name in ["m1", "m2", "m3", "w1"] {
        all.start(name);
    }
    let spec = ClusterSpec {
        certificate_life_s: LIFE.as_secs(),
        node_heartbeat_ms: 500,
        ..ClusterSpec::standard()
    };
    let made = all.init("m1", spec).await;
    assert!(
        all.nodes("m1").await.iter().all(is_ready),
        "who founds a cluster is ready when it is founded"
    );
    for name in ["m2", "m3"] {
        all.join(name, &made.manager_token, "m1")
            .await
            .expect("joined");
    }
    all.join("w1", &made.worker_token, "m1")
        .await
        .expect("joined");
    let serials = async |all: &Daemons| {
        let nodes = all.nodes("m1").await;
        let mut serials: Vec<String> = nodes
            .iter()
            .map(|node| node.certificate.serial.clone())
            .collect();
        serials.sort();
        serials
    };
    let (first, began) = (serials(&all).await, Instant::now());
    let mut number = 0;
    while began.elapsed() < LIFE * 5 / 2 {
        number += 1;
        for name in ["m1", "m2", "m3"] {
            all.config(name, &format!("{name}-{number}"))
                .await
                .unwrap_or_else(|status| panic!("after {:?}: {status}", began.elapsed()));
        }
        let nodes = all.nodes("m2").await;
        assert!(
            nodes.len() == 4 && nodes.iter().all(is_ready),
            "after {:?}: {nodes:?}\n{}",
            began.elapsed(),
            all.log("w1")
        );
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let last = serials(&all).await;
    assert!(
        first.iter().all(|serial| !last.contains(serial)),
        "all have been renewed: {first:?} {last:?}"
    );
    let status = all
        .control("m3")
        .get_status(GetStatusRequest {})
        .await
        .expect("a status")
        .into_inner();
    assert!(
        status.managers.iter().all(|manager| manager.reachable),
        "{status:?}"
    );
    for name in ["m1", "m2", "m3"] {
        let log = all.log(name);
        assert!(!log.contains("ERROR"), "{name}: {log}");
    }
}
