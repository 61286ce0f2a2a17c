//! The verbs on the containers of one directory of states.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use oci_spec::runtime::{LinuxResources, Process, Spec};

use crate::cgroup::{Cgroups, Stats};
use crate::error::{Error, ErrorKind, Result};
use crate::hooks;
use crate::id::ContainerId;
use crate::options::{CreateOptions, ExecOptions};
use crate::process::exec::{self, Executed};
use crate::process::gate;
use crate::process::spawn::{self, Created};
use crate::spec;
use crate::state::{
    Init, OCI_VERSION, Record, State, StateDir, Status, is_locked, not_found, read_record,
};
use crate::sys::pidfd;

/// How long a killed process may take to end.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// The containers whose states are kept in one directory.
#[derive(Clone, Debug)]
pub struct Runtime {
    root: PathBuf,
}

impl Runtime {
    /// The containers of `root`, which is made with the first of them.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Runtime { root: root.into() }
    }

    /// The directory of states.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a container from the bundle at `bundle`, up to the point where its program would be executed.
    /// The calling process must have one thread: it forks.
    ///
    /// # Errors
    /// Nothing is left of the container then.
    pub fn create(
        &self,
        id: &ContainerId,
        bundle: &Path,
        options: CreateOptions,
    ) -> Result<Created> {
        spawn::create(self, id, bundle, options)
    }

    /// Starts a container that was created with an open start gate, and returns once its program is executed.
    ///
    /// # Errors
    /// [`ErrorKind::WrongStatus`] if it was started before; [`ErrorKind::CommandNotFound`] and
    /// [`ErrorKind::CommandNotExecutable`] if its program can't be executed, and the container has ended then.
    pub fn start(&self, id: &ContainerId) -> Result<()> {
        spawn::start(self, id)
    }

    /// Runs a further process in a container. The calling process must have one thread: it forks.
    ///
    /// # Errors
    /// As those of [`Runtime::start`]; nothing is left of the process then.
    pub fn exec(
        &self,
        id: &ContainerId,
        process: &Process,
        options: ExecOptions,
    ) -> Result<Executed> {
        exec::exec(self, id, process, options)
    }

    /// What is known of a container.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`].
    pub fn state(&self, id: &ContainerId) -> Result<State> {
        let directory = self.root.join(id.as_str());
        if !directory.is_dir() {
            return Err(not_found(id));
        }
        let record = read_record(&directory)?;
        let status = status(&directory, record.as_ref())?;
        let owner = owner(&directory);
        Ok(match record {
            Some(record) => State {
                oci_version: OCI_VERSION.to_owned(),
                id: record.id,
                status,
                pid: record
                    .init
                    .filter(|_| status != Status::Stopped)
                    .map_or(0, |init| init.pid),
                bundle: record.bundle,
                rootfs: record.rootfs,
                created: record.created,
                owner,
                annotations: record.annotations,
                cgroup_paths: record.cgroups,
            },
            None => State {
                oci_version: OCI_VERSION.to_owned(),
                id: id.as_str().to_owned(),
                status,
                pid: 0,
                bundle: PathBuf::new(),
                rootfs: PathBuf::new(),
                created: String::new(),
                owner,
                annotations: Default::default(),
                cgroup_paths: Default::default(),
            },
        })
    }

    /// All containers, by id.
    ///
    /// # Errors
    /// The directory can't be read.
    pub fn list(&self) -> Result<Vec<State>> {
        let failed = || Error::sys("read", self.root.display());
        let entries = match std::fs::read_dir(&self.root) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed())?,
        };
        let mut states = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed())?.file_name();
            let Some(id) = name
                .to_str()
                .and_then(|name| name.parse::<ContainerId>().ok())
            else {
                continue;
            };
            match self.state(&id) {
                Ok(state) => states.push(state),
                // It was deleted just now.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        states.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(states)
    }

    /// Sends a signal to the first process, or to all.
    ///
    /// # Errors
    /// [`ErrorKind::WrongStatus`] if the container is stopped (unless `all`: others of its processes may live on).
    pub fn kill(&self, id: &ContainerId, signal: i32, all: bool) -> Result<()> {
        let record = self.record(id)?;
        let cgroups = Cgroups::from_paths(&record.cgroups);
        if all {
            return cgroups.signal_all(signal);
        }
        let (_, init) = self.living(id)?;
        let failed = || Error::sys("signal", format!("container {id}"));
        let process = pidfd::open(init.pid).map_err(failed())?;
        if !init.alive() {
            return Err(stopped(id));
        }
        match pidfd::signal(process.as_fd(), signal) {
            Err(Errno::ESRCH) => return Err(stopped(id)),
            other => other.map_err(failed())?,
        }
        // Frozen, it would not even die.
        if signal == libc::SIGKILL && cgroups.is_frozen() {
            cgroups.thaw()?;
        }
        Ok(())
    }

    /// Removes a stopped container, or with `force` any; whatever was half-made goes too. With `force` it is fine if there is
    /// none. A container that is being made is waited for.
    ///
    /// # Errors
    /// [`ErrorKind::WrongStatus`] if it is not stopped.
    pub fn delete(&self, id: &ContainerId, force: bool) -> Result<()> {
        let directory = match StateDir::open(&self.root, id) {
            Err(error) if force && error.kind() == ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let Some(record) = directory.record()? else {
            return directory.remove();
        };
        let init = record.init.filter(|init| init.alive());
        if init.is_some() && !force {
            let message = format!(
                "cannot delete container {id}: it is not stopped (delete --force kills it)"
            );
            return Err(Error::new(ErrorKind::WrongStatus, message));
        }
        let failed = |error: Error| error.within(format!("delete container {id}"));
        let cgroups = Cgroups::from_paths(&record.cgroups);
        if let Some(init) = init {
            kill(init).map_err(failed)?;
        }
        cgroups.kill_all().map_err(failed)?;
        if let Some(init) = init {
            await_end(init).map_err(failed)?;
        }
        cgroups.remove().map_err(failed)?;
        if record.hooks {
            // The container is gone whatever they say.
            let state = spawn::hook_state(&record).as_json("stopped");
            let _ = spawn::stored_hooks(&directory)
                .and_then(|stored| hooks::run("poststop", stored.poststop().as_ref(), &state));
        }
        directory.remove().map_err(failed)
    }

    /// Freezes all its processes.
    ///
    /// # Errors
    /// [`ErrorKind::WrongStatus`] if it is not running.
    pub fn pause(&self, id: &ContainerId) -> Result<()> {
        let (record, _) = self.living(id)?;
        Cgroups::from_paths(&record.cgroups).freeze()
    }

    /// Thaws them.
    ///
    /// # Errors
    /// [`ErrorKind::WrongStatus`] if it is not paused.
    pub fn resume(&self, id: &ContainerId) -> Result<()> {
        let (record, _) = self.living(id)?;
        let cgroups = Cgroups::from_paths(&record.cgroups);
        if !cgroups.is_frozen() {
            return Err(Error::new(
                ErrorKind::WrongStatus,
                format!("container {id} is not paused"),
            ));
        }
        cgroups.thaw()
    }

    /// Changes its limits; what `resources` doesn't name stays as it is.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`] for what the kernel refuses.
    pub fn update(&self, id: &ContainerId, resources: &LinuxResources) -> Result<()> {
        let (record, _) = self.living(id)?;
        Cgroups::from_paths(&record.cgroups).update(resources)
    }

    /// What it has used.
    ///
    /// # Errors
    /// [`ErrorKind::WrongStatus`] if it is stopped.
    pub fn stats(&self, id: &ContainerId) -> Result<Stats> {
        let (record, _) = self.living(id)?;
        Cgroups::from_paths(&record.cgroups).stats()
    }

    /// Its processes, as the caller's pid namespace numbers them, ascending.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`].
    pub fn pids(&self, id: &ContainerId) -> Result<Vec<i32>> {
        let record = self.record(id)?;
        Cgroups::from_paths(&record.cgroups).pids()
    }

    /// The container's specification as it was created with.
    pub(crate) fn stored_spec(&self, id: &ContainerId) -> Result<Spec> {
        let path = self.root.join(id.as_str()).join("config.json");
        let text = std::fs::read(&path).map_err(Error::sys("read", path.display()))?;
        spec::parse(&text)
    }

    pub(crate) fn record(&self, id: &ContainerId) -> Result<Record> {
        let directory = self.root.join(id.as_str());
        read_record(&directory)?.ok_or_else(|| match directory.is_dir() {
            true => Error::new(
                ErrorKind::WrongStatus,
                format!("container {id} is half-made"),
            ),
            false => not_found(id),
        })
    }

    /// A container whose first process runs.
    pub(crate) fn living(&self, id: &ContainerId) -> Result<(Record, Init)> {
        let record = self.record(id)?;
        match record.init.filter(|init| init.alive()) {
            Some(init) => Ok((record, init)),
            None => Err(stopped(id)),
        }
    }
}

fn stopped(id: &ContainerId) -> Error {
    Error::new(
        ErrorKind::WrongStatus,
        format!("container {id} is not running"),
    )
}

fn status(directory: &Path, record: Option<&Record>) -> Result<Status> {
    let Some(record) = record else {
        return Ok(if is_locked(directory) {
            Status::Creating
        } else {
            Status::Stopped
        });
    };
    match record.init {
        None if is_locked(directory) => Ok(Status::Creating),
        Some(init) if init.alive() => {
            if Cgroups::from_paths(&record.cgroups).is_frozen() {
                return Ok(Status::Paused);
            }
            let file =
                std::fs::File::open(directory).map_err(Error::sys("open", directory.display()))?;
            Ok(if gate::knock(&file)?.is_some() {
                Status::Created
            } else {
                Status::Running
            })
        }
        _ => Ok(Status::Stopped),
    }
}

fn owner(directory: &Path) -> String {
    use std::os::unix::fs::MetadataExt;
    let uid = std::fs::metadata(directory).map_or(0, |metadata| metadata.uid());
    if uid == 0 {
        "root".to_owned()
    } else {
        uid.to_string()
    }
}

fn kill(init: Init) -> Result<()> {
    let failed = || Error::sys("kill", format!("process {}", init.pid));
    let process = match pidfd::open(init.pid) {
        Err(Errno::ESRCH) => return Ok(()),
        other => other.map_err(failed())?,
    };
    if !init.alive() {
        return Ok(());
    }
    match pidfd::signal(process.as_fd(), libc::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(failed()(errno)),
    }
}

/// Waits until a process has ended, which was killed.
fn await_end(init: Init) -> Result<()> {
    let Ok(process) = pidfd::open(init.pid) else {
        return Ok(());
    };
    if init.alive() && !pidfd::wait_end(process.as_fd(), KILL_TIMEOUT).unwrap_or(true) {
        return Err(Error::new(
            ErrorKind::Io,
            format!("process {} does not end though it was killed", init.pid),
        ));
    }
    Ok(())
}
