//! The daemon of a host, as its parent sees it. Only a child that was reaped gives its pid away, and only
//! [`Keeper::reap`] reaps, under the lock: so a pid that is signalled under the lock is still the daemon's.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use super::protocol::{Answer, Daemon, Request, Status};

/// How long a signal may take to have its effect.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts, signals and reaps.
#[derive(Debug)]
pub(super) struct Keeper {
    daemon: Mutex<Daemon>,
    changed: Condvar,
    log: PathBuf,
}

impl Keeper {
    /// With no daemon yet; what it prints goes to the end of `log`.
    pub(super) fn new(log: PathBuf) -> Keeper {
        Keeper {
            daemon: Mutex::new(Daemon::Absent),
            changed: Condvar::new(),
            log,
        }
    }

    /// Does what is asked.
    pub(super) fn perform(&self, request: &Request) -> Answer {
        let mut daemon = self.lock();
        *daemon = seen(*daemon);
        if let Some(refusal) = daemon.refusal(request) {
            return Err(refusal);
        }
        match (request, daemon.pid()) {
            (Request::Start { command }, _) => {
                let pid = self
                    .spawn(command)
                    .map_err(|error| format!("cannot start: {error}"))?;
                *daemon = Daemon::Running(pid);
                self.changed.notify_all();
            }
            (Request::Kill, Some(pid)) => {
                signal(pid, Signal::SIGKILL)?;
                daemon = self.until(daemon, |daemon| daemon.pid().is_none());
            }
            (Request::Pause, Some(pid)) => {
                signal(pid, Signal::SIGSTOP)?;
                daemon = self.until(daemon, |daemon| !matches!(daemon, Daemon::Running(_)));
            }
            (Request::Unpause, Some(pid)) => {
                signal(pid, Signal::SIGCONT)?;
                daemon = self.until(daemon, |daemon| !matches!(daemon, Daemon::Paused(_)));
            }
            (Request::Status, _) | (_, None) => {}
        }
        Ok(Status {
            holder: Pid::this().as_raw(),
            daemon: *daemon,
        })
    }

    /// Reaps whatever is born or falls to this process, for ever.
    pub(super) fn reap(&self) {
        loop {
            match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
                Ok(WaitStatus::Exited(pid, code)) => self.ended(pid, Daemon::Exited(code)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    self.ended(pid, Daemon::Killed(signal as i32));
                }
                // No child, thus no descendant that could become one: nothing will, before a daemon is started.
                Err(Errno::ECHILD) => {
                    let daemon = self.lock();
                    let idle = |daemon: &mut Daemon| daemon.pid().is_none();
                    drop(
                        self.changed
                            .wait_while(daemon, idle)
                            .unwrap_or_else(PoisonError::into_inner),
                    );
                }
                // A signal without a name (a real-time one) ended it: which child it was is not told.
                Err(Errno::EINVAL) => self.ended_somehow(),
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn ended(&self, pid: Pid, how: Daemon) {
        let mut daemon = self.lock();
        // One whose program could not be executed is reaped by who wanted to start it.
        let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
        if daemon.pid() == Some(pid.as_raw()) {
            *daemon = how;
            self.changed.notify_all();
        }
    }

    fn ended_somehow(&self) {
        let mut daemon = self.lock();
        let _ = waitpid(None, Some(WaitPidFlag::WNOHANG));
        let is_gone = |pid| kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH);
        if daemon.pid().is_some_and(is_gone) {
            *daemon = Daemon::Killed(0);
            self.changed.notify_all();
        }
    }

    fn spawn(&self, command: &[String]) -> io::Result<i32> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let log = File::options().append(true).create(true).open(&self.log)?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
        i32::try_from(child.id()).map_err(io::Error::other)
    }

    /// Waits, with the lock let go of in between, until the daemon is as wanted or patience ends.
    fn until<'a>(
        &'a self,
        mut daemon: MutexGuard<'a, Daemon>,
        wanted: impl Fn(Daemon) -> bool,
    ) -> MutexGuard<'a, Daemon> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            *daemon = seen(*daemon);
            if wanted(*daemon) || Instant::now() > deadline {
                return daemon;
            }
            // Its death is told; that it has stopped or goes on is not.
            daemon = self
                .changed
                .wait_timeout(daemon, Duration::from_millis(1))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Daemon> {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn signal(pid: i32, signal: Signal) -> Result<(), String> {
    kill(Pid::from_raw(pid), signal).map_err(|errno| format!("cannot be sent {signal}: {errno}"))
}

/// The same daemon with its state of now: anyone can stop it or let it go on.
fn seen(daemon: Daemon) -> Daemon {
    let Some(pid) = daemon.pid() else {
        return daemon;
    };
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the name, which is in parentheses and may have some itself (proc_pid_stat(5)).
    let stopped = stat
        .rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with(['T', 't']));
    if stopped {
        Daemon::Paused(pid)
    } else {
        Daemon::Running(pid)
    }
}

/// Starts a thread; its failure is the holder's.
pub(super) fn in_background(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new()
        .name(name.to_owned())
        .stack_size(128 * 1024);
    thread.spawn(work).map(drop)
}
