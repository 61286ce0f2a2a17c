//! A further process in a running container: into its cgroups and namespaces, then as any other process.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, umask};
use nix::unistd::setsid;
use oci_spec::runtime::{Process, Spec};

use super::enter;
use super::program::{self, Last, Prepared};
use super::spawn::{await_program, write_pid};
use super::sync::{Channel, Report};
use crate::cgroup::{Cgroups, Entry};
use crate::console;
use crate::error::{Error, ErrorKind, Result};
use crate::id::ContainerId;
use crate::mounts::open_path;
use crate::options::{ExecOptions, Stdio, Terminal};
use crate::rootfs;
use crate::runtime::Runtime;
use crate::safefs::{Proc, Root};
use crate::spec::namespaces::Kind;
use crate::spec::process::ProcessPlan;
use crate::state::Init;
use crate::sys::clone::{self, Cloned};
use crate::sys::{pidfd, process};

/// A further process, whose program is executed.
#[derive(Debug)]
pub struct Executed {
    /// A child of the caller.
    pub pid: i32,
    /// The same, pollable: readable once it has ended.
    pub pidfd: OwnedFd,
    /// The master side of its terminal, if it has one and it goes to the caller.
    pub terminal: Option<OwnedFd>,
}

const ALL: [Kind; 8] = [
    Kind::User,
    Kind::Ipc,
    Kind::Uts,
    Kind::Network,
    Kind::Pid,
    Kind::Cgroup,
    Kind::Time,
    Kind::Mount,
];

pub(crate) fn exec(
    runtime: &Runtime,
    id: &ContainerId,
    spec: &Process,
    options: ExecOptions,
) -> Result<Executed> {
    let failed = |error: Error| error.within(format!("exec in container {id}"));
    run(runtime, id, spec, options).map_err(failed)
}

/// The container's own first process, with other arguments and no terminal.
pub(crate) fn like_the_first(container: &Spec, args: Vec<String>) -> Process {
    let mut process = container.process().clone().unwrap_or_default();
    process
        .set_terminal(Some(false))
        .set_console_size(None)
        .set_args(Some(args));
    process
}

/// A further process on its way: what it reaches comes by the channel, and once it has reported [`Report::Created`] it
/// waits to be told to go on.
pub(crate) struct Begun {
    /// A child of the caller.
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) channel: Channel,
}

fn run(
    runtime: &Runtime,
    id: &ContainerId,
    spec: &Process,
    mut options: ExecOptions,
) -> Result<Executed> {
    let (pid_file, pidfd_socket) = (options.pid_file.take(), options.pidfd_socket.take());
    // Existence is told of before anything else that is wrong.
    runtime.living(id)?;
    let container = runtime.stored_spec(id)?;
    let Begun {
        pid,
        pidfd,
        channel,
    } = begin(runtime, id, &container, spec, options)?;
    let terminal = match follow(&channel, &pidfd) {
        Ok(terminal) => terminal,
        Err(error) => {
            let _ = pidfd::signal(pidfd.as_fd(), libc::SIGKILL);
            let _ = pidfd::reap(pidfd.as_fd());
            return Err(error);
        }
    };
    if let Some(path) = &pidfd_socket {
        console::send(&console::connect_to(path)?, &pidfd)?;
    }
    if let Some(path) = &pid_file {
        write_pid(path, pid)?;
    }
    Ok(Executed {
        pid,
        pidfd,
        terminal,
    })
}

/// Makes the process and sends it on its way into the container whose specification is `container`; waits for nothing.
pub(crate) fn begin(
    runtime: &Runtime,
    id: &ContainerId,
    container: &Spec,
    spec: &Process,
    options: ExecOptions,
) -> Result<Begun> {
    let (record, init) = runtime.living(id)?;
    let cgroups = Cgroups::from_paths(&record.cgroups);
    if cgroups.is_frozen() {
        return Err(Error::new(
            ErrorKind::WrongStatus,
            format!("container {id} is paused: resume it first"),
        ));
    }
    let filter = container
        .linux()
        .as_ref()
        .and_then(|linux| linux.seccomp().as_ref());
    let plan = ProcessPlan::new(spec, filter)?;
    let target =
        pidfd::open(init.pid).map_err(Error::sys("open", format!("process {}", init.pid)))?;
    // The number may have been given to another process before it was opened.
    if !init.alive() {
        return Err(Error::new(
            ErrorKind::WrongStatus,
            format!("container {id} is stopped"),
        ));
    }
    let namespaces = foreign(init)?;
    let entry = match &options.cgroup {
        Some(path) => cgroups.below(path)?.entry()?,
        None => cgroups.entry()?,
    };
    let console = match &options.terminal {
        Terminal::Socket(path) => Some(console::connect_to(path)?),
        Terminal::Caller => None,
    };
    let proc = Proc::open()?;
    let (channel, theirs) = Channel::pair()?;
    // From its birth the child can be seen by the processes of the container.
    process::undumpable().map_err(Error::sys("protect", "the process"))?;
    let pid_namespace = namespaces.contains(&Kind::Pid).then(|| target.as_fd());
    let (cloned, join_unified) = enter::clone_into(0, &entry, pid_namespace)?;
    match cloned {
        Cloned::Child => {
            drop(channel);
            become_process(Setup {
                plan,
                channel: theirs,
                entry,
                join_unified,
                target,
                namespaces,
                rootfs: record.rootfs,
                proc,
                streams: match options.stdio {
                    Stdio::Inherit => None,
                    Stdio::Given(streams) => Some(streams),
                },
                console,
                preserve_fds: options.preserve_fds,
            })
        }
        Cloned::Parent(pid, pidfd) => Ok(Begun {
            pid: pid.as_raw(),
            pidfd,
            channel,
        }),
    }
}

/// Until the program is executed.
fn follow(channel: &Channel, child: &OwnedFd) -> Result<Option<OwnedFd>> {
    let mut terminal = None;
    loop {
        match channel.next()? {
            Some(Report::Terminal(master)) => terminal = Some(master),
            Some(Report::Created) => {
                channel.go()?;
                await_program(channel, Some(child.as_fd()))?;
                return Ok(terminal);
            }
            Some(Report::Failed(error)) => return Err(error),
            Some(_) => {
                return Err(Error::new(
                    ErrorKind::Io,
                    "the process is not where it should be",
                ));
            }
            None => {
                return Err(Error::new(
                    ErrorKind::Io,
                    "the process ended before its program was executed",
                ));
            }
        }
    }
}

/// The namespaces of a process that are not those of this one.
fn foreign(init: Init) -> Result<Vec<Kind>> {
    let mut found = Vec::new();
    for kind in ALL {
        let name = kind.name();
        let other = std::fs::read_link(format!("/proc/{}/ns/{name}", init.pid));
        let own = std::fs::read_link(format!("/proc/self/ns/{name}"));
        match (own, other) {
            (Ok(own), Ok(other)) if own != other => found.push(kind),
            (Ok(_), Err(error)) => {
                return Err(Error::sys(
                    "read the namespaces of",
                    format!("process {}", init.pid),
                )(error));
            }
            // The kernel has no such namespaces, or both are in one.
            _ => {}
        }
    }
    Ok(found)
}

struct Setup {
    plan: ProcessPlan,
    channel: Channel,
    entry: Entry,
    join_unified: bool,
    target: OwnedFd,
    namespaces: Vec<Kind>,
    rootfs: PathBuf,
    proc: Proc,
    streams: Option<[OwnedFd; 3]>,
    console: Option<OwnedFd>,
    preserve_fds: u32,
}

fn become_process(setup: Setup) -> ! {
    let channel = setup.channel.as_fd().try_clone_to_owned().map(Channel::new);
    let error = match go(setup) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    if let Ok(channel) = channel {
        let _ = channel.report(&Report::Failed(error));
    }
    process::exit_now(1)
}

fn go(setup: Setup) -> Result<std::convert::Infallible> {
    let Setup {
        plan,
        channel,
        entry,
        join_unified,
        target,
        namespaces,
        rootfs,
        proc,
        streams,
        console,
        preserve_fds,
    } = setup;
    process::die_with_parent(true)
        .map_err(Error::sys("ask for", "a signal at the parent's end"))?;
    process::reset_signals().map_err(Error::sys("reset", "signals"))?;
    if let Some(streams) = streams {
        program::place_streams(&streams)?;
    }
    enter::join_cgroups(entry, join_unified)?;
    program::write_settings(&plan, &proc)?;
    program::set_priorities(&plan)?;
    // Nothing of the host stays open inside.
    drop(proc);
    let flags = namespaces
        .iter()
        .filter(|kind| **kind != Kind::Pid)
        .fold(0, |flags, kind| flags | kind.flag());
    if flags != 0 {
        clone::enter(target.as_fd(), flags)
            .map_err(Error::sys("join", "the container's namespaces"))?;
    }
    drop(target);
    if namespaces.contains(&Kind::User) {
        process::set_user(0, 0, &[], true)
            .map_err(Error::sys("become", "root of the user namespace"))?;
    }
    if !namespaces.contains(&Kind::Mount) {
        rootfs::change_root(&rootfs)?;
    }
    setsid().map_err(Error::sys("begin", "a session"))?;
    umask(Mode::empty());
    if let Some((columns, rows)) = plan.terminal {
        let root = Root::new(open_path(Path::new("/"))?);
        let pair = console::open(&root, columns, rows)?;
        match console {
            Some(socket) => console::send(&socket, &pair.master)?,
            None => channel.report(&Report::Terminal(pair.master))?,
        }
        console::take(pair.terminal)?;
    }
    let directory_pending = match program::enter_directory(&plan.cwd) {
        Err(error) if error.kind() == ErrorKind::Permission => true,
        other => other.map(|()| false)?,
    };
    let path = program::find(&plan)?;
    let prepared = Prepared::new(&plan, &path)?;
    process::die_with_parent(false)
        .map_err(Error::sys("withdraw", "a signal at the parent's end"))?;
    channel.report(&Report::Created)?;
    if !channel.wait()? {
        process::exit_now(1);
    }
    let last = Last {
        channel: &channel,
        die_with_parent: false,
        preserve_fds,
        may_set_groups: true,
        directory_pending,
    };
    Err(program::become_program(&plan, &prepared, &last))
}
