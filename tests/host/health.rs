//! Health checks: `--health-*`, the `HEALTHCHECK` of an image, and what becomes of a probe.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::Host;
use tests::image::Image;

/// Runs `sleep 1000` as `probed`, with `options`.
fn probed(host: &Host, image: &str, options: &[&str]) -> String {
    let mut line = vec!["run", "-d", "--name", "probed", "--network", "none"];
    line.extend(options);
    line.extend([image, "sleep", "1000"]);
    host.minictl(line).ok().text()
}

/// Waits until the container's health is `status`.
#[track_caller]
fn until(host: &Host, status: &str) {
    tests::eventually(&format!("the container is {status}"), || {
        (host.inspect("probed", "/State/Health/Status") == status).then_some(())
    });
}

fn health(host: &Host) -> Value {
    host.inspect("probed", "/State/Health")
}

/// The results, waited for until there are so many.
#[track_caller]
fn results(host: &Host, count: usize) -> Vec<Value> {
    tests::eventually(&format!("there are {count} results"), || {
        let log = host.inspect("probed", "/State/Health/Log");
        let log = log.as_array().expect("a log").clone();
        (log.len() >= count).then_some(log)
    })
}

fn status(host: &Host) -> String {
    host.minictl("ps --format {{.Status}}").ok().text()
}

/// Processes in the container's cgroup.
fn processes(host: &Host, id: &str) -> usize {
    let file = host
        .cgroup_file(id, "pids", &["cgroup.procs"])
        .expect("the container's cgroup");
    std::fs::read_to_string(file)
        .expect("its processes")
        .lines()
        .count()
}

/// The monitor of the container: the parent of its first process.
fn monitor(host: &Host) -> i32 {
    let pid = host.inspect("probed", "/State/Pid");
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the first process");
    let (_, rest) = stat.rsplit_once(") ").expect("a name");
    let parent = rest.split(' ').nth(1).expect("a parent");
    parent.parse().expect("a number")
}

/// Whether a process is gone, or only waits to be reaped.
fn has_ended(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| Some(stat.rsplit_once(") ")?.1.starts_with('Z')))
        .unwrap_or(true)
}

#[test]
fn a_container_becomes_healthy_unhealthy_and_healthy_again() {
    let mut host = tests::host!();
    let image = host.busybox();
    probed(
        &host,
        &image,
        &["--health-cmd", "true", "--health-interval", "1h"],
    );
    assert!(status(&host).ends_with("(health: starting)"));
    assert_eq!(health(&host)["Log"], json!([]), "nobody has looked yet");
    host.minictl("rm -f probed").ok();

    let id = probed(
        &host,
        &image,
        &[
            "--health-cmd",
            "echo looked; test ! -e /broken",
            "--health-interval",
            "300ms",
            "--health-retries",
            "2",
        ],
    );
    until(&host, "healthy");
    assert!(status(&host).starts_with("Up ") && status(&host).ends_with(" (healthy)"));
    let first = &results(&host, 1)[0];
    assert_eq!(
        (&first["ExitCode"], &first["Output"]),
        (&json!(0), &json!("looked\n"))
    );
    let (start, end) = (first["Start"].as_str(), first["End"].as_str());
    assert!(start < end, "{first}");
    for (filter, expected) in [("healthy", "probed"), ("unhealthy", ""), ("none", "")] {
        host.minictl(format!(
            "ps --filter health={filter} --format {{{{.Names}}}}"
        ))
        .ok()
        .prints(expected);
    }
    host.minictl("ps --filter health=fine")
        .refused(1, &["fine"]);

    host.minictl("exec probed touch /broken").ok();
    until(&host, "unhealthy");
    assert!(status(&host).ends_with(" (unhealthy)"));
    let broken = health(&host);
    assert!(broken["FailingStreak"].as_u64() >= Some(2), "{broken}");
    assert_eq!(results(&host, 5).len(), 5, "no more are kept");

    let path = host.run_root().join(format!("containers/{id}/health.json"));
    let text = std::fs::read_to_string(&path).expect("the file of the results");
    assert!(text.contains(r#""status":"unhealthy""#), "{text}");

    host.minictl("exec probed rm /broken").ok();
    until(&host, "healthy");
    assert_eq!(health(&host)["FailingStreak"], json!(0));

    host.minictl("rm -f probed").ok();
    assert!(!path.exists());
}

#[test]
fn failures_in_the_start_period_dont_count() {
    let mut host = tests::host!();
    let image = host.busybox();
    probed(
        &host,
        &image,
        &[
            "--health-cmd",
            "test -e /ready",
            "--health-interval",
            "150ms",
            "--health-retries",
            "1",
            "--health-start-period",
            "10m",
            "--health-start-interval",
            "50ms",
        ],
    );
    let all = results(&host, 5);
    assert!(all.iter().all(|one| one["ExitCode"] == 1), "{all:?}");
    let young = health(&host);
    assert_eq!(
        (&young["Status"], &young["FailingStreak"]),
        (&json!("starting"), &json!(0))
    );
    host.minictl("exec probed touch /ready").ok();
    until(&host, "healthy");
    // The first success has ended the period: now one failure is enough.
    host.minictl("exec probed rm /ready").ok();
    until(&host, "unhealthy");
    host.minictl("rm -f probed").ok();
}

#[test]
fn a_probe_that_takes_too_long_is_killed_with_all_it_started() {
    let mut host = tests::host!();
    let image = host.busybox();
    let id = probed(
        &host,
        &image,
        &[
            "--health-cmd",
            "echo waiting; sleep 2000 & sleep 3000 | sleep 4000",
            "--health-interval",
            "100ms",
            "--health-timeout",
            "400ms",
            "--health-retries",
            "1",
        ],
    );
    tests::eventually("the probe is in the container", || {
        (processes(&host, &id) >= 5).then_some(())
    });
    until(&host, "unhealthy");
    let result = &results(&host, 1)[0];
    assert_eq!(result["ExitCode"], json!(-1));
    assert_eq!(
        result["Output"],
        json!("Health check exceeded timeout (400ms): waiting\n")
    );
    // Between two probes nobody but the first process is there.
    tests::eventually("all of the probe is gone", || {
        (processes(&host, &id) == 1).then_some(())
    });
    assert!(results(&host, 5).iter().all(|one| one["ExitCode"] == -1));
    host.minictl("rm -f probed").ok();
}

#[test]
fn an_image_brings_its_check() {
    let mut host = tests::host!();
    let image = Image::busybox().configured(json!({
        "Healthcheck": {
            "Test": ["CMD", "test", "-d", "/srv/data"],
            "Interval": 100_000_000, "Timeout": 5_000_000_000_i64, "Retries": 7,
        },
    }));
    let image = host.registry().push("checked", "1", &image);
    host.minictl(format!("pull -q {image}")).ok();

    probed(&host, &image, &[]);
    until(&host, "healthy");
    assert_eq!(
        host.inspect("probed", "/Config/Healthcheck"),
        json!({
            "Test": ["CMD", "test", "-d", "/srv/data"],
            "Interval": 100_000_000, "Timeout": 5_000_000_000_i64, "Retries": 7,
        })
    );
    host.minictl("rm -f probed").ok();

    probed(
        &host,
        &image,
        &["--health-cmd", "exit 3", "--health-retries", "1"],
    );
    until(&host, "unhealthy");
    assert_eq!(results(&host, 1)[0]["ExitCode"], json!(3));
    let merged = host.inspect("probed", "/Config/Healthcheck");
    assert_eq!(
        (&merged["Test"], &merged["Interval"]),
        (&json!(["CMD-SHELL", "exit 3"]), &json!(100_000_000))
    );
    host.minictl("rm -f probed").ok();

    let id = probed(&host, &image, &["--no-healthcheck"]);
    assert!(!status(&host).contains('('), "{}", status(&host));
    let all = host.minictl("inspect probed").ok().json();
    assert_eq!(all.pointer("/0/State/Health"), None, "{all:#}");
    assert_eq!(
        all.pointer("/0/Config/Healthcheck/Test"),
        Some(&json!(["NONE"]))
    );
    let directory = host.run_root().join(format!("containers/{id}"));
    assert!(!directory.join("health.json").exists());
    host.minictl("rm -f probed").ok();
}

#[test]
fn a_broken_check_of_an_image_is_told() {
    let mut host = tests::host!();
    let image = Image::busybox().configured(json!({"Healthcheck": {"Test": ["up"]}}));
    let image = host.registry().push("broken", "1", &image);
    host.minictl(format!("run --rm --network none {image} true"))
        .refused(125, &["health check", "\"up\"", "--no-healthcheck"]);
    host.minictl(format!(
        "run --rm --network none --no-healthcheck {image} true"
    ))
    .ok();
}

#[test]
fn without_a_command_nothing_is_probed_and_that_is_said() {
    let mut host = tests::host!();
    let image = host.busybox();
    let done = host
        .minictl(format!(
            "run -d --name probed --network none --health-retries 2 {image} sleep 1000"
        ))
        .ok();
    assert!(done.stderr.contains("--health-cmd"), "{done}");
    assert!(!status(&host).contains('('), "{}", status(&host));
    host.minictl("rm -f probed").ok();
    host.minictl(format!(
        "run --no-healthcheck --health-retries 2 {image} true"
    ))
    .refused(125, &["--no-healthcheck"]);
    host.minictl(format!("run --health-interval 5 {image} true"))
        .refused(125, &["5", "30s"]);
    host.minictl(format!(
        "run --health-cmd true --health-interval 10us {image} true"
    ))
    .refused(125, &["interval", "1ms"]);
}

#[test]
fn a_probe_is_what_the_first_process_is() {
    let mut host = tests::host!();
    let image = host.busybox();
    let script = "id -un; id -gn; pwd; echo $A $HOME; hostname; \
        grep -E '^(Groups|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; \
        for n in pid mnt uts ipc net cgroup user; do readlink /proc/self/ns/$n; done; \
        ulimit -n; cat /proc/self/oom_score_adj";
    let id = probed(
        &host,
        &image,
        &[
            "--user",
            "alice",
            "--group-add",
            "staff",
            "-e",
            "A=container",
            "-w",
            "/srv",
            "--hostname",
            "inside",
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
            "--ulimit",
            "nofile=77:77",
            "--oom-score-adj",
            "100",
            "--health-cmd",
            script,
            "--health-interval",
            "100ms",
        ],
    );
    until(&host, "healthy");
    let output = results(&host, 1)[0]["Output"]
        .as_str()
        .expect("its output")
        .to_owned();
    for line in [
        "alice\nalice\n/srv\ncontainer /home/alice\ninside\n",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "\n77\n100\n",
    ] {
        assert!(output.contains(line), "{line:?} in {output}");
    }
    let pid = host.inspect("probed", "/State/Pid");
    for kind in ["pid", "mnt", "uts", "ipc", "net", "cgroup", "user"] {
        let space = std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("a namespace");
        assert!(output.contains(space.to_str().expect("text")), "{output}");
    }
    host.minictl("rm -f probed").ok();

    // In the cgroup too: the container's limit is the probe's.
    let id_of_hog = probed(
        &host,
        &image,
        &[
            "--health-cmd",
            "sleep 500",
            "--health-interval",
            "50ms",
            "--pids-limit",
            "10",
        ],
    );
    assert_ne!(id, id_of_hog);
    tests::eventually("the probe is in the container's cgroup", || {
        (processes(&host, &id_of_hog) == 2).then_some(())
    });
    host.minictl("rm -f probed").ok();
}

#[test]
fn what_a_probe_prints_is_kept_to_a_limit() {
    let mut host = tests::host!();
    let image = host.busybox();
    probed(
        &host,
        &image,
        &[
            "--tty",
            "--health-cmd",
            "test ! -t 0 && echo first >&2; yes | head -c 300000",
            "--health-interval",
            "100ms",
        ],
    );
    until(&host, "healthy");
    let output = results(&host, 1)[0]["Output"]
        .as_str()
        .expect("its output")
        .to_owned();
    assert!(output.starts_with("first\ny\ny\n"), "{}", &output[..20]);
    assert!(output.ends_with("..."));
    assert_eq!(output.len(), 4096 + 3);
    host.minictl("logs probed").ok().prints("");
    host.minictl("rm -f probed").ok();
}

#[test]
fn a_probe_that_can_not_be_executed_is_a_failure_that_says_why() {
    let mut host = tests::host!();
    let image = Image::busybox().configured(json!({
        "Healthcheck": {"Test": ["CMD", "/no/such"], "Interval": 100_000_000, "Retries": 1},
    }));
    let image = host.registry().push("absent", "1", &image);
    host.minictl(format!("pull -q {image}")).ok();
    probed(&host, &image, &[]);
    until(&host, "unhealthy");
    let result = &results(&host, 1)[0];
    assert_eq!(result["ExitCode"], json!(-1));
    let output = result["Output"].as_str().expect("the reason");
    assert!(output.contains("/no/such"), "{output}");
    host.minictl("rm -f probed").ok();
}

#[test]
fn a_probe_under_way_does_not_keep_its_container() {
    let mut host = tests::host!();
    let image = host.busybox();
    let check = ["--health-cmd", "trap '' TERM; echo up >&2; sleep 300"];
    let stops: [(&str, &[&str]); 4] = [
        ("--init", &["stop", "probed"]),
        // Nobody but the cgroup takes the probe along here.
        ("--pid=host", &["stop", "probed"]),
        ("--init", &["kill", "probed"]),
        ("--init", &["rm", "-f", "probed"]),
    ];
    for (option, stop) in stops {
        let options = [&check[..], &["--health-interval", "50ms", option]].concat();
        let id = probed(&host, &image, &options);
        let before = if option == "--init" { 2 } else { 1 };
        tests::eventually("a probe is under way", || {
            (processes(&host, &id) > before).then_some(())
        });
        let done = host.minictl(stop).ok();
        assert!(done.took < Duration::from_secs(3), "{done}");
        if stop[0] != "rm" {
            // What the end of the container did to the probe says nothing about its health.
            let all = host.minictl("inspect probed").ok().json();
            assert_eq!(all.pointer("/0/State/Health"), None, "{all:#}");
            host.minictl("rm probed").ok();
        }
    }
}

#[test]
fn a_paused_container_is_not_probed() {
    let mut host = tests::host!();
    let image = host.busybox();
    probed(
        &host,
        &image,
        &[
            "--health-cmd",
            "true",
            "--health-interval",
            "50ms",
            "--health-timeout",
            "200ms",
            "--health-retries",
            "1",
        ],
    );
    until(&host, "healthy");
    host.minictl("pause probed").ok();
    // One that had begun may still be told.
    let before = tests::eventually("no news come", || {
        let before = health(&host);
        std::thread::sleep(Duration::from_millis(400));
        (health(&host) == before).then_some(before)
    });
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(health(&host), before, "nothing new");
    assert!(status(&host).ends_with("(Paused)"));
    host.minictl("unpause probed").ok();
    tests::eventually("it is probed again", || {
        (health(&host) != before).then_some(())
    });
    assert_eq!(health(&host)["Status"], json!("healthy"));
    host.minictl("pause probed").ok();
    let removed = host.minictl("rm -f probed").ok();
    assert!(removed.took < Duration::from_secs(3), "{removed}");
}

#[test]
fn a_killed_monitor_takes_the_probe_along() {
    let mut host = tests::host!();
    let image = host.busybox();
    let id = probed(
        &host,
        &image,
        &["--health-cmd", "sleep 300", "--health-interval", "50ms"],
    );
    tests::eventually("a probe is under way", || {
        (processes(&host, &id) >= 2).then_some(())
    });
    let monitor = monitor(&host);
    let children = format!("/proc/{monitor}/task/{monitor}/children");
    let family = std::fs::read_to_string(children).expect("the monitor's children");
    assert_eq!(
        family.split_whitespace().count(),
        2,
        "the first process and who makes the probe"
    );
    // SAFETY: kill touches no memory; the process was just seen to be this test's own.
    unsafe { libc::kill(monitor, libc::SIGKILL) };
    let killed = Instant::now();
    tests::eventually("nobody is left", || {
        family.split_whitespace().all(has_ended).then_some(())
    });
    let took = killed.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    host.until("probed", "exited");
    assert_eq!(host.inspect("probed", "/State/ExitCode"), json!(137));
    host.minictl("rm probed").ok();
}

#[test]
fn each_start_begins_anew() {
    let mut host = tests::host!();
    let image = host.busybox();
    probed(
        &host,
        &image,
        &[
            "--health-cmd",
            "false",
            "--health-interval",
            "200ms",
            "--health-retries",
            "1",
        ],
    );
    until(&host, "unhealthy");
    let old = health(&host);
    let last = old["Log"].as_array().and_then(|log| log.last());
    let last = last
        .and_then(|probe| probe["End"].as_str())
        .expect("an end");
    host.minictl("restart -t 0 probed").ok();
    let young = health(&host);
    let log = young["Log"].as_array().expect("a log");
    assert!(
        log.iter().all(|probe| probe["Start"].as_str() > Some(last)),
        "{old} {young}"
    );
    until(&host, "unhealthy");
    host.minictl("rm -f probed").ok();
}
