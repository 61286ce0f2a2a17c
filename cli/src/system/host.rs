//! Facts of this host that `version` and `info` show.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The kernel's release, `6.1.0-18-amd64`.
pub(crate) fn kernel() -> String {
    read("/proc/sys/kernel/osrelease")
}

/// The distribution, `Debian GNU/Linux 12 (bookworm)`.
pub(crate) fn distribution() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(
        || "unknown".to_owned(),
        |name| name.trim_matches('"').to_owned(),
    )
}

/// Which cgroup hierarchies are mounted: `2`, `1`, or `1 (hybrid)`.
pub(crate) fn cgroup_version() -> &'static str {
    let root = Path::new("/sys/fs/cgroup");
    match (
        root.join("cgroup.controllers").exists(),
        root.join("unified/cgroup.controllers").exists(),
    ) {
        (true, _) => "2",
        (false, true) => "1 (hybrid)",
        (false, false) => "1",
    }
}

/// What `minirun --version` says of itself, or why it doesn't.
pub(crate) fn minirun_version(minirun: &Path) -> String {
    let output = match Command::new(minirun).arg("--version").output() {
        Ok(output) => output,
        Err(error) => return format!("not usable: {}: {error}", minirun.display()),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let first = text.lines().next().unwrap_or_default();
    first
        .rsplit(' ')
        .next()
        .filter(|version| !version.is_empty())
        .unwrap_or("unknown")
        .to_owned()
}

/// Bytes of memory.
pub(crate) fn memory() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    kilobytes
        .and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes * 1024)
}

/// How many processors we may run on.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The host's name.
pub(crate) fn name() -> String {
    read("/proc/sys/kernel/hostname")
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}
