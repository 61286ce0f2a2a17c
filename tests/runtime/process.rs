//! The process of the specification: user, limits, environment, directory, terminal.

use serde_json::json;
use tests::bundle::Bundle;

#[test]
fn it_is_as_the_specification_says() {
    let host = tests::host!();
    let bundle = Bundle::new(
        &host,
        "c1",
        "id -u; id -g; id -G; umask; pwd; echo $A; cat /proc/self/oom_score_adj; hostname",
    )
    .set(
        "/process/user",
        json!({"uid": 1000, "gid": 50, "additionalGids": [7, 8], "umask": 0o27}),
    )
    .set("/process/cwd", json!("/tmp"))
    .set("/process/env", json!(["PATH=/bin", "A=1"]))
    .set("/process/oomScoreAdj", json!(321));
    bundle
        .run()
        .ok()
        .prints("1000\n50\n50 7 8\n0027\n/tmp\n1\n321\nbundle");
}

#[test]
fn limits_of_the_process() {
    let host = tests::host!();
    let limits = |limits| {
        Bundle::new(&host, "c1", "ulimit -Sn; ulimit -Hn")
            .set("/process/rlimits", limits)
            .run()
    };
    limits(json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]))
        .ok()
        .prints("100\n200");
    limits(json!([{"type": "RLIMIT_NOSUCH", "soft": 1, "hard": 1}])).refused(1, &["RLIMIT_NOSUCH"]);
    limits(json!([{"type": "RLIMIT_NOFILE", "soft": 2, "hard": 1}])).refused(1, &["RLIMIT_NOFILE"]);
}

#[test]
fn commands_that_cannot_run() {
    let host = tests::host!();
    let run = |args| {
        Bundle::new(&host, "c1", "")
            .set("/process/args", args)
            .run()
    };
    run(json!(["nosuch"])).refused(127, &["nosuch"]);
    run(json!(["/bin/probe-nosuch"])).refused(127, &["/bin/probe-nosuch"]);
    run(json!(["/etc/passwd"])).refused(126, &["/etc/passwd"]);
    run(json!(["/tmp"])).refused(126, &["/tmp"]);
    run(json!([])).refused(1, &["args"]);
}

#[test]
fn nothing_is_inherited() {
    let host = tests::host!();
    let bundle = Bundle::new(&host, "c1", "").set("/process/args", json!(["/bin/probe", "fds"]));
    bundle.write();
    // Descriptors that whoever calls minirun forgot to close.
    host.sh(&format!(
        "exec 7</etc/shadow 8</ 9>{}/writable; exec {} --root {}/runtime run --bundle {} c1",
        host.directory().display(),
        tests::host::binary("minirun").display(),
        host.run_root().display(),
        bundle.directory().display()
    ))
    .ok()
    .prints("");
}

#[test]
fn signals_are_as_at_the_start_of_any_process() {
    let host = tests::host!();
    let status = Bundle::new(&host, "c1", "exec cat /proc/self/status")
        .run()
        .ok();
    for mask in ["SigBlk", "SigIgn"] {
        let line = status.stdout.lines().find(|line| line.starts_with(mask));
        let value = line
            .and_then(|line| line.split_whitespace().nth(1))
            .expect("a mask");
        let value = u64::from_str_radix(value, 16).expect("a mask");
        // From 32 on they are the C library's and real-time signals.
        assert_eq!(value & 0x7fff_ffff, 0, "{mask} in {status}");
    }
}
