//! Another command in a running container.

use tests::Host;

fn running(host: &mut Host, options: &[&str]) -> String {
    let image = host.busybox();
    let mut line = vec!["run", "-d", "--name", "there", "--network", "none"];
    line.extend(options);
    line.extend([image.as_str(), "sleep", "1000"]);
    host.minictl(line).ok().text()
}

#[test]
fn it_is_in_the_same_container() {
    let mut host = tests::host!();
    running(
        &mut host,
        &["--hostname", "inside", "-e", "A=container", "-w", "/srv"],
    );
    host.minictl("exec there sh -c 'hostname; pwd; echo $A'")
        .ok()
        .prints("inside\n/srv\ncontainer");
    let spaces = "for n in pid mnt uts ipc net cgroup; do stat -L -c %i /proc/1/ns/$n /proc/self/ns/$n | uniq | wc -l; done | sort -u";
    host.minictl(format!("exec there sh -c '{spaces}'"))
        .ok()
        .prints("1");
    host.minictl("exec -e A=exec -w /tmp -u alice there sh -c 'echo $A $(pwd) $(id -un)'")
        .ok()
        .prints("exec /tmp alice");
    host.minictl("exec there touch /tmp/made").ok();
    host.minictl("exec there ls /tmp").ok().prints("made");
    host.minictl("rm -f there").ok();
}

#[test]
fn streams_and_codes_are_passed_on() {
    let mut host = tests::host!();
    running(&mut host, &[]);
    let done = host
        .minictl("exec there sh -c 'echo out; echo err >&2; exit 6'")
        .code(6);
    assert_eq!(
        (done.stdout.as_str(), done.stderr.as_str()),
        ("out\n", "err\n")
    );
    let mut cat = host.spawn("exec -i there cat");
    cat.write("typed\n");
    cat.close_stdin();
    cat.wait().ok().prints("typed");
    host.minictl("exec there nosuch").refused(127, &["nosuch"]);
    host.minictl("exec there /bin/notexec")
        .refused(126, &["/bin/notexec"]);
    host.minictl("exec -w /no/such there pwd")
        .refused(126, &["/no/such"]);
    host.minictl("exec nobody true").refused(1, &["nobody"]);
    host.minictl("rm -f there").ok();
}

#[test]
fn it_is_bound_by_the_same_limits_and_rights() {
    let mut host = tests::host!();
    let id = running(
        &mut host,
        &[
            "--memory",
            "64m",
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
        ],
    );
    let status = host.minictl("exec there cat /proc/self/status").ok();
    for line in ["CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.stdout.contains(line), "{line} in {status}");
    }
    let groups = host.minictl("exec there cat /proc/self/cgroup").ok();
    assert!(
        !groups.stdout.contains(&id),
        "its own cgroup is its root: {groups}"
    );
    let mut background = host.spawn("exec there sleep 500");
    tests::eventually("the command is in the container's cgroup", || {
        let tasks = host
            .cgroup_file(&id, "pids", &["cgroup.procs"])
            .expect("the container's cgroup");
        (std::fs::read_to_string(tasks).ok()?.lines().count() == 2).then_some(())
    });
    host.minictl("rm -f there").ok();
    tests::eventually("the command dies with its container", || {
        background.has_ended().then_some(())
    });
}

#[test]
fn detached_it_runs_on() {
    let mut host = tests::host!();
    running(&mut host, &[]);
    host.minictl("exec -d there sh -c 'sleep 0.2; echo done > /tmp/flag; sleep 100'")
        .ok();
    tests::eventually("the detached command works", || {
        (host.minictl("exec there cat /tmp/flag").code == 0).then_some(())
    });
    host.minictl("rm -f there").ok();
}

#[test]
fn it_needs_a_running_container() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl(format!("run --name over --network none {image} true"))
        .ok();
    host.minictl("exec over true")
        .refused(1, &["over", "not running"]);
    host.minictl("rm over").ok();
}
