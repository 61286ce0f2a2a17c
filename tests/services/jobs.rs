//! What is to end well: once, so many times, on each node.

use tests::cluster_registry::BUSYBOX;

use crate::kit::{cluster, create, tasks, told};

#[test]
fn jobs_run_to_their_end_and_say_how_it_was() {
    let Some(cluster) = cluster(1, 2) else {
        return;
    };
    let on = |words: &str| cluster.on("node1", words);
    let states = |name: &str, state: &str| {
        let rows = tasks(&cluster, name);
        rows.iter()
            .filter(|row| row.state.starts_with(state))
            .count()
    };
    let flags = "--mode replicated-job --replicas 5 --max-concurrent 2";
    create(&cluster, "five", flags, &[BUSYBOX, "sleep", "0.2"]).ok();
    assert_eq!(states("five", "Complete"), 5);
    let replicas = |name: &str| {
        let words = [
            "service",
            "ls",
            "--filter",
            &format!("name={name}"),
            "--format",
            "{{.Replicas}}",
        ];
        cluster.on("node1", words).ok().text()
    };
    assert_eq!(replicas("five"), "0/5 (5/5 completed)");
    create(&cluster, "each", "--mode global-job", &[BUSYBOX, "true"]).ok();
    let mut nodes: Vec<String> = tasks(&cluster, "each")
        .into_iter()
        .map(|row| row.node)
        .collect();
    nodes.sort();
    assert_eq!(nodes, ["node1", "node2", "node3"]);
    // Again, with a change.
    let before = tasks(&cluster, "five");
    on("service update -q --force five").ok();
    let is_new = |row: &&crate::kit::Row| !before.iter().any(|known| known.id == row.id);
    let after = tasks(&cluster, "five");
    let again = after.iter().filter(is_new);
    let well = again.filter(|row| row.state.starts_with("Complete"));
    assert_eq!(well.count(), 5, "{after:#?}");

    // One that fails is tried again, and given up.
    let flags = "--mode replicated-job --restart-delay 50ms --restart-max-attempts 2";
    create(&cluster, "fails", flags, &[BUSYBOX, "sh", "-c", "exit 3"])
        .refused(1, &["non-zero exit (3)", "given up"]);
    assert_eq!(states("fails", "Failed"), 3);
    let flags = "--mode replicated-job --restart-condition none";
    create(&cluster, "once", flags, &[BUSYBOX, "sh", "-c", "exit 3"]).refused(1, &["(3)"]);
    assert_eq!(states("once", "Failed"), 1);
    // One that fails at first and then ends well.
    let script = "test -e /data/seen && exit 0; touch /data/seen; exit 1";
    let flags = "--mode replicated-job --restart-delay 50ms --constraint node.hostname==node2 \
                 --mount type=volume,source=marks,target=/data";
    create(&cluster, "second", flags, &[BUSYBOX, "sh", "-c", script]).ok();
    assert_eq!(
        (states("second", "Failed"), states("second", "Complete")),
        (1, 1)
    );

    // By the clock: nothing runs before its time.
    let flags = "--mode replicated-job --schedule '0 3 1 1 *'";
    create(&cluster, "yearly", flags, &[BUSYBOX, "true"]).ok();
    assert!(tasks(&cluster, "yearly").is_empty());
    let next = told(&cluster, "yearly", "{{.NextRun}}");
    assert!(next.contains("-01-01T03:00:00"), "{next}");
}
