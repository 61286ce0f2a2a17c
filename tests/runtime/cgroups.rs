//! Limits on cgroup v2, v1 and the hybrid of both, as this machine has them.

use std::fs;

use serde_json::json;
use tests::bundle::Bundle;

#[test]
fn limits_are_written_and_felt() {
    let host = tests::host!();
    let bundle = Bundle::new(&host, "c1", "sleep 1000").set(
        "/linux/resources",
        json!({
            "memory": {"limit": 64 << 20}, "cpu": {"quota": 50000, "period": 100_000, "shares": 512, "cpus": "0"}, "pids": {"limit": 20},
        }),
    );
    bundle.create().ok();
    bundle.verb("start", &[]).ok();
    for (controller, files, expected) in [
        (
            "memory",
            &["memory.limit_in_bytes", "memory.max"][..],
            &["67108864"][..],
        ),
        (
            "cpu",
            &["cpu.cfs_quota_us", "cpu.max"],
            &["50000", "50000 100000"],
        ),
        ("cpuset", &["cpuset.cpus"], &["0"]),
        ("pids", &["pids.max"], &["20"]),
    ] {
        let path = host
            .cgroup_file("c1", controller, files)
            .expect("the limit's file");
        let value = std::fs::read_to_string(&path).expect("the limit");
        assert!(
            expected.contains(&value.trim()),
            "{} is {value}",
            path.display()
        );
    }
    bundle.verb("exec", &["probe", "forks", "50"]).ok();
    bundle.verb_with("delete", &["--force"], &[]).ok();
}

#[test]
fn memory_is_bounded() {
    let host = tests::host!();
    let run = |mebibytes: &str| {
        let bundle = Bundle::new(&host, "c1", "")
            .set("/process/args", json!(["/bin/probe", "memory", mebibytes]));
        bundle
            .set(
                "/linux/resources",
                json!({"memory": {"limit": 32 << 20, "swap": 32 << 20}}),
            )
            .run()
    };
    run("8").ok().prints("touched 8");
    run("128").code(137);
}

#[test]
fn devices_are_allowed_one_by_one() {
    let host = tests::host!();
    let bundle = Bundle::new(&host, "c1", "mknod /tmp/full c 1 7; echo x 2>/dev/null > /tmp/full; echo $?; mknod /tmp/null c 1 3; echo x > /tmp/null; echo $?")
        .set("/process/capabilities", json!({"bounding": ["CAP_MKNOD"], "permitted": ["CAP_MKNOD"], "effective": ["CAP_MKNOD"]}))
        .set(
            "/linux/resources",
            json!({"devices": [
                {"allow": false, "access": "rwm"},
                {"allow": true, "type": "c", "access": "m"},
                {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rw"},
            ]}),
        );
    let done = bundle.run().ok();
    assert_eq!(done.stdout.lines().last(), Some("0"), "{done}");
    assert_ne!(done.stdout.lines().next(), Some("0"), "{done}");
}

#[test]
fn the_whole_tree_of_processes_dies_with_it() {
    let host = tests::host!();
    let bundle = Bundle::new(
        &host,
        "c1",
        "for i in 1 2 3 4 5; do setsid sleep 1000 & done; sleep 1000",
    );
    bundle.create().ok();
    bundle.verb("start", &[]).ok();
    tests::eventually("all run", || {
        let tasks = host.cgroup_file("c1", "pids", &["cgroup.procs"])?;
        (fs::read_to_string(tasks).ok()?.lines().count() >= 6).then_some(())
    });
    bundle.verb_with("delete", &["--force"], &[]).ok();
}

#[test]
fn a_cgroup_of_its_own_only_below_the_hierarchy() {
    let host = tests::host!();
    for path in ["../escaped", "/../../escaped", "/a/../../../escaped"] {
        let bundle = Bundle::new(&host, "c1", "true").set("/linux/cgroupsPath", json!(path));
        let done = bundle.run();
        assert!(!done.stderr.contains("panicked"), "{path}: {done}");
        assert!(
            !std::path::Path::new("/sys/fs/escaped").exists()
                && !std::path::Path::new("/sys/escaped").exists(),
            "{path}"
        );
        host.sh("for root in /sys/fs/cgroup /sys/fs/cgroup/*; do rmdir $root/escaped 2>/dev/null || true; done").ok();
    }
    let bundle = Bundle::new(&host, "c2", "sleep 1000");
    bundle.create().ok();
    bundle.verb("start", &[]).ok();
    let done = bundle.verb_with("exec", &["--cgroup", "../../x"], &["true"]);
    assert!(done.code != 0 && !done.stderr.is_empty(), "{done}");
    bundle.verb_with("delete", &["--force"], &[]).ok();
}
