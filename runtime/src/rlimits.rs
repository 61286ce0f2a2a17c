//! Resource limits of processes (getrlimit(2)): their names, and whether they can be had, decided before anything is started.

use std::collections::BTreeSet;
use std::fs;

use libc::rlimit;
use oci_spec::runtime::{PosixRlimit, PosixRlimitType};

use crate::{Error, ErrorKind, Result};

/// A limit ready for setrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rlimit {
    /// RLIMIT_*.
    pub(crate) resource: u32,
    /// In the resource's own unit; `u64::MAX` is no limit.
    pub(crate) soft: u64,
    /// As `soft`; what it can be raised to later without privilege.
    pub(crate) hard: u64,
}

/// What this process may ask for.
struct Allowed {
    /// CAP_SYS_RESOURCE: hard limits can be raised.
    raise: bool,
    /// The most descriptors that anyone may have (/proc/sys/fs/nr_open).
    descriptors: u64,
    /// The hard limit of a resource now.
    hard: fn(u32) -> u64,
}

/// Turns the limits of a specification into those for setrlimit(2).
///
/// # Errors
/// [`ErrorKind::InvalidSpec`] for a soft limit above the hard one or a limit given twice; [`ErrorKind::Limit`] for a hard
/// limit above the present one without CAP_SYS_RESOURCE. Each names the limit, the value asked for and the one allowed.
pub(crate) fn resolve(limits: &[PosixRlimit]) -> Result<Vec<Rlimit>> {
    if limits.is_empty() {
        return Ok(Vec::new());
    }
    let allowed = Allowed {
        raise: may_raise(),
        descriptors: most_descriptors(),
        hard,
    };
    check(limits, &allowed)
}

fn check(limits: &[PosixRlimit], allowed: &Allowed) -> Result<Vec<Rlimit>> {
    let mut seen = BTreeSet::new();
    let mut resolved = Vec::with_capacity(limits.len());
    for limit in limits {
        let (resource, name) = resource(limit.typ());
        let Rlimit { soft, hard, .. } = Rlimit {
            resource,
            soft: limit.soft(),
            hard: limit.hard(),
        };
        if !seen.insert(resource) {
            return Err(Error::new(
                ErrorKind::InvalidSpec,
                format!("limit {name} is given twice"),
            ));
        }
        if soft > hard {
            let message = format!(
                "limit {name}: the soft limit {} is above the hard limit {}",
                shown(soft),
                shown(hard)
            );
            return Err(Error::new(ErrorKind::InvalidSpec, message));
        }
        let present = (allowed.hard)(resource);
        if hard > present && !allowed.raise {
            let message = format!(
                "limit {name}: {} is asked for, but {} is the most that this host allows (raising it takes CAP_SYS_RESOURCE)",
                shown(hard),
                shown(present)
            );
            return Err(Error::new(ErrorKind::Limit, message));
        }
        if resource == libc::RLIMIT_NOFILE && hard > allowed.descriptors && hard > present {
            let message = format!(
                "limit {name}: {} is asked for, but {} is the most that the kernel allows (sysctl fs.nr_open)",
                shown(hard),
                allowed.descriptors
            );
            return Err(Error::new(ErrorKind::Limit, message));
        }
        resolved.push(Rlimit {
            resource,
            soft,
            hard,
        });
    }
    Ok(resolved)
}

fn shown(value: u64) -> String {
    if value == u64::MAX {
        "unlimited".to_owned()
    } else {
        value.to_string()
    }
}

/// Number and short name.
fn resource(kind: PosixRlimitType) -> (u32, &'static str) {
    match kind {
        PosixRlimitType::RlimitCpu => (libc::RLIMIT_CPU, "cpu"),
        PosixRlimitType::RlimitFsize => (libc::RLIMIT_FSIZE, "fsize"),
        PosixRlimitType::RlimitData => (libc::RLIMIT_DATA, "data"),
        PosixRlimitType::RlimitStack => (libc::RLIMIT_STACK, "stack"),
        PosixRlimitType::RlimitCore => (libc::RLIMIT_CORE, "core"),
        PosixRlimitType::RlimitRss => (libc::RLIMIT_RSS, "rss"),
        PosixRlimitType::RlimitNproc => (libc::RLIMIT_NPROC, "nproc"),
        PosixRlimitType::RlimitNofile => (libc::RLIMIT_NOFILE, "nofile"),
        PosixRlimitType::RlimitMemlock => (libc::RLIMIT_MEMLOCK, "memlock"),
        PosixRlimitType::RlimitAs => (libc::RLIMIT_AS, "as"),
        PosixRlimitType::RlimitLocks => (libc::RLIMIT_LOCKS, "locks"),
        PosixRlimitType::RlimitSigpending => (libc::RLIMIT_SIGPENDING, "sigpending"),
        PosixRlimitType::RlimitMsgqueue => (libc::RLIMIT_MSGQUEUE, "msgqueue"),
        PosixRlimitType::RlimitNice => (libc::RLIMIT_NICE, "nice"),
        PosixRlimitType::RlimitRtprio => (libc::RLIMIT_RTPRIO, "rtprio"),
        PosixRlimitType::RlimitRttime => (libc::RLIMIT_RTTIME, "rttime"),
    }
}

fn hard(resource: u32) -> u64 {
    let mut limit = rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: getrlimit writes one rlimit, and `limit` is one.
    match unsafe { libc::getrlimit(resource, &mut limit) } {
        0 => limit.rlim_max,
        // The kernel knows no such resource: setrlimit will say so.
        _ => u64::MAX,
    }
}

/// CAP_SYS_RESOURCE among the effective capabilities, as /proc/self/status has them (proc(5)).
fn may_raise() -> bool {
    const SYS_RESOURCE: u32 = 24;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    // Without /proc the kernel is left to judge.
    bits.is_none_or(|bits| bits >> SYS_RESOURCE & 1 == 1)
}

fn most_descriptors() -> u64 {
    let text = fs::read_to_string("/proc/sys/fs/nr_open").unwrap_or_default();
    text.trim().parse().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_checked_beforehand() {
        let check = |raise: bool, limits: serde_json::Value, expected: Result<usize, &str>| {
            let limits: Vec<PosixRlimit> = serde_json::from_value(limits).unwrap();
            let allowed = Allowed {
                raise,
                descriptors: 1_048_576,
                hard: |_| 4096,
            };
            let seen = super::check(&limits, &allowed)
                .map(|list| list.len())
                .map_err(|error| error.to_string());
            assert_eq!(seen, expected.map_err(str::to_owned), "{limits:?}");
        };
        use serde_json::json;
        check(false, json!([]), Ok(0));
        check(
            false,
            json!([{"type": "RLIMIT_NOFILE", "soft": 1000, "hard": 4096}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]),
            Ok(2),
        );
        check(
            false,
            json!([{"type": "RLIMIT_NPROC", "soft": 1, "hard": 5000}]),
            Err(
                "limit nproc: 5000 is asked for, but 4096 is the most that this host allows (raising it takes CAP_SYS_RESOURCE)",
            ),
        );
        check(
            true,
            json!([{"type": "RLIMIT_NPROC", "soft": 1, "hard": 5000}]),
            Ok(1),
        );
        check(
            true,
            json!([{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 9999999}]),
            Err(
                "limit nofile: 9999999 is asked for, but 1048576 is the most that the kernel allows (sysctl fs.nr_open)",
            ),
        );
        check(
            true,
            json!([{"type": "RLIMIT_AS", "soft": u64::MAX, "hard": 5}]),
            Err("limit as: the soft limit unlimited is above the hard limit 5"),
        );
        check(
            true,
            json!([{"type": "RLIMIT_AS", "soft": 1, "hard": 5}, {"type": "RLIMIT_AS", "soft": 1, "hard": 5}]),
            Err("limit as is given twice"),
        );
    }

    #[test]
    fn present_limits_can_be_had() {
        let nofile = serde_json::json!([{"type": "RLIMIT_NOFILE", "soft": 1, "hard": hard(libc::RLIMIT_NOFILE)}]);
        let limits: Vec<PosixRlimit> = serde_json::from_value(nofile).unwrap();
        assert_eq!(resolve(&limits).unwrap()[0].resource, libc::RLIMIT_NOFILE);
    }
}
