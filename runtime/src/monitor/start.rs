//! From arguments to a running container: everything that can fail is tried, and what was made is taken away again when something does.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::time::{Instant, SystemTime};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::clients::Clients;
use super::files::{ExitFile, Listener};
use super::health::Prober;
use super::options::Options;
use super::relay::{Input, Output, Relay, nonblocking};
use super::signals;
use crate::cgroup::Cgroups;
use crate::log::{LogWriter, Rotation, Stream};
use crate::sys::descriptors;
use crate::{
    ContainerId, CreateOptions, Created, Error, ErrorKind, Result, Runtime, StartGate, Stdio,
    Terminal,
};

/// A running container with all that belongs to it.
pub(super) struct Started {
    pub(super) runtime: Runtime,
    pub(super) id: ContainerId,
    pub(super) pid: i32,
    pub(super) began: SystemTime,
    pub(super) relay: Relay,
    pub(super) prober: Option<Prober>,
    pub(super) exit_file: ExitFile,
    /// Locked for as long as it is open.
    pub(super) lock: OwnedFd,
}

pub(super) fn start(options: &Options) -> Result<Started> {
    settle()?;
    let lock = inherited(options.lock_fd, "--lock-fd")?;
    let exit_file = ExitFile::reserve(&options.exit_file)?;
    let rotation = Rotation {
        max_size: options.log_max_size,
        max_files: options.log_max_files,
    };
    let log = LogWriter::open(&options.log, rotation)
        .map_err(Error::sys("open the log", options.log.display()))?;
    let listener = options
        .attach_socket
        .as_deref()
        .map(Listener::bind)
        .transpose()?;
    let mut clients = Clients::default();
    if let Some(fd) = options.attach_fd {
        clients.add_first(inherited(fd, "--attach-fd")?);
    }
    let (theirs, ours) = streams(options.stdin)?;
    let runtime = options.runtime.clone();
    let prepared = Prober::prepare(options)?;
    let created = create(&runtime, options, theirs)?;
    let (outputs, input) = match created.terminal {
        Some(master) => of_terminal(master, options.stdin)?,
        None => ours,
    };
    Ok(Started {
        runtime,
        id: options.id.clone(),
        pid: created.pid,
        began: SystemTime::now(),
        prober: prepared.map(|job| Prober::new(job, Instant::now())),
        relay: Relay::new(outputs, input, clients, listener, log),
        exit_file,
        lock,
    })
}

fn inherited(fd: RawFd, option: &str) -> Result<OwnedFd> {
    descriptors::inherited(fd)
        .ok_or_else(|| Error::invalid(format!("{option} {fd} is not an open descriptor")))
}

/// Whether the kernel killed something in the container for want of memory. To be asked before its cgroups are removed.
pub(super) fn oom_killed(runtime: &Runtime, id: &ContainerId) -> bool {
    runtime
        .state(id)
        .is_ok_and(|state| Cgroups::from_paths(&state.cgroup_paths).oom_killed())
}

/// Makes this process one that stays.
fn settle() -> Result<()> {
    // Whatever was inherited is held, and reaches neither the container nor the exit command.
    descriptors::close_on_exec_from(3).map_err(Error::sys("mark", "inherited descriptors"))?;
    signals::unheed();
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(Error::sys("open", "/dev/null"))?;
    for number in 0..3 {
        descriptors::place(null.as_fd(), number)
            .map_err(Error::sys("replace", "the standard streams"))?;
    }
    // Orphans of a container without a pid namespace come to us to be reaped.
    // SAFETY: touches no memory.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    Ok(())
}

fn create(runtime: &Runtime, options: &Options, streams: [OwnedFd; 3]) -> Result<Created> {
    let create = CreateOptions {
        stdio: Stdio::Given(streams),
        terminal: Terminal::Caller,
        start_gate: StartGate::Held,
        die_with_parent: true,
        ..CreateOptions::default()
    };
    let mut created = runtime.create(&options.id, &options.bundle, create)?;
    if let Err(error) = created.start() {
        let starved = oom_killed(runtime, &options.id);
        // The first failure is the one to tell of; what is left here the next command removes.
        let _ = runtime.delete(&options.id, true);
        return Err(match starved {
            true => error
                .within("the memory limit is too small to start the container")
                .with_kind(ErrorKind::Limit),
            false => error,
        });
    }
    Ok(created)
}

/// The container's ends, and ours.
type Streams = ([OwnedFd; 3], (Vec<Output>, Option<Input>));

/// Pipes for all three, or /dev/null to read from.
fn streams(stdin: bool) -> Result<Streams> {
    let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(Error::sys("make", "a pipe"));
    let own = |fd: &OwnedFd| nonblocking(fd).map_err(Error::sys("configure", "a pipe"));
    let (input_theirs, input) = match stdin {
        true => {
            let (theirs, ours) = pipe()?;
            own(&ours)?;
            (theirs, Some(Input::new(ours, false)))
        }
        false => (
            File::open("/dev/null")
                .map_err(Error::sys("open", "/dev/null"))?
                .into(),
            None,
        ),
    };
    let (stdout, stdout_theirs) = pipe()?;
    let (stderr, stderr_theirs) = pipe()?;
    own(&stdout)?;
    own(&stderr)?;
    let outputs = vec![
        Output::new(stdout, Stream::Stdout, false),
        Output::new(stderr, Stream::Stderr, false),
    ];
    Ok((
        [input_theirs, stdout_theirs, stderr_theirs],
        (outputs, input),
    ))
}

fn of_terminal(master: OwnedFd, stdin: bool) -> Result<(Vec<Output>, Option<Input>)> {
    let failed = || Error::sys::<std::io::Error>("configure", "the terminal");
    nonblocking(&master).map_err(failed())?;
    let input = match stdin {
        true => Some(Input::new(master.try_clone().map_err(failed())?, true)),
        false => None,
    };
    Ok((vec![Output::new(master, Stream::Stdout, true)], input))
}
