//! The files of cgroup v2 (Documentation/admin-guide/cgroup-v2.rst).

use std::collections::BTreeMap;

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources};

use super::error::{CgroupError, Result};
use super::layout::{Controller, Layout, Version};
use super::limits::{Absent, Decided, Write, given};

/// Every write for these limits but those of `unified`.
pub(super) fn writes(resources: &LinuxResources) -> Decided {
    let mut decided = Decided::default();
    if let Some(memory) = resources.memory() {
        self::memory(memory, &mut decided);
    }
    if let Some(cpu) = resources.cpu() {
        self::cpu(cpu, &mut decided);
    }
    if let Some(limit) = resources.pids().and_then(|pids| given(Some(pids.limit()))) {
        decided.writes.push(Write::new(
            Controller::Pids,
            "pids.max",
            or_max(limit),
            "pids limit",
        ));
    }
    if let Some(io) = resources.block_io() {
        self::io(io, &mut decided);
    }
    for page in resources.hugepage_limits().iter().flatten() {
        let size = page.page_size();
        let name = format!("limit of {size} huge pages");
        let value = if page.limit() < 0 {
            "max".to_owned()
        } else {
            page.limit().to_string()
        };
        decided.writes.push(
            Write::new(
                Controller::Hugetlb,
                &format!("hugetlb.{size}.max"),
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
                &format!("hugetlb.{size}.rsvd.max"),
                &value,
                &name,
            )
            .absent(Absent::Fine),
        );
    }
    // Marks on packets have no controller here: layouts without v1 have none, and `limits` says so.
    rdma(resources, &mut decided.writes);
    decided
}

fn or_max(value: i64) -> String {
    if value < 0 {
        "max".to_owned()
    } else {
        value.to_string()
    }
}

fn memory(memory: &LinuxMemory, decided: &mut Decided) {
    let limit = given(memory.limit());
    if let Some(limit) = limit {
        decided.writes.push(Write::new(
            Controller::Memory,
            "memory.max",
            or_max(limit),
            "memory limit",
        ));
    }
    match swap(limit, given(memory.swap())) {
        Ok(None) => {}
        Ok(Some(value)) => {
            // Without swap in the kernel "none" and "as much as you like" are true anyway.
            let absent = match value {
                -1 | 0 => Absent::Fine,
                _ => Absent::FineWithoutSwap,
            };
            let write = Write::new(
                Controller::Memory,
                "memory.swap.max",
                or_max(value),
                "swap limit",
            );
            decided.writes.push(write.absent(absent));
        }
        Err(why) => {
            let name = format!(
                "memory and swap limit {}",
                memory.swap().unwrap_or_default()
            );
            decided.refuse(Controller::Memory, name, why);
        }
    }
    if let Some(reservation) = given(memory.reservation()) {
        let value = or_max(reservation);
        decided.writes.push(Write::new(
            Controller::Memory,
            "memory.low",
            value,
            "memory reservation",
        ));
    }
    if let Some(swappiness) = memory.swappiness() {
        let limit = format!("memory swappiness {swappiness}");
        decided.refuse(
            Controller::Memory,
            limit,
            "cgroup v2 has none for a single group: leave it out",
        );
    }
    if memory.disable_oom_killer() == Some(true) {
        decided.refuse(
            Controller::Memory,
            "disabling the OOM killer",
            "cgroup v2 always has it: leave it out",
        );
    }
}

/// Swap alone, from memory and swap together.
fn swap(limit: Option<i64>, both: Option<i64>) -> Result<Option<i64>, &'static str> {
    match (limit, both) {
        (Some(-1), None) => Ok(Some(-1)),
        (_, None) => Ok(None),
        (_, Some(-1)) => Ok(Some(-1)),
        (None | Some(-1), Some(_)) => Err("it needs a memory limit beside it"),
        (Some(limit), Some(both)) if both < limit => {
            Err("it counts memory and swap together: at least the memory limit is needed")
        }
        (Some(limit), Some(both)) => Ok(Some(both - limit)),
    }
}

fn cpu(cpu: &LinuxCpu, decided: &mut Decided) {
    // The weight of an idle group can't be set.
    if let Some(shares) = cpu
        .shares()
        .filter(|shares| *shares != 0 && cpu.idle() != Some(1))
    {
        let mut write = Write::new(Controller::Cpu, "cpu.weight", weight(shares), "cpu shares");
        write.limit = format!("cpu shares {shares}");
        decided.writes.push(write);
    }
    let period = cpu.period().filter(|period| *period != 0);
    let quota = given(cpu.quota());
    if period.is_some() || quota.is_some() {
        let quota = quota.map_or_else(|| "max".to_owned(), or_max);
        let value = format!("{quota} {}", period.unwrap_or(100_000));
        decided.writes.push(
            Write::new(Controller::Cpu, "cpu.max", value, "cpu quota and period")
                .hint("a quota is 1000 us at least, a period goes from 1000 to 1000000 us"),
        );
    }
    if let Some(burst) = cpu.burst() {
        decided.writes.push(
            Write::new(Controller::Cpu, "cpu.max.burst", burst, "cpu burst")
                .hint("a burst needs a quota that is at least as large"),
        );
    }
    if let Some(idle) = cpu.idle() {
        decided
            .writes
            .push(Write::new(Controller::Cpu, "cpu.idle", idle, "cpu idle").hint("it is 0 or 1"));
    }
    if given(cpu.realtime_runtime()).is_some()
        || cpu.realtime_period().is_some_and(|period| period != 0)
    {
        decided.refuse(
            Controller::Cpu,
            "cpu realtime runtime",
            "cgroup v2 does not divide realtime: leave it out",
        );
    }
    for (list, file, limit) in [
        (cpu.cpus(), "cpuset.cpus", "cpus"),
        (cpu.mems(), "cpuset.mems", "memory nodes"),
    ] {
        if let Some(list) = list.as_deref().filter(|list| !list.is_empty()) {
            decided
                .writes
                .push(Write::new(Controller::Cpuset, file, list, limit).hint(
                    "a list such as 0-3,5 of those that are online and that the parent cgroup has",
                ));
        }
    }
}

/// The weight for v1 shares: 2 becomes 1, 1024 becomes 100, 262144 becomes 10000, and what lies between follows the
/// curve through these three.
pub(super) fn weight(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let doublings = (shares as f64).log2();
            let exponent = (doublings * doublings + 125.0 * doublings) / 612.0 - 7.0 / 34.0;
            10f64.powf(exponent).ceil() as u64
        }
    }
}

fn io(io: &LinuxBlockIo, decided: &mut Decided) {
    let scheduler = "no I/O scheduler of this machine knows weights: use bfq or iocost, or leave the weight out";
    let range = "a weight goes from 10 to 1000";
    if let Some(weight) = io.weight().filter(|weight| *weight != 0) {
        decided.writes.push(
            Write::new(Controller::Io, "io.bfq.weight", weight, "block I/O weight")
                .absent(Absent::Fine)
                .hint(range),
        );
        let write = Write::new(
            Controller::Io,
            "io.weight",
            io_weight(weight),
            "block I/O weight",
        );
        // Kernels with bfq alone have no io.weight, those with iocost alone no io.bfq.weight.
        decided.writes.push(
            write
                .or_file("io.bfq.weight")
                .absent(Absent::Refuse(scheduler))
                .hint(range),
        );
        merge_weights(&mut decided.writes);
    }
    for device in io.weight_device().iter().flatten() {
        if let Some(weight) = device.weight() {
            let value = format!("{}:{} {weight}", device.major(), device.minor());
            decided.writes.push(
                Write::new(Controller::Io, "io.bfq.weight", value, "block I/O weight")
                    .absent(Absent::Refuse(scheduler))
                    .hint(range),
            );
        }
    }
    for (device, limits) in throttles(io) {
        let value = format!("{}:{} {limits}", device.0, device.1);
        decided.writes.push(
            Write::new(Controller::Io, "io.max", value, "block I/O rates")
                .hint("name a whole block device that exists (not a partition)"),
        );
    }
}

/// With bfq there is one file and its own scale, so the plain weight is written; otherwise the converted one.
fn merge_weights(writes: &mut Vec<Write>) {
    let Some(converted) = writes.pop() else {
        return;
    };
    let Some(plain) = writes.pop() else { return };
    writes.push(Write {
        absent: Absent::Fine,
        ..plain
    });
    writes.push(Write {
        files: vec![converted.files[0].clone()],
        absent: Absent::Fine,
        ..converted
    });
}

/// 10 to 1000 becomes 1 to 10000.
fn io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight).saturating_sub(10)) * 9999 / 990
}

/// All rates of a device on one line: `rbps=1 wiops=2`.
fn throttles(io: &LinuxBlockIo) -> BTreeMap<(i64, i64), String> {
    let mut lines: BTreeMap<(i64, i64), String> = BTreeMap::new();
    for (devices, key) in [
        (io.throttle_read_bps_device(), "rbps"),
        (io.throttle_write_bps_device(), "wbps"),
        (io.throttle_read_iops_device(), "riops"),
        (io.throttle_write_iops_device(), "wiops"),
    ] {
        for device in devices.iter().flatten() {
            let line = lines.entry((device.major(), device.minor())).or_default();
            if !line.is_empty() {
                line.push(' ');
            }
            // Zero takes a limit away, as on v1.
            match device.rate() {
                0 => line.push_str(&format!("{key}=max")),
                rate => line.push_str(&format!("{key}={rate}")),
            }
        }
    }
    lines
}

/// The same on both versions.
pub(super) fn rdma(resources: &LinuxResources, writes: &mut Vec<Write>) {
    let devices: BTreeMap<_, _> = resources.rdma().iter().flatten().collect();
    for (device, limit) in devices {
        let mut value = device.clone();
        if let Some(handles) = limit.hca_handles() {
            value.push_str(&format!(" hca_handle={handles}"));
        }
        if let Some(objects) = limit.hca_objects() {
            value.push_str(&format!(" hca_object={objects}"));
        }
        writes.push(
            Write::new(Controller::Rdma, "rdma.max", value, "RDMA limit")
                .hint("name a device that exists"),
        );
    }
}

/// Files of v2 named by the specification itself.
pub(super) fn unified(resources: &LinuxResources, layout: &Layout) -> Result<Vec<Write>> {
    let files: BTreeMap<_, _> = resources.unified().iter().flatten().collect();
    files
        .into_iter()
        .map(|(file, value)| unified_file(file, value, layout))
        .collect()
}

fn unified_file(file: &str, value: &str, layout: &Layout) -> Result<Write> {
    let refused = |why: &str| CgroupError::Unsupported {
        limit: format!("{file} {value}"),
        why: why.to_owned(),
    };
    if file.contains('/') || file.starts_with("cgroup.") || !file.contains('.') {
        return Err(refused(
            "a file of a controller is named, such as memory.high",
        ));
    }
    let head = file.split('.').next().unwrap_or_default();
    let controller = Controller::from_v2(head)
        .ok_or_else(|| refused("there is no such cgroup v2 controller"))?;
    match layout.version(controller) {
        Some(Version::V2) => Ok(Write::new(controller, file, value, file)),
        Some(Version::V1) => Err(refused("this machine has the controller on cgroup v1")),
        None => Err(refused("this machine has no such controller")),
    }
}
