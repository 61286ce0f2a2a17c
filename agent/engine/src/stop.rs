//! Ending a container and waiting for its end. Nothing polls: the kernel tells when the process has ended, and the
//! monitor's lock when everything has been tidied up.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::container::{ExitStatus, Record, Status};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::json;
use crate::lock::{self, Lock};
use crate::records;
use crate::remove;
use crate::run;
use crate::sys;

/// Seconds between the stop signal and SIGKILL, as in Docker.
const TIMEOUT: i64 = 10;
/// How long after SIGKILL a process may stay; only one that hangs in the kernel does.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// Stops a container.
pub(crate) fn stop(engine: &Engine, name: &str, timeout: Option<i64>) -> Result<()> {
    let record = records::find(&engine.layout, name)?;
    let Some(process) = process(engine, &record)? else {
        return settle(engine, &record);
    };
    let timeout = timeout.or(record.spec.stop_timeout).unwrap_or(TIMEOUT);
    let timeout = u64::try_from(timeout).ok().map(Duration::from_secs);
    let signal = run::signal(&record.process.stop_signal)?;
    send(engine, &record, signal)?;
    if process.paused && signal != libc::SIGKILL {
        // A frozen process can't heed the signal.
        run::resume(engine, &record)?;
    }
    match process.wait(timeout)? {
        true => settle(engine, &record),
        false => end(engine, &record),
    }
}

/// Ends a container with SIGKILL and waits until it is tidied up.
pub(crate) fn end(engine: &Engine, record: &Record) -> Result<()> {
    if let Some(process) = process(engine, record)? {
        send(engine, record, libc::SIGKILL)?;
        if !process.wait(Some(KILL_TIMEOUT))? {
            return Err(Error::State {
                operation: "stop",
                object: format!("container {}", record.name),
                why: "its process hangs in the kernel and takes no SIGKILL; look for a stuck disk or network file system"
                    .to_owned(),
            });
        }
    }
    settle(engine, record)
}

/// Sends a signal to the first process.
pub(crate) fn kill(engine: &Engine, name: &str, signal: i32) -> Result<()> {
    let record = records::find(&engine.layout, name)?;
    let Some(process) = process(engine, &record)? else {
        return Err(not_running("kill", &record));
    };
    send(engine, &record, signal)?;
    if signal == libc::SIGKILL && process.wait(Some(KILL_TIMEOUT))? {
        settle(engine, &record)?;
    }
    Ok(())
}

/// Waits until the container doesn't run any more.
pub(crate) fn wait(engine: &Engine, name: &str) -> Result<ExitStatus> {
    let record = records::find(&engine.layout, name)?;
    wait_for(engine, &record)
}

fn wait_for(engine: &Engine, record: &Record) -> Result<ExitStatus> {
    let layout = &engine.layout;
    if let Some((file, path)) = monitor_lock(engine, record)? {
        let mut file = lock::wait_free(file, &path)?;
        // Its exit command leaves word in the file; when that was killed too, we do its work.
        for attempt in 0..2 {
            let mut word = Vec::new();
            file.rewind()
                .and_then(|()| file.read_to_end(&mut word))
                .map_err(Error::io("read", &path))?;
            if let Ok(exit) = serde_json::from_slice(&word) {
                return Ok(exit);
            }
            if attempt == 0 {
                tidy(engine, record)?;
            }
        }
    }
    match json::read(&layout.exit(&record.id))? {
        Some(exit) => Ok(exit),
        // Made and never started: nothing to wait for, as in Docker.
        None if layout.record(&record.id).exists() => Ok(ExitStatus {
            exit_code: 0,
            signal: None,
            oom_killed: false,
            pid: None,
            started_at: None,
            finished_at: None,
            error: None,
        }),
        None => Err(Error::container(&record.name)),
    }
}

/// Waits until the monitor and its exit command are done, and does their work if they died over it.
pub(crate) fn settle(engine: &Engine, record: &Record) -> Result<()> {
    if let Some((file, path)) = monitor_lock(engine, record)? {
        lock::wait_free(file, &path)?;
        tidy(engine, record)?;
    }
    Ok(())
}

/// The file that the monitor holds the lock on; `None` when there is no run of the container left. Looked for under the
/// container's own lock: between the start and the moment the monitor has its lock nobody may touch that.
fn monitor_lock(engine: &Engine, record: &Record) -> Result<Option<(File, PathBuf)>> {
    let Some(_lock) = Lock::wait(&engine.layout.container(&record.id))? else {
        return Ok(None);
    };
    let path = engine.layout.monitor_lock(&record.id);
    match File::open(&path) {
        Ok(file) => Ok(Some((file, path))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("open", &path)(error)),
    }
}

fn tidy(engine: &Engine, record: &Record) -> Result<()> {
    let layout = &engine.layout;
    if let Some(_lock) = Lock::wait(&layout.container(&record.id))?
        && layout.run_container(&record.id).exists()
        && !lock::is_held(&layout.monitor_lock(&record.id))?
    {
        remove::lost(
            engine,
            &record.id,
            137,
            "the monitor of the container was killed",
        )?;
    }
    Ok(())
}

/// The first process of a running container.
pub(crate) struct Process {
    descriptor: OwnedFd,
    pub(crate) paused: bool,
}

impl Process {
    /// Polls readable once the process has ended.
    pub(crate) fn descriptor(&self) -> &OwnedFd {
        &self.descriptor
    }

    pub(crate) fn into_descriptor(self) -> OwnedFd {
        self.descriptor
    }

    /// Waits for its end; whether it came in time.
    fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let left = match deadline {
                None => PollTimeout::NONE,
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    // Rounded up, so that the last millisecond is not spent in a loop.
                    PollTimeout::try_from(left + Duration::from_micros(999))
                        .unwrap_or(PollTimeout::MAX)
                }
            };
            let mut descriptors = [PollFd::new(self.descriptor.as_fd(), PollFlags::POLLIN)];
            match poll(&mut descriptors, left) {
                Ok(0) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    return Ok(false);
                }
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(true),
                Err(errno) => {
                    return Err(Error::errno("wait for", "the container's process")(errno));
                }
            }
        }
    }
}

/// `None` when the container doesn't run.
pub(crate) fn process(engine: &Engine, record: &Record) -> Result<Option<Process>> {
    let Some(status) = run::status(&engine.runtime, &record.id) else {
        return Ok(None);
    };
    let descriptor = match sys::pidfd_open(status.pid) {
        Ok(descriptor) => descriptor,
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
        Err(error) => return Err(Error::io("open", "the container's process")(error)),
    };
    // The same still, so the descriptor is not that of a later process with the same number.
    let same =
        run::status(&engine.runtime, &record.id).is_some_and(|again| again.pid == status.pid);
    Ok(same.then_some(Process {
        descriptor,
        paused: status.status == Status::Paused,
    }))
}

/// `SIGKILL` thaws a paused container too.
fn send(engine: &Engine, record: &Record, signal: i32) -> Result<()> {
    match run::kill(engine, record, signal) {
        // It ended meanwhile, which is what was wanted.
        Err(Error::Runtime { .. }) if run::status(&engine.runtime, &record.id).is_none() => Ok(()),
        other => other,
    }
}

pub(crate) fn not_running(operation: &'static str, record: &Record) -> Error {
    Error::State {
        operation,
        object: format!("container {}", record.name),
        why: format!(
            "it is not running; start it with: minictl start {}",
            record.name
        ),
    }
}
