//! `minirun events`

use std::time::Duration;

use lexopt::prelude::*;
use serde_json::{Value as Json, json};

use super::arguments::{Id, text, usage};
use super::{Global, print};
use crate::cgroup::Stats;
use crate::error::{Error, ErrorKind, Result};

pub(super) const HELP: &str = "\
minirun events [OPTION...] ID: print what a container uses, as JSON lines

  --stats              once
  --interval TIME      otherwise every so often, until it stops: 5s (default), 500ms, 1m
";

pub(super) fn run(global: &Global, parser: &mut lexopt::Parser) -> Result<i32> {
    let (mut id, mut once, mut interval) = (Id::default(), false, Duration::from_secs(5));
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Long("stats") => once = true,
            Long("interval") => interval = duration(&text(parser)?)?,
            Value(given) => id.set(given)?,
            other => return Err(usage(other.unexpected())),
        }
    }
    let id = id.get()?;
    loop {
        let stats = match global.runtime.stats(&id) {
            Err(error)
                if !once
                    && matches!(error.kind(), ErrorKind::WrongStatus | ErrorKind::NotFound) =>
            {
                return Ok(0);
            }
            other => other?,
        };
        print(&format!(
            "{}\n",
            json!({"type": "stats", "id": id.as_str(), "data": data(&stats)})
        ))?;
        if once {
            return Ok(0);
        }
        std::thread::sleep(interval);
    }
}

fn duration(text: &str) -> Result<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => Some(1),
        "s" | "" => Some(1000),
        "m" => Some(60_000),
        _ => None,
    };
    let milliseconds = unit
        .zip(digits.parse::<u64>().ok())
        .and_then(|(unit, number)| number.checked_mul(unit));
    milliseconds
        .filter(|milliseconds| *milliseconds > 0)
        .map(Duration::from_millis)
        .ok_or_else(|| Error::invalid(format!("{text:?} is no interval: give 5s, 500ms or 1m")))
}

/// In the fields that readers of runc's events know.
fn data(stats: &Stats) -> Json {
    let (cpu, memory, pids) = (&stats.cpu, &stats.memory, &stats.pids);
    let unlimited = |limit: Option<u64>| limit.unwrap_or(0);
    let io = |operation: &str, read: fn(&crate::cgroup::IoStats) -> u64| -> Vec<Json> {
        let entry = |device: &crate::cgroup::IoStats| json!({"major": device.major, "minor": device.minor, "op": operation, "value": read(device)});
        stats.io.iter().map(entry).collect()
    };
    let bytes = [
        io("read", |io| io.read_bytes),
        io("write", |io| io.write_bytes),
    ]
    .concat();
    let operations = [
        io("read", |io| io.read_operations),
        io("write", |io| io.write_operations),
    ]
    .concat();
    let hugetlb: serde_json::Map<String, Json> = stats
        .hugetlb
        .iter()
        .map(|(size, pages)| {
            (
                size.clone(),
                json!({"usage": pages.usage, "max": pages.max_usage, "failcnt": pages.limit_hits}),
            )
        })
        .collect();
    json!({
        "cpu": {
            "usage": {"total": cpu.usage, "kernel": cpu.system, "user": cpu.user},
            "throttling": {"periods": cpu.periods, "throttledPeriods": cpu.throttled_periods, "throttledTime": cpu.throttled},
        },
        "memory": {
            "cache": memory.cache,
            "usage": {"limit": unlimited(memory.limit), "usage": memory.usage, "max": memory.max_usage, "failcnt": memory.limit_hits},
            "swap": {"limit": unlimited(memory.swap_limit), "usage": memory.swap, "max": 0, "failcnt": 0},
            "kernel": {"limit": 0, "usage": memory.kernel, "max": 0, "failcnt": 0},
            "raw": {"inactive_file": memory.inactive_file, "total_inactive_file": memory.inactive_file, "oom_kill": memory.oom_kills},
        },
        "pids": {"current": pids.current, "limit": unlimited(pids.limit)},
        "blkio": {"ioServiceBytesRecursive": bytes, "ioServicedRecursive": operations},
        "hugetlb": hugetlb,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(
                duration(text)
                    .ok()
                    .map(|duration| duration.as_millis() as u64),
                expected,
                "{text:?}"
            );
        };
        check("5s", Some(5000));
        check("500ms", Some(500));
        check("2m", Some(120_000));
        check("3", Some(3000));
        for wrong in ["", "s", "-1s", "0s", "1h", "5ss", "99999999999999999999s"] {
            check(wrong, None);
        }
    }
}
