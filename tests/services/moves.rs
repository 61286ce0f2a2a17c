//! Nodes that come, are drained, paused, lost and found: where tasks are meanwhile.

use std::time::Duration;

use tests::Cluster;

use crate::kit::{
    STAYS, cluster, containers, create, impatient, processes, running, spread, tasks, until_spread,
};

#[test]
fn a_global_service_is_on_each_node_also_on_those_that_join() {
    let Some(mut cluster) = Cluster::hosts(3) else {
        return;
    };
    cluster.registry(&["node1", "node2", "node3"]);
    cluster.on("node1", "cluster init").ok();
    let token = cluster
        .on("node1", "cluster join-token -q worker")
        .ok()
        .text();
    let join = |node: &str| {
        let words = ["cluster", "join", "--token", &token, "10.66.0.11"];
        cluster.on(node, words).ok();
    };
    join("node2");
    create(&cluster, "agent", "--mode global", &STAYS).ok();
    assert_eq!(spread(&cluster, "agent"), "node1=1 node2=1");
    join("node3");
    until_spread(&cluster, "agent", "node1=1 node2=1 node3=1");
    let on = |words: &str| cluster.on("node1", words);
    on("service scale agent=2").refused(1, &["agent", "global"]);
    on("node update --availability drain node2").ok();
    until_spread(&cluster, "agent", "node1=1 node3=1");
    on("node update --availability pause node3").ok();
    on("node update --availability active node2").ok();
    until_spread(&cluster, "agent", "node1=1 node2=1 node3=1");
}

#[test]
fn a_drained_node_is_left_when_others_have_taken_over() {
    let Some(cluster) = cluster(1, 2) else {
        return;
    };
    let on = |words: &str| cluster.on("node1", words);
    let check = "--health-cmd true --health-interval 400ms --health-start-interval 400ms";
    create(&cluster, "web", &format!("--replicas 3 {check}"), &STAYS).ok();
    on("node update --availability drain node2").ok();
    let mut least = 3;
    cluster.eventually("node2 is left", || {
        let rows = running(&cluster, "web");
        let lives = rows.len();
        let leaving = tasks(&cluster, "web");
        let serve = leaving
            .iter()
            .filter(|row| row.state.starts_with("Running"))
            .count();
        least = least.min(serve.max(lives));
        (rows.len() == 3 && rows.iter().all(|row| row.node != "node2")).then_some(())
    });
    assert_eq!(least, 3, "never less than three ran");
    cluster.eventually("its container is gone", || {
        containers(&cluster, "node2").is_empty().then_some(())
    });
    // Back, it gets what comes, not what runs elsewhere.
    on("node update --availability active node2").ok();
    assert!(!spread(&cluster, "web").contains("node2"));
    on("service scale -q web=4").ok();
    assert!(spread(&cluster, "web").contains("node2=1"));
    // A paused one keeps what it has and gets nothing.
    on("node update --availability pause node2").ok();
    on("service scale -q web=8").ok();
    assert!(
        spread(&cluster, "web").contains("node2=1"),
        "{}",
        spread(&cluster, "web")
    );
}

#[test]
fn no_container_is_touched_when_a_daemon_is_killed_or_told_otherwise() {
    let Some(cluster) = cluster(1, 1) else {
        return;
    };
    let on = |words: &str| cluster.on("node1", words);
    create(&cluster, "web", "--replicas 4", &STAYS).ok();
    let script = "while [ ! -e /tmp/end ]; do sleep 0.1; done; exit 5";
    let flags = "--constraint node.hostname==node2 --restart-condition none";
    create(
        &cluster,
        "ends",
        flags,
        &[tests::cluster_registry::BUSYBOX, "sh", "-c", script],
    )
    .ok();
    let all = || (processes(&cluster, "node1"), processes(&cluster, "node2"));
    let before = all();
    // Another rhythm is nobody's death.
    impatient(&cluster);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(cluster.word("node1", "node2", "Status"), "Ready");
    assert_eq!(all(), before);
    on("cluster update --dispatcher-heartbeat 5s").ok();
    // A daemon that is back before anybody misses it.
    cluster.lab("kill", "node2").ok();
    cluster
        .sh(
            "node2",
            "minictl exec $(minictl ps -q --filter name=ends) touch /tmp/end",
        )
        .ok();
    cluster.eventually("the task has ended by itself", || {
        (!containers(&cluster, "node2").contains(&"ends.1".to_owned())).then_some(())
    });
    cluster.lab("start", "node2").ok();
    let ended = cluster.eventually("its end is told", || {
        let rows = tasks(&cluster, "ends");
        rows.into_iter().find(|row| row.state.starts_with("Failed"))
    });
    assert_eq!(ended.error, "task: non-zero exit (5)");
    // The manager itself.
    cluster.lab("kill", "node1").ok();
    cluster.lab("start", "node1").ok();
    cluster.leader("node1");
    for node in ["node1", "node2"] {
        cluster.until_ready("node1", node);
    }
    std::thread::sleep(Duration::from_millis(500));
    let mut after = all();
    let known = |line: &String| before.1.contains(line) && !line.contains("/ends.");
    assert_eq!(after.0, before.0, "not one was restarted");
    after.1.retain(|line| !known(line));
    assert_eq!(after.1, [""; 0], "not one was restarted");
    assert_eq!(running(&cluster, "web").len(), 4);
    on("service exec web.1 true").ok();
}

#[test]
fn a_node_that_is_cut_off_keeps_its_tasks_until_it_is_back() {
    let Some(cluster) = cluster(1, 2) else {
        return;
    };
    let on = |words: &str| cluster.on("node1", words);
    impatient(&cluster);
    create(&cluster, "web", "--replicas 6", &STAYS).ok();
    assert_eq!(spread(&cluster, "web"), "node1=2 node2=2 node3=2");
    let before = processes(&cluster, "node3");
    cluster.lab("partition", "node3").ok();
    cluster.eventually("node3 is down and replaced", || {
        (spread(&cluster, "web") == "node1=3 node2=3").then_some(())
    });
    assert_eq!(cluster.word("node1", "node3", "Status"), "Down");
    assert_eq!(processes(&cluster, "node3"), before, "its tasks go on");
    assert_eq!(on("service ls --format '{{.Replicas}}'").ok().text(), "6/6");
    cluster.lab("heal", [""; 0]).ok();
    cluster.until_ready("node1", "node3");
    cluster.eventually("the doubles end", || {
        containers(&cluster, "node3").is_empty().then_some(())
    });
    assert_eq!(spread(&cluster, "web"), "node1=3 node2=3");
    assert_eq!(on("service ls --format '{{.Replicas}}'").ok().text(), "6/6");
}

#[test]
fn a_lost_node_is_replaced_and_found_again() {
    let Some(cluster) = cluster(1, 2) else {
        return;
    };
    let on = |words: &str| cluster.on("node1", words);
    impatient(&cluster);
    create(&cluster, "web", "--replicas 6", &STAYS).ok();
    cluster.lab("kill", "node2").ok();
    until_spread(&cluster, "web", "node1=3 node3=3");
    let lost = tasks(&cluster, "web")
        .into_iter()
        .filter(|row| row.node == "node2");
    let lost: Vec<_> = lost.collect();
    assert!(
        lost.len() == 2 && lost.iter().all(|row| row.desired == "Shutdown"),
        "{lost:#?}"
    );
    cluster.lab("start", "node2").ok();
    cluster.until_ready("node1", "node2");
    cluster.eventually("what ran there has ended", || {
        containers(&cluster, "node2").is_empty().then_some(())
    });
    on("service scale -q web=9").ok();
    assert_eq!(spread(&cluster, "web"), "node1=3 node2=3 node3=3");
}

#[test]
fn a_scale_outlives_its_leader() {
    let Some(cluster) = cluster(3, 0) else {
        return;
    };
    create(&cluster, "web", "--replicas 3", &STAYS).ok();
    impatient(&cluster);
    let leader = cluster.leader("node1");
    let before: Vec<String> = running(&cluster, "web")
        .into_iter()
        .filter(|row| row.node != leader)
        .map(|row| row.id)
        .collect();
    let other = ["node1", "node2", "node3"]
        .into_iter()
        .find(|node| *node != leader);
    let other = other.expect("three managers");
    let scale = cluster.spawn(other, "service scale web=24");
    cluster.eventually("it has begun", || {
        scale.stderr().contains("/24").then_some(())
    });
    cluster.lab("kill", leader.as_str()).ok();
    scale.wait().ok();
    let rows = || crate::kit::tasks_by(&cluster, other, "web");
    let mut slots: Vec<String> = rows()
        .into_iter()
        .filter(crate::kit::Row::runs)
        .map(|row| row.name)
        .collect();
    slots.sort();
    slots.dedup();
    assert_eq!(slots.len(), 24, "each slot once");
    cluster.lab("start", leader.as_str()).ok();
    cluster.until_ready(other, &leader);
    cluster.eventually("as many containers as tasks", || {
        let nodes = ["node1", "node2", "node3"];
        let count: usize = nodes
            .iter()
            .map(|node| containers(&cluster, node).len())
            .sum();
        (count == 24).then_some(())
    });
    let kept = |id: &String| rows().iter().any(|row| row.id == *id && row.runs());
    assert!(before.iter().all(kept), "what ran before runs still");
}
