//! What a container uses, read from the files of either version.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::files::{number, value_of};
use super::layout::{Controller, Version};

/// What a container uses at one moment. Numbers that this machine doesn't count are zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Processor time.
    pub cpu: CpuStats,
    /// Memory.
    pub memory: MemoryStats,
    /// Processes and threads.
    pub pids: PidsStats,
    /// Block devices, in order of their numbers.
    pub io: Vec<IoStats>,
    /// Huge pages by size (`2MB`).
    pub hugetlb: BTreeMap<String, HugepageStats>,
}

/// Processor time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CpuStats {
    /// Nanoseconds in all.
    pub usage: u64,
    /// Nanoseconds in programs.
    pub user: u64,
    /// Nanoseconds in the kernel.
    pub system: u64,
    /// Periods of the quota that have passed.
    pub periods: u64,
    /// Those in which the quota was used up.
    pub throttled_periods: u64,
    /// Nanoseconds spent waiting for the next period.
    pub throttled: u64,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MemoryStats {
    /// In use, page cache included.
    pub usage: u64,
    /// The most that was ever in use; 0 when not counted.
    pub max_usage: u64,
    /// The limit; `None` without.
    pub limit: Option<u64>,
    /// Swap in use.
    pub swap: u64,
    /// The limit of swap alone; `None` without.
    pub swap_limit: Option<u64>,
    /// Page cache.
    pub cache: u64,
    /// Page cache not touched of late: what the kernel gives away first.
    pub inactive_file: u64,
    /// Used by the kernel for the container.
    pub kernel: u64,
    /// How often the limit was met.
    pub limit_hits: u64,
    /// Processes killed for want of memory.
    pub oom_kills: u64,
}

/// Processes and threads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PidsStats {
    /// How many there are.
    pub current: u64,
    /// How many there may be; `None` without limit.
    pub limit: Option<u64>,
}

/// One block device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct IoStats {
    /// Its number.
    pub major: u32,
    /// Its number.
    pub minor: u32,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Read operations.
    pub read_operations: u64,
    /// Write operations.
    pub write_operations: u64,
}

/// Huge pages of one size, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HugepageStats {
    /// In use.
    pub usage: u64,
    /// The most that was ever in use; 0 when not counted.
    pub max_usage: u64,
    /// How often the limit was met.
    pub limit_hits: u64,
}

impl MemoryStats {
    /// Without the page cache that the kernel would give away first: what people take for the memory of a container.
    pub fn working_set(&self) -> u64 {
        self.usage.saturating_sub(self.inactive_file)
    }
}

/// Reads every file, by the version of each controller and its directory.
pub(super) fn read(place: &dyn Fn(Controller) -> Option<(Version, PathBuf)>) -> Stats {
    let mut stats = Stats::default();
    match place(Controller::Cpu) {
        Some((Version::V2, path)) => stats.cpu = cpu_v2(&text(&path, "cpu.stat")),
        Some((Version::V1, path)) => {
            let accounting = place(Controller::CpuAccounting)
                .map(|(_, path)| path)
                .unwrap_or_default();
            stats.cpu = cpu_v1(&path, &accounting);
        }
        None => {}
    }
    match place(Controller::Memory) {
        Some((Version::V2, path)) => stats.memory = memory_v2(&path),
        Some((Version::V1, path)) => stats.memory = memory_v1(&path),
        None => {}
    }
    if let Some((_, path)) = place(Controller::Pids) {
        stats.pids.current = number(&path.join("pids.current")).unwrap_or(0);
        stats.pids.limit = number(&path.join("pids.max"));
    }
    match place(Controller::Io) {
        Some((Version::V2, path)) => stats.io = io_v2(&text(&path, "io.stat")),
        Some((Version::V1, path)) => stats.io = io_v1_at(&path),
        None => {}
    }
    if let Some((version, path)) = place(Controller::Hugetlb) {
        stats.hugetlb = hugetlb(version, &path);
    }
    stats
}

fn text(directory: &Path, file: &str) -> String {
    fs::read_to_string(directory.join(file)).unwrap_or_default()
}

fn cpu_v2(stat: &str) -> CpuStats {
    let micro = |key: &str| value_of(stat, key).unwrap_or(0).saturating_mul(1000);
    let plain = |key: &str| value_of(stat, key).unwrap_or(0);
    CpuStats {
        usage: micro("usage_usec"),
        user: micro("user_usec"),
        system: micro("system_usec"),
        periods: plain("nr_periods"),
        throttled_periods: plain("nr_throttled"),
        throttled: micro("throttled_usec"),
    }
}

fn cpu_v1(cpu: &Path, accounting: &Path) -> CpuStats {
    let stat = text(cpu, "cpu.stat");
    let plain = |key: &str| value_of(&stat, key).unwrap_or(0);
    CpuStats {
        usage: number(&accounting.join("cpuacct.usage")).unwrap_or(0),
        user: number(&accounting.join("cpuacct.usage_user")).unwrap_or(0),
        system: number(&accounting.join("cpuacct.usage_sys")).unwrap_or(0),
        periods: plain("nr_periods"),
        throttled_periods: plain("nr_throttled"),
        throttled: plain("throttled_time"),
    }
}

fn memory_v2(path: &Path) -> MemoryStats {
    let stat = text(path, "memory.stat");
    let events = text(path, "memory.events");
    let of = |text: &str, key: &str| value_of(text, key).unwrap_or(0);
    MemoryStats {
        usage: number(&path.join("memory.current")).unwrap_or(0),
        max_usage: number(&path.join("memory.peak")).unwrap_or(0),
        limit: number(&path.join("memory.max")),
        swap: number(&path.join("memory.swap.current")).unwrap_or(0),
        swap_limit: number(&path.join("memory.swap.max")),
        cache: of(&stat, "file"),
        inactive_file: of(&stat, "inactive_file"),
        kernel: of(&stat, "kernel"),
        limit_hits: of(&events, "max"),
        oom_kills: of(&events, "oom_kill"),
    }
}

fn memory_v1(path: &Path) -> MemoryStats {
    let stat = text(path, "memory.stat");
    let of = |key: &str| value_of(&stat, key).unwrap_or(0);
    let read = |file: &str| number(&path.join(file));
    // "No limit" is the highest page that a signed number can count.
    let limited = |limit: Option<u64>| limit.filter(|limit| *limit < i64::MAX as u64 - 0xf_ffff);
    let usage = read("memory.usage_in_bytes").unwrap_or(0);
    let limit = limited(read("memory.limit_in_bytes"));
    let both = limited(read("memory.memsw.limit_in_bytes"));
    MemoryStats {
        usage,
        max_usage: read("memory.max_usage_in_bytes").unwrap_or(0),
        limit,
        swap: read("memory.memsw.usage_in_bytes")
            .unwrap_or(0)
            .saturating_sub(usage),
        swap_limit: both.map(|both| both.saturating_sub(limit.unwrap_or(0))),
        cache: of("total_cache"),
        inactive_file: of("total_inactive_file"),
        kernel: read("memory.kmem.usage_in_bytes").unwrap_or(0),
        limit_hits: read("memory.failcnt").unwrap_or(0),
        oom_kills: value_of(&text(path, "memory.oom_control"), "oom_kill").unwrap_or(0),
    }
}

/// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`, one device a line.
fn io_v2(stat: &str) -> Vec<IoStats> {
    let mut devices = BTreeMap::new();
    for line in stat.lines() {
        let mut words = line.split_whitespace();
        let Some((major, minor)) = words.next().and_then(device) else {
            continue;
        };
        let entry: &mut IoStats = devices.entry((major, minor)).or_default();
        (entry.major, entry.minor) = (major, minor);
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let value = value.parse().unwrap_or(0);
            match key {
                "rbytes" => entry.read_bytes = value,
                "wbytes" => entry.write_bytes = value,
                "rios" => entry.read_operations = value,
                "wios" => entry.write_operations = value,
                _ => {}
            }
        }
    }
    devices.into_values().collect()
}

fn io_v1_at(path: &Path) -> Vec<IoStats> {
    // With bfq as the scheduler the counts of throttling miss what bfq sees, and without it bfq's are empty.
    let either = |throttle: &str, bfq: &str| {
        let found = text(path, bfq);
        if found.lines().any(|line| line.contains(':')) {
            found
        } else {
            text(path, throttle)
        }
    };
    io_v1(
        &either(
            "blkio.throttle.io_service_bytes_recursive",
            "blkio.bfq.io_service_bytes_recursive",
        ),
        &either(
            "blkio.throttle.io_serviced_recursive",
            "blkio.bfq.io_serviced_recursive",
        ),
    )
}

/// `8:0 Read 4096`, one count a line, bytes and operations apart.
fn io_v1(bytes: &str, operations: &str) -> Vec<IoStats> {
    let mut devices: BTreeMap<(u32, u32), IoStats> = BTreeMap::new();
    for (text, counts_bytes) in [(bytes, true), (operations, false)] {
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [place, what, value] = words[..] else {
                continue;
            };
            let Some((major, minor)) = device(place) else {
                continue;
            };
            let entry = devices.entry((major, minor)).or_default();
            (entry.major, entry.minor) = (major, minor);
            let value = value.parse().unwrap_or(0);
            match (what, counts_bytes) {
                ("Read", true) => entry.read_bytes = value,
                ("Write", true) => entry.write_bytes = value,
                ("Read", false) => entry.read_operations = value,
                ("Write", false) => entry.write_operations = value,
                _ => {}
            }
        }
    }
    devices.into_values().collect()
}

fn device(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn hugetlb(version: Version, path: &Path) -> BTreeMap<String, HugepageStats> {
    let (usage, most) = match version {
        Version::V1 => ("usage_in_bytes", "max_usage_in_bytes"),
        Version::V2 => ("current", "peak"),
    };
    let mut sizes = BTreeMap::new();
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let size = name.to_str().and_then(|name| {
            name.strip_prefix("hugetlb.")?
                .strip_suffix(usage)?
                .strip_suffix('.')
        });
        let Some(size) = size.filter(|size| !size.contains('.')) else {
            continue;
        };
        let file = |rest: &str| path.join(format!("hugetlb.{size}.{rest}"));
        let hits = match version {
            Version::V1 => number(&file("failcnt")),
            Version::V2 => super::files::keyed(&file("events"), "max"),
        };
        sizes.insert(
            size.to_owned(),
            HugepageStats {
                usage: number(&file(usage)).unwrap_or(0),
                max_usage: number(&file(most)).unwrap_or(0),
                limit_hits: hits.unwrap_or(0),
            },
        );
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        let cpu = cpu_v2(
            "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 4\nnr_throttled 2\nthrottled_usec 7\n",
        );
        let expected = CpuStats {
            usage: 30_000,
            user: 20_000,
            system: 10_000,
            periods: 4,
            throttled_periods: 2,
            throttled: 7000,
        };
        assert_eq!(cpu, expected);
        let device = IoStats {
            major: 8,
            minor: 16,
            read_bytes: 1,
            write_bytes: 2,
            read_operations: 3,
            write_operations: 4,
        };
        assert_eq!(
            io_v2("8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n254:0 \n")[0],
            device
        );
        let bytes = "8:16 Read 1\n8:16 Write 2\n8:16 Sync 3\n8:16 Total 3\nTotal 3\n";
        assert_eq!(io_v1(bytes, "8:16 Read 3\n8:16 Write 4\n"), [device]);
        assert_eq!(io_v1("", "Total 0\n"), []);
    }

    #[test]
    fn files_of_each_version() {
        let dir = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| fs::write(dir.path().join(file), text).unwrap();
        put("memory.current", "1000\n");
        put("memory.max", "max\n");
        put("memory.swap.max", "500\n");
        put("memory.stat", "anon 1\nfile 300\ninactive_file 200\n");
        put("memory.events", "low 0\nmax 5\noom 1\noom_kill 2\n");
        put("hugetlb.2MB.current", "4096");
        put("hugetlb.2MB.rsvd.current", "0");
        let memory = memory_v2(dir.path());
        assert_eq!(
            (
                memory.usage,
                memory.limit,
                memory.swap_limit,
                memory.oom_kills
            ),
            (1000, None, Some(500), 2)
        );
        assert_eq!(
            (memory.working_set(), memory.cache, memory.limit_hits),
            (800, 300, 5)
        );
        assert_eq!(hugetlb(Version::V2, dir.path())["2MB"].usage, 4096);
        put("memory.usage_in_bytes", "1000\n");
        put("memory.memsw.usage_in_bytes", "1200\n");
        put("memory.limit_in_bytes", "9223372036854771712\n");
        put("memory.memsw.limit_in_bytes", "4000\n");
        put(
            "memory.stat",
            "cache 1\ntotal_cache 300\ntotal_inactive_file 100\n",
        );
        put(
            "memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
        );
        let memory = memory_v1(dir.path());
        assert_eq!(
            (memory.usage, memory.limit, memory.swap, memory.oom_kills),
            (1000, None, 200, 3)
        );
        assert_eq!((memory.swap_limit, memory.working_set()), (Some(4000), 900));
    }
}
