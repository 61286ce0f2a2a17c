//! Tasks that end, or are not well.

use tests::cluster_registry::BUSYBOX;

use crate::kit::{STAYS, cluster, create, running, tasks};

#[test]
fn the_restart_policy_says_who_is_followed_by_another() {
    let Some(cluster) = cluster(1, 0) else {
        return;
    };
    let count = |name: &str| tasks(&cluster, name).len();
    let settles = |name: &str, flags: &str, code: &str, expected: usize| {
        let flags = format!("-d --restart-delay 50ms {flags}");
        create(
            &cluster,
            name,
            &flags,
            &[BUSYBOX, "sh", "-c", &format!("exit {code}")],
        )
        .ok();
        cluster.eventually(&format!("{name} had {expected} tasks"), || {
            (count(name) >= expected).then_some(())
        });
    };
    settles("never", "--restart-condition none", "1", 1);
    settles("well", "--restart-condition on-failure", "0", 1);
    settles("ill", "--restart-condition on-failure", "1", 3);
    settles("any", "--restart-condition any", "0", 3);
    settles("few", "--restart-max-attempts 2", "1", 3);
    cluster.eventually("few is given up", || {
        let rows = tasks(&cluster, "few");
        rows.iter()
            .all(|row| row.state.starts_with("Failed"))
            .then_some(())
    });
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!((count("never"), count("well"), count("few")), (1, 1, 3));
    let told = cluster.on("node1", "service inspect --pretty few").ok();
    assert!(
        told.stdout.contains("non-zero exit (1)") && told.stdout.contains("given up"),
        "{told}"
    );

    // Who ends again and again waits longer and longer.
    create(
        &cluster,
        "loop",
        "-d --restart-delay 100ms",
        &[BUSYBOX, "false"],
    )
    .ok();
    cluster.eventually("the pauses grow", || {
        let rows = tasks(&cluster, "loop");
        let waits = rows.iter().find(|row| row.state.contains("starts in"))?;
        let clock = waits.state.split("starts in ").nth(1)?;
        (clock.trim_end_matches(')') > "00:01").then_some(())
    });
    let log = cluster.on("node1", "service ps loop").ok();
    assert!(
        log.stdout.contains("\\_ loop.1"),
        "it tells what was before: {log}"
    );
}

#[test]
fn a_task_that_is_not_healthy_is_replaced() {
    let Some(cluster) = cluster(1, 1) else {
        return;
    };
    let on = |words: &str| cluster.on("node1", words);
    let flags = "--replicas 2 --restart-delay 50ms --health-cmd 'test -e /tmp/well' --health-interval 300ms \
                 --health-retries 2 --health-start-interval 300ms";
    let script = "touch /tmp/well; exec sleep 1000";
    create(
        &cluster,
        "web",
        flags,
        &["--init", BUSYBOX, "sh", "-c", script],
    )
    .ok();
    let first = running(&cluster, "web")
        .into_iter()
        .find(|row| row.name == "web.1");
    let first = first.expect("the first slot runs").id;
    let inspect = |format: &str| {
        cluster
            .on("node1", ["task", "inspect", "-f", format, &first])
            .ok()
            .text()
    };
    assert_eq!(
        inspect("{{.Status.Health}} {{.Status.Routable}}"),
        "healthy true"
    );
    on("service exec web.1 rm /tmp/well").ok();
    let ended = cluster.eventually("it has failed", || {
        let rows = tasks(&cluster, "web");
        rows.into_iter()
            .find(|row| row.id == first && row.state.starts_with("Failed"))
    });
    assert!(ended.error.contains("unhealthy"), "{ended:?}");
    assert!(inspect("{{.Status.Routable}}") == "false");
    let second = cluster.eventually("another runs in its place", || {
        let rows = running(&cluster, "web");
        rows.into_iter().find(|row| row.name == "web.1")
    });
    assert_ne!(second.id, first);
    // A name stands for the task that runs.
    let named = on("task inspect -f '{{.ID}}' web.1").ok().text();
    assert_eq!(named, second.id);
    // One that is never well does not come to run, and an update to it replaces nothing.
    create(
        &cluster,
        "good",
        "--update-monitor 1s --update-order start-first",
        &STAYS,
    )
    .ok();
    let good = running(&cluster, "good").remove(0).id;
    let change = "service update -q --health-cmd false --health-interval 200ms --health-start-interval 200ms --health-retries 1 good";
    on(change).refused(1, &["unhealthy"]);
    assert_eq!(running(&cluster, "good").remove(0).id, good);
}
