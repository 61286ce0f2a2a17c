//! Creating a container: all that can fail first, then its first process, and everything undone if that fails.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use oci_spec::runtime::Hooks;

use super::enter;
use super::gate;
use super::init::{self, Setup};
use super::sync::{Channel, Report};
use crate::cgroup::Cgroups;
use crate::console;
use crate::error::{Error, ErrorKind, Result};
use crate::hooks;
use crate::id::ContainerId;
use crate::mounts::Context;
use crate::options::{CreateOptions, StartGate, Stdio, Terminal};
use crate::runtime::Runtime;
use crate::safefs::Proc;
use crate::spec::namespaces::Kind;
use crate::spec::plan::{Mappings, Plan};
use crate::spec::{self, Bundle};
use crate::state::{self, Init, OCI_VERSION, Record, StateDir, timestamp};
use crate::sys::clone::Cloned;
use crate::sys::pidfd;

/// A container whose first process waits to be started.
#[derive(Debug)]
pub struct Created {
    /// The first process, a child of the caller.
    pub pid: i32,
    /// The same, pollable: readable once it has ended.
    pub pidfd: OwnedFd,
    /// The master side of its terminal, if it has one and it goes to the caller.
    pub terminal: Option<OwnedFd>,
    /// What the specification asks for and this host can't give, for a log.
    pub warnings: Vec<String>,
    channel: Option<Channel>,
    hooks: Hooks,
    state: HookState,
}

impl Created {
    /// Lets it execute its program, and returns once that has succeeded. Poststart hooks have run then.
    ///
    /// # Errors
    /// The program can't be executed or a hook fails (the container has ended then), or it was started before.
    pub fn start(&mut self) -> Result<()> {
        let Some(channel) = self.channel.take() else {
            return Err(Error::new(
                ErrorKind::WrongStatus,
                format!("container {} was started before", self.state.id),
            ));
        };
        channel.go()?;
        await_program(&channel, Some(self.pidfd.as_fd()))?;
        let started = hooks::run(
            "poststart",
            self.hooks.poststart().as_ref(),
            &self.state.as_json("running"),
        );
        if started.is_err() {
            let _ = pidfd::signal(self.pidfd.as_fd(), libc::SIGKILL);
        }
        started
    }
}

/// Waits for the news that the program is executed.
pub(crate) fn await_program(
    channel: &Channel,
    child: Option<std::os::fd::BorrowedFd<'_>>,
) -> Result<()> {
    let mut executing = false;
    loop {
        match channel.next()? {
            Some(Report::Executing) => executing = true,
            Some(Report::Failed(error)) => return Err(error),
            Some(_) => {
                return Err(Error::new(
                    ErrorKind::Io,
                    "the container's process is not where it should be",
                ));
            }
            None if executing => return Ok(()),
            None => return Err(died(child)),
        }
    }
}

/// The first process ended without a word.
fn died(child: Option<std::os::fd::BorrowedFd<'_>>) -> Error {
    let status = child.and_then(|child| pidfd::reap(child).ok());
    let how = match status {
        Some(nix::sys::wait::WaitStatus::Signaled(_, signal, _)) => {
            format!("it was killed by {signal}")
        }
        Some(status) => format!("it exited with {}", pidfd::exit_code(status)),
        None => "it is gone".to_owned(),
    };
    Error::new(
        ErrorKind::Io,
        format!("the container's first process ended before its program was executed: {how}"),
    )
}

/// What hooks are told.
#[derive(Clone, Debug)]
pub(crate) struct HookState {
    pub(crate) id: String,
    pub(crate) pid: i32,
    pub(crate) bundle: PathBuf,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl HookState {
    /// The state of the OCI runtime specification.
    pub(crate) fn as_json(&self, status: &str) -> Vec<u8> {
        serde_json::json!({
            "ociVersion": OCI_VERSION,
            "id": self.id,
            "status": status,
            "pid": self.pid,
            "bundle": self.bundle,
            "annotations": self.annotations,
        })
        .to_string()
        .into_bytes()
    }
}

pub(crate) fn create(
    runtime: &Runtime,
    id: &ContainerId,
    bundle: &Path,
    options: CreateOptions,
) -> Result<Created> {
    let failed = |error: Error| error.within(format!("create container {id}"));
    let bundle = spec::load(bundle).map_err(failed)?;
    let plan = Plan::new(id, &bundle).map_err(failed)?;
    let terminal_wanted = plan.process.terminal.is_some();
    if !terminal_wanted && matches!(options.terminal, Terminal::Socket(_)) {
        return Err(failed(Error::invalid(
            "a console socket is given, but process.terminal is not set",
        )));
    }
    let directory = StateDir::create(runtime.root(), id)?;
    let mut half = Half {
        directory: Some(directory),
        cgroups: None,
        init: None,
    };
    let created = make(id, &bundle, plan, options, &mut half).map_err(failed);
    if created.is_err() {
        half.undo();
    }
    created
}

/// What is there of a container that may never be whole.
struct Half {
    directory: Option<StateDir>,
    cgroups: Option<Cgroups>,
    init: Option<OwnedFd>,
}

impl Half {
    /// Takes all away. Failures are passed over: the reason for undoing is what is told, and `delete --force` can go on.
    fn undo(self) {
        if let Some(init) = &self.init {
            let _ = pidfd::signal(init.as_fd(), libc::SIGKILL);
            let _ = pidfd::reap(init.as_fd());
        }
        let removed = self
            .cgroups
            .is_none_or(|cgroups| cgroups.kill_all().is_ok() && cgroups.remove().is_ok());
        if let Some(directory) = self.directory.filter(|_| removed) {
            let _ = directory.remove();
        }
    }

    fn directory(&self) -> Result<&StateDir> {
        self.directory
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::Io, "the state directory is gone"))
    }
}

fn make(
    id: &ContainerId,
    bundle: &Bundle,
    plan: Plan,
    options: CreateOptions,
    half: &mut Half,
) -> Result<Created> {
    let mut cgroups = Cgroups::plan(&plan.cgroups_path, plan.resources.as_ref())?;
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let mut record = Record {
        id: id.as_str().to_owned(),
        bundle: bundle.directory.clone(),
        rootfs: plan.root.path.clone(),
        created: timestamp(since),
        annotations: plan.annotations.clone(),
        cgroups: cgroups.paths(),
        init: None,
        hooks: hooks::any_later(&plan.hooks),
    };
    // First of all, so that whatever is made from here on can be found and removed.
    let directory = half.directory()?;
    directory.save(&record)?;
    directory.write("config.json", &bundle.text)?;
    let gate = match options.start_gate {
        StartGate::Open => Some(gate::open(directory)?),
        StartGate::Held => None,
    };
    cgroups.create()?;
    let entry = cgroups.entry();
    half.cgroups = Some(cgroups);
    let entry = entry?;

    let console = match &options.terminal {
        Terminal::Socket(path) => Some(console::connect_to(path)?),
        Terminal::Caller => None,
    };
    let (channel, theirs) = Channel::pair()?;
    let mut state = HookState {
        id: id.as_str().to_owned(),
        pid: 0,
        bundle: bundle.directory.clone(),
        annotations: plan.annotations.clone(),
    };
    let (hooks, mappings) = (plan.hooks.clone(), plan.mappings.clone());
    let warnings = plan.process.warnings.clone();
    let flags = plan.namespaces.new_flags() & !libc::CLONE_NEWCGROUP;
    let proc = Proc::open()?;
    let pid_namespace = plan
        .joined
        .iter()
        .find(|(kind, _)| *kind == Kind::Pid)
        .map(|(_, namespace)| namespace.as_fd());
    let (cloned, join_unified) = enter::clone_into(flags, &entry, pid_namespace)?;
    let (pid, pidfd) = match cloned {
        Cloned::Child => {
            drop(channel);
            if let Some(directory) = half.directory.take() {
                directory.close_in_child();
            }
            init::run(Setup {
                context: Context {
                    cgroups: record.cgroups,
                    own_cgroup_namespace: plan.namespaces.is_new(Kind::Cgroup),
                },
                streams: match options.stdio {
                    Stdio::Inherit => None,
                    Stdio::Given(streams) => Some(streams),
                },
                keyring: (!options.no_new_keyring)
                    .then(|| CString::new(format!("_ses.{}", id.as_str())).unwrap_or_default()),
                use_pivot: !options.no_pivot,
                die_with_parent: options.die_with_parent,
                preserve_fds: options.preserve_fds,
                plan,
                channel: theirs,
                gate,
                entry,
                join_unified,
                proc,
                console,
                state,
            })
        }
        Cloned::Parent(pid, pidfd) => (pid.as_raw(), pidfd),
    };
    drop((theirs, gate, entry, console, plan));
    let pidfd = &*half.init.insert(pidfd);
    let kept = pidfd
        .try_clone()
        .map_err(Error::sys("copy", "a descriptor"))?;
    record.init = Some(Init::of(pid)?);
    half.directory()?.save(&record)?;
    state.pid = pid;

    let mut terminal = None;
    loop {
        match channel.next()? {
            Some(Report::Unmapped) => {
                map(pid, mappings.as_ref())?;
                channel.go()?;
            }
            Some(Report::Terminal(master)) => terminal = Some(master),
            Some(Report::Prepared) => {
                hooks::run(
                    "prestart",
                    hooks::prestart(&hooks).as_ref(),
                    &state.as_json("creating"),
                )?;
                hooks::run(
                    "createRuntime",
                    hooks.create_runtime().as_ref(),
                    &state.as_json("creating"),
                )?;
                channel.go()?;
            }
            Some(Report::Created) => break,
            Some(Report::Failed(error)) => return Err(explain(error, half)),
            Some(Report::Executing) => {
                return Err(Error::new(ErrorKind::Io, "the container started too early"));
            }
            None => {
                let error = died(half.init.as_ref().map(AsFd::as_fd));
                return Err(explain(error, half));
            }
        }
    }
    if let Some(path) = &options.pidfd_socket {
        console::send(&console::connect_to(path)?, &kept)?;
    }
    if let Some(path) = &options.pid_file {
        write_pid(path, pid)?;
    }
    let channel = (options.start_gate == StartGate::Held).then_some(channel);
    Ok(Created {
        pid,
        pidfd: kept,
        terminal,
        warnings,
        channel,
        hooks,
        state,
    })
}

/// A death in a cgroup whose memory ran out has a reason.
fn explain(error: Error, half: &Half) -> Error {
    match &half.cgroups {
        Some(cgroups) if cgroups.oom_killed() => error
            .within("the memory limit is too low to start the container")
            .with_kind(ErrorKind::Limit),
        _ => error,
    }
}

fn map(pid: i32, mappings: Option<&Mappings>) -> Result<()> {
    let Some(mappings) = mappings else {
        return Ok(());
    };
    for (file, lines) in [("gid_map", &mappings.gid), ("uid_map", &mappings.uid)] {
        let path = format!("/proc/{pid}/{file}");
        std::fs::write(&path, lines).map_err(Error::sys("write the mappings to", &path))?;
    }
    Ok(())
}

/// Writes a process id, whole or not at all.
pub(crate) fn write_pid(path: &Path, pid: i32) -> Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    let new = path.with_file_name(name);
    std::fs::write(&new, pid.to_string())
        .and_then(|()| std::fs::rename(&new, path))
        .map_err(Error::sys("write pid file", path.display()))
}

/// Starts a container at its open gate.
pub(crate) fn start(runtime: &Runtime, id: &ContainerId) -> Result<()> {
    let directory = StateDir::open(runtime.root(), id)?;
    let wrong = |status: &str| {
        Error::new(
            ErrorKind::WrongStatus,
            format!("cannot start container {id}: it is {status}"),
        )
    };
    let Some(record) = directory.record()? else {
        return Err(wrong("half-made"));
    };
    let alive = record.init.is_some_and(Init::alive);
    let caller = match gate::knock(directory.file())? {
        Some(caller) if alive => caller,
        _ if alive => return Err(wrong("running")),
        _ => return Err(wrong("stopped")),
    };
    let failed = |error: Error| error.within(format!("start container {id}"));
    caller.go().map_err(failed)?;
    await_program(&caller, None).map_err(failed)?;
    if record.hooks {
        let state = hook_state(&record);
        let hooks = stored_hooks(&directory)?;
        let done = hooks::run(
            "poststart",
            hooks.poststart().as_ref(),
            &state.as_json("running"),
        );
        if let (Err(error), Some(init)) = (done, record.init) {
            if let Ok(pidfd) = pidfd::open(init.pid)
                && init.alive()
            {
                let _ = pidfd::signal(pidfd.as_fd(), libc::SIGKILL);
            }
            return Err(failed(error));
        }
    }
    Ok(())
}

/// The hooks as the container was created with.
pub(crate) fn stored_hooks(directory: &StateDir) -> Result<Hooks> {
    let path = directory.path().join("config.json");
    let text = std::fs::read(&path).map_err(Error::sys("read", path.display()))?;
    Ok(spec::parse(&text)?.hooks().clone().unwrap_or_default())
}

pub(crate) fn hook_state(record: &state::Record) -> HookState {
    HookState {
        id: record.id.clone(),
        pid: record.init.map_or(0, |init| init.pid),
        bundle: record.bundle.clone(),
        annotations: record.annotations.clone(),
    }
}
