//! What people type wrongly, and what they are told.

use tests::Cluster;

#[test]
fn mistakes_are_named_and_change_nothing() {
    let cluster = tests::cluster!(1, 1);
    let table: &[(&str, &str, &[&str])] = &[
        (
            "node1",
            "cluster init",
            &["belongs to the cluster", "cluster leave"],
        ),
        ("node1", "cluster leave", &["the last one", "--force"]),
        ("node1", "node demote node1", &["last manager", "promote"]),
        ("node1", "node ls --filter colour=red", &["colour"]),
        (
            "node1",
            "node inspect node9",
            &["no node `node9`", "node ls"],
        ),
        ("node1", "node update node2", &["nothing to change"]),
        (
            "node1",
            "node update --label-rm none node2",
            &["no label `none`"],
        ),
        ("node1", "node update --label-add =x node2", &["label"]),
        ("node1", "node rm node2", &["--force"]),
        ("node1", "config inspect none", &["none"]),
        ("node1", "config rm none", &["none"]),
        ("node1", "config create 'a b' /etc/hostname", &["a b"]),
        ("node1", "config create x /no/such/file", &["/no/such/file"]),
        ("node1", "cluster update --cert-expiry 1s", &["least"]),
        (
            "node1",
            "cluster update --heartbeat 200ms --election 300ms",
            &["election"],
        ),
        ("node1", "cluster join", &["--token", "HOST:PORT"]),
        ("node1", "cluster unlock", &["not locked"]),
        (
            "node1",
            "cluster unlock-key --rotate",
            &["not locked", "--autolock"],
        ),
        (
            "node1",
            "cluster restore /etc/hostname",
            &["belongs to the cluster"],
        ),
        ("node1", "-H nonsense node ls", &["nonsense", "unix://"]),
        (
            "node1",
            "-H tcp://10.66.0.11 node ls",
            &["certificate", "context create"],
        ),
        (
            "node1",
            "-H unix:///no/such/socket node ls",
            &["/no/such/socket", "systemctl start minid"],
        ),
        ("node1", "--context none node ls", &["none"]),
    ];
    for (node, line, words) in table {
        let line = format!("{line} ").replace("cluster unlock ", "cluster unlock </dev/null ");
        cluster
            .sh(node, &format!("minictl {line}"))
            .refused(1, words);
    }
    for line in [
        "node update --availability sleepy node2",
        "node update --role king node2",
        "cluster init --cert-expiry soon",
        "cluster join-token boss",
    ] {
        cluster.on("node1", line).refused(125, &["minictl"]);
    }
    assert_eq!(cluster.nodes("node1").len(), 2);
    cluster.until_ready("node1", "node2");
}

#[test]
fn a_host_without_a_cluster_stays_as_it_is_when_something_is_wrong() {
    let Some(cluster) = Cluster::hosts(1) else {
        return;
    };
    let table: &[(&str, &[&str])] = &[
        ("cluster leave", &["belongs to no cluster"]),
        ("cluster init --advertise-addr nonsense", &["nonsense"]),
        ("cluster init --default-addr-pool 10.0.0.0", &["10.0.0.0"]),
        (
            "cluster init --force-new-cluster",
            &["belongs to no cluster"],
        ),
        ("cluster restore /etc/hostname", &["backup"]),
        ("cluster restore /no/such/file", &["/no/such/file"]),
        ("node ls", &["belongs to no cluster"]),
    ];
    for (line, words) in table {
        let refused = cluster.on("node1", *line);
        assert_ne!(refused.code, 0, "{refused}");
        let code = refused.code;
        refused.refused(code, words);
    }
    cluster
        .on("node1", "info")
        .ok()
        .has("Cluster:            inactive");
    let left = cluster.sh("node1", "ls -A $MINI_DATA_ROOT/cluster 2>/dev/null || true");
    assert_eq!(left.text(), "", "nothing half-made is left");
    // Twice at once: one of them makes it, the other is told.
    let twice = cluster.sh(
        "node1",
        "minictl cluster init >one 2>&1 & minictl cluster init >two 2>&1 & wait; cat one two; rm one two",
    );
    let made = twice.stdout.matches("Cluster initialized").count();
    let refused = twice.stdout.matches("belongs to the cluster").count();
    assert_eq!((made, refused), (1, 1), "{twice}");
}
