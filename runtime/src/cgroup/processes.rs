//! The processes of a container, all at once: listed, stopped, continued, killed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::Cgroups;
use super::error::{CgroupError, Result};
use super::files;
use super::layout::{Controller, Version};

/// How long processes may take to stop or to die: those in an uninterruptible wait take what their device takes.
const PATIENCE: Duration = Duration::from_secs(10);

impl Cgroups {
    /// Processes of the container, those in cgroups below its own included, in ascending order.
    pub(crate) fn pids(&self) -> crate::Result<Vec<i32>> {
        Ok(self.processes()?.into_iter().collect())
    }

    fn processes(&self) -> Result<BTreeSet<i32>> {
        // The hierarchy that nobody but root moves processes in: any will do, v1 first as `exec` enters those for sure.
        let order = [
            Controller::Freezer,
            Controller::Devices,
            Controller::Pids,
            Controller::Memory,
        ];
        let group = order
            .into_iter()
            .find_map(|one| self.find(one))
            .or_else(|| self.unified());
        let Some(group) = group.or_else(|| self.groups.first()) else {
            return Ok(BTreeSet::new());
        };
        let mut pids = BTreeSet::new();
        for directory in files::tree(&group.path) {
            pids.extend(files::pids(&directory.join("cgroup.procs"))?);
        }
        Ok(pids)
    }

    /// Kills every process and waits until they are gone, however fast they multiply. Nothing there is fine; a frozen
    /// container is thawed.
    ///
    /// # Errors
    /// When some are left after ten seconds.
    pub(crate) fn kill_all(&self) -> crate::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_micros(200);
        if let Some(unified) = self.unified() {
            // One write takes all (Linux 5.14); on a hybrid it spares most of the loop below.
            let _ = files::write(&unified.path.join("cgroup.kill"), "1");
        }
        let mut freeze = false;
        loop {
            let left = self.processes()?;
            if left.is_empty() {
                return Ok(self.thaw_now()?);
            }
            if freeze {
                // Those that multiply faster than they are killed stand still for it.
                let _ = self.freeze_now(Duration::from_secs(1));
            }
            for pid in &left {
                send(*pid, libc::SIGKILL);
            }
            self.thaw_now()?;
            if Instant::now() > deadline {
                let path = self
                    .groups
                    .first()
                    .map(|group| group.path.clone())
                    .unwrap_or_default();
                return Err(CgroupError::Timeout {
                    what: "killed processes are still in the cgroup",
                    path,
                    seconds: PATIENCE.as_secs(),
                }
                .into());
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
            freeze = pause >= Duration::from_millis(2);
        }
    }

    /// Sends a signal to every process, once.
    pub(crate) fn signal_all(&self, signal: i32) -> crate::Result<()> {
        for pid in self.processes()? {
            send(pid, signal);
        }
        Ok(())
    }

    /// Stops every process, and waits until all stand still.
    ///
    /// # Errors
    /// When some don't within ten seconds; all go on then.
    pub(crate) fn freeze(&self) -> crate::Result<()> {
        let frozen = self.freeze_now(PATIENCE);
        if frozen.is_err() {
            let _ = self.thaw_now();
        }
        Ok(frozen?)
    }

    /// Lets every process go on.
    pub(crate) fn thaw(&self) -> crate::Result<()> {
        Ok(self.thaw_now()?)
    }

    /// Whether the container is stopped.
    pub(crate) fn is_frozen(&self) -> bool {
        match self.find_any(Controller::Freezer) {
            Some(group) if group.version == Version::V1 => {
                fs::read_to_string(group.path.join("freezer.state"))
                    .is_ok_and(|state| state.trim() != "THAWED")
            }
            Some(group) => files::number(&group.path.join("cgroup.freeze")) == Some(1),
            None => false,
        }
    }

    fn freeze_now(&self, patience: Duration) -> Result<()> {
        let Some(group) = self.find_any(Controller::Freezer) else {
            return Err(CgroupError::Unsupported {
                limit: "pausing".to_owned(),
                why: "this machine has neither cgroup v2 nor the v1 freezer".to_owned(),
            });
        };
        let deadline = Instant::now() + patience;
        let mut pause = Duration::from_micros(100);
        loop {
            let frozen = match group.version {
                Version::V1 => {
                    let file = group.path.join("freezer.state");
                    // Written each time: a process forked meanwhile can keep the group from getting there.
                    files::write(&file, "FROZEN")
                        .map_err(CgroupError::io("write FROZEN to", &file))?;
                    fs::read_to_string(&file).is_ok_and(|state| state.trim() == "FROZEN")
                }
                Version::V2 => {
                    let file = group.path.join("cgroup.freeze");
                    files::write(&file, "1").map_err(CgroupError::io("write 1 to", &file))?;
                    files::keyed(&group.path.join("cgroup.events"), "frozen") == Some(1)
                }
            };
            if frozen {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(CgroupError::Timeout {
                    what: "processes have not stopped in the cgroup",
                    path: group.path.clone(),
                    seconds: patience.as_secs(),
                });
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
    }

    fn thaw_now(&self) -> Result<()> {
        match self.find_any(Controller::Freezer) {
            Some(group) if group.version == Version::V1 => {
                tolerant(&group.path.join("freezer.state"), "THAWED")
            }
            Some(group) => tolerant(&group.path.join("cgroup.freeze"), "0"),
            None => Ok(()),
        }
    }
}

/// A directory that is gone needs no thawing.
fn tolerant(file: &Path, value: &str) -> Result<()> {
    match files::write(file, value) {
        Err(error) if !matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV)) => {
            Err(CgroupError::io("thaw with", file)(error))
        }
        _ => Ok(()),
    }
}

fn send(pid: i32, signal: i32) {
    if pid > 0 {
        // SAFETY: kill touches no memory of ours. The process was read from the container's own cgroup a moment ago.
        unsafe { libc::kill(pid, signal) };
    }
}
