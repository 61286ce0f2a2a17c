//! Who may come in, and who must go.

use tests::Cluster;

fn token(cluster: &Cluster, role: &str) -> String {
    cluster
        .on("node1", ["cluster", "join-token", "-q", role])
        .ok()
        .text()
}

#[track_caller]
fn join(cluster: &Cluster, node: &str, token: &str, manager: &str) -> tests::Done {
    cluster.on(node, ["cluster", "join", "--token", token, manager])
}

#[test]
fn only_a_token_that_counts_lets_a_host_in() {
    let Some(cluster) = Cluster::hosts(3) else {
        return;
    };
    cluster.on("node1", "cluster init").ok();
    cluster.on("node2", "cluster init").ok();
    let good = token(&cluster, "worker");
    let (rest, secret) = good.rsplit_once('-').expect("a token has parts");
    let forged = format!("{rest}-{}", "0".repeat(secret.len()));
    join(&cluster, "node3", &forged, "10.66.0.11")
        .refused(1, &["token is not valid any more", "join-token"]);
    join(&cluster, "node3", &good, "10.66.0.12").refused(1, &["another cluster than the token"]);
    join(&cluster, "node3", "SWMTKN-1-a-b", "10.66.0.11").refused(1, &["token"]);
    join(&cluster, "node3", &good, "10.66.0.13")
        .refused(1, &["10.66.0.13:2377", "connection refused"]);
    join(&cluster, "node2", &good, "10.66.0.11").refused(1, &["belongs to the cluster", "leave"]);
    cluster
        .on("node1", "cluster join-token --rotate -q worker")
        .ok();
    join(&cluster, "node3", &good, "10.66.0.11").refused(1, &["rotated"]);
    cluster
        .on("node3", "info")
        .ok()
        .has("Cluster:            inactive");
    join(&cluster, "node3", &token(&cluster, "worker"), "10.66.0.11").ok();
    cluster.until_ready("node1", "node3");
}

#[test]
fn a_worker_can_do_nothing_that_a_manager_can() {
    let cluster = tests::cluster!(1, 1);
    let verbs = [
        "node ls",
        "node inspect node1",
        "node update --label-add a=b node1",
        "node promote node2",
        "node rm --force node1",
        "node ps node1",
        "config ls",
        "config create x /etc/hostname",
        "cluster join-token worker",
        "cluster join-token --rotate manager",
        "cluster unlock-key",
        "cluster update --autolock=true",
        "cluster ca",
        "cluster ca --rotate",
        "cluster backup -o /dev/null",
        "cluster status",
    ];
    for verb in verbs {
        cluster
            .on("node2", verb)
            .refused(1, &["this node is a worker", "10.66.0.11:2377"]);
    }
    assert_eq!(cluster.word("node1", "node2", "Role"), "worker");
    assert_eq!(cluster.configs("node1"), [""; 0]);
}

#[test]
fn a_node_that_was_removed_is_turned_away_until_it_joins_again() {
    let cluster = tests::cluster!(1, 2);
    cluster
        .on("node1", "node rm node2")
        .refused(1, &["--force"]);
    cluster.on("node1", "node rm --force node2").ok();
    cluster.eventually("node2 knows that it was removed", || {
        let info = cluster.on("node2", "info");
        info.stdout
            .contains("removed from the cluster")
            .then_some(())
    });
    // Its certificate is worth nothing, whoever shows it.
    cluster.lab("kill", "node2").ok();
    cluster.lab("start", "node2").ok();
    cluster.eventually("it is still turned away", || {
        let info = cluster.on("node2", "info");
        info.stdout
            .contains("removed from the cluster")
            .then_some(())
    });
    assert_eq!(cluster.nodes("node1").len(), 2);
    cluster.on("node2", "cluster leave --force").ok();
    join(&cluster, "node2", &token(&cluster, "worker"), "10.66.0.11").ok();
    cluster.until_ready("node1", "node2");
}

#[test]
fn two_hosts_with_one_identity_are_one_node_and_the_cluster_says_so() {
    let Some(cluster) = Cluster::hosts(3) else {
        return;
    };
    cluster.on("node1", "cluster init").ok();
    join(&cluster, "node2", &token(&cluster, "worker"), "10.66.0.11").ok();
    cluster.until_ready("node1", "node2");
    // As when a virtual machine is cloned.
    cluster.lab("kill", "node3").ok();
    let own = cluster.sh("node2", "echo $MINI_DATA_ROOT").ok().text();
    let copy = cluster.sh("node3", "echo $MINI_DATA_ROOT").ok().text();
    cluster
        .host()
        .sh(&format!("cp -a {own}/cluster {copy}/"))
        .ok();
    cluster.lab("start", "node3").ok();
    cluster.eventually("the manager tells of it", || {
        let log = cluster.log("node1");
        log.contains("one identity on two hosts").then_some(())
    });
    cluster.keep("node1", "goes-on").ok();
    assert_eq!(cluster.nodes("node1").len(), 2, "one entry for both");
}
