//! Images that are not for everybody.

use tests::image::Image;
use tests::registry::{PASSWORD, USER};

use crate::kit::{cluster, spread, tasks};

#[test]
fn credentials_go_with_the_service_that_asks_for_it() {
    let Some(cluster) = cluster(1, 1) else {
        return;
    };
    let storage = cluster.host().path("private");
    let registries: Vec<_> = ["node1", "node2"]
        .into_iter()
        .map(|node| cluster.registry_on(node, &storage, 5001, Some(())))
        .collect();
    registries[0].push("closed", "1", &Image::busybox());
    let coded = format!("printf '%s' '{USER}:{PASSWORD}' | base64");
    let auth = cluster.host().sh(&coded).ok().text();
    // The person who asks has them, the daemons don't.
    cluster.host().file(
        "person/.docker/config.json",
        format!(r#"{{"auths": {{"127.0.0.1:5001": {{"auth": "{auth}"}}}}}}"#),
    );
    let home = cluster.host().path("person").display().to_string();
    let make = |name: &str, flags: &str| {
        let script = format!(
            "HOME={home} minictl service create -q --name {name} --replicas 2 --restart-condition none {flags} --init \
             127.0.0.1:5001/closed:1 sleep 1000"
        );
        cluster.sh("node1", &script)
    };
    make("without", "").refused(1, &["127.0.0.1:5001", "--with-registry-auth"]);
    let refused = tasks(&cluster, "without");
    let rejected = |row: &crate::kit::Row| row.state.starts_with("Rejected");
    assert!(refused.iter().all(rejected), "{refused:#?}");
    make("with", "--with-registry-auth").ok();
    assert_eq!(spread(&cluster, "with"), "node1=1 node2=1");
    let told = cluster.on("node1", "service inspect with").ok();
    let secret = [auth.as_str(), PASSWORD];
    assert!(
        !secret.iter().any(|word| told.stdout.contains(word)),
        "{told}"
    );
    drop(registries);
}
