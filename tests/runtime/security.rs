//! Capabilities, no_new_privs, seccomp, sysctl.

use serde_json::json;
use tests::bundle::Bundle;

fn field(status: &str, name: &str) -> u64 {
    let line = status
        .lines()
        .find(|line| line.starts_with(name))
        .expect("a field");
    u64::from_str_radix(line.split_whitespace().nth(1).expect("a value"), 16).expect("a mask")
}

#[test]
fn capabilities_in_their_five_sets() {
    let host = tests::host!();
    let sets = json!({
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"], "permitted": ["CAP_CHOWN", "CAP_KILL"], "effective": ["CAP_CHOWN"],
        "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"],
    });
    let run = |uid: u32| {
        let bundle = Bundle::new(&host, "c1", "")
            .set("/process/args", json!(["/bin/cat", "/proc/self/status"]));
        bundle
            .set("/process/capabilities", sets.clone())
            .set("/process/user/uid", json!(uid))
            .run()
            .ok()
            .stdout
    };
    let (chown, kill, raw) = (1, 1 << 5, 1 << 13);
    // To another user than root only the ambient set is left after exec; root regains what is bounded and inheritable.
    let status = run(1000);
    assert_eq!(field(&status, "CapBnd"), chown | kill | raw);
    assert_eq!(
        (
            field(&status, "CapPrm"),
            field(&status, "CapEff"),
            field(&status, "CapAmb"),
            field(&status, "CapInh")
        ),
        (kill, kill, kill, kill)
    );
    assert_eq!(field(&run(0), "CapBnd"), chown | kill | raw);
}

#[test]
fn unknown_capabilities_are_not_passed_over() {
    let host = tests::host!();
    let bundle = Bundle::new(&host, "c1", "true")
        .set("/process/capabilities", json!({"bounding": ["CAP_NOSUCH"]}));
    let done = bundle.run();
    // The specification wants an error; runc warns. Silence alone is wrong.
    assert!(done.stderr.contains("CAP_NOSUCH"), "{done}");
}

#[test]
fn no_new_privileges() {
    let host = tests::host!();
    for asked in [false, true] {
        let bundle = Bundle::new(
            &host,
            "c1",
            "grep NoNewPrivs /proc/self/status | tr -dc 0-9",
        )
        .set("/process/noNewPrivileges", json!(asked));
        bundle.run().ok().prints(if asked { "1" } else { "0" });
    }
}

#[test]
fn filters_act_as_written() {
    let host = tests::host!();
    let run = |profile: serde_json::Value, args: serde_json::Value| {
        Bundle::new(&host, "c1", "")
            .set("/process/args", args)
            .set("/linux/seccomp", profile)
            .run()
    };
    let errno = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [
            {"names": ["keyctl", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
            {"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": [{"index": 0, "value": 0x0040_0000, "op": "SCMP_CMP_EQ"}]},
        ],
    });
    run(
        errno.clone(),
        json!([
            "/bin/probe",
            "syscall",
            "keyctl",
            "getpid",
            "personality-query",
            "personality-odd"
        ]),
    )
    .ok()
    .prints("keyctl ENOSYS\ngetpid ok\npersonality-query ok\npersonality-odd EPERM");
    let deadly = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["keyctl"], "action": "SCMP_ACT_KILL_PROCESS"}],
    });
    run(deadly, json!(["/bin/probe", "syscall", "keyctl"])).code(159);
    let nonsense = json!({"defaultAction": "SCMP_ACT_NONSENSE"});
    run(nonsense, json!(["/bin/true"])).refused(1, &["SCMP_ACT_NONSENSE"]);
}

#[test]
fn sysctls_of_its_namespaces() {
    let host = tests::host!();
    let run = |sysctl: serde_json::Value, command: &str| {
        Bundle::new(&host, "c1", command)
            .set("/linux/sysctl", sysctl)
            .run()
    };
    run(
        json!({"net.ipv4.ip_default_ttl": "33", "kernel.msgmax": "4096"}),
        "cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/kernel/msgmax",
    )
    .ok()
    .prints("33\n4096");
    let before = std::fs::read_to_string("/proc/sys/vm/swappiness").expect("a setting of the host");
    run(json!({"vm.swappiness": "1"}), "true").refused(1, &["vm.swappiness"]);
    run(json!({"net.ipv4.nosuch": "1"}), "true").refused(1, &["net.ipv4.nosuch"]);
    run(json!({"kernel.../../../etc/x": "1"}), "true").refused(1, &["etc"]);
    assert_eq!(
        std::fs::read_to_string("/proc/sys/vm/swappiness").expect("a setting of the host"),
        before
    );
}
