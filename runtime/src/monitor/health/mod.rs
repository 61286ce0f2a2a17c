//! Whether a container is well: probed by an exec that joins it, from time to time, with no process of ours that stays for it.
//!
//! What is decided is decided here, with time as an argument; the monitor keeps the time ([`prober`]), and each probe is made
//! by a process that is forked for it ([`probe`]), so that the monitor never waits for one and never grows by one.

mod file;
mod probe;
mod prober;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(super) use prober::{Prober, Wait};

/// What tells whether a container is well. Durations are at least a millisecond, but `start_period` may be zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The program and its arguments, executed as the container's own first process is: exit code 0 is well.
    pub args: Vec<String>,
    /// From the end of a probe to the next one, and from the start to the first.
    pub interval: Duration,
    /// When a probe that has not ended counts as failed.
    pub timeout: Duration,
    /// So many failures in a row make it unhealthy.
    pub retries: u32,
    /// How long after the start failures don't count, unless there was a success before.
    pub start_period: Duration,
    /// In place of `interval` during that time, until the first success.
    pub start_interval: Duration,
}

/// How a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// Nobody knows yet.
    Starting,
    Healthy,
    Unhealthy,
}

/// What is known of a container's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Health {
    status: Status,
    /// Failures in a row that count.
    failing_streak: u32,
}

impl Health {
    const UNKNOWN: Health = Health {
        status: Status::Starting,
        failing_streak: 0,
    };
}

/// What a probe's result makes of the health; `began` is the time from the container's start to the probe's.
fn advance(check: &Check, health: Health, exit_code: i32, began: Duration) -> Health {
    if exit_code == 0 {
        return Health {
            status: Status::Healthy,
            failing_streak: 0,
        };
    }
    if health.status == Status::Starting && began < check.start_period {
        return health;
    }
    let failing_streak = health.failing_streak.saturating_add(1);
    Health {
        status: match failing_streak >= check.retries {
            true => Status::Unhealthy,
            false => health.status,
        },
        failing_streak,
    }
}

/// How long to rest before the next probe; `age` is the time from the container's start to now.
fn rest(check: &Check, health: Health, age: Duration) -> Duration {
    match health.status == Status::Starting && age < check.start_period {
        true => check.start_interval,
        false => check.interval,
    }
}
