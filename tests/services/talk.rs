//! Listening to tasks and talking to them, on whatever node they are.

use tests::cluster_registry::BUSYBOX;

use crate::kit::{cluster, create, running, tasks};

#[test]
fn logs_of_all_nodes_come_together() {
    let Some(cluster) = cluster(1, 2) else {
        return;
    };
    let on = |words: &str| cluster.on("node1", words);
    let script = "for i in 1 2 3; do echo line $i of $NAME; echo problem $i >&2; sleep 0.05; done; \
                  while [ ! -e /tmp/more ]; do sleep 0.1; done; echo and more; exec sleep 1000";
    let flags = "--replicas 3 -e NAME={{.Task.Slot}}";
    create(
        &cluster,
        "web",
        flags,
        &["--init", BUSYBOX, "sh", "-c", script],
    )
    .ok();
    let all = cluster.eventually("all have spoken", || {
        let told = on("service logs -t web").ok();
        (told.stdout.matches("line 3").count() == 3
            && told.stderr.matches("problem 3").count() == 3)
            .then_some(told)
    });
    let lines = all.lines();
    let mut sorted = lines.clone();
    sorted.sort();
    assert_eq!(lines, sorted, "in the order of time");
    for row in running(&cluster, "web") {
        let name = format!("{}.{}@{}", row.name, &row.id[..12], row.node);
        let own: Vec<_> = lines.iter().filter(|line| line.contains(&name)).collect();
        assert_eq!(own.len(), 3, "{name}: {all}");
        let slot = row.name.trim_start_matches("web.");
        assert!(
            own.iter().all(|line| line.ends_with(&format!("of {slot}"))),
            "{all}"
        );
    }
    let count = |flags: &str| {
        let told = on(&format!("service logs {flags} web")).ok();
        told.stdout.lines().count() + told.stderr.lines().count()
    };
    assert_eq!(count("--tail 1"), 3);
    assert_eq!(count("--tail 0"), 0);
    assert_eq!(count("--since 1h"), 18);
    assert_eq!(count("--until 1h"), 0);
    let raw = on("service logs --raw web.2").ok();
    assert_eq!(raw.lines(), ["line 1 of 2", "line 2 of 2", "line 3 of 2"]);
    let moment = cluster
        .sh("node1", "sleep 0.2; date -u +%Y-%m-%dT%H:%M:%S.%NZ")
        .ok()
        .text();

    let followed = cluster.spawn("node1", "service logs -f --tail 0 web");
    for slot in 1..=3 {
        on(&format!("service exec web.{slot} touch /tmp/more")).ok();
    }
    cluster.eventually("what comes is told", || {
        (followed.stdout().matches("and more").count() == 3).then_some(())
    });
    assert!(!followed.stdout().contains("line"), "the rest was left out");
    // A task that comes later is listened to as well.
    on("service scale -q web=4").ok();
    cluster.eventually("the fourth is heard", || {
        followed.stdout().contains("line 3 of 4").then_some(())
    });
    followed.signal(libc::SIGINT);
    let done = followed.wait();
    assert!([0, 130].contains(&done.code), "{done}");
    let words = ["service", "logs", "--since", &moment, "web"];
    let younger = cluster.on("node1", words).ok();
    assert!(
        younger.stdout.contains("and more") && !younger.stdout.contains("line 1 of 1"),
        "{younger}"
    );
}

#[test]
fn commands_run_in_tasks_of_other_nodes() {
    let Some(cluster) = cluster(1, 1) else {
        return;
    };
    let flags = "--constraint node.hostname==node2 --replicas 2 -e SEEN=1";
    create(&cluster, "web", flags, &crate::kit::STAYS).ok();
    let on = |words: &str| cluster.on("node1", words);
    on("service exec web cat /etc/hostname").ok();
    cluster
        .sh("node1", "echo typed | minictl service exec -i web cat")
        .ok()
        .prints("typed");
    let much = "head -c 3000000 /dev/zero | minictl service exec -i web wc -c";
    cluster.sh("node1", much).ok().prints("3000000");
    let much = on("service exec web head -c 3000000 /dev/zero").ok();
    assert_eq!(much.stdout.len(), 3_000_000);
    on("service exec web.1 sh -c 'echo out; echo err >&2; exit 7'").code(7);
    let both = on("service exec web.1 sh -c 'echo out; echo err >&2'").ok();
    assert_eq!((both.text().as_str(), both.stderr.trim()), ("out", "err"));
    on("service exec web.1 no-such-program").refused(127, &["no-such-program"]);
    on("service exec web.1 /etc/passwd").code(126);
    on("service exec -e MORE=2 -w /tmp -u alice web.2 sh -c 'echo $SEEN $MORE $PWD $(id -un)'")
        .ok()
        .prints("1 2 /tmp alice");
    on("service exec web.1 sh -c 'kill -9 $$'").code(137);
    let id = running(&cluster, "web").remove(0).id;
    cluster.on("node1", ["service", "exec", &id, "true"]).ok();
    cluster
        .on("node1", ["service", "exec", &id[..8], "true"])
        .ok();
    on("service exec web.9 true").refused(1, &["web.9"]);
    on("service exec -it web true").refused(1, &["TTY"]);
    // On a terminal, with its size and its keys.
    let lab = cluster.lab_name().to_owned();
    let words = [
        "lab", "exec", "--name", &lab, "node1", "--", "minictl", "service", "exec", "-it", "web.1",
        "sh",
    ];
    let talk = [("#", "stty size\n"), ("40 132", "exit 4\n")];
    cluster.host().terminal(&words, &talk).code(4);
    // Interrupted, it ends there, too.
    let held = cluster.spawn("node1", "service exec web.1 sleep 4321");
    let runs = |word: &str| on("service exec web.1 ps").stdout.contains(word);
    cluster.eventually("it runs", || runs("sleep 4321").then_some(()));
    held.signal(libc::SIGINT);
    held.wait();
    cluster.eventually("it has ended", || (!runs("sleep 4321")).then_some(()));
}

#[test]
fn history_and_events_tell_what_was() {
    let Some(cluster) = cluster(1, 0) else {
        return;
    };
    let on = |words: &str| cluster.on("node1", words);
    let events = cluster.spawn("node1", "events --filter type=service --filter type=task");
    let flags = "--restart-delay 50ms --restart-max-attempts 1";
    let script = "echo speaks; sleep 0.5; exit 6";
    create(&cluster, "mark", "-d", &[BUSYBOX, "sleep", "1"]).ok();
    cluster.eventually("events are told", || {
        events.stdout().contains("mark").then_some(())
    });
    create(
        &cluster,
        "web",
        &format!("-d {flags}"),
        &[BUSYBOX, "sh", "-c", script],
    )
    .ok();
    cluster.eventually("both attempts have failed", || {
        let rows = tasks(&cluster, "web");
        let failed = rows.iter().filter(|row| row.state.starts_with("Failed"));
        (failed.count() == 2).then_some(())
    });
    let told = events.stdout();
    for part in ["service create web", "task create web.1", "failed on node1"] {
        assert!(told.contains(part), "{part} should be told:\n{told}");
    }
    drop(events);
    let table = on("service ps web").ok();
    assert_eq!(
        table.stdout.matches("task: non-zero exit (6)").count(),
        2,
        "{table}"
    );
    let code =
        on("task inspect -f '{{.Status.ContainerStatus.ExitCode}} {{.NodeName}}' web.1").ok();
    assert_eq!(code.text(), "6 node1");
    // What ended can still be heard.
    let logs = on("service logs web").ok();
    assert_eq!(logs.stdout.matches("speaks").count(), 2, "{logs}");
}
