//! Limits: written where the kernel reads them (v1, v2 or the hybrid of both), and felt.

use serde_json::json;
use tests::Host;

/// A container that sleeps under `options`; returns its id.
fn limited(host: &mut Host, options: &[&str]) -> String {
    let image = host.busybox();
    let mut line = vec!["run", "-d", "--name", "limited", "--network", "none"];
    line.extend(options);
    line.extend([image.as_str(), "sleep", "1000"]);
    host.minictl(line).ok().text()
}

/// The trimmed content of the first of `files` that the container's cgroup has.
fn value(host: &Host, id: &str, controller: &str, files: &[&str]) -> String {
    let path = host
        .cgroup_file(id, controller, files)
        .unwrap_or_else(|| panic!("none of {files:?} for {id}"));
    let content = std::fs::read_to_string(&path).expect("a cgroup file");
    format!(
        "{} {}",
        path.file_name().expect("a name").to_string_lossy(),
        content.trim()
    )
}

#[test]
fn limits_are_where_the_kernel_reads_them() {
    let mut host = tests::host!();
    let id = limited(
        &mut host,
        &[
            "--memory",
            "64m",
            "--memory-reservation",
            "32m",
            "--cpus",
            "0.5",
            "--cpu-shares",
            "512",
            "--cpuset-cpus",
            "0",
            "--pids-limit",
            "50",
        ],
    );
    let table: &[(&str, &[&str], &[&str])] = &[
        (
            "memory",
            &["memory.limit_in_bytes", "memory.max"],
            &["memory.limit_in_bytes 67108864", "memory.max 67108864"],
        ),
        (
            "memory",
            &["memory.soft_limit_in_bytes", "memory.low"],
            &["memory.soft_limit_in_bytes 33554432", "memory.low 33554432"],
        ),
        (
            "cpu",
            &["cpu.cfs_quota_us", "cpu.max"],
            &["cpu.cfs_quota_us 50000", "cpu.max 50000 100000"],
        ),
        (
            "cpu",
            &["cpu.shares", "cpu.weight"],
            &["cpu.shares 512", "cpu.weight 20", "cpu.weight 59"],
        ),
        ("cpuset", &["cpuset.cpus"], &["cpuset.cpus 0"]),
        ("pids", &["pids.max"], &["pids.max 50"]),
    ];
    for (controller, files, expected) in table {
        let seen = value(&host, &id, controller, files);
        assert!(
            expected.contains(&seen.as_str()),
            "{seen}, not one of {expected:?}"
        );
    }
    host.minictl("rm -f limited").ok();
}

#[test]
fn memory_swap_follows_dockers_rule() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl(format!("run --rm --memory-swap 64m {image} true"))
        .refused(125, &["memory"]);
    host.minictl(format!("run --rm -m 64m --memory-swap 32m {image} true"))
        .refused(125, &["memory"]);
    host.minictl(format!("run --rm -m 100k {image} true"))
        .refused(125, &["memory limit is too low"]);
    for (swap, bytes) in [("64m", 0_u64), ("96m", 32 << 20)] {
        let id = limited(&mut host, &["-m", "64m", "--memory-swap", swap]);
        if let Some(path) = host.cgroup_file(&id, "memory", &["memory.memsw.limit_in_bytes"]) {
            let total: u64 = std::fs::read_to_string(path)
                .expect("a cgroup file")
                .trim()
                .parse()
                .expect("a number");
            assert_eq!(total, (64 << 20) + bytes);
        } else if let Some(path) = host.cgroup_file(&id, "memory", &["memory.swap.max"]) {
            assert_eq!(
                std::fs::read_to_string(path).expect("a cgroup file").trim(),
                bytes.to_string()
            );
        }
        host.minictl("rm -f limited").ok();
    }
}

#[test]
fn too_much_memory_is_fatal_and_told() {
    let mut host = tests::host!();
    let image = host.busybox();
    let probe = format!("{}:/probe:ro", tests::host::binary("probe").display());
    let line = |mebibytes: u32| {
        format!(
            "run --name greedy --network none -m 32m -v {probe} {image} /probe memory {mebibytes}"
        )
    };
    host.minictl(line(8)).ok().prints("touched 8");
    assert_eq!(host.inspect("greedy", "/State/OOMKilled"), json!(false));
    host.minictl("rm greedy").ok();
    host.minictl(line(128)).code(137);
    assert_eq!(host.inspect("greedy", "/State/OOMKilled"), json!(true));
    assert_eq!(host.inspect("greedy", "/State/ExitCode"), json!(137));
    host.minictl("rm greedy").ok();
}

#[test]
fn too_many_processes_are_refused_to_it() {
    let mut host = tests::host!();
    let image = host.busybox();
    let probe = format!("{}:/probe:ro", tests::host::binary("probe").display());
    let forks = |limit: &str| {
        host.minictl(format!(
            "run --rm --network none --pids-limit {limit} -v {probe} {image} /probe forks 40"
        ))
        .ok()
        .text()
    };
    assert_eq!(forks("10"), "9");
    assert_eq!(forks("-1"), "40");
}

#[test]
fn a_share_of_a_processor_is_no_more() {
    let mut host = tests::host!();
    limited(&mut host, &["--cpus", "0.2"]);
    host.minictl("exec -d limited sh -c 'while :; do :; done'")
        .ok();
    let ticks = || {
        let top = host
            .minictl("exec limited sh -c 'cat /proc/[0-9]*/stat'")
            .ok();
        let used = |line: &str| {
            line.rsplit(") ")
                .next()
                .and_then(|rest| rest.split(' ').nth(11))
                .and_then(|ticks| ticks.parse::<u64>().ok())
        };
        top.stdout.lines().filter_map(used).max().unwrap_or(0)
    };
    let before = ticks();
    std::thread::sleep(std::time::Duration::from_secs(2));
    let used = ticks() - before;
    // 2 s at a fifth of a processor are 40 ticks of 10 ms; without the limit they would be about 200.
    assert!(used <= 80, "used {used} ticks");
    host.minictl("rm -f limited").ok();
}

#[test]
fn resource_limits_of_a_process_are_set() {
    let mut host = tests::host!();
    let image = host.busybox();
    let ulimit = |option: &str, question: &str| {
        host.minictl([
            "run",
            "--rm",
            "--network",
            "none",
            "--ulimit",
            option,
            &image,
            "sh",
            "-c",
            &format!("ulimit {question}"),
        ])
    };
    ulimit("nofile=512:1024", "-Sn; ulimit -Hn")
        .ok()
        .prints("512\n1024");
    ulimit("core=0", "-c").ok().prints("0");
    ulimit("nosuch=1", "-n").refused(125, &["nosuch"]);
    ulimit("nofile=9:8", "-n").refused(125, &["nofile"]);
}

#[test]
fn a_device_may_be_throttled() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl(format!(
        "run --rm --device-read-bps /dev/nosuch:1mb {image} true"
    ))
    .refused(125, &["/dev/nosuch"]);
    host.minictl(format!("run --rm --blkio-weight 5 {image} true"))
        .refused(125, &["5"]);
}

#[test]
fn a_limit_that_is_not_one_is_refused_with_an_example() {
    let mut host = tests::host!();
    let image = host.busybox();
    for (option, value) in [
        ("--memory", "much"),
        ("--memory", "-5m"),
        ("--cpus", "-1"),
        ("--cpus", "1000"),
        ("--cpuset-cpus", "x"),
        ("--cpuset-cpus", "999"),
        ("--pids-limit", "many"),
        ("--shm-size", "0x"),
    ] {
        let line = format!("{option}={value}");
        host.minictl(["run", "--rm", "--network", "none", &line, &image, "true"])
            .refused(125, &[value]);
    }
    assert!(host.containers().is_empty());
}
