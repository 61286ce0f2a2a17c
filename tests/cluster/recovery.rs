//! When the majority is lost for good, when everything is, and when a manager is locked.

use tests::Cluster;

#[test]
fn what_is_left_of_a_cluster_is_forced_anew_and_grows_again() {
    let cluster = tests::cluster!(3, 1);
    cluster.keep("node2", "from-before").ok();
    cluster
        .on("node1", "node update --label-add a=b node4")
        .ok();
    cluster.lab("kill", "node2 node3").ok();
    cluster
        .on("node4", "cluster init --force-new-cluster")
        .refused(1, &["this node is a worker"]);
    cluster.on("node1", "cluster init --force-new-cluster").ok();
    assert_eq!(cluster.leader("node1"), "node1");
    assert_eq!(cluster.configs("node1"), ["from-before"]);
    cluster.until_ready("node1", "node4");
    cluster
        .on("node1", "node inspect -f '{{.Spec.Labels.a}}' node4")
        .ok()
        .prints("b");
    cluster.on("node1", "cluster status").ok().has("1 manager");
    // The lost ones come back with a past that counts no more, and join anew.
    let token = cluster
        .on("node1", "cluster join-token -q manager")
        .ok()
        .text();
    for node in ["node2", "node3"] {
        cluster.on("node1", ["node", "rm", "--force", node]).ok();
        cluster.lab("start", node).ok();
        cluster.on(node, "cluster leave --force").ok();
        cluster
            .on(node, ["cluster", "join", "--token", &token, "10.66.0.11"])
            .ok();
    }
    cluster
        .on("node3", "cluster status")
        .ok()
        .has("3 managers, quorum 2, tolerates the loss of 1");
    assert_eq!(cluster.configs("node3"), ["from-before"]);
}

#[test]
fn a_backup_begins_the_cluster_again_on_another_machine() {
    let Some(cluster) = Cluster::hosts(4) else {
        return;
    };
    cluster.on("node1", "cluster init").ok();
    let token = cluster
        .on("node1", "cluster join-token -q worker")
        .ok()
        .text();
    cluster.keep("node1", "kept").ok();
    let file = cluster.host().path("cluster.backup");
    let file = file.display().to_string();
    cluster.on("node1", ["cluster", "backup", "-o", &file]).ok();
    cluster
        .on("node1", ["cluster", "restore", &file])
        .refused(1, &["belongs to the cluster"]);
    // Half of it is no backup, and leaves nothing behind.
    cluster
        .sh("node2", &format!("head -c 500 {file} >{file}.half"))
        .ok();
    cluster
        .on("node2", ["cluster", "restore", &format!("{file}.half")])
        .refused(1, &["backup"]);
    cluster
        .on("node2", "info")
        .ok()
        .has("Cluster:            inactive");
    cluster.lab("kill", "node1").ok();
    cluster.on("node2", ["cluster", "restore", &file]).ok();
    assert_eq!(cluster.configs("node2"), ["kept"]);
    assert_eq!(cluster.word("node2", "node2", "Status"), "Ready");
    cluster
        .on(
            "node3",
            ["cluster", "join", "--token", &token, "10.66.0.12"],
        )
        .ok();
    cluster.until_ready("node2", "node3");
    cluster.keep("node2", "goes-on").ok();
    // As a newcomer would it: what was restored is itself worth a backup.
    cluster.on("node2", ["cluster", "backup", "-o", &file]).ok();
    cluster.on("node4", ["cluster", "restore", &file]).ok();
    assert_eq!(cluster.configs("node4"), ["goes-on", "kept"]);
}

#[test]
fn a_locked_manager_needs_its_key_after_a_restart() {
    let cluster = tests::cluster!(3, 0);
    cluster.on("node1", "cluster update --autolock=true").ok();
    let key = |rotate: &[&str]| {
        let mut words = vec!["cluster", "unlock-key", "-q"];
        words.extend(rotate);
        cluster.on("node1", words).ok().text()
    };
    let first = key(&[]);
    assert!(first.starts_with("MINIKEY-1-"), "{first}");
    let sealed = || {
        let vault = cluster.sh("node3", "cat $MINI_DATA_ROOT/cluster/node.json");
        !vault.stdout.contains("PRIVATE KEY")
    };
    cluster.eventually("node3 has sealed its key", || sealed().then_some(()));
    cluster.lab("kill", "node3").ok();
    cluster.lab("start", "node3").ok();
    cluster
        .on("node3", "node ls")
        .refused(1, &["locked", "cluster unlock"]);
    cluster
        .on("node3", "info")
        .ok()
        .has("Cluster:            locked");
    let unlock = |key: &str| cluster.sh("node3", &format!("echo {key} | minictl cluster unlock"));
    let wrong = format!("MINIKEY-1-{}", "A".repeat(43));
    unlock(&wrong).refused(1, &["key"]);
    unlock("nonsense").refused(1, &["key"]);
    unlock(&first).ok();
    cluster.until_ready("node1", "node3");
    let second = key(&["--rotate"]);
    assert_ne!(first, second);
    cluster.on("node1", "cluster update --autolock=false").ok();
    cluster.eventually("node3 is unsealed", || (!sealed()).then_some(()));
    cluster.lab("kill", "node3").ok();
    cluster.lab("start", "node3").ok();
    cluster.until_ready("node1", "node3");
}
