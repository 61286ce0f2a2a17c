//! A container in the foreground: this terminal, or these pipes, are its own until it ends.

use std::io::{stderr, stdin, stdout};
use std::os::fd::AsFd;

use engine::{AttachClient, Engine, Stdio};

use crate::failure::{Failure, Outcome, complain, of_start, say};
use crate::terminal::channel::Channel;
use crate::terminal::detach::DetachKeys;
use crate::terminal::raw::{RawMode, stdin_is_terminal};
use crate::terminal::session::{self, Ended, Setup, Streams};
use crate::terminal::signals::Signals;
use crate::terminal::size;

/// What of us the container gets.
#[derive(Debug)]
pub(crate) struct Foreground {
    pub(crate) stdin: bool,
    pub(crate) tty: bool,
    pub(crate) detach_keys: DetachKeys,
    pub(crate) proxy_signals: bool,
}

/// Refuses `-t` with `-i` where standard input is no terminal.
pub(crate) fn require_terminal() -> Result<(), Failure> {
    if stdin_is_terminal() {
        return Ok(());
    }
    Err(Failure::new(
        "the input device is not a TTY: leave -t away when input comes from a pipe or a file",
    ))
}

/// Starts a created container and stays with it. Signals are caught and the terminal is raw from before the start, so
/// that nothing that comes while it starts is lost, or kills us beside a running container.
pub(crate) fn start(engine: &Engine, id: &str, foreground: Foreground) -> Outcome {
    let mut signals = Signals::watch()?;
    let raw = raw_mode(&foreground)?;
    let size = size::of(stdin().as_fd()).filter(|_| foreground.tty);
    let (rows, columns) = size.map_or((0, 0), |size| (size.rows, size.columns));
    let started = engine
        .start(id, Stdio::Attached { rows, columns })
        .map_err(of_start)?;
    let line_end = if raw.is_some() { "\r" } else { "" };
    started
        .warnings
        .iter()
        .for_each(|warning| complain(&format!("{warning}{line_end}")));
    let client = started.attach.ok_or_else(|| {
        Failure::new(format!("attach to {id}: the monitor gave no connection")).with_code(125)
    })?;
    relay(engine, id, client, foreground, &mut signals, raw)
}

/// Stays with a container that runs already, until it ends or we leave; the exit code.
pub(crate) fn stay(engine: &Engine, id: &str, foreground: Foreground) -> Outcome {
    let client = engine.attach(id)?;
    let mut signals = Signals::watch()?;
    let raw = raw_mode(&foreground)?;
    relay(engine, id, client, foreground, &mut signals, raw)
}

fn raw_mode(foreground: &Foreground) -> std::io::Result<Option<RawMode>> {
    (foreground.stdin && foreground.tty && stdin_is_terminal())
        .then(RawMode::enter)
        .transpose()
}

fn relay(
    engine: &Engine,
    id: &str,
    client: AttachClient,
    foreground: Foreground,
    signals: &mut Signals,
    raw: Option<RawMode>,
) -> Outcome {
    let setup = Setup {
        stdin: foreground.stdin,
        tty: foreground.tty,
        detach_keys: foreground.detach_keys,
        // What is typed is sent by the container's own terminal; what comes to us otherwise is for us.
        proxy_signals: foreground.proxy_signals && raw.is_none(),
    };
    let (input, output, errors) = (stdin(), stdout(), stderr());
    let streams = Streams {
        input: input.as_fd(),
        output: output.as_fd(),
        errors: errors.as_fd(),
    };
    let ended = session::relay(
        Channel::new(client.into_socket()),
        streams,
        &setup,
        signals,
        |signal| {
            // A container that ends at this moment can't be signalled any more, and needs not.
            let _ = engine.kill(id, Some(signal.as_str()));
        },
    );
    drop(raw);
    match ended? {
        Ended::Exited(Some(code)) => Ok(code),
        Ended::Exited(None) => Ok(engine.wait(id)?.exit_code),
        Ended::Detached => {
            // The cursor stands where the container's last line ended.
            say("\nminictl: detached; the container goes on\n");
            Ok(0)
        }
        Ended::OutputClosed => Ok(128 + libc::SIGPIPE),
        Ended::Signalled(signal) => Ok(128 + signal as i32),
    }
}
