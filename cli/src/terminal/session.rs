//! The loop of a foreground container: what is typed goes in, what it prints comes out, signals and window sizes are
//! passed on, until it ends, the detach keys are pressed or nobody reads the output any more.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::channel::{Channel, Packet, Sent};
use super::detach::{DetachKeys, Watcher};
use super::output::{Output, Written};
use super::signals::Signals;
use super::size;

/// How the person's side of a session is set up.
#[derive(Debug)]
pub(crate) struct Setup {
    /// Whether what comes on standard input is passed on.
    pub(crate) stdin: bool,
    /// Whether the container has a terminal: window sizes are passed on, detach keys are looked for.
    pub(crate) tty: bool,
    pub(crate) detach_keys: DetachKeys,
    /// Whether signals are passed on to the container.
    pub(crate) proxy_signals: bool,
}

/// The person's side: where it is typed, and where output goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streams<'a> {
    pub(crate) input: BorrowedFd<'a>,
    pub(crate) output: BorrowedFd<'a>,
    pub(crate) errors: BorrowedFd<'a>,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Ended {
    /// The container's side closed; the exit code if it was told.
    Exited(Option<i32>),
    /// The person pressed the detach keys.
    Detached,
    /// Nobody reads standard output any more.
    OutputClosed,
    /// A signal that isn't passed on.
    Signalled(Signal),
}

/// So many SIGINT or SIGTERM in one session mean that the person wants to leave whatever the container does.
const PATIENCE: u32 = 3;

/// Runs the session to its end. `pass_on` sends a signal to the container.
pub(crate) fn relay(
    channel: Channel,
    streams: Streams<'_>,
    setup: &Setup,
    signals: &mut Signals,
    mut pass_on: impl FnMut(Signal),
) -> io::Result<Ended> {
    let mut session = Session {
        channel,
        input: streams.input,
        open: true,
        exit_code: None,
        typing: setup.stdin,
        watcher: (setup.tty && setup.stdin).then(|| Watcher::new(setup.detach_keys.clone())),
        outgoing: VecDeque::new(),
        out: Output::new(streams.output),
        err: Output::new(streams.errors),
        interrupts: 0,
    };
    if setup.tty {
        session.tell_size();
    }
    loop {
        if !session.open && !session.out.is_pending() && !session.err.is_pending() {
            return Ok(Ended::Exited(session.exit_code));
        }
        for ready in session.wait(signals)? {
            let ended = match ready {
                Source::Signals => session.take_signals(signals, setup, &mut pass_on),
                Source::Channel => session.exchange()?,
                Source::Stdin => session.read_stdin()?,
                Source::Stdout => session.write_stdout()?,
                Source::Stderr => session.write_stderr()?,
            };
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    Signals,
    Channel,
    Stdin,
    Stdout,
    Stderr,
}

struct Session<'a> {
    channel: Channel,
    input: BorrowedFd<'a>,
    /// Whether the container's side of the channel is still there.
    open: bool,
    exit_code: Option<i32>,
    /// Whether more may come on standard input.
    typing: bool,
    watcher: Option<Watcher>,
    outgoing: VecDeque<Packet>,
    out: Output<BorrowedFd<'a>>,
    err: Output<BorrowedFd<'a>>,
    interrupts: u32,
}

impl Session<'_> {
    /// Waits until something can be done, and says what.
    fn wait(&self, signals: &Signals) -> io::Result<Vec<Source>> {
        let output = PollFlags::POLLOUT;
        let mut watched: Vec<(Source, BorrowedFd<'_>, PollFlags)> =
            vec![(Source::Signals, signals.as_fd(), PollFlags::POLLIN)];
        if self.out.is_pending() {
            watched.push((Source::Stdout, self.out.as_fd(), output));
        }
        if self.err.is_pending() {
            watched.push((Source::Stderr, self.err.as_fd(), output));
        }
        let mut events = PollFlags::empty();
        events.set(PollFlags::POLLIN, self.wants_output());
        events.set(PollFlags::POLLOUT, !self.outgoing.is_empty());
        if self.open && !events.is_empty() {
            watched.push((Source::Channel, self.channel.as_fd(), events));
        }
        if self.open && self.typing && self.outgoing.is_empty() {
            watched.push((Source::Stdin, self.input, PollFlags::POLLIN));
        }
        let mut polled: Vec<PollFd<'_>> = watched
            .iter()
            .map(|(_, fd, events)| PollFd::new(*fd, *events))
            .collect();
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        let ready = |fd: &PollFd<'_>| fd.revents().is_none_or(|events| !events.is_empty());
        Ok(watched
            .iter()
            .zip(&polled)
            .filter(|(_, fd)| ready(fd))
            .map(|((source, ..), _)| *source)
            .collect())
    }

    /// The container's output is taken only when the last of it is written: it waits with us for a slow reader.
    fn wants_output(&self) -> bool {
        !self.out.is_pending() && !self.err.is_pending()
    }

    fn take_signals(
        &mut self,
        signals: &mut Signals,
        setup: &Setup,
        pass_on: &mut impl FnMut(Signal),
    ) -> Option<Ended> {
        while let Some(signal) = signals.next() {
            match signal {
                Signal::SIGWINCH if setup.tty => self.tell_size(),
                Signal::SIGWINCH => {}
                Signal::SIGCONT if setup.tty => self.tell_size(),
                _ if !setup.proxy_signals => match signal {
                    Signal::SIGCONT => {}
                    _ => return Some(Ended::Signalled(signal)),
                },
                _ => {
                    self.interrupts +=
                        u32::from(matches!(signal, Signal::SIGINT | Signal::SIGTERM));
                    if self.interrupts > PATIENCE {
                        return Some(Ended::Signalled(signal));
                    }
                    pass_on(signal);
                }
            }
        }
        None
    }

    fn tell_size(&mut self) {
        if let Some(size) = size::of(self.input).or_else(|| size::of(self.out.as_fd())) {
            self.outgoing.push_back(Packet::Resize {
                rows: size.rows,
                columns: size.columns,
            });
        }
    }

    /// Sends what waits, and takes one packet if its contents can be written.
    fn exchange(&mut self) -> io::Result<Option<Ended>> {
        self.send_waiting()?;
        if !self.wants_output() {
            return Ok(None);
        }
        match self.channel.receive()? {
            None => {}
            Some(Packet::Stdout(bytes)) => self.out.push(&bytes),
            Some(Packet::Stderr(bytes)) => self.err.push(&bytes),
            Some(Packet::Exit(code)) => self.exit_code = Some(code),
            Some(Packet::Closed) => self.open = false,
            Some(Packet::Stdin(_) | Packet::Resize { .. }) => {}
        }
        Ok(None)
    }

    /// Sends as much of what waits as there is room for.
    fn send_waiting(&mut self) -> io::Result<()> {
        while let Some(packet) = self.outgoing.front() {
            match self.channel.send(packet)? {
                Sent::Whole => {
                    self.outgoing.pop_front();
                }
                Sent::Later => break,
                Sent::Closed => {
                    self.outgoing.clear();
                    self.typing = false;
                }
            }
        }
        Ok(())
    }

    fn read_stdin(&mut self) -> io::Result<Option<Ended>> {
        let mut buffer = [0; 4096];
        let typed = match nix::unistd::read(self.input, &mut buffer) {
            Ok(count) => &buffer[..count],
            Err(Errno::EINTR | Errno::EAGAIN) => return Ok(None),
            // A terminal that has gone, or a descriptor that was closed: nothing more can come.
            Err(Errno::EIO | Errno::EBADF) => &[],
            Err(error) => return Err(error.into()),
        };
        if typed.is_empty() {
            self.typing = false;
            self.outgoing.push_back(Packet::Stdin(Vec::new()));
            return Ok(None);
        }
        let mut forward = Vec::with_capacity(typed.len());
        let detached = match &mut self.watcher {
            Some(watcher) => watcher.feed(typed, &mut forward),
            None => {
                forward.extend_from_slice(typed);
                false
            }
        };
        if !forward.is_empty() {
            self.outgoing.push_back(Packet::Stdin(forward));
        }
        if detached {
            self.send_waiting()?;
            return Ok(Some(Ended::Detached));
        }
        Ok(None)
    }

    fn write_stdout(&mut self) -> io::Result<Option<Ended>> {
        Ok(match self.out.write()? {
            Written::Some => None,
            Written::Closed => Some(Ended::OutputClosed),
        })
    }

    fn write_stderr(&mut self) -> io::Result<Option<Ended>> {
        Ok(match self.err.write()? {
            Written::Some => None,
            Written::Closed => Some(Ended::OutputClosed),
        })
    }
}

#[cfg(test)]
mod tests;
