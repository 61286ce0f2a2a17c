//! What was acknowledged is kept, whatever happens to the managers meanwhile.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tests::Cluster;

const MANAGERS: [&str; 3] = ["node1", "node2", "node3"];

/// Writes on all managers in turn while `trouble` goes on; returns what was acknowledged.
fn write_during(cluster: &Cluster, trouble: impl FnOnce()) -> Vec<String> {
    let (acknowledged, over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    thread::scope(|scope| {
        for (turn, node) in MANAGERS.into_iter().enumerate() {
            let (acknowledged, over) = (&acknowledged, &over);
            scope.spawn(move || {
                for number in 0.. {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    let name = format!("w{turn}-{number}");
                    let done = cluster.keep(node, &name);
                    match done.code {
                        0 => acknowledged.lock().expect("a lock").push(name),
                        // It may be there or not: nobody was told that it is.
                        _ => assert!(!done.stderr.contains("panicked"), "{done}"),
                    }
                }
            });
        }
        trouble();
        over.store(true, Ordering::Relaxed);
    });
    acknowledged.into_inner().expect("a lock")
}

/// All managers are there, and each has all that was acknowledged.
#[track_caller]
fn nothing_is_lost(cluster: &Cluster, acknowledged: &[String]) {
    for node in MANAGERS {
        cluster.until_ready("node1", node);
    }
    assert!(acknowledged.len() > 10, "{acknowledged:?}");
    for node in MANAGERS {
        let kept = cluster.configs(node);
        let lost: Vec<&String> = acknowledged
            .iter()
            .filter(|name| !kept.contains(name))
            .collect();
        assert!(lost.is_empty(), "{node} has lost {lost:?}");
    }
    let table = cluster.on(
        "node2",
        "cluster status --format '{{.Manager}} {{.Applied}} {{.Reachable}}'",
    );
    let told = table.ok();
    assert_eq!(told.lines().len(), 3, "{told}");
}

fn pause() {
    thread::sleep(Duration::from_millis(700));
}

#[test]
fn nothing_is_lost_when_leaders_are_killed() {
    let cluster = tests::cluster!(3, 0);
    let acknowledged = write_during(&cluster, || {
        for _ in 0..3 {
            pause();
            let leader = cluster.leader("node1");
            cluster.lab("kill", leader.as_str()).ok();
            pause();
            cluster.lab("start", leader.as_str()).ok();
        }
        // All at once, as when the power goes.
        cluster.lab("kill", "node1 node2 node3").ok();
        cluster.lab("start", "node1 node2 node3").ok();
        cluster.leader("node1");
        pause();
    });
    nothing_is_lost(&cluster, &acknowledged);
}

#[test]
fn nothing_is_lost_when_leaders_freeze_or_are_cut_off() {
    let cluster = tests::cluster!(3, 0);
    let acknowledged = write_during(&cluster, || {
        for round in 0..4 {
            pause();
            let leader = cluster.leader("node1");
            let other = MANAGERS
                .into_iter()
                .find(|node| *node != leader)
                .expect("three");
            let away = if round % 2 == 0 { "pause" } else { "partition" };
            cluster.lab(away, leader.as_str()).ok();
            cluster.eventually("another leads", || {
                Some(cluster.leader(other)).filter(|now| *now != leader)
            });
            pause();
            match round % 2 {
                0 => cluster.lab("unpause", leader.as_str()),
                _ => cluster.lab("heal", [""; 0]),
            }
            .ok();
        }
        pause();
    });
    nothing_is_lost(&cluster, &acknowledged);
}

#[test]
fn a_minority_says_at_once_that_it_cannot() {
    let cluster = tests::cluster!(3, 0);
    cluster.keep("node1", "before").ok();
    cluster.lab("kill", "node2 node3").ok();
    // What was on its way when they were lost is unknown; what comes later was not done.
    let refused = cluster.eventually("it knows that it is alone", || {
        let refused = cluster.keep("node1", "never");
        assert_ne!(refused.code, 0, "{refused}");
        (!refused.stderr.contains("unknown whether")).then_some(refused)
    });
    assert!(refused.took < Duration::from_secs(8), "{refused}");
    refused.refused(
        1,
        &["no manager leads", "2 of the 3", "--force-new-cluster"],
    );
    cluster
        .on("node1", "cluster status")
        .ok()
        .has("has lost its quorum: 1 of 3 answer");
    cluster.lab("start", "node2").ok();
    cluster.until_ready("node1", "node2");
    assert!(cluster.configs("node2").contains(&"before".to_owned()));
}
