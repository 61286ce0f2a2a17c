use oci_spec::runtime::LinuxResources;

use super::layout::{Controller, Layout, V1, V2};
use super::{Cgroups, Entry, limits};

/// One table for both versions: what each limit becomes.
#[test]
fn limits_become_writes() {
    let (v1, v2) = (v1(), v2());
    let check = |resources: serde_json::Value, on_v1: &[&str], on_v2: &[&str]| {
        let resources: LinuxResources = serde_json::from_value(resources).unwrap();
        for (layout, expected) in [(&v1, on_v1), (&v2, on_v2)] {
            let seen = match limits::writes(&resources, layout) {
                Ok(writes) => writes
                    .iter()
                    .map(|write| format!("{}={}", write.files[0], write.value))
                    .collect(),
                Err(error) => vec![format!("! {error}")],
            };
            assert_eq!(seen, expected, "{resources:?}");
        }
    };
    use serde_json::json;
    check(json!({}), &[], &[]);
    // Memory
    check(
        json!({"memory": {"limit": 67108864}}),
        &["memory.limit_in_bytes=67108864"],
        &["memory.max=67108864"],
    );
    check(
        json!({"memory": {"limit": 100, "swap": 150, "reservation": 50}}),
        &[
            "memory.limit_in_bytes=100",
            "memory.memsw.limit_in_bytes=150",
            "memory.soft_limit_in_bytes=50",
        ],
        &["memory.max=100", "memory.swap.max=50", "memory.low=50"],
    );
    check(
        json!({"memory": {"limit": 100, "swap": 100}}),
        &[
            "memory.limit_in_bytes=100",
            "memory.memsw.limit_in_bytes=100",
        ],
        &["memory.max=100", "memory.swap.max=0"],
    );
    check(
        json!({"memory": {"limit": 100, "swap": -1}}),
        &[
            "memory.limit_in_bytes=100",
            "memory.memsw.limit_in_bytes=-1",
        ],
        &["memory.max=100", "memory.swap.max=max"],
    );
    check(
        json!({"memory": {"limit": -1}}),
        &["memory.limit_in_bytes=-1", "memory.memsw.limit_in_bytes=-1"],
        &["memory.max=max", "memory.swap.max=max"],
    );
    check(
        json!({"memory": {"limit": 0, "swap": 0, "kernel": 5}}),
        &[],
        &[],
    );
    check(
        json!({"memory": {"swap": 100}}),
        &["memory.memsw.limit_in_bytes=100"],
        &["! memory and swap limit 100 cannot be set: it needs a memory limit beside it"],
    );
    check(
        json!({"memory": {"limit": 100, "swap": 50}}),
        &[
            "memory.limit_in_bytes=100",
            "memory.memsw.limit_in_bytes=50",
        ],
        &[
            "! memory and swap limit 50 cannot be set: it counts memory and swap together: at least the memory limit is needed",
        ],
    );
    check(
        json!({"memory": {"swappiness": 60}}),
        &["memory.swappiness=60"],
        &[
            "! memory swappiness 60 cannot be set: cgroup v2 has none for a single group: leave it out",
        ],
    );
    check(
        json!({"memory": {"disableOOMKiller": true}}),
        &["memory.oom_control=1"],
        &["! disabling the OOM killer cannot be set: cgroup v2 always has it: leave it out"],
    );
    check(json!({"memory": {"disableOOMKiller": false}}), &[], &[]);
    check(
        json!({"memory": {"kernelTCP": 7}}),
        &["memory.kmem.tcp.limit_in_bytes=7"],
        &[],
    );
    // Processor
    check(
        json!({"cpu": {"shares": 1024}}),
        &["cpu.shares=1024"],
        &["cpu.weight=100"],
    );
    check(
        json!({"cpu": {"shares": 512, "idle": 1}}),
        &["cpu.idle=1"],
        &["cpu.idle=1"],
    );
    check(
        json!({"cpu": {"quota": 50000, "period": 100000}}),
        &["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=50000"],
        &["cpu.max=50000 100000"],
    );
    check(
        json!({"cpu": {"quota": 50000}}),
        &["cpu.cfs_quota_us=50000"],
        &["cpu.max=50000 100000"],
    );
    check(
        json!({"cpu": {"quota": -1, "period": 20000}}),
        &["cpu.cfs_period_us=20000", "cpu.cfs_quota_us=-1"],
        &["cpu.max=max 20000"],
    );
    check(
        json!({"cpu": {"burst": 10, "quota": 5000}}),
        &["cpu.cfs_quota_us=5000", "cpu.cfs_burst_us=10"],
        &["cpu.max=5000 100000", "cpu.max.burst=10"],
    );
    check(
        json!({"cpu": {"realtimeRuntime": 9, "realtimePeriod": 10}}),
        &["cpu.rt_period_us=10", "cpu.rt_runtime_us=9"],
        &["! cpu realtime runtime cannot be set: cgroup v2 does not divide realtime: leave it out"],
    );
    check(
        json!({"cpu": {"cpus": "0-1", "mems": "0"}}),
        &["cpuset.cpus=0-1", "cpuset.mems=0"],
        &["cpuset.cpus=0-1", "cpuset.mems=0"],
    );
    check(json!({"cpu": {"cpus": ""}}), &[], &[]);
    // Processes
    check(
        json!({"pids": {"limit": 20}}),
        &["pids.max=20"],
        &["pids.max=20"],
    );
    check(
        json!({"pids": {"limit": -1}}),
        &["pids.max=max"],
        &["pids.max=max"],
    );
    check(json!({"pids": {"limit": 0}}), &[], &[]);
    // Block devices
    check(
        json!({"blockIO": {"weight": 500}}),
        &["blkio.weight=500"],
        &["io.bfq.weight=500", "io.weight=4950"],
    );
    check(
        json!({"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 300}]}}),
        &["blkio.weight_device=8:0 300"],
        &["io.bfq.weight=8:0 300"],
    );
    check(
        json!({"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}], "throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 300}, {"major": 8, "minor": 16, "rate": 0}]}}),
        &[
            "blkio.throttle.read_bps_device=8:0 600",
            "blkio.throttle.write_iops_device=8:0 300",
            "blkio.throttle.write_iops_device=8:16 0",
        ],
        &["io.max=8:0 rbps=600 wiops=300", "io.max=8:16 wiops=max"],
    );
    // Others
    check(
        json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 9223372}]}),
        &[
            "! limit of 2MB huge pages 9223372 cannot be set: this machine has no hugetlb cgroup controller; leave the limit out or enable it in the kernel",
        ],
        &["hugetlb.2MB.max=9223372", "hugetlb.2MB.rsvd.max=9223372"],
    );
    check(
        json!({"network": {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 5}]}}),
        &["net_cls.classid=1048577", "net_prio.ifpriomap=eth0 5"],
        &[
            "! network class 1048577 cannot be set: this machine has no net_cls cgroup controller; leave the limit out or enable it in the kernel",
        ],
    );
    check(
        json!({"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}}}),
        &[
            "! RDMA limit mlx5_1 hca_handle=3 hca_object=10000 cannot be set: this machine has no rdma cgroup controller; leave the limit out or enable it in the kernel",
        ],
        &["rdma.max=mlx5_1 hca_handle=3 hca_object=10000"],
    );
    check(
        json!({"unified": {"memory.high": "1000"}}),
        &["! memory.high 1000 cannot be set: this machine has the controller on cgroup v1"],
        &["memory.high=1000"],
    );
    for (file, why) in [
        (
            "../memory.max",
            "a file of a controller is named, such as memory.high",
        ),
        (
            "cgroup.procs",
            "a file of a controller is named, such as memory.high",
        ),
        ("nonsense.max", "there is no such cgroup v2 controller"),
    ] {
        let expected = format!("! {file} 1 cannot be set: {why}");
        check(json!({"unified": {file: "1"}}), &[&expected], &[&expected]);
    }
}

fn v1() -> Layout {
    let one = |controller: Controller| V1 {
        mount: format!("/sys/fs/cgroup/{}", controller.v1_name()).into(),
        controllers: vec![controller],
        names: vec![controller.v1_name().to_owned()],
    };
    use Controller::*;
    Layout {
        v1: [
            Cpu,
            CpuAccounting,
            Cpuset,
            Devices,
            Freezer,
            Io,
            Memory,
            NetCls,
            NetPrio,
            Pids,
        ]
        .map(one)
        .into(),
        v2: None,
    }
}

fn v2() -> Layout {
    use Controller::*;
    let controllers = vec![Cpu, Cpuset, Hugetlb, Io, Memory, Pids, Rdma];
    Layout {
        v1: Vec::new(),
        v2: Some(V2 {
            mount: "/sys/fs/cgroup".into(),
            controllers,
        }),
    }
}

#[test]
fn shares_become_weights() {
    for (shares, weight) in [
        (0, 1),
        (2, 1),
        (3, 2),
        (512, 59),
        (1024, 100),
        (2048, 174),
        (262_144, 10_000),
        (u64::MAX, 10_000),
    ] {
        assert_eq!(super::v2::weight(shares), weight, "{shares}");
    }
}

/// A cgroup of this test's own below every hierarchy of this machine, or nothing when that isn't allowed.
fn own(name: &str, resources: serde_json::Value) -> Option<Cgroups> {
    let resources: LinuxResources = serde_json::from_value(resources).unwrap();
    let path = format!("/mini-test-limits-{}/{name}", std::process::id());
    let mut groups = Cgroups::plan(&path, Some(&resources)).ok()?;
    match groups.create() {
        Ok(()) => Some(groups),
        Err(error) if nix::unistd::geteuid().is_root() => panic!("{}", error.chain()),
        Err(_) => {
            eprintln!("skipped: cgroups need root");
            None
        }
    }
}

/// Runs in a child that has entered the groups; every step a raw system call.
fn enter(entry: &Entry, then: impl Fn()) -> i32 {
    use std::os::fd::AsRawFd;
    // SAFETY: the child makes raw system calls only and ends with _exit, apart from `then`, which each test keeps to that.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: touches no memory; a failed test leaves no process.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        for file in entry.tasks.iter().chain(&entry.unified_procs) {
            // SAFETY: writes one byte of a constant to an open descriptor.
            if unsafe { libc::write(file.as_raw_fd(), b"0".as_ptr().cast(), 1) } != 1 {
                // SAFETY: ends the child.
                unsafe { libc::_exit(99) };
            }
        }
        then();
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) };
    }
    child
}

fn wait(pid: i32) -> i32 {
    let mut status = 0;
    // SAFETY: the child is ours.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    status
}

/// Removes the parent that the tests share; the last one succeeds.
fn clean(groups: &Cgroups) {
    for path in groups.paths().values() {
        let _ = std::fs::remove_dir(path.parent().unwrap());
    }
}

#[test]
fn a_whole_life() {
    let resources = serde_json::json!({
        "memory": {"limit": 67108864, "swap": 67108864}, "pids": {"limit": 7}, "cpu": {"shares": 512, "quota": 20000, "period": 50000, "cpus": "0"},
    });
    let Some(groups) = own("life", resources) else {
        return;
    };
    let entry = groups.entry().unwrap();
    let child = enter(&entry, || {
        loop {
            // SAFETY: pause touches no memory.
            unsafe { libc::pause() };
        }
    });
    let started = std::time::Instant::now();
    while groups.pids().unwrap() != [child] {
        assert!(started.elapsed().as_secs() < 5);
    }
    let stats = groups.stats().unwrap();
    assert_eq!(
        (stats.pids.current, stats.pids.limit, stats.memory.limit),
        (1, Some(7), Some(64 << 20))
    );
    assert!(!groups.oom_killed());
    // Limits change while it lives, upwards and downwards: the kernel wants them in a certain order each time.
    for limit in [128 << 20, 32 << 20] {
        let more = serde_json::json!({"memory": {"limit": limit, "swap": limit}, "cpu": {"quota": 500000, "period": 1000000}});
        groups
            .update(&serde_json::from_value(more).unwrap())
            .unwrap();
        assert_eq!(groups.stats().unwrap().memory.limit, Some(limit));
    }
    groups.freeze().unwrap();
    assert!(groups.is_frozen());
    groups.thaw().unwrap();
    assert!(!groups.is_frozen());
    // Another view of the same, as a later command has it; frozen processes are killed too.
    let again = Cgroups::from_paths(&groups.paths());
    again.freeze().unwrap();
    let reaper = std::thread::spawn(move || wait(child));
    again.kill_all().unwrap();
    assert_eq!(reaper.join().unwrap(), libc::SIGKILL);
    for path in again.paths().values() {
        std::fs::create_dir_all(path.join("nested/deeper")).unwrap();
    }
    again.remove().unwrap();
    again.remove().unwrap();
    assert!(again.paths().values().all(|path| !path.exists()));
    assert!(again.pids().unwrap().is_empty());
    clean(&groups);
}

#[test]
fn want_of_memory_is_seen() {
    let Some(groups) = own(
        "oom",
        serde_json::json!({"memory": {"limit": 8 << 20, "swap": 8 << 20}}),
    ) else {
        return;
    };
    let entry = groups.entry().unwrap();
    let child = enter(&entry, || {
        let size = 64 << 20;
        // SAFETY: a fresh private mapping, written within its bounds.
        unsafe {
            let memory = libc::mmap(
                std::ptr::null_mut(),
                size,
                3,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            for offset in (0..size).step_by(4096) {
                *memory.cast::<u8>().add(offset) = 1;
            }
        }
    });
    assert_eq!(wait(child), libc::SIGKILL);
    assert!(groups.oom_killed());
    assert!(groups.stats().unwrap().memory.oom_kills > 0);
    groups.remove().unwrap();
    clean(&groups);
}

#[test]
fn devices_are_guarded() {
    let Some(groups) = own("devices", serde_json::json!({})) else {
        return;
    };
    let entry = groups.entry().unwrap();
    let open = |path: &'static std::ffi::CStr, flags: i32| {
        let child = enter(&entry, || {
            // SAFETY: opens a constant path, and ends the child with the answer.
            unsafe {
                let fd = libc::open(path.as_ptr(), flags);
                libc::_exit(if fd < 0 { *libc::__errno_location() } else { 0 });
            }
        });
        wait(child) >> 8
    };
    assert_eq!(open(c"/dev/null", libc::O_RDWR), 0);
    assert_eq!(open(c"/dev/zero", libc::O_RDWR), 0);
    let kmsg = open(c"/dev/kmsg", libc::O_RDONLY);
    assert!([libc::EPERM, libc::ENOENT].contains(&kmsg), "{kmsg}");
    groups.remove().unwrap();
    clean(&groups);
}

#[test]
fn refusals_name_file_and_value() {
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("skipped: cgroups need root");
    }
    let path = format!("/mini-test-limits-{}/refused", std::process::id());
    let resources: LinuxResources =
        serde_json::from_value(serde_json::json!({"cpu": {"cpus": "4095"}})).unwrap();
    let mut groups = Cgroups::plan(&path, Some(&resources)).unwrap();
    let error = groups.create().unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Limit, "{}", error.chain());
    for part in ["cpuset.cpus", "\"4095\"", "those that are online"] {
        assert!(error.chain().contains(part), "{}", error.chain());
    }
    assert!(
        groups.paths().values().all(|path| !path.exists()),
        "what was made is removed"
    );
    clean(&groups);
}
