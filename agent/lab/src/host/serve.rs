//! The holder: it makes a host's namespaces, is in them, and stays.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::RawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use network::Netns;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl::set_child_subreaper;
use nix::unistd::{chdir, close, dup2_stderr, dup2_stdin, dup2_stdout, sethostname, setsid};

use super::daemon::{Keeper, in_background};
use super::protocol::{Answer, Request};
use crate::cgroups;
use crate::error::{Error, Result};
use crate::plan::invalid;

/// What a holder says when it is ready; anything else is why it is not.
pub(super) const READY: &str = "ready";

/// Becomes the holder of a host: what the hidden verb behind [`Labs::new`](crate::Labs::new)'s host command calls with the
/// words that follow it, standard input being the way into the host's cgroup. To be called on the first thread of a process that has no other. Returns only on failure, which
/// has then been told to whoever started it.
pub fn serve(words: &[OsString]) -> Result<()> {
    let begun = begin(words);
    let said = match &begun {
        Ok(_) => READY.to_owned(),
        Err(error) => one_line(error),
    };
    // Whoever asked may be gone; the host is found by its cgroup then.
    let _ = writeln!(io::stdout(), "{said}").and_then(|()| io::stdout().flush());
    let (listener, log) = begun?;
    let out = File::options()
        .append(true)
        .create(true)
        .open(Path::new(log))
        .map_err(Error::system("open", Path::new(log).display()))?;
    dup2_stdout(&out).map_err(Error::system("redirect", "standard output"))?;
    dup2_stderr(&out).map_err(Error::system("redirect", "standard error"))?;
    drop(out);

    let keeper = Arc::new(Keeper::new(log.into()));
    let reaper = Arc::clone(&keeper);
    in_background("reaper", move || reaper.reap()).map_err(Error::system("start", "a thread"))?;
    for connection in listener.incoming() {
        let connection = connection.map_err(Error::system("accept on", "the host's socket"))?;
        let keeper = Arc::clone(&keeper);
        // Without a thread the asker sees its connection end.
        let _ = in_background("request", move || {
            let _ = converse(connection, &keeper);
        });
    }
    Ok(())
}

/// Makes and enters everything, and listens.
fn begin(words: &[OsString]) -> Result<(UnixListener, &OsString)> {
    let [socket, hostname, log] = words else {
        let given = format!("{words:?}");
        let reason = "a holder is given its socket, its name and a log";
        return Err(invalid("words of a holder", &given, reason));
    };
    // From here on it dies with its cgroup; if that is gone by now, so is the lab.
    cgroups::enter(io::stdin())?;
    let nothing = File::open("/dev/null").map_err(Error::system("open", "/dev/null"))?;
    dup2_stdin(nothing).map_err(Error::system("redirect", "standard input"))?;
    close_inherited();
    setsid().map_err(Error::system("begin", "a session"))?;
    chdir("/").map_err(Error::system("change directory to", "/"))?;
    // Orphans of the host become children of this process, which reaps them.
    set_child_subreaper(true).map_err(Error::system("become", "a subreaper"))?;

    let netns = Netns::create()?;
    setns(&netns, CloneFlags::CLONE_NEWNET)
        .map_err(Error::system("enter", "a network namespace"))?;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS)
        .map_err(Error::system("make", "a mount and a UTS namespace"))?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(Error::system("make private", "all mounts"))?;
    sethostname(hostname).map_err(Error::system("set", "the host name"))?;
    let listener = UnixListener::bind(Path::new(socket))
        .map_err(Error::system("listen on", Path::new(socket).display()))?;
    Ok((listener, log))
}

/// Closes what the caller had left open beside the standard streams: a pipe or a lock of a script is not kept by a host.
/// The process has opened nothing itself by now.
fn close_inherited() {
    let entries = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok());
    // The listing's own descriptor is among them, and closed by then.
    for number in numbers.collect::<Vec<_>>() {
        if number > 2 {
            let _ = close(number);
        }
    }
}

fn converse(connection: UnixStream, keeper: &Keeper) -> io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut line = String::new();
    BufReader::new(&connection).read_line(&mut line)?;
    let answer: Answer = match serde_json::from_str::<Request>(&line) {
        Ok(request) => keeper.perform(&request),
        Err(error) => Err(format!("does not understand {line:?}: {error}")),
    };
    let mut text = serde_json::to_string(&answer)?;
    text.push('\n');
    (&connection).write_all(text.as_bytes())?;
    // The connection stays until the other side is through with this process' pid.
    let _ = BufReader::new(&connection).read_line(&mut line);
    Ok(())
}

/// An error and its causes, for a pipe of lines.
fn one_line(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.replace('\n', " ")
}
