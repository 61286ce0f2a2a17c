//! What a container uses, and its processes.

use std::collections::BTreeMap;
use std::fs;

use serde::Serialize;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records;
use crate::run;
use crate::stop::not_running;

/// What a container uses at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Stats {
    /// Nanoseconds of processor time since its start.
    pub cpu_nanoseconds: u64,
    /// Nanoseconds since boot when this was read: two readings give a share.
    pub taken_at_nanoseconds: u64,
    /// Processors of the host.
    pub cpus: u32,
    /// Bytes of memory, without the page cache that can be dropped.
    pub memory: u64,
    /// Bytes; the host's memory when unlimited.
    pub memory_limit: u64,
    /// Bytes received.
    pub network_received: u64,
    /// Bytes sent.
    pub network_sent: u64,
    /// Bytes read from block devices.
    pub block_read: u64,
    /// Bytes written to block devices.
    pub block_written: u64,
    /// Processes and threads.
    pub pids: u64,
}

/// Processes, one a row.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ProcessTable {
    /// UID, PID, PPID, C, STIME, TTY, TIME, CMD.
    pub titles: Vec<String>,
    /// One for each process.
    pub rows: Vec<Vec<String>>,
}

/// What a container uses now.
pub(crate) fn stats(engine: &Engine, name: &str) -> Result<Stats> {
    let record = records::find(&engine.layout, name)?;
    let Some(status) = run::status(&engine.runtime, &record.id) else {
        return Err(not_running("measure", &record));
    };
    let used = run::stats(engine, &record)?;
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (network_received, network_sent) = traffic(&read(&format!("/proc/{}/net/dev", status.pid)));
    let since_boot = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME)
        .map_err(Error::errno("read", "the clock"))?;
    Ok(Stats {
        cpu_nanoseconds: used.cpu.usage,
        taken_at_nanoseconds: std::time::Duration::from(since_boot).as_nanos() as u64,
        cpus: engine.host()?.cpus,
        memory: used.memory.working_set(),
        memory_limit: limit(used.memory.limit, host_memory(&read("/proc/meminfo"))),
        network_received,
        network_sent,
        block_read: used.io.iter().map(|device| device.read_bytes).sum(),
        block_written: used.io.iter().map(|device| device.write_bytes).sum(),
        pids: used.pids.current,
    })
}

/// What is there is the limit where a larger one, or none, was set.
fn limit(set: Option<u64>, host: u64) -> u64 {
    set.map_or(host, |set| set.min(host))
}

/// Bytes received and sent on all interfaces but loopback, from /proc/PID/net/dev.
fn traffic(text: &str) -> (u64, u64) {
    let mut total = (0, 0);
    for line in text.lines() {
        let Some((name, numbers)) = line.split_once(':') else {
            continue;
        };
        if name.trim() == "lo" {
            continue;
        }
        let numbers: Vec<u64> = numbers
            .split_whitespace()
            .map_while(|n| n.parse().ok())
            .collect();
        if let (Some(received), Some(sent)) = (numbers.first(), numbers.get(8)) {
            total.0 += received;
            total.1 += sent;
        }
    }
    total
}

/// Bytes of memory, from /proc/meminfo.
fn host_memory(meminfo: &str) -> u64 {
    meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// The processes of a container, as the host sees them.
pub(crate) fn top(engine: &Engine, name: &str) -> Result<ProcessTable> {
    let record = records::find(&engine.layout, name)?;
    if run::status(&engine.runtime, &record.id).is_none() {
        return Err(not_running("list the processes of", &record));
    }
    let clock = Clock::read()?;
    let users = users(&fs::read_to_string("/etc/passwd").unwrap_or_default());
    let mut pids = run::pids(engine, &record)?;
    pids.sort_unstable();
    // A process that has ended since is left out.
    let rows = pids
        .into_iter()
        .filter_map(|pid| row(pid, &users, &clock))
        .collect();
    let titles = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
    Ok(ProcessTable {
        titles: titles.map(str::to_owned).to_vec(),
        rows,
    })
}

/// What times in /proc/PID/stat count from and in.
struct Clock {
    boot: i64,
    ticks: u64,
    now: i64,
}

impl Clock {
    fn read() -> Result<Clock> {
        let stat = fs::read_to_string("/proc/stat").map_err(Error::io("read", "/proc/stat"))?;
        let boot = stat
            .lines()
            .find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok());
        let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)
            .ok()
            .flatten()
            .unwrap_or(100);
        Ok(Clock {
            boot: boot.unwrap_or(0),
            ticks: u64::try_from(ticks).unwrap_or(100).max(1),
            now: jiff::Timestamp::now().as_second(),
        })
    }
}

fn users(passwd: &str) -> BTreeMap<u32, String> {
    passwd
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            Some((fields.get(2)?.parse().ok()?, (*fields.first()?).to_owned()))
        })
        .collect()
}

fn row(pid: i32, users: &BTreeMap<u32, String>, clock: &Clock) -> Option<Vec<String>> {
    use std::os::unix::fs::MetadataExt;
    let directory = format!("/proc/{pid}");
    let uid = fs::metadata(&directory).ok()?.uid();
    let stat = fs::read_to_string(format!("{directory}/stat")).ok()?;
    let command = fs::read(format!("{directory}/cmdline")).ok()?;
    let user = users.get(&uid).cloned().unwrap_or_else(|| uid.to_string());
    describe(&stat, &command, clock).map(|rest| {
        let mut row = vec![user, pid.to_string()];
        row.extend(rest);
        row
    })
}

/// PPID, C, STIME, TTY, TIME and CMD from /proc/PID/stat and cmdline (proc(5)).
fn describe(stat: &str, command: &[u8], clock: &Clock) -> Option<Vec<String>> {
    // The name in parentheses may have spaces and parentheses itself.
    let (head, tail) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let terminal = number(4)?;
    let seconds = (number(11)? + number(12)?) / clock.ticks;
    let started = clock.boot + i64::try_from(number(19)? / clock.ticks).ok()?;
    let age = u64::try_from(clock.now - started).unwrap_or(0).max(1);
    let words: Vec<String> = command
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    Some(vec![
        (*fields.get(1)?).to_owned(),
        (seconds * 100 / age).to_string(),
        start_time(started, clock.now),
        match terminal {
            0 => "?".to_owned(),
            device => format!("pts/{}", (device & 0xff) | (device >> 12 & 0xf_ff00)),
        },
        format!(
            "{:02}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        ),
        if words.is_empty() {
            format!("[{name}]")
        } else {
            words.join(" ")
        },
    ])
}

/// The time of day within the last day, else the day.
fn start_time(started: i64, now: i64) -> String {
    let format = if now - started < 24 * 3600 {
        "%H:%M"
    } else {
        "%b%d"
    };
    jiff::Timestamp::from_second(started)
        .map(|time| {
            time.to_zoned_datetime(jiff::tz::TimeZone::system())
                .strftime(format)
                .to_string()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_leaves_loopback_out() {
        let text = "Inter-|   Receive\n face |bytes packets\n    lo: 100 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0\n  eth0: 2000 5 0 0 0 0 0 0 300 4 0 0 0 0 0 0\n  eth1:1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n";
        assert_eq!(traffic(text), (2001, 302));
        assert_eq!(traffic(""), (0, 0));
    }

    #[test]
    fn memory_of_the_host() {
        assert_eq!(
            (limit(None, 9), limit(Some(5), 9), limit(Some(99), 9)),
            (9, 5, 9)
        );
        assert_eq!(
            host_memory("MemFree: 1 kB\nMemTotal:       2048 kB\n"),
            2 << 20
        );
    }

    #[test]
    fn processes_are_described() {
        let clock = Clock {
            boot: 0,
            ticks: 100,
            now: 2000,
        };
        let stat = "7 (a) b (c) S 3 7 7 34816 7 4194560 1 0 0 0 6000 1500 0 0 20 0 1 0 100000 1 1";
        let row = describe(stat, b"sleep\x00100\x00", &clock).unwrap();
        assert_eq!(
            (row[0].as_str(), row[1].as_str(), row[3].as_str()),
            ("3", "7", "pts/0")
        );
        assert_eq!(
            (row[4].as_str(), row[5].as_str()),
            ("00:01:15", "sleep 100")
        );
        assert_eq!(describe(stat, b"", &clock).unwrap()[5], "[a) b (c]");
        assert!(describe("nonsense", b"", &clock).is_none());
    }
}
