//! The files of cgroup v1 (Documentation/admin-guide/cgroup-v1).

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources, LinuxThrottleDevice};

use super::layout::Controller;
use super::limits::{Absent, Decided, Write, given};

const NO_SWAP_ACCOUNTING: &str =
    "the kernel does not account for swap: boot with swapaccount=1, or leave the limit out";

/// Every write for these limits, in an order that a new cgroup takes.
pub(super) fn writes(resources: &LinuxResources) -> Decided {
    let mut decided = Decided::default();
    if let Some(memory) = resources.memory() {
        self::memory(memory, &mut decided.writes);
    }
    if let Some(cpu) = resources.cpu() {
        self::cpu(cpu, &mut decided.writes);
    }
    if let Some(limit) = resources.pids().and_then(|pids| given(Some(pids.limit()))) {
        let value = if limit < 0 {
            "max".to_owned()
        } else {
            limit.to_string()
        };
        decided.writes.push(Write::new(
            Controller::Pids,
            "pids.max",
            value,
            "pids limit",
        ));
    }
    if let Some(io) = resources.block_io() {
        self::io(io, &mut decided.writes);
    }
    for page in resources.hugepage_limits().iter().flatten() {
        let size = page.page_size();
        let value = if page.limit() < 0 {
            "-1".to_owned()
        } else {
            page.limit().to_string()
        };
        let name = format!("limit of {size} huge pages");
        decided.writes.push(
            Write::new(
                Controller::Hugetlb,
                &format!("hugetlb.{size}.limit_in_bytes"),
                &value,
                &name,
            )
            .absent(Absent::Refuse(
                "this machine has no huge pages of this size",
            )),
        );
        decided.writes.push(
            Write::new(
                Controller::Hugetlb,
                &format!("hugetlb.{size}.rsvd.limit_in_bytes"),
                &value,
                &name,
            )
            .absent(Absent::Fine),
        );
    }
    if let Some(network) = resources.network() {
        if let Some(class) = network.class_id() {
            decided.writes.push(Write::new(
                Controller::NetCls,
                "net_cls.classid",
                class,
                "network class",
            ));
        }
        for priority in network.priorities().iter().flatten() {
            let value = format!("{} {}", priority.name(), priority.priority());
            decided.writes.push(
                Write::new(
                    Controller::NetPrio,
                    "net_prio.ifpriomap",
                    value,
                    "network priority",
                )
                .hint("name an interface that exists"),
            );
        }
    }
    super::v2::rdma(resources, &mut decided.writes);
    decided
}

fn memory(memory: &LinuxMemory, writes: &mut Vec<Write>) {
    let mut add = |file: &str, value: i64, limit: &str| {
        writes.push(Write::new(Controller::Memory, file, value, limit));
        writes.len() - 1
    };
    let limit = given(memory.limit());
    if let Some(limit) = limit {
        add("memory.limit_in_bytes", limit, "memory limit");
    }
    // Without a limit of memory there is none of both either, unless one is given.
    let swap = given(memory.swap()).or(limit.filter(|limit| *limit == -1));
    if let Some(swap) = swap {
        let at = add("memory.memsw.limit_in_bytes", swap, "memory and swap limit");
        writes[at].absent = if swap == -1 {
            Absent::Fine
        } else {
            Absent::FineWithoutSwap
        };
    }
    let mut add = |file: &str, value: i64, limit: &str| {
        writes.push(Write::new(Controller::Memory, file, value, limit));
    };
    if let Some(reservation) = given(memory.reservation()) {
        add(
            "memory.soft_limit_in_bytes",
            reservation,
            "memory reservation",
        );
    }
    if let Some(limit) = given(memory.kernel_tcp()) {
        add(
            "memory.kmem.tcp.limit_in_bytes",
            limit,
            "kernel TCP memory limit",
        );
    }
    if let Some(swappiness) = memory.swappiness() {
        add(
            "memory.swappiness",
            i64::try_from(swappiness).unwrap_or(i64::MAX),
            "memory swappiness",
        );
    }
    if memory.disable_oom_killer() == Some(true) {
        add("memory.oom_control", 1, "OOM killer disabled:");
    }
    for write in writes
        .iter_mut()
        .filter(|write| write.controller == Controller::Memory)
    {
        write.hint = match write.files[0].as_str() {
            "memory.limit_in_bytes" => {
                "more than this is in use already, or the memory and swap limit is lower"
            }
            "memory.memsw.limit_in_bytes" => {
                "it counts memory and swap together: at least the memory limit is needed"
            }
            "memory.swappiness" => "it goes from 0 to 100",
            _ => write.hint,
        };
        if write.absent == Absent::FineWithoutSwap {
            continue;
        }
        if write.files[0].contains("kmem") {
            write.absent = Absent::Refuse("this kernel no longer limits it apart: leave it out");
        }
    }
}

/// Why a swap limit can't be had when the kernel doesn't count swap.
pub(super) fn no_swap_accounting() -> &'static str {
    NO_SWAP_ACCOUNTING
}

fn cpu(cpu: &LinuxCpu, writes: &mut Vec<Write>) {
    let mut add = |file: &str, value: &dyn ToString, limit: &str, hint: &'static str| {
        writes.push(Write::new(Controller::Cpu, file, value.to_string(), limit).hint(hint));
    };
    let outside = "the value is outside what this kernel and the parent cgroup allow";
    let quota_hint = "1000 us at least, and no larger share than the parent cgroup has";
    // The weight of an idle group can't be set.
    if let Some(shares) = cpu
        .shares()
        .filter(|shares| *shares != 0 && cpu.idle() != Some(1))
    {
        add("cpu.shares", &shares, "cpu shares", outside);
    }
    if let Some(period) = cpu.period().filter(|period| *period != 0) {
        add(
            "cpu.cfs_period_us",
            &period,
            "cpu period",
            "a period goes from 1000 to 1000000 us",
        );
    }
    if let Some(quota) = given(cpu.quota()) {
        add("cpu.cfs_quota_us", &quota, "cpu quota", quota_hint);
    }
    if let Some(burst) = cpu.burst() {
        add(
            "cpu.cfs_burst_us",
            &burst,
            "cpu burst",
            "a burst needs a quota that is at least as large",
        );
    }
    if let Some(period) = cpu.realtime_period().filter(|period| *period != 0) {
        add("cpu.rt_period_us", &period, "cpu realtime period", outside);
    }
    if let Some(runtime) = given(cpu.realtime_runtime()) {
        add(
            "cpu.rt_runtime_us",
            &runtime,
            "cpu realtime runtime",
            "give the parent cgroup as much realtime first",
        );
    }
    if let Some(idle) = cpu.idle() {
        add("cpu.idle", &idle, "cpu idle", "it is 0 or 1");
    }
    for (list, file, limit) in [
        (cpu.cpus(), "cpuset.cpus", "cpus"),
        (cpu.mems(), "cpuset.mems", "memory nodes"),
    ] {
        if let Some(list) = list.as_deref().filter(|list| !list.is_empty()) {
            writes.push(Write::new(Controller::Cpuset, file, list, limit).hint(
                "a list such as 0-3,5 of those that are online and that the parent cgroup has",
            ));
        }
    }
}

fn io(io: &LinuxBlockIo, writes: &mut Vec<Write>) {
    let scheduler =
        "no I/O scheduler of this machine knows weights: use bfq, or leave the weight out";
    let range = "a weight goes from 10 to 1000";
    if let Some(weight) = io.weight().filter(|weight| *weight != 0) {
        writes.push(
            Write::new(Controller::Io, "blkio.weight", weight, "block I/O weight")
                .or_file("blkio.bfq.weight")
                .absent(Absent::Refuse(scheduler))
                .hint(range),
        );
    }
    if let Some(weight) = io.leaf_weight().filter(|weight| *weight != 0) {
        writes.push(
            Write::new(
                Controller::Io,
                "blkio.leaf_weight",
                weight,
                "block I/O leaf weight",
            )
            .absent(Absent::Refuse(scheduler))
            .hint(range),
        );
    }
    for device in io.weight_device().iter().flatten() {
        let at = format!("{}:{}", device.major(), device.minor());
        if let Some(weight) = device.weight() {
            writes.push(
                Write::new(
                    Controller::Io,
                    "blkio.weight_device",
                    format!("{at} {weight}"),
                    "block I/O weight",
                )
                .or_file("blkio.bfq.weight_device")
                .absent(Absent::Refuse(scheduler))
                .hint(range),
            );
        }
        if let Some(weight) = device.leaf_weight() {
            writes.push(
                Write::new(
                    Controller::Io,
                    "blkio.leaf_weight_device",
                    format!("{at} {weight}"),
                    "block I/O leaf weight",
                )
                .absent(Absent::Refuse(scheduler))
                .hint(range),
            );
        }
    }
    let throttles: [(&Option<Vec<LinuxThrottleDevice>>, &str, &str); 4] = [
        (
            io.throttle_read_bps_device(),
            "blkio.throttle.read_bps_device",
            "read rate",
        ),
        (
            io.throttle_write_bps_device(),
            "blkio.throttle.write_bps_device",
            "write rate",
        ),
        (
            io.throttle_read_iops_device(),
            "blkio.throttle.read_iops_device",
            "read operations",
        ),
        (
            io.throttle_write_iops_device(),
            "blkio.throttle.write_iops_device",
            "write operations",
        ),
    ];
    for (devices, file, limit) in throttles {
        for device in devices.iter().flatten() {
            let value = format!("{}:{} {}", device.major(), device.minor(), device.rate());
            writes.push(
                Write::new(Controller::Io, file, value, limit)
                    .hint("name a whole block device that exists (not a partition)"),
            );
        }
    }
}
