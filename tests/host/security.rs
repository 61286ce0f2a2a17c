//! What a container may do: capabilities, system calls, masked paths, privileges.

use serde_json::json;
use tests::Host;

/// Docker's default capabilities as a mask.
const DEFAULT: u64 = 0xa804_25fb;
const NET_ADMIN: u64 = 1 << 12;
const CHOWN: u64 = 1;

fn status(host: &Host, image: &str, options: &[&str]) -> String {
    let mut line = vec!["run", "--rm", "--network", "none"];
    line.extend(options);
    line.extend([image, "cat", "/proc/self/status"]);
    host.minictl(line).ok().stdout
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status
        .lines()
        .find(|line| line.starts_with(name))
        .unwrap_or_else(|| panic!("{name} in {status}"));
    line.split_whitespace().nth(1).unwrap_or_default()
}

fn mask(status: &str, name: &str) -> u64 {
    u64::from_str_radix(field(status, name), 16).expect("a mask")
}

#[test]
fn capabilities_are_dockers() {
    let mut host = tests::host!();
    let image = host.busybox();
    // (options, effective, bounding)
    let table: &[(&[&str], u64, u64)] = &[
        (&[], DEFAULT, DEFAULT),
        (
            &["--cap-add", "NET_ADMIN"],
            DEFAULT | NET_ADMIN,
            DEFAULT | NET_ADMIN,
        ),
        (
            &["--cap-add", "CAP_net_admin"],
            DEFAULT | NET_ADMIN,
            DEFAULT | NET_ADMIN,
        ),
        (&["--cap-drop", "CHOWN"], DEFAULT & !CHOWN, DEFAULT & !CHOWN),
        (&["--cap-drop", "ALL"], 0, 0),
        (&["--cap-drop", "ALL", "--cap-add", "CHOWN"], CHOWN, CHOWN),
        (&["-u", "alice"], 0, DEFAULT),
    ];
    for (options, effective, bounding) in table {
        let status = status(&host, &image, options);
        let seen = (
            mask(&status, "CapEff"),
            mask(&status, "CapPrm"),
            mask(&status, "CapBnd"),
        );
        assert_eq!(seen, (*effective, *effective, *bounding), "{options:?}");
        assert_eq!(
            (mask(&status, "CapInh"), mask(&status, "CapAmb")),
            (0, 0),
            "{options:?}"
        );
    }
    host.minictl(format!("run --rm --cap-add NOSUCH {image} true"))
        .refused(125, &["NOSUCH"]);
}

#[test]
fn privileged_is_as_much_as_the_host_has() {
    let mut host = tests::host!();
    let image = host.busybox();
    let own = std::fs::read_to_string("/proc/self/status").expect("our own status");
    let inside = status(&host, &image, &["--privileged"]);
    assert_eq!(
        mask(&inside, "CapEff"),
        mask(&own, "CapEff") & mask(&own, "CapBnd")
    );
    assert_eq!(field(&inside, "Seccomp:"), "0");
    let script = "test -w /proc/sys/kernel/hostname && ls /proc/kcore && mount -t tmpfs none /mnt 2>&1 || mkdir /mnt && mount -t tmpfs none /mnt && echo mounted";
    host.minictl([
        "run",
        "--rm",
        "--privileged",
        "--network",
        "none",
        &image,
        "sh",
        "-c",
        script,
    ])
    .ok()
    .has("mounted");
}

#[test]
fn no_new_privileges_is_on_when_asked() {
    let mut host = tests::host!();
    let image = host.busybox();
    assert_eq!(field(&status(&host, &image, &[]), "NoNewPrivs:"), "0");
    assert_eq!(
        field(
            &status(&host, &image, &["--security-opt", "no-new-privileges"]),
            "NoNewPrivs:"
        ),
        "1"
    );
}

#[test]
fn system_calls_are_filtered_as_by_docker() {
    let mut host = tests::host!();
    let image = host.busybox();
    let probe = format!("{}:/probe:ro", tests::host::binary("probe").display());
    let ask = |options: &[&str], names: &[&str]| {
        let mut line = vec!["run", "--rm", "--network", "none", "-v", &probe];
        line.extend(options);
        line.extend([image.as_str(), "/probe", "syscall"]);
        line.extend(names);
        host.minictl(line).ok().stdout
    };
    assert_eq!(field(&status(&host, &image, &[]), "Seccomp:"), "2");
    let refused = [
        "unshare-user",
        "unshare-mount",
        "setns",
        "mount",
        "umount2",
        "pivot_root",
        "keyctl",
        "add_key",
        "request_key",
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "kexec_load",
        "init_module",
        "delete_module",
        "reboot",
        "swapon",
        "settimeofday",
        "open_by_handle_at",
        "quotactl",
        "acct",
        "personality-odd",
    ];
    let expected: String = refused
        .iter()
        .map(|name| format!("{name} EPERM\n"))
        .collect();
    assert_eq!(ask(&[], &refused), expected);
    // ENOSYS, so that libraries fall back to clone.
    assert_eq!(ask(&[], &["clone3"]), "clone3 ENOSYS\n");
    assert_eq!(
        ask(&[], &["getpid", "personality-query"]),
        "getpid ok\npersonality-query ok\n"
    );
    // What a capability opens in Docker's profile is open here too; then the kernel itself answers.
    assert_eq!(
        ask(&["--cap-add", "SYS_ADMIN"], &["mount", "clone3"]),
        "mount EFAULT\nclone3 EINVAL\n"
    );
    assert_eq!(
        ask(
            &["--security-opt", "seccomp=unconfined"],
            &["keyctl", "clone3"]
        )
        .lines()
        .filter(|line| line.ends_with("EPERM") || line.ends_with("ENOSYS"))
        .count(),
        0
    );
    // As root with every capability it has, the filter alone stands in the way.
    assert_eq!(
        field(
            &status(&host, &image, &["--security-opt", "seccomp=unconfined"]),
            "Seccomp:"
        ),
        "0"
    );
}

#[test]
fn a_profile_of_ones_own_is_used() {
    let mut host = tests::host!();
    let image = host.busybox();
    let profile = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}],
    });
    let file = host.file("profile.json", profile.to_string());
    let option = format!("seccomp={}", file.display());
    let run = host
        .minictl([
            "run",
            "--rm",
            "--network",
            "none",
            "--security-opt",
            &option,
            &image,
            "mkdir",
            "/x",
        ])
        .code(1);
    assert!(run.stderr.contains("No space left"), "{run}");
    let broken = host.file("broken.json", "{");
    let option = format!("seccomp={}", broken.display());
    host.minictl(["run", "--rm", "--security-opt", &option, &image, "true"])
        .refused(125, &["broken.json"]);
}

#[test]
fn the_hosts_kernel_files_are_out_of_reach() {
    let mut host = tests::host!();
    let image = host.busybox();
    let sh = |script: &str| {
        host.minictl([
            "run",
            "--rm",
            "--network",
            "none",
            &image,
            "sh",
            "-c",
            script,
        ])
        .ok()
        .text()
    };
    assert_eq!(
        sh("cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c"),
        "0"
    );
    assert_eq!(
        sh("ls /proc/acpi /proc/scsi /sys/firmware 2>/dev/null | grep -v : | tr -d '\\n' | wc -c"),
        "0".to_owned()
    );
    assert_eq!(
        sh(
            "for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/irq/default_smp_affinity /sys/kernel/mm/transparent_hugepage/enabled; do (echo x > $f) 2>/dev/null && echo wrote $f; done; echo none"
        ),
        "none"
    );
    assert_eq!(sh("grep -c ' /sys .*[ ,]ro[, ]' /proc/mounts"), "1");
    assert_eq!(sh("grep ' / ' /proc/mounts | grep -c overlay"), "1");
}

#[test]
fn nothing_of_the_host_is_seen() {
    let mut host = tests::host!();
    let image = host.busybox();
    let probe = format!("{}:/probe:ro", tests::host::binary("probe").display());
    host.minictl(format!(
        "run --rm --network none -v {probe} {image} /probe fds"
    ))
    .ok()
    .prints("");
    host.minictl([
        "run",
        "--rm",
        "--network",
        "none",
        &image,
        "sh",
        "-c",
        "ps | grep -vc 'PID\\|ps\\|grep'; echo $$",
    ])
    .ok()
    .has("1");
    let data = host.directory().display().to_string();
    let mounts = host
        .minictl(format!(
            "run --rm --network none {image} cat /proc/self/mountinfo"
        ))
        .ok();
    let roots: Vec<&str> = mounts
        .stdout
        .lines()
        .filter(|line| line.split(' ').nth(4) == Some("/"))
        .collect();
    assert_eq!(roots.len(), 1, "one root: {mounts}");
    assert!(
        mounts.stdout.lines().all(|line| !line
            .split(' ')
            .nth(4)
            .unwrap_or_default()
            .starts_with(&data)),
        "{mounts}"
    );
    for space in ["pid", "mnt", "uts", "ipc", "net", "cgroup"] {
        let own = std::fs::read_link(format!("/proc/self/ns/{space}"))
            .expect("our namespace")
            .display()
            .to_string();
        let inside = host
            .minictl([
                "run",
                "--rm",
                "--network",
                "none",
                &image,
                "readlink",
                &format!("/proc/self/ns/{space}"),
            ])
            .ok()
            .text();
        assert_ne!(inside, own, "{space}");
    }
}

#[test]
fn namespaces_of_the_host_are_shared_only_when_asked() {
    let mut host = tests::host!();
    let image = host.busybox();
    for (option, space) in [
        ("--pid=host", "pid"),
        ("--uts=host", "uts"),
        ("--ipc=host", "ipc"),
        ("--cgroupns=host", "cgroup"),
    ] {
        let own = std::fs::read_link(format!("/proc/self/ns/{space}"))
            .expect("our namespace")
            .display()
            .to_string();
        host.minictl([
            "run",
            "--rm",
            "--network",
            "none",
            option,
            &image,
            "readlink",
            &format!("/proc/self/ns/{space}"),
        ])
        .ok()
        .prints(&own);
    }
}

#[test]
fn sysctls_of_its_own_namespaces_only() {
    let mut host = tests::host!();
    let image = host.busybox();
    let sysctl = |setting: &str, command: &[&str]| {
        let mut line = vec![
            "run",
            "--rm",
            "--network",
            "none",
            "--sysctl",
            setting,
            &image,
        ];
        line.extend(command);
        host.minictl(line)
    };
    sysctl(
        "net.ipv4.ip_default_ttl=33",
        &["cat", "/proc/sys/net/ipv4/ip_default_ttl"],
    )
    .ok()
    .prints("33");
    sysctl("kernel.msgmax=4096", &["cat", "/proc/sys/kernel/msgmax"])
        .ok()
        .prints("4096");
    for setting in [
        "kernel.panic=1",
        "vm.swappiness=1",
        "kernel/../../x=1",
        "nonsense",
    ] {
        let done = sysctl(setting, &["true"]);
        assert_eq!(done.code, 125, "{setting}: {done}");
    }
    host.minictl(format!(
        "run --rm --network host --sysctl net.ipv4.ip_default_ttl=33 {image} true"
    ))
    .refused(125, &["host"]);
}
