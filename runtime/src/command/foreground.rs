//! Waiting for a process in the foreground: its terminal is shown, signals are passed on, and its exit code is ours.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{read, write};

use crate::console::{self, Raw};
use crate::error::{Error, Result};
use crate::sys::pidfd;

/// Signals that are kept for [`Foreground::wait`]. Made before the process is, so that none is missed.
#[derive(Debug)]
pub(super) struct Foreground {
    signals: SignalFd,
}

/// What is not passed on: news of our own children, faults of our own, and what stops a job.
const OWN: [Signal; 11] = [
    Signal::SIGCHLD,
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGILL,
    Signal::SIGFPE,
    Signal::SIGTRAP,
    Signal::SIGSYS,
    Signal::SIGPIPE,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGTSTP,
];

impl Foreground {
    pub(super) fn new() -> Result<Foreground> {
        let mut passed = SigSet::all();
        for signal in OWN {
            passed.remove(signal);
        }
        passed
            .thread_block()
            .map_err(Error::sys("block", "signals"))?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals =
            SignalFd::with_flags(&passed, flags).map_err(Error::sys("listen to", "signals"))?;
        Ok(Foreground { signals })
    }

    /// Waits for the child to end, reaps it, and returns its exit code.
    pub(super) fn wait(&self, process: &OwnedFd, terminal: Option<OwnedFd>) -> Result<i32> {
        let raw = terminal
            .as_ref()
            .map(|_| Raw::enter())
            .transpose()?
            .flatten();
        if let Some(master) = &terminal {
            console::copy_size(master.as_fd());
        }
        self.relay(process, terminal.as_ref())?;
        drop(raw);
        pidfd::reap(process.as_fd())
            .map(pidfd::exit_code)
            .map_err(Error::sys("wait for", "the process"))
    }

    fn relay(&self, process: &OwnedFd, terminal: Option<&OwnedFd>) -> Result<()> {
        let stdin = std::io::stdin();
        let (mut reading, mut showing) = (terminal.is_some(), terminal.is_some());
        loop {
            let master = terminal.map_or(process.as_fd(), OwnedFd::as_fd);
            let when = |wanted: bool| {
                if wanted {
                    PollFlags::POLLIN
                } else {
                    PollFlags::empty()
                }
            };
            let mut wanted = vec![
                PollFd::new(process.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            // A descriptor that has hung up is reported even when nothing of it is wanted: so it isn't asked for then.
            let shown = showing
                .then(|| wanted.push(PollFd::new(master, when(true))))
                .map(|()| wanted.len() - 1);
            let typed = reading
                .then(|| wanted.push(PollFd::new(stdin.as_fd(), when(true))))
                .map(|()| wanted.len() - 1);
            match poll(&mut wanted, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other.map_err(Error::sys("wait for", "the process"))?,
            };
            let ready = |index: usize| wanted[index].any() == Some(true);
            let (ended, signalled) = (ready(0), ready(1));
            let (shown, typed) = (shown.is_some_and(ready), typed.is_some_and(ready));
            if shown {
                showing = show(master);
            }
            if typed {
                reading = pass_input(stdin.as_fd(), master);
            }
            if signalled {
                self.pass_signals(process, terminal)?;
            }
            // What it printed last is shown first.
            if ended && !shown {
                return Ok(());
            }
        }
    }

    fn pass_signals(&self, process: &OwnedFd, terminal: Option<&OwnedFd>) -> Result<()> {
        while let Some(info) = self
            .signals
            .read_signal()
            .map_err(Error::sys("read", "signals"))?
        {
            let number = i32::try_from(info.ssi_signo).unwrap_or(0);
            match terminal {
                Some(master) if number == libc::SIGWINCH => console::copy_size(master.as_fd()),
                // It may have ended.
                _ => drop(pidfd::signal(process.as_fd(), number)),
            }
        }
        Ok(())
    }
}

/// From the terminal to standard output; `false` when there will be no more.
fn show(master: std::os::fd::BorrowedFd<'_>) -> bool {
    let mut buffer = [0; 8192];
    match read(master, &mut buffer) {
        Ok(0) => false,
        Ok(length) => {
            let mut output = std::io::stdout().lock();
            // A reader that has gone doesn't stop the process: it would block if its terminal weren't read.
            let _ = output
                .write_all(&buffer[..length])
                .and_then(|()| output.flush());
            true
        }
        Err(Errno::EINTR | Errno::EAGAIN) => true,
        // Every process has closed its side.
        Err(_) => false,
    }
}

/// From standard input to the terminal; `false` when there will be no more.
fn pass_input(stdin: std::os::fd::BorrowedFd<'_>, master: std::os::fd::BorrowedFd<'_>) -> bool {
    /// End of input as a terminal says it: control D.
    const END: u8 = 4;
    let mut buffer = [0; 4096];
    let length = match read(stdin, &mut buffer) {
        Ok(length) => length,
        Err(Errno::EINTR | Errno::EAGAIN) => return true,
        Err(_) => 0,
    };
    let mut rest = if length == 0 {
        &[END][..]
    } else {
        &buffer[..length]
    };
    while !rest.is_empty() {
        match write(master, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
    length > 0
}
