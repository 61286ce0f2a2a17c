//! One probe, in a process forked from the monitor: it sends the program into the container, waits for its end, no longer than
//! it may take, keeps the result and tells the monitor.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use nix::unistd::{Pid, getsid, pipe2, read};

use super::super::relay::nonblocking;
use super::file::{self, Entry};
use super::prober::Job;
use super::{Health, advance};
use crate::cgroup::Cgroups;
use crate::log::rfc3339;
use crate::process::exec::{self, Begun};
use crate::process::sync::{Channel, Report};
use crate::state::Init;
use crate::sys::{descriptors, pidfd, process};
use crate::{Error, ErrorKind, ExecOptions, Result, Stdio};

/// Bytes of output that are kept.
const OUTPUT: usize = 4096;
/// How many times that much is read before anything else is looked at.
const CHUNKS: u32 = 64;
/// Exit code of a probe that was not executed or did not end in time, as in Docker.
const NONE: i32 = -1;
/// How long a killed probe may take to end, and a container that seems to be ending.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a session is looked through for what was forked while it was killed.
const ROUNDS: u32 = 20;
const ROUND: Duration = Duration::from_millis(5);

/// Makes a probe and tells its exit code by `report`: four bytes, or none when there is no result. For a process that was
/// just forked from the monitor.
pub(super) fn run(job: &Job, health: Health, began: Duration, report: OwnedFd) -> ! {
    // What the monitor holds, its lock above all, must not live on with this process.
    // SAFETY: nothing that the monitor owned is used here, and nothing is dropped: the process ends by _exit(2).
    unsafe { descriptors::close_all_but(vec![report.as_raw_fd()]) };
    if let Some(entry) = probe(job, report.as_fd()) {
        let exit_code = entry.exit_code;
        let health = advance(&job.check, health, exit_code, began);
        // A full disk doesn't keep the monitor from knowing; the next result is written with what it knows.
        let _ = file::add(&job.file, health, entry);
        let _ = File::from(report).write_all(&exit_code.to_le_bytes());
    }
    process::exit_now(0)
}

/// The result; none when the container is paused or ends, or the monitor does.
fn probe(job: &Job, report: BorrowedFd<'_>) -> Option<Entry> {
    let start = SystemTime::now();
    let (record, init) = job.runtime.living(&job.id).ok()?;
    let first = pidfd::open(init.pid).ok()?;
    if !init.alive() {
        return None;
    }
    let cgroups = Cgroups::from_paths(&record.cgroups);
    let end = attempt(job, &cgroups, report);
    let stopped = SystemTime::now();
    let (exit_code, output) = match end {
        Ok(End::Exited(exit_code, output)) => (exit_code, output),
        Ok(End::TimedOut(output)) => (NONE, too_long(job.check.timeout, &output)),
        Ok(End::Void) => return None,
        // The container's end takes its processes along, and lets no other in: that says nothing about its health.
        Ok(End::Killed(_)) | Err(_) if ends(first.as_fd(), &end) => return None,
        Ok(End::Killed(output)) => (128 + libc::SIGKILL, output),
        Err(error) => (NONE, error.chain()),
    };
    Some(Entry {
        start: rfc3339(start),
        end: rfc3339(stopped),
        exit_code,
        output,
    })
}

/// How a probe ended.
enum End {
    Exited(i32, String),
    /// By SIGKILL, which was not ours.
    Killed(String),
    TimedOut(String),
    /// The container is paused, or the monitor has ended.
    Void,
}

/// Whether the container ends now. A program that is not there is no sign of it.
fn ends(first: BorrowedFd<'_>, end: &Result<End>) -> bool {
    let program = [
        ErrorKind::CommandNotFound,
        ErrorKind::CommandNotExecutable,
        ErrorKind::InvalidSpec,
    ];
    match end {
        Err(error) if program.contains(&error.kind()) => false,
        _ => pidfd::wait_end(first, PATIENCE).unwrap_or(true),
    }
}

/// In Docker's words.
fn too_long(timeout: Duration, output: &str) -> String {
    match output {
        "" => format!("Health check exceeded timeout ({timeout:?})"),
        _ => format!("Health check exceeded timeout ({timeout:?}): {output}"),
    }
}

fn attempt(job: &Job, cgroups: &Cgroups, report: BorrowedFd<'_>) -> Result<End> {
    let deadline = Instant::now() + job.check.timeout;
    let container = job.runtime.stored_spec(&job.id)?;
    let spec = exec::like_the_first(&container, job.check.args.clone());
    let failed = || Error::sys::<Errno>("make", "a pipe");
    let (output, theirs) = pipe2(OFlag::O_CLOEXEC).map_err(failed())?;
    nonblocking(&output).map_err(Error::sys("configure", "a pipe"))?;
    let errors = theirs
        .try_clone()
        .map_err(Error::sys("copy", "a descriptor"))?;
    let null = File::open("/dev/null").map_err(Error::sys("open", "/dev/null"))?;
    let options = ExecOptions {
        stdio: Stdio::Given([null.into(), theirs, errors]),
        ..ExecOptions::default()
    };
    match exec::begin(&job.runtime, &job.id, &container, &spec, options) {
        Ok(begun) => Probing::new(begun, output, deadline).until_end(cgroups, report),
        Err(error) if error.kind() == ErrorKind::WrongStatus => Ok(End::Void),
        Err(error) => Err(error),
    }
}

/// A probe under way.
struct Probing {
    pid: i32,
    pidfd: OwnedFd,
    /// Until the program is executed.
    channel: Option<Channel>,
    executing: bool,
    /// Until nobody writes to it any more.
    output: Option<OwnedFd>,
    kept: Vec<u8>,
    truncated: bool,
    deadline: Instant,
}

impl Probing {
    fn new(begun: Begun, output: OwnedFd, deadline: Instant) -> Probing {
        Probing {
            pid: begun.pid,
            pidfd: begun.pidfd,
            channel: Some(begun.channel),
            executing: false,
            output: Some(output),
            kept: Vec::with_capacity(OUTPUT),
            truncated: false,
            deadline,
        }
    }

    fn until_end(mut self, cgroups: &Cgroups, report: BorrowedFd<'_>) -> Result<End> {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(self.give_up(cgroups));
            }
            let [ended, alone, told] = self.wait(report, left)?;
            if alone {
                // The container ends with its monitor, as soon as somebody reaps the probe.
                self.end_session(cgroups);
                return Ok(End::Void);
            }
            if told {
                self.hear()?;
            }
            self.read_output();
            if ended && self.channel.is_none() {
                return self.result();
            }
        }
    }

    /// Waits for whatever comes first; whether the process has ended, whether the monitor has, and whether the channel has news.
    fn wait(&self, report: BorrowedFd<'_>, left: Duration) -> Result<[bool; 3]> {
        // Rounded up, so that the last millisecond is not spent in a loop.
        let timeout =
            PollTimeout::try_from(left + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX);
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        // Whoever writes to a pipe that nobody can read from any more is told so without asking.
        let mut fds = vec![
            readable(self.pidfd.as_fd()),
            PollFd::new(report, PollFlags::empty()),
        ];
        fds.extend(
            self.channel
                .as_ref()
                .map(|channel| readable(channel.as_fd())),
        );
        fds.extend(self.output.as_ref().map(|output| readable(output.as_fd())));
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::sys("wait for", "a probe")(errno)),
        }
        let any = |place: usize| fds.get(place).is_some_and(|fd| fd.any() == Some(true));
        Ok([any(0), any(1), self.channel.is_some() && any(2)])
    }

    /// What the process says before it is the program.
    fn hear(&mut self) -> Result<()> {
        let Some(channel) = &self.channel else {
            return Ok(());
        };
        let failure = match channel.next()? {
            Some(Report::Created) => {
                // If it is gone, the channel ends.
                let _ = channel.go();
                return Ok(());
            }
            Some(Report::Executing) => {
                self.executing = true;
                return Ok(());
            }
            None if self.executing => {
                self.channel = None;
                return Ok(());
            }
            Some(Report::Failed(error)) => error,
            _ => Error::new(
                ErrorKind::Io,
                "the probe ended before its program was executed",
            ),
        };
        let _ = pidfd::signal(self.pidfd.as_fd(), libc::SIGKILL);
        if pidfd::wait_end(self.pidfd.as_fd(), PATIENCE).unwrap_or(false) {
            let _ = pidfd::reap(self.pidfd.as_fd());
        }
        Err(failure)
    }

    /// Reads all that is there; what is too much is read too, or the program would wait for it to be read.
    fn read_output(&mut self) {
        let mut chunk = [0; OUTPUT];
        // Who writes for ever is not read for ever.
        for _ in 0..CHUNKS {
            let Some(output) = &self.output else { return };
            match read(output, &mut chunk) {
                Ok(0) => self.output = None,
                Ok(length) => {
                    let room = OUTPUT - self.kept.len();
                    self.kept.extend_from_slice(&chunk[..length.min(room)]);
                    self.truncated |= length > room;
                }
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    fn result(mut self) -> Result<End> {
        let status = pidfd::reap(self.pidfd.as_fd());
        self.read_output();
        let output = text(&self.kept, self.truncated);
        Ok(match status {
            Ok(WaitStatus::Signaled(_, Signal::SIGKILL, _)) => End::Killed(output),
            Ok(status) => End::Exited(pidfd::exit_code(status), output),
            Err(_) => End::Exited(NONE, output),
        })
    }

    /// Ends the program and all that it has started.
    fn give_up(mut self, cgroups: &Cgroups) -> End {
        if cgroups.is_frozen() {
            // It dies of it when it is thawed, at the latest.
            self.kill_session(cgroups);
            return End::Void;
        }
        self.end_session(cgroups);
        self.read_output();
        End::TimedOut(text(&self.kept, self.truncated))
    }

    /// Kills everybody of the session, also those who are forked meanwhile, and reaps the first.
    fn end_session(&self, cgroups: &Cgroups) {
        for _ in 0..ROUNDS {
            if self.kill_session(cgroups) == 0 {
                break;
            }
            std::thread::sleep(ROUND);
        }
        // Not before now: as long as the first of the session is there its number means nobody else.
        if pidfd::wait_end(self.pidfd.as_fd(), PATIENCE).unwrap_or(false) {
            let _ = pidfd::reap(self.pidfd.as_fd());
        }
    }

    /// Kills everybody of the session once; how many there were beside the first.
    fn kill_session(&self, cgroups: &Cgroups) -> usize {
        let _ = pidfd::signal(self.pidfd.as_fd(), libc::SIGKILL);
        let all = cgroups.pids().unwrap_or_default();
        let members = all.into_iter().filter(|pid| {
            *pid != self.pid
                && getsid(Some(Pid::from_raw(*pid))) == Ok(Pid::from_raw(self.pid))
                && Init::of(*pid).is_ok_and(Init::alive)
        });
        members
            .inspect(|pid| {
                // SAFETY: no memory is involved. It was read from the container's own cgroup a moment ago.
                unsafe { libc::kill(*pid, libc::SIGKILL) };
            })
            .count()
    }
}

/// Output as text: what is cut off, is cut between two characters and marked as in Docker.
fn text(bytes: &[u8], truncated: bool) -> String {
    if !truncated {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let whole = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    };
    String::from_utf8_lossy(&bytes[..whole]).into_owned() + "..."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_cut_between_characters() {
        fn check(bytes: &[u8], truncated: bool, expected: &str) {
            assert_eq!(text(bytes, truncated), expected);
        }
        check(b"", false, "");
        check("wohl \u{e4}".as_bytes(), false, "wohl \u{e4}");
        check(b"wohl \xc3", true, "wohl ...");
        check(b"wohl \xc3", false, "wohl \u{fffd}");
        check(b"\xff ok", true, "\u{fffd} ok...");
    }
}
