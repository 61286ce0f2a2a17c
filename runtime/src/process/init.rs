//! The first process of a container: from its birth in new namespaces to the person's program, one step after the other.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::stat::{Mode, umask};
use nix::unistd::setsid;

use super::gate::Listener;
use super::program::{self, Last, Prepared};
use super::sync::{Channel, Report};
use super::{enter, spawn};
use crate::cgroup::Entry;
use crate::console;
use crate::error::{Error, ErrorKind, Result};
use crate::hooks;
use crate::mounts::{self, Context, devices};
use crate::rootfs;
use crate::safefs::{Proc, Root};
use crate::spec::namespaces::Kind;
use crate::spec::plan::Plan;
use crate::sys::{clone, process};

/// What the first process has of its maker.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) plan: Plan,
    pub(crate) channel: Channel,
    /// Where it waits to be started; the channel if there is none.
    pub(crate) gate: Option<Listener>,
    pub(crate) entry: Entry,
    /// It was not born in the unified cgroup.
    pub(crate) join_unified: bool,
    pub(crate) context: Context,
    pub(crate) proc: Proc,
    pub(crate) streams: Option<[OwnedFd; 3]>,
    /// A connected socket that the terminal is sent over; to the maker if there is none.
    pub(crate) console: Option<OwnedFd>,
    pub(crate) die_with_parent: bool,
    pub(crate) preserve_fds: u32,
    pub(crate) use_pivot: bool,
    pub(crate) keyring: Option<std::ffi::CString>,
    /// The container's state, for hooks that run inside.
    pub(crate) state: spawn::HookState,
}

/// Goes all the way. Does not return: it becomes the program, or tells why not and ends.
pub(crate) fn run(setup: Setup) -> ! {
    let channel = setup.channel.as_fd().try_clone_to_owned().map(Channel::new);
    let error = match go(setup) {
        Err(error) => error,
        Ok(never) => match never {},
    };
    // The other side may have gone; then there is nobody to tell.
    if let Ok(channel) = channel {
        let _ = channel.report(&Report::Failed(error));
    }
    // Without the C library's clean-up: buffers of the parent's streams are the parent's to write.
    process::exit_now(1)
}

fn go(setup: Setup) -> Result<std::convert::Infallible> {
    let plan = &setup.plan;
    process::die_with_parent(true)
        .map_err(Error::sys("ask for", "a signal at the parent's end"))?;
    process::reset_signals().map_err(Error::sys("reset", "signals"))?;
    if !plan.namespaces.has(Kind::User) {
        // No process of a namespace that is joined can look into this one. In a user namespace it couldn't write its own settings then.
        process::undumpable().map_err(Error::sys("protect", "the first process"))?;
    }
    if let Some(streams) = &setup.streams {
        program::place_streams(streams)?;
    }
    enter_spaces(&setup)?;
    umask(Mode::empty());
    let terminal = set_up_root(&setup)?;
    program::write_settings(&plan.process, &setup.proc)?;
    program::set_priorities(&plan.process)?;
    if let Some(domain) = plan.personality {
        process::set_personality(domain).map_err(Error::sys("set", "linux.personality"))?;
    }
    if let Some(terminal) = terminal {
        console::take(terminal)?;
    }
    // A directory that root may not enter, the person's user perhaps may.
    let directory_pending = match program::enter_directory(&plan.process.cwd) {
        Err(error) if error.kind() == ErrorKind::Permission => true,
        other => other.map(|()| false)?,
    };
    let path = program::find(&plan.process)?;
    let prepared = Prepared::new(&plan.process, &path)?;
    // Nothing of the host stays open while it waits.
    let Setup {
        plan,
        channel,
        gate,
        entry,
        proc,
        streams,
        console,
        die_with_parent,
        preserve_fds,
        state,
        ..
    } = setup;
    drop((entry, proc, streams, console));
    if !die_with_parent {
        process::die_with_parent(false)
            .map_err(Error::sys("withdraw", "a signal at the parent's end"))?;
    }
    channel.report(&Report::Created)?;
    let starter = match &gate {
        None if channel.wait()? => None,
        None => abandoned(),
        Some(gate) => match gate.wait()? {
            Some(starter) => Some(starter),
            None => abandoned(),
        },
    };
    let channel = starter.as_ref().unwrap_or(&channel);
    let last = Last {
        channel,
        die_with_parent,
        preserve_fds,
        may_set_groups: true,
        directory_pending,
    };
    let error = match hooks::run(
        "startContainer",
        plan.hooks.start_container().as_ref(),
        &state.as_json("created"),
    ) {
        Ok(()) => program::become_program(&plan.process, &prepared, &last),
        Err(error) => error,
    };
    let _ = channel.report(&Report::Failed(error));
    process::exit_now(1)
}

/// Nobody is left who could start the container.
fn abandoned() -> ! {
    process::exit_now(1)
}

fn enter_spaces(setup: &Setup) -> Result<()> {
    let plan = &setup.plan;
    if let Some(name) = &setup.keyring {
        match process::new_session_keyring(name) {
            // A kernel without keyrings, a filter around us, or a quota: none of them is worth a container.
            Ok(()) | Err(Errno::ENOSYS | Errno::EPERM | Errno::EDQUOT) => {}
            Err(errno) => return Err(Error::sys("make", "a session keyring")(errno)),
        }
    }
    let entry = Entry {
        tasks: duplicate(&setup.entry.tasks)?,
        unified: None,
        unified_procs: setup
            .entry
            .unified_procs
            .as_ref()
            .map(OwnedFd::try_clone)
            .transpose()
            .map_err(Error::sys("copy", "a descriptor"))?,
    };
    enter::join_cgroups(entry, setup.join_unified)?;
    if plan.mappings.is_some() {
        setup.channel.report(&Report::Unmapped)?;
        if !setup.channel.wait()? {
            abandoned();
        }
    }
    enter::join_namespaces(&plan.joined)?;
    if plan.namespaces.has(Kind::User) {
        process::set_user(0, 0, &[], true)
            .map_err(Error::sys("become", "root of the user namespace"))?;
        process::die_with_parent(true)
            .map_err(Error::sys("ask for", "a signal at the parent's end"))?;
    }
    // After the cgroups are joined: its root is where this process is now.
    if plan.namespaces.is_new(Kind::Cgroup) {
        clone::unshare(libc::CLONE_NEWCGROUP)
            .map_err(Error::sys("make the namespace", "cgroup"))?;
    }
    setsid().map_err(Error::sys("begin", "a session"))?;
    if let Some(name) = &plan.hostname {
        process::set_host_name(name.as_bytes()).map_err(Error::sys("set hostname", name))?;
    }
    if let Some(name) = &plan.domainname {
        process::set_domain_name(name.as_bytes()).map_err(Error::sys("set domainname", name))?;
    }
    Ok(())
}

fn duplicate(descriptors: &[OwnedFd]) -> Result<Vec<OwnedFd>> {
    descriptors
        .iter()
        .map(OwnedFd::try_clone)
        .collect::<std::io::Result<_>>()
        .map_err(Error::sys("copy", "a descriptor"))
}

/// From the host's root to the container's. Returns the terminal, if it has one.
fn set_up_root(setup: &Setup) -> Result<Option<OwnedFd>> {
    let plan = &setup.plan;
    let hooks = &plan.hooks;
    if !plan.namespaces.has(Kind::Mount) {
        run_outer_hooks(setup)?;
        write_sysctl(setup)?;
        hooks::run(
            "createContainer",
            hooks.create_container().as_ref(),
            &setup.state.as_json("created"),
        )?;
        if plan.process.terminal.is_some() {
            return Err(Error::invalid(
                "a terminal needs a mount namespace with devpts",
            ));
        }
        rootfs::change_root(&plan.root.path)?;
        return Ok(None);
    }
    let sources = plan
        .root
        .mounts
        .iter()
        .map(mounts::open_source)
        .collect::<Result<Vec<_>>>()?;
    let root = rootfs::build(&plan.root, &sources, &setup.context)?;
    let terminal = make_terminal(setup, &root)?;
    run_outer_hooks(setup)?;
    hooks::run(
        "createContainer",
        hooks.create_container().as_ref(),
        &setup.state.as_json("created"),
    )?;
    write_sysctl(setup)?;
    rootfs::restrict(&plan.root, &root)?;
    rootfs::enter(&root, setup.use_pivot)?;
    Ok(terminal)
}

fn run_outer_hooks(setup: &Setup) -> Result<()> {
    let hooks = &setup.plan.hooks;
    if hooks::prestart(hooks).is_none() && hooks.create_runtime().is_none() {
        return Ok(());
    }
    setup.channel.report(&Report::Prepared)?;
    if !setup.channel.wait()? {
        abandoned();
    }
    Ok(())
}

fn write_sysctl(setup: &Setup) -> Result<()> {
    for setting in &setup.plan.sysctl {
        setup
            .proc
            .write(&setting.path, setting.value.as_bytes())
            .map_err(Error::sys(
                "set sysctl",
                format!("{} to {:?}", setting.name, setting.value),
            ))?;
    }
    Ok(())
}

fn make_terminal(setup: &Setup, root: &Root) -> Result<Option<OwnedFd>> {
    let Some((columns, rows)) = setup.plan.process.terminal else {
        return Ok(None);
    };
    let pair = console::open(root, columns, rows)?;
    devices::console(root, &pair.terminal)?;
    match &setup.console {
        Some(socket) => console::send(socket, &pair.master)?,
        None => setup.channel.report(&Report::Terminal(pair.master))?,
    }
    Ok(Some(pair.terminal))
}
