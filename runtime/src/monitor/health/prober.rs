//! The monitor's side: when the next probe is due, and the process of ours that makes it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{pipe2, read};

use super::super::memory;
use super::super::options::Options;
use super::{Check, Health, advance, file, probe, rest};
use crate::sys::clone::{self, Cloned};
use crate::sys::pidfd;
use crate::{ContainerId, Error, ErrorKind, Result, Runtime};

/// How long a killed process of ours may take to end.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is probed.
#[derive(Debug)]
pub(in crate::monitor) struct Job {
    pub(super) runtime: Runtime,
    pub(super) id: ContainerId,
    pub(super) check: Check,
    /// Where the results are kept.
    pub(super) file: PathBuf,
}

/// Keeps the time of one container's probes. Dropped, it ends the one that is under way.
#[derive(Debug)]
pub(in crate::monitor) struct Prober {
    job: Job,
    /// When the container was started.
    started: Instant,
    health: Health,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Nothing to do until then.
    Resting(Instant),
    /// A process of ours is at it.
    Probing {
        /// Since the container's start.
        began: Duration,
        /// Where it tells the exit code.
        result: OwnedFd,
        process: OwnedFd,
    },
}

/// What is waited for.
#[derive(Debug)]
pub(in crate::monitor) enum Wait<'a> {
    /// The result of a probe, or the end of who makes it.
    Result(BorrowedFd<'a>),
    /// Time to pass.
    Time(Duration),
}

impl Prober {
    /// Reads the check, if there is one, and begins the file of its results.
    pub(in crate::monitor) fn prepare(options: &Options) -> Result<Option<Job>> {
        let (Some(path), Some(file)) = (&options.health_check, &options.health_file) else {
            return Ok(None);
        };
        let text = std::fs::read(path).map_err(Error::sys("read", path.display()))?;
        let check: Check = serde_json::from_slice(&text).map_err(|error| {
            Error::caused(
                ErrorKind::InvalidSpec,
                format!("read {}", path.display()),
                error,
            )
        })?;
        if check.args.is_empty() || check.interval.is_zero() || check.start_interval.is_zero() {
            return Err(Error::invalid(format!(
                "read {}: a health check needs args and intervals above zero",
                path.display()
            )));
        }
        file::begin(file).map_err(Error::sys("write", file.display()))?;
        Ok(Some(Job {
            runtime: options.runtime.clone(),
            id: options.id.clone(),
            check,
            file: file.clone(),
        }))
    }

    /// For a container that was started just `now`.
    pub(in crate::monitor) fn new(job: Job, now: Instant) -> Prober {
        let first = rest(&job.check, Health::UNKNOWN, Duration::ZERO);
        Prober {
            job,
            started: now,
            health: Health::UNKNOWN,
            phase: Phase::Resting(now + first),
        }
    }

    /// What it waits for.
    pub(in crate::monitor) fn waits_for(&self, now: Instant) -> Wait<'_> {
        match &self.phase {
            Phase::Resting(until) => Wait::Time(until.saturating_duration_since(now)),
            Phase::Probing { result, .. } => Wait::Result(result.as_fd()),
        }
    }

    /// Begins a probe that is due; takes the result of one that has ended (`told`).
    pub(in crate::monitor) fn serve(&mut self, told: bool, now: Instant) {
        match &self.phase {
            Phase::Resting(until) if now >= *until => self.probe(now),
            Phase::Probing { began, result, .. } if told => {
                let mut code = [0; 4];
                match read(result, &mut code) {
                    Err(Errno::EINTR | Errno::EAGAIN) => return,
                    Ok(4) => {
                        let code = i32::from_le_bytes(code);
                        self.health = advance(&self.job.check, self.health, code, *began);
                    }
                    // A probe that says nothing was held, or died of what is not the container's fault.
                    _ => {}
                }
                self.rest(now);
                memory::release();
            }
            _ => {}
        }
    }

    fn rest(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.started);
        self.phase = Phase::Resting(now + rest(&self.job.check, self.health, age));
    }

    fn probe(&mut self, now: Instant) {
        let began = now.saturating_duration_since(self.started);
        let Ok((result, report)) = pipe2(OFlag::O_CLOEXEC) else {
            return self.rest(now);
        };
        match clone::clone(0, None) {
            Ok(Cloned::Child) => probe::run(&self.job, self.health, began, report),
            Ok(Cloned::Parent(_, process)) => {
                self.phase = Phase::Probing {
                    began,
                    result,
                    process,
                }
            }
            // The host has no room for a process now: it may have later.
            Err(_) => self.rest(now),
        }
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        if let Phase::Probing { process, .. } = &self.phase {
            // Nothing of it shall be written once others begin to clean up. It was reaped already if this fails.
            let _ = pidfd::signal(process.as_fd(), libc::SIGKILL);
            let _ = pidfd::wait_end(process.as_fd(), PATIENCE);
        }
    }
}
