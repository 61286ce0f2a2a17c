//! A manager whose disk is full.

#[test]
fn a_manager_with_a_full_disk_steps_aside_and_comes_back_by_itself() {
    let cluster = tests::cluster!(3, 0);
    let leader = cluster.leader("node1");
    let others: Vec<&str> = ["node1", "node2", "node3"]
        .into_iter()
        .filter(|node| *node != leader)
        .collect();
    // Its data moves to a small disk of its own.
    cluster.lab("kill", leader.as_str()).ok();
    cluster
        .sh(
            &leader,
            "cp -a $MINI_DATA_ROOT /tmp/$$
             mount -t tmpfs -o size=64m small $MINI_DATA_ROOT
             cp -a /tmp/$$/. $MINI_DATA_ROOT/
             rm -rf /tmp/$$",
        )
        .ok();
    cluster.lab("start", leader.as_str()).ok();
    cluster.until_ready(others[0], &leader);
    cluster
        .sh(
            &leader,
            "dd if=/dev/zero of=$MINI_DATA_ROOT/full 2>/dev/null || true",
        )
        .ok();
    let (mut kept, mut refused) = (Vec::new(), 0);
    cluster.eventually("the manager notices that its disk is full", || {
        let name = format!("c{}-{refused}", kept.len());
        let big = "head -c 300000 /dev/zero | minictl config create";
        // The one that is on its way when the leader stops may be there or not.
        match cluster.sh(others[0], &format!("{big} {name} -")).code {
            0 => kept.push(name),
            _ => refused += 1,
        }
        let log = cluster.log(&leader);
        log.contains("this manager had to stop").then_some(())
    });
    let log = cluster.log(&leader);
    assert!(log.contains("No space left on device"), "{log}");
    cluster
        .on(&leader, "node ls")
        .refused(1, &["had to stop", "No space left on device"]);
    cluster.keep(others[1], "others-go-on").ok();
    cluster.sh(&leader, "rm $MINI_DATA_ROOT/full").ok();
    cluster.until_ready(others[0], &leader);
    let known = cluster.eventually("it catches up", || {
        let done = cluster.on(&leader, "config ls --format {{.Name}}");
        (done.code == 0).then(|| done.lines())
    });
    assert!(
        kept.iter().all(|name| known.contains(name)),
        "{kept:?} {known:?}"
    );
    cluster.lab("kill", others[0]).ok();
    cluster.keep(&leader, "it-counts-again").ok();
}
