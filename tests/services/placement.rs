//! Which node a task gets, and what is said when there is none.

use tests::cluster_registry::BUSYBOX;

use crate::kit::{STAYS, cluster, create, running, spread, tasks, until_spread};

#[test]
fn labels_limits_and_ports_say_where_tasks_run() {
    let Some(cluster) = cluster(1, 2) else {
        return;
    };
    let on = |words: &str| cluster.on("node1", words);
    on("node update --label-add disk=ssd node2").ok();
    create(
        &cluster,
        "db",
        "--replicas 2 --constraint node.labels.disk==ssd",
        &STAYS,
    )
    .ok();
    assert_eq!(spread(&cluster, "db"), "node2=2");
    create(
        &cluster,
        "edge",
        "--replicas 2 --constraint node.role!=manager",
        &STAYS,
    )
    .ok();
    assert_eq!(spread(&cluster, "edge"), "node2=1 node3=1");
    create(
        &cluster,
        "named",
        "--constraint node.hostname==node3",
        &STAYS,
    )
    .ok();
    assert_eq!(spread(&cluster, "named"), "node3=1");
    // What the label made possible goes where it goes.
    on("node update --label-rm disk node2").ok();
    on("node update --label-add disk=ssd node3").ok();
    until_spread(&cluster, "db", "node3=2");

    create(
        &cluster,
        "two",
        "-d --replicas 7 --replicas-max-per-node 2",
        &STAYS,
    )
    .ok();
    until_spread(&cluster, "two", "node1=2 node2=2 node3=2");
    cluster.eventually("the seventh says why it waits", || {
        let rows = tasks(&cluster, "two");
        let waits = rows.iter().find(|row| row.state.starts_with("Pending"))?;
        waits
            .state
            .contains("3 nodes: max replicas per node")
            .then_some(())
    });

    let serve = "mkdir -p /tmp/w; hostname >/tmp/w/index.html; exec httpd -f -p 80 -h /tmp/w";
    let flags = "--replicas 3 --hostname {{.Node.Hostname}} -p published=8080,target=80,mode=host";
    create(
        &cluster,
        "web",
        flags,
        &["--init", BUSYBOX, "sh", "-c", serve],
    )
    .ok();
    assert_eq!(spread(&cluster, "web"), "node1=1 node2=1 node3=1");
    for node in ["node1", "node2", "node3"] {
        for address in ["127.0.0.1", crate::kit::address(node).as_str()] {
            let page = cluster.sh(node, &format!("curl -sm 5 http://{address}:8080/"));
            page.ok().prints(node);
        }
    }
    let row = running(&cluster, "web").remove(0);
    assert_eq!(row.ports, "*:8080->80/tcp");
    on("service scale -d web=4").ok();
    cluster.eventually("the fourth says that the port is taken", || {
        let rows = tasks(&cluster, "web");
        let waits = rows.iter().find(|row| row.state.starts_with("Pending"))?;
        waits
            .state
            .contains("no suitable node (3 nodes: host port 8080/tcp in use)")
            .then_some(())
    });
}

#[test]
fn what_is_reserved_is_not_given_twice() {
    let Some(cluster) = cluster(1, 1) else {
        return;
    };
    let on = |words: &str| cluster.on("node1", words);
    let memory = on("node inspect -f '{{.Description.Resources.MemoryBytes}}' node1").ok();
    let half: u64 = memory.text().parse::<u64>().expect("a number of bytes") * 6 / 10;
    on("node update --label-add big=yes node1").ok();
    let flags = format!("-d --replicas 3 --reserve-memory {half}b");
    create(&cluster, "large", &flags, &STAYS).ok();
    until_spread(&cluster, "large", "node1=1 node2=1");
    let why = || {
        let rows = tasks(&cluster, "large");
        rows.into_iter()
            .find(|row| row.state.starts_with("Pending"))
            .map(|row| row.state)
    };
    cluster.eventually("the third is told why", || {
        why()?
            .contains("no suitable node (2 nodes: insufficient memory)")
            .then_some(())
    });
    on("service update -d --constraint-add node.labels.big==yes large").ok();
    cluster.eventually("the reasons are counted", || {
        let why = why()?;
        let both = ["1 node: insufficient memory", "1 node: constraint"];
        both.iter().all(|part| why.contains(part)).then_some(())
    });
    on("service update -d --constraint-rm node.labels.big==yes large").ok();
    on("service scale -q large=2").ok();
    until_spread(&cluster, "large", "node1=1 node2=1");
    create(&cluster, "cpu", "-d --reserve-cpu 4096", &STAYS).ok();
    cluster.eventually("processors are counted, too", || {
        let rows = tasks(&cluster, "cpu");
        rows[0].state.contains("insufficient CPUs").then_some(())
    });
}

#[test]
fn what_cannot_be_meant_is_refused_in_clear_words() {
    let Some(cluster) = cluster(1, 0) else {
        return;
    };
    create(&cluster, "taken", "-p published=80,target=80", &STAYS).ok();
    let table: &[(&str, &[&str])] = &[
        (
            "--constraint node.labels.x=~3",
            &["node.labels.x=~3", "node.labels.disk==ssd"],
        ),
        ("--constraint nod.id==3", &["nod.id"]),
        (
            "--secret absent",
            &["secret `absent` does not exist", "minictl secret create"],
        ),
        (
            "--config absent",
            &["config `absent` does not exist", "minictl config create"],
        ),
        ("--network absent", &["network `absent` does not exist"]),
        ("--replicas many", &["--replicas"]),
        ("--limit-memory lots", &["lots"]),
        ("--limit-memory 10m --reserve-memory 20m", &["memory"]),
        ("--mode global --replicas 2", &["global", "replicas"]),
        ("-p 80:80:80:80", &["80:80:80:80"]),
        ("--mount type=volume", &["target"]),
        ("--restart-condition maybe", &["maybe", "on-failure"]),
        ("--update-max-failure-ratio 2", &["ratio"]),
        ("--schedule '* * * *' --mode replicated-job", &["schedule"]),
        ("--schedule '* * * * *'", &["job"]),
        ("-e =x", &["="]),
    ];
    for (flags, words) in table {
        let refused = create(&cluster, "web", &format!("-d {flags}"), &STAYS);
        assert!(
            [1, 2, 125].contains(&refused.code),
            "{flags} should be refused: {refused}"
        );
        let code = refused.code;
        refused.refused(code, words);
    }
    for name in ["a b", "", "-x", "a/b"] {
        let flag = format!("--name={name}");
        let refused = cluster.on("node1", ["service", "create", &flag, BUSYBOX]);
        assert_ne!(refused.code, 0, "{name:?} is no name: {refused}");
    }
    create(&cluster, "taken", "", &STAYS).refused(1, &["exists already", "service update taken"]);
    // A service that others wait for may come later, and a port may become free.
    create(&cluster, "early", "-d --depends-on absent", &STAYS).ok();
    cluster.eventually("it says what it waits for", || {
        let rows = tasks(&cluster, "early");
        let told = rows.first()?.state.contains("absent service_started");
        told.then_some(())
    });
    create(&cluster, "late", "-d -p published=80,target=80", &STAYS).ok();
    let on = |words: &str| cluster.on("node1", words);
    on("service create -q BAD:IMAGE:NAME").refused(125, &["BAD:IMAGE:NAME"]);
    on("service scale taken=many").refused(125, &["many"]);
    on("service scale absent=1").refused(1, &["there is no service `absent`"]);
    on("service update --env-add A=b absent").refused(1, &["there is no service `absent`"]);
    on("service rollback taken").refused(1, &["nothing to return to"]);
    on("service exec absent true").refused(1, &["no service and no task `absent`"]);
    on("service logs absent").refused(1, &["there is no service `absent`"]);
    on("task inspect absent").refused(1, &["there is no task `absent`"]);
}
