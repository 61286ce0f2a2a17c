//! From `service create` to `service rm`, in the words that users know from Swarm.

use tests::cluster_registry::BUSYBOX;

use crate::kit::{STAYS, cluster, containers, create, running, spread, tasks, told};

#[test]
fn a_service_is_made_changed_put_back_and_removed() {
    let Some(cluster) = cluster(1, 2) else {
        return;
    };
    let on = |words: &str| cluster.on("node1", words);
    let made = create(&cluster, "web", "--replicas 3 -e COLOUR=red", &STAYS).ok();
    assert_eq!(made.lines().len(), 1, "it prints an id: {made}");
    assert_eq!(spread(&cluster, "web"), "node1=1 node2=1 node3=1");
    for node in ["node1", "node2", "node3"] {
        let rows = running(&cluster, "web");
        let own = rows.iter().find(|row| row.node == node).expect("one each");
        assert_eq!(containers(&cluster, node), std::slice::from_ref(&own.name));
        let listed = cluster.on("node1", ["node", "ps", node]).ok();
        assert!(listed.stdout.contains(&own.name), "{listed}");
    }
    let listed = on("service ls").ok();
    let words: Vec<&str> = listed.stdout.split_whitespace().collect();
    assert_eq!(
        words[..6],
        ["ID", "NAME", "MODE", "REPLICAS", "IMAGE", "PORTS"]
    );
    assert_eq!(words[7..11], ["web", "replicated", "3/3", BUSYBOX]);

    // The same once more changes nothing; a larger number adds, a smaller one takes away the newest.
    let first = running(&cluster, "web");
    on("service scale web=3").ok();
    on("service scale -q web=5").ok();
    assert_eq!(running(&cluster, "web").len(), 5);
    on("service scale -q web=3").ok();
    let kept = |row: &crate::kit::Row| first.iter().any(|known| known.id == row.id);
    assert!(
        running(&cluster, "web").iter().all(kept),
        "none was replaced"
    );
    assert_eq!(told(&cluster, "web", "{{.Revision}}"), "1");

    let colour = || {
        let asked = on("service exec web.2 sh -c 'echo $COLOUR'");
        asked.ok().text()
    };
    assert_eq!(colour(), "red");
    on("service update -q --update-monitor 1ms --update-parallelism 0 --env-add COLOUR=blue --env-add MORE=1 web").ok();
    assert_eq!(colour(), "blue");
    let after = running(&cluster, "web");
    assert!(after.len() == 3 && !after.iter().any(kept), "{after:#?}");
    let history = tasks(&cluster, "web");
    let before = history
        .iter()
        .filter(|row| row.state.starts_with("Shutdown"));
    assert!(
        before.count() >= 3,
        "it tells what was before: {history:#?}"
    );
    on("service update -q --env-rm MORE --args 'sleep 2000' web").ok();
    on("service exec web sh -c 'echo $MORE'").ok().prints("");
    on("service exec web.1 ps").ok().has("sleep 2000");
    on("service rollback -q web").ok();
    on("service exec web sh -c 'echo $MORE'").ok().prints("1");
    on("service exec web.1 ps").ok().has("sleep 1000");
    on("service rollback -q web").ok();
    on("service exec web.1 ps").ok().has("sleep 2000");

    on("service scale -q web=0").ok();
    assert_eq!(on("service ls --format '{{.Replicas}}'").ok().text(), "0/0");
    on("service rm web").ok().prints("web");
    on("service ps web").refused(1, &["there is no service `web`"]);
    on("service rm web").refused(1, &["there is no service `web`"]);
}

#[test]
fn what_a_service_leaves_is_nothing() {
    let Some(cluster) = cluster(1, 0) else {
        return;
    };
    let on = |words: &str| cluster.on("node1", words);
    let traces = || {
        let links = "ip -o link | grep -c veth || true";
        let files = "ls $MINI_DATA_ROOT/containers $MINI_RUN_ROOT/containers | grep -c . || true";
        [links, files].map(|script| cluster.sh("node1", script).ok().text())
    };
    create(&cluster, "many", "", &STAYS).ok();
    let usual = |count: usize| {
        cluster.eventually("so many containers", || {
            (containers(&cluster, "node1").len() == count).then_some(())
        })
    };
    let begun = on("service scale -q many=50").ok();
    assert_eq!(containers(&cluster, "node1").len(), 50, "{begun}");
    on("service scale -q many=0").ok();
    usual(0);
    on("service rm many").ok();
    cluster.eventually("nothing is left of it", || {
        (traces()[0] == "0" && on("service ls -q").text().is_empty()).then_some(())
    });
    cluster.eventually("the records of its tasks are gone", || {
        let records = cluster.on("node1", "ps -aq").ok();
        records.lines().is_empty().then_some(())
    });
    let left = traces();
    assert_eq!(left[0], "0", "links");
    // The name is free again at once.
    create(&cluster, "many", "", &STAYS).ok();
}

#[test]
fn who_leaves_takes_its_tasks_along() {
    let Some(cluster) = cluster(1, 1) else {
        return;
    };
    cluster.on("node1", "network create -d overlay shop").ok();
    create(&cluster, "web", "--replicas 4 --network shop", &STAYS).ok();
    assert_eq!(spread(&cluster, "web"), "node1=2 node2=2");
    cluster.on("node2", "cluster leave").ok();
    cluster.eventually("all run on node1", || {
        (spread(&cluster, "web") == "node1=4").then_some(())
    });
    assert!(containers(&cluster, "node2").is_empty());
    let left = cluster.on("node2", "ps -aq").ok();
    assert_eq!(left.text(), "", "no container is left on it");
    let networks = cluster.on("node2", ["network", "ls", "--format", "{{.Name}}"]);
    assert!(!networks.ok().stdout.contains("shop"), "nor a network");
}
