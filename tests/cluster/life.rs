//! A cluster as its users make it: by hand, host by host, in the words that they know from Swarm.

use tests::Cluster;

#[test]
fn a_cluster_is_made_by_hand_and_outlives_its_leader() {
    let Some(cluster) = Cluster::hosts(4) else {
        return;
    };
    cluster
        .on("node1", "node ls")
        .refused(1, &["belongs to no cluster", "cluster init"]);
    cluster
        .on("node1", "info")
        .ok()
        .has("Cluster:            inactive");
    let made = cluster.on("node1", "swarm init").ok();
    let typed = made
        .lines()
        .into_iter()
        .find_map(|line| Some(line.trim().strip_prefix("minictl ")?.to_owned()))
        .filter(|line| line.starts_with("cluster join --token "))
        .unwrap_or_else(|| panic!("it should print what to type: {made}"));
    assert_eq!(
        cluster.word("node1", "node1", "Status"),
        "Ready",
        "who makes a cluster is ready when it is made"
    );
    cluster
        .on("node4", typed)
        .ok()
        .has("joined a cluster as a worker");
    let token = cluster
        .on("node4", "info")
        .ok()
        .has("Role:              worker");
    assert!(!token.stdout.contains("Managers:"), "{token}");
    let token = cluster.on("node1", "swarm join-token -q manager").ok();
    for node in ["node2", "node3"] {
        let joined = cluster
            .on(
                node,
                ["swarm", "join", "--token", &token.text(), "10.66.0.11:2377"],
            )
            .ok();
        assert_eq!(
            joined.stderr.contains("2 managers need 2"),
            node == "node2",
            "an even number is warned of: {joined}"
        );
    }
    let table = cluster.on("node2", "node ls").ok();
    let lines = table.lines();
    assert_eq!(lines.len(), 5, "{table}");
    let words: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(
        words.join(" "),
        "ID HOSTNAME STATUS AVAILABILITY MANAGER STATUS ENGINE VERSION"
    );
    for node in ["node1", "node2", "node3", "node4"] {
        cluster.until_ready("node3", node);
    }
    assert_eq!(cluster.leader("node2"), "node1");
    assert_eq!(cluster.word("node2", "node4", "ManagerStatus"), "");
    cluster
        .on(
            "node3",
            "node update --label-add region=singapore --label-add disk=ssd node4",
        )
        .ok();
    cluster
        .on("node1", "node inspect -f '{{.Spec.Labels.region}}' node4")
        .ok()
        .prints("singapore");
    cluster
        .on(
            "node2",
            "node update --label-rm disk --availability drain node4",
        )
        .ok();
    assert_eq!(cluster.word("node1", "node4", "Availability"), "Drain");
    let listed = cluster.on("node1", "node ls -q --filter node.label=region=singapore");
    assert_eq!(listed.ok().lines().len(), 1);
    cluster
        .on("node1", "info")
        .ok()
        .has("Managers:          3")
        .has("Nodes:             4")
        .has("Leads:             yes");
    cluster
        .on("node1", "cluster status")
        .ok()
        .has("3 managers, quorum 2, tolerates the loss of 1");

    cluster.lab("kill", "node1").ok();
    let leader = cluster.leader("node2");
    assert!(["node2", "node3"].contains(&leader.as_str()), "{leader}");
    cluster.keep("node2", "while-away").ok();
    cluster
        .on("node2", "cluster status")
        .ok()
        .has("tolerates the loss of none more");
    cluster.lab("start", "node1").ok();
    cluster.until_ready("node2", "node1");
    assert_eq!(cluster.configs("node1"), ["while-away"]);
    assert_eq!(cluster.leader("node1"), cluster.leader("node3"));

    cluster.on("node2", "node promote node4").ok();
    cluster.eventually("node4 votes", || {
        let status = cluster.on("node4", "cluster status");
        status.stdout.contains("4 managers, quorum 3").then_some(())
    });
    cluster.on("node2", "node demote node4").ok();
    cluster.eventually("node4 votes no more", || {
        let refused = cluster.on("node4", "node ls");
        let status = cluster.on("node2", "cluster status");
        (refused.stderr.contains("is a worker") && status.stdout.contains("3 managers"))
            .then_some(())
    });
    cluster.on("node4", "cluster leave").ok();
    cluster.eventually("node4 is down", || {
        (cluster.word("node2", "node4", "Status") == "Down").then_some(())
    });
    cluster.on("node2", "node rm node4").ok();
    assert_eq!(cluster.nodes("node3").len(), 3);
}

#[test]
fn a_leader_that_stops_in_order_or_is_drained_hands_over() {
    let cluster = tests::cluster!(3, 0);
    let first = cluster.leader("node1");
    cluster
        .on(
            "node1",
            ["node", "update", "--availability", "drain", &first],
        )
        .ok();
    let second = cluster.eventually("another leads", || {
        Some(cluster.leader("node1")).filter(|leader| *leader != first)
    });
    let pid = nix::unistd::Pid::from_raw(cluster.pid(&second));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("the daemon is there");
    let third = cluster.eventually("the third leads", || {
        let asked = ["node1", "node2", "node3"]
            .into_iter()
            .find(|node| *node != second)?;
        Some(cluster.leader(asked)).filter(|leader| *leader != second)
    });
    let log = cluster.log(&second);
    assert!(log.contains("leads no more"), "it handed over: {log}");
    assert!(!log.contains("could not be handed over"), "{log}");
    assert_ne!(third, second);
}
