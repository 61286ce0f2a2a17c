//! Starting the server: on demand, once per host, in the background.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::unistd::{ForkResult, fork, pipe2, setsid};

use super::server::Server;
use super::upstream::{RESOLV_CONF, Watched};
use crate::error::{Error, Result};
use crate::model::Endpoint;
use crate::state::{State, lock_file, make_dir};

/// Serves names for the user-made networks of `run_root` until the last endpoint is gone. Puts itself in the
/// background: the calling process returns (to exit) once the server answers, and at once when one is running
/// already.
///
/// Call it in a process of its own that is single-threaded, since it forks. The server keeps no descriptor of its
/// starter's open.
pub fn serve(run_root: &Path) -> Result<()> {
    // The definitions are not needed: a record tells all that is to know of its network.
    let state = State::new(Path::new(""), run_root);
    let Some(lock) = only_one(&state)? else {
        return Ok(());
    };
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(Error::system("open", "a pipe"))?;
    // SAFETY: the caller's process is single-threaded (documented above), so that no lock can be held by a thread
    // which the child does not have.
    match unsafe { fork() }.map_err(Error::system("fork", "the resolver"))? {
        ForkResult::Parent { .. } => {
            // Not dropped: that would unlock it for the child as well.
            std::mem::forget(lock);
            drop(writer);
            started(reader)
        }
        ForkResult::Child => {
            drop(reader);
            close_others([lock.as_raw_fd(), writer.as_raw_fd()]);
            let outcome = in_background(state, lock, File::from(writer));
            std::process::exit(i32::from(outcome.is_err()))
        }
    }
}

/// The lock that makes the server single, or nothing if one is running.
fn only_one(state: &State) -> Result<Option<Flock<File>>> {
    let path = state.resolver_lock();
    make_dir(path.parent().unwrap_or(Path::new("/")))?;
    match lock_file(&path, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err(Error::System { source, .. }) if source.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Waits for the child's word: nothing when it serves, else what went wrong.
fn started(reader: OwnedFd) -> Result<()> {
    let mut words = String::new();
    File::from(reader)
        .read_to_string(&mut words)
        .map_err(Error::system("wait for", "the resolver"))?;
    match words.as_str() {
        READY => Ok(()),
        words => {
            let reason = if words.is_empty() {
                "it ended at once".to_owned()
            } else {
                words.to_owned()
            };
            Err(Error::Resolver {
                network: "*".to_owned(),
                reason,
            })
        }
    }
}

const READY: &str = "ready";

fn in_background(state: State, mut lock: Flock<File>, mut report: File) -> Result<()> {
    let opened = detach().and_then(|()| {
        // For people who look for the process.
        let written = lock
            .set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        written.map_err(Error::system("write", state.resolver_lock().display()))?;
        Server::open(state, Watched::new(RESOLV_CONF))
    });
    let words = match &opened {
        Ok(_) => READY.to_owned(),
        Err(error) => with_causes(error),
    };
    // If the starter is gone, there is nobody to tell.
    let _ = report.write_all(words.as_bytes());
    drop(report);
    opened?.run()
}

/// A session of its own, away from the starter's terminal, directory and pipes.
fn detach() -> Result<()> {
    setsid().map_err(Error::system("start", "a session"))?;
    std::env::set_current_dir("/").map_err(Error::system("change to", "/"))?;
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(Error::system("open", "/dev/null"))?;
    nix::unistd::dup2_stdin(&null).map_err(Error::system("redirect", "stdin"))?;
    nix::unistd::dup2_stdout(&null).map_err(Error::system("redirect", "stdout"))?;
    nix::unistd::dup2_stderr(&null).map_err(Error::system("redirect", "stderr"))
}

/// Closes what the starter had open (an attached client's socket, say, that would never see its end).
fn close_others(keep: [i32; 2]) {
    let [low, high] = [keep[0].min(keep[1]), keep[0].max(keep[1])].map(i32::unsigned_abs);
    for (first, last) in [(3, low - 1), (low + 1, high - 1), (high + 1, u32::MAX)] {
        if first <= last {
            // SAFETY: close_range(2) touches no memory. The owners of these descriptors are on the stack of `serve`'s
            // callers, to whom the forked child never returns: it exits. Where the kernel lacks the call (before 5.9)
            // the descriptors merely stay open.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0u32) };
        }
    }
}

fn with_causes(error: &Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words.push_str(&format!(": {error}"));
        cause = error.source();
    }
    words
}

/// How long a resolver may take to come up, or to take in a new endpoint.
const PATIENCE: Duration = Duration::from_secs(3);

/// Makes sure that a server is running and knows this endpoint: asks it, and starts one where none is.
pub(crate) fn ensure(command: &[OsString], state: &State, endpoint: &Endpoint) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let failed = |reason: String| Error::Resolver {
        network: endpoint.network.clone(),
        reason,
    };
    let mut wait = Duration::from_millis(10);
    while !knows(endpoint, wait) {
        if Instant::now() >= deadline {
            return Err(failed(format!(
                "no answer from {}:53 within {PATIENCE:?}",
                endpoint.gateway
            )));
        }
        // Free: nobody serves. The lock is given back at once; of several starters one wins.
        if only_one(state)?.is_some() {
            start(command).map_err(failed)?;
        } else {
            // One is coming, going, or busy.
            std::thread::sleep(Duration::from_millis(2));
            wait = (wait * 2).min(Duration::from_millis(200));
        }
    }
    Ok(())
}

fn start(command: &[OsString]) -> std::result::Result<(), String> {
    let Some((program, arguments)) = command.split_first() else {
        return Err("no command is given".to_owned());
    };
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{} ended with {}: {}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

/// Whether a server answers for the endpoint's address, by the way that endpoints ask: at port 53.
fn knows(endpoint: &Endpoint, patience: Duration) -> bool {
    ask(endpoint, patience).is_some_and(|answer| {
        answer.metadata.response_code == ResponseCode::NoError && !answer.answers.is_empty()
    })
}

fn ask(endpoint: &Endpoint, patience: Duration) -> Option<Message> {
    let [a, b, c, d] = endpoint.ip.octets();
    let name = Name::from_ascii(format!("{d}.{c}.{b}.{a}.in-addr.arpa.")).ok()?;
    let mut question = Message::query();
    question.add_query(Query::query(name, RecordType::PTR));
    let socket = UdpSocket::bind((endpoint.gateway, 0)).ok()?;
    socket.connect((endpoint.gateway, 53)).ok()?;
    socket.set_read_timeout(Some(patience)).ok()?;
    socket.send(&question.to_vec().ok()?).ok()?;
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).ok()?;
    Message::from_vec(&buffer[..length])
        .ok()
        .filter(|answer| answer.metadata.id == question.metadata.id)
}
