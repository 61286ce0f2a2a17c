//! What anybody who can reach the port may try.

use std::time::Duration;

use tests::Cluster;
use tests::cluster::program;

/// The most memory that a daemon has ever had, in MiB (proc(5), VmHWM).
fn peak(cluster: &Cluster, node: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", cluster.pid(node)));
    let status = status.expect("the daemon is there");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kibibytes.expect("a number of KiB") / 1024
}

#[test]
fn ten_thousand_senseless_connections_change_nothing() {
    let cluster = tests::cluster!(3, 1);
    let before = peak(&cluster, "node1");
    let probe = program("probe");
    let flood = |kind: &str, count: &str| {
        let words = [
            "node4",
            "--",
            &probe,
            "flood",
            "10.66.0.11:2377",
            kind,
            count,
        ];
        cluster.lab("exec", words)
    };
    flood("noise", "4000").ok().has("4000");
    flood("http", "3000").ok().has("3000");
    flood("hello", "2000").ok().has("2000");
    // Connections that say nothing and stay, while the cluster is asked.
    let silent = flood("silent", "1000").ok().has("1000");
    assert!(silent.took < Duration::from_secs(30), "{silent}");
    let asked = cluster.on("node1", "node ls").ok();
    assert!(asked.took < Duration::from_secs(3), "{asked}");
    cluster.keep("node1", "as-ever").ok();
    for node in ["node1", "node2", "node3", "node4"] {
        cluster.until_ready("node2", node);
    }
    assert_eq!(cluster.leader("node2"), "node1", "no election came of it");
    let grown = peak(&cluster, "node1").saturating_sub(before);
    assert!(grown < 64, "{grown} MiB more");
}

#[test]
fn a_message_of_a_gibibyte_is_refused_before_it_is_read() {
    let cluster = tests::cluster!(1, 0);
    let before = peak(&cluster, "node1");
    // A gRPC message says first how long it is.
    let answer = cluster.sh(
        "node1",
        "{ printf '\\000\\100\\000\\000\\000'; head -c 1073741824 /dev/zero; } | curl -sS --http2-prior-knowledge \
         --unix-socket ${MINI_HOST#unix://} -X POST -H 'content-type: application/grpc' -H 'te: trailers' \
         -T - -w '%{size_upload}' --max-time 30 http://mini/mini.v1.Control/CreateConfig || echo ' ended'",
    );
    // curl gives up the answer when the stream ends before its own words have.
    let words = answer.text();
    let sent = words
        .strip_suffix(" ended")
        .and_then(|sent| sent.trim().parse::<u64>().ok());
    assert!(
        sent.is_some_and(|sent| sent < 4 << 20),
        "it should have been cut off: {answer}"
    );
    let grown = peak(&cluster, "node1").saturating_sub(before);
    assert!(grown < 64, "{grown} MiB more");
    cluster.keep("node1", "as-ever").ok();
}

#[test]
fn a_configuration_that_is_too_large_is_refused_by_name() {
    let cluster = tests::cluster!(1, 0);
    cluster
        .sh(
            "node1",
            "head -c 1100000 /dev/zero | minictl config create big -",
        )
        .refused(1, &["big"]);
    assert_eq!(cluster.configs("node1"), [""; 0]);
}
