//! Changes that go well, and those that don't.

use tests::Cluster;
use tests::cluster_registry::BUSYBOX;

use crate::kit::{STAYS, cluster, create, running, tasks, told};

#[test]
fn the_order_says_whether_the_old_or_the_new_task_goes_first() {
    let Some(cluster) = cluster(1, 0) else {
        return;
    };
    let both = |name: &str, order: &str| {
        create(
            &cluster,
            name,
            &format!("--update-order {order} --update-monitor 1ms"),
            &STAYS,
        )
        .ok();
        let old = running(&cluster, name).remove(0).id;
        let words = [
            "events",
            "--filter",
            "type=task",
            "--format",
            "{{.Name}} {{.ID}} {{.Detail}}",
        ];
        let events = cluster.spawn("node1", words);
        // The stream is open when it tells of what is done now.
        create(&cluster, &format!("{name}-mark"), "-d", &STAYS).ok();
        cluster.eventually("events are told", || {
            events.stdout().contains("-mark.1").then_some(())
        });
        cluster
            .on("node1", ["service", "update", "-q", "--force", name])
            .ok();
        cluster.eventually("the old task has ended", || {
            let rows = tasks(&cluster, name);
            let old = rows.iter().find(|row| row.id == old)?;
            old.state.starts_with("Shutdown").then_some(())
        });
        let told = events.stdout();
        drop(events);
        let lines: Vec<&str> = told
            .lines()
            .filter(|line| line.starts_with(&format!("{name}.1 ")))
            .collect();
        let at = |of_old: bool, what: &str| {
            let place = lines
                .iter()
                .position(|line| line.contains(&old) == of_old && line.contains(what));
            place.unwrap_or_else(|| panic!("{what} should be told of {name}:\n{told}"))
        };
        (at(true, " shutdown on"), at(false, " running on"))
    };
    let (old_ended, new_runs) = both("first", "start-first");
    assert!(new_runs < old_ended, "start-first: the new one ran first");
    let (old_ended, new_runs) = both("second", "stop-first");
    assert!(old_ended < new_runs, "stop-first: the old one ended first");
}

/// Updates to something that cannot run, and tells how the update ended.
fn broken(cluster: &Cluster, name: &str, action: &str, change: &[&str]) -> tests::Done {
    let flags = format!(
        "--replicas 3 --update-monitor 700ms --update-failure-action {action} --rollback-monitor 1ms --rollback-parallelism 0 \
         --update-order start-first --restart-delay 100ms"
    );
    create(cluster, name, &flags, &STAYS).ok();
    let mut words = vec!["service", "update", "-q"];
    words.extend(change);
    words.push(name);
    cluster.on("node1", words)
}

#[test]
fn a_broken_update_does_what_its_failure_action_says() {
    let Some(cluster) = cluster(1, 1) else {
        return;
    };
    let missing = ["--image", "127.0.0.1:5000/nothing-like-it"];
    let crash = ["--args", "sh -c 'exit 9'"];
    let state = |name: &str| told(&cluster, name, "{{.UpdateStatus.State}}");
    let all_run = |name: &str| {
        let rows = running(&cluster, name);
        rows.len() == 3 && rows.iter().all(|row| row.image.starts_with(BUSYBOX))
    };

    // The image is missing: the first slot alone is tried, and its old task goes on.
    broken(&cluster, "pauses", "pause", &missing).refused(
        1,
        &[
            "update paused",
            "1 of 3 tasks failed",
            "nothing-like-it",
            "not found",
        ],
    );
    assert_eq!(state("pauses"), "paused");
    assert!(all_run("pauses"), "{:#?}", tasks(&cluster, "pauses"));
    let failed = tasks(&cluster, "pauses")
        .into_iter()
        .find(|row| row.state.starts_with("Rejected"));
    let failed = failed.expect("it tells which task failed");
    assert!(failed.error.contains("not found"), "{failed:?}");
    // Mended, it goes on from there.
    cluster
        .on(
            "node1",
            [
                "service",
                "update",
                "-q",
                "--image",
                BUSYBOX,
                "--env-add",
                "A=b",
                "pauses",
            ],
        )
        .ok();
    assert_eq!(state("pauses"), "completed");

    // A command that ends at once: back to what was before.
    let back = broken(&cluster, "returns", "rollback", &crash);
    back.refused(
        1,
        &["rolled back", "1 of 3 tasks failed", "non-zero exit (9)"],
    );
    assert_eq!(state("returns"), "rollback_completed");
    assert!(all_run("returns"), "{:#?}", tasks(&cluster, "returns"));
    cluster
        .on("node1", "service exec returns.1 ps")
        .ok()
        .has("sleep 1000");

    // Nobody minds: all slots get the new one.
    let flags = [
        "--update-parallelism",
        "0",
        "--args",
        "sh -c 'exit 9'",
        "--restart-condition",
        "none",
    ];
    broken(&cluster, "continues", "continue", &flags).code(1);
    cluster.eventually("every slot was tried", || {
        let rows = tasks(&cluster, "continues");
        let failed = rows.iter().filter(|row| row.state.starts_with("Failed"));
        (failed.count() == 3).then_some(())
    });
    assert_eq!(state("continues"), "completed");
}
