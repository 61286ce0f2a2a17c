//! The streams between a container, its log and those who look on.
//!
//! Output is read only when everybody has taken what came before, so a slow client slows the container down as a slow
//! terminal does; input is read only when the container has taken what came before.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{read, write};

use super::attach::{EXIT, LONGEST, RESIZE, STDERR, STDIN, STDOUT};
use super::clients::{Clients, Received};
use super::files::Listener;
use crate::log::{LogWriter, Stream};
use crate::sys::terminal;

/// How long a terminal whose other side nobody has open is left alone: programs close and open it again.
const REST: Duration = Duration::from_millis(250);
/// A terminal passes on the last output by a kernel thread, a little later.
const TERMINAL_LAG: Duration = Duration::from_millis(100);
/// What is read after the container's end at most: descendants outside its pid namespace may write for ever.
const LAST_WORDS: usize = 8 << 20;
/// Packets from clients at most; longer ones are cut.
const INPUT: usize = 256 << 10;

/// What a container writes to.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) fd: OwnedFd,
    pub(super) stream: Stream,
    pub(super) terminal: bool,
    /// Until when it isn't read.
    rests: Option<Instant>,
    ended: bool,
}

impl Output {
    pub(super) fn new(fd: OwnedFd, stream: Stream, terminal: bool) -> Output {
        Output {
            fd,
            stream,
            terminal,
            rests: None,
            ended: false,
        }
    }
}

/// What a container reads from.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) fd: OwnedFd,
    pub(super) terminal: bool,
    pending: Vec<u8>,
    /// How much of it the container has taken.
    taken: usize,
    /// To be closed when all is taken.
    ends: bool,
}

impl Input {
    pub(super) fn new(fd: OwnedFd, terminal: bool) -> Input {
        Input {
            fd,
            terminal,
            pending: Vec::new(),
            taken: 0,
            ends: false,
        }
    }

    fn is_waiting(&self) -> bool {
        self.taken < self.pending.len()
    }
}

/// All streams of one container.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) outputs: Vec<Output>,
    pub(super) input: Option<Input>,
    pub(super) clients: Clients,
    pub(super) listener: Option<Listener>,
    pub(super) log: LogWriter,
    /// The last chunk as a packet.
    chunk: Vec<u8>,
    length: usize,
    /// A packet from a client.
    packet: Vec<u8>,
}

/// What was polled, in the order of the descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Output(usize),
    Listener,
    Input,
    Client(usize),
    /// The result of a probe, which is not the relay's business.
    Probe,
}

impl Relay {
    pub(super) fn new(
        outputs: Vec<Output>,
        input: Option<Input>,
        clients: Clients,
        listener: Option<Listener>,
        log: LogWriter,
    ) -> Relay {
        Relay {
            outputs,
            input,
            clients,
            listener,
            log,
            chunk: Vec::new(),
            length: 0,
            packet: Vec::new(),
        }
    }

    /// What to poll now, and until when at the latest.
    pub(super) fn interests(
        &self,
        now: Instant,
    ) -> (Vec<(Source, BorrowedFd<'_>, PollFlags)>, Option<Duration>) {
        let mut interests = Vec::with_capacity(4 + self.clients.len());
        let mut timeout: Option<Duration> = None;
        if !self.clients.owed() {
            for (place, output) in self.outputs.iter().enumerate() {
                match output
                    .rests
                    .map(|until| until.saturating_duration_since(now))
                {
                    Some(rest) if !rest.is_zero() => {
                        timeout = Some(timeout.map_or(rest, |other| other.min(rest)))
                    }
                    _ => interests.push((
                        Source::Output(place),
                        output.fd.as_fd(),
                        PollFlags::POLLIN,
                    )),
                }
            }
        }
        if let Some(listener) = self.listener.as_ref().filter(|_| self.clients.have_room()) {
            interests.push((Source::Listener, listener.socket.as_fd(), PollFlags::POLLIN));
        }
        let waiting = self.input.as_ref().is_some_and(Input::is_waiting);
        if let Some(input) = self.input.as_ref().filter(|_| waiting) {
            interests.push((Source::Input, input.fd.as_fd(), PollFlags::POLLOUT));
        }
        for (place, client) in self.clients.iter().enumerate() {
            let flags = client.interest(!waiting);
            // Without interest it isn't polled at all: a hang-up would be told again and again.
            if !flags.is_empty() {
                interests.push((Source::Client(place), client.as_fd(), flags));
            }
        }
        (interests, timeout)
    }

    /// Serves what is ready. Places of clients are those of the last [`Relay::interests`].
    pub(super) fn serve(&mut self, ready: &[(Source, PollFlags)]) {
        for (source, flags) in ready {
            match *source {
                Source::Client(place) => self.serve_client(place, *flags),
                Source::Input => self.pass_input_on(),
                Source::Output(place) => self.serve_output(place),
                Source::Listener | Source::Probe => {}
            }
        }
        self.outputs.retain(|output| !output.ended);
        if self.clients.forget_gone() {
            // The one the container was started for: without it nobody is left to type, unless at a terminal one comes back to.
            if let Some(input) = self.input.as_mut().filter(|input| !input.terminal) {
                input.ends = true;
            }
        }
        if ready.iter().any(|(source, _)| *source == Source::Listener)
            && let Some(listener) = &self.listener
        {
            self.clients.accept(listener.socket.as_fd());
        }
        if self
            .input
            .as_ref()
            .is_some_and(|input| input.ends && !input.is_waiting())
        {
            self.input = None;
        }
    }

    fn serve_output(&mut self, place: usize) {
        if self.clients.owed() {
            return;
        }
        match self.read_chunk(place) {
            Ok(0) | Err(Errno::EIO) => {
                let output = &mut self.outputs[place];
                output.rests = Some(Instant::now() + REST);
                output.ended = !output.terminal;
            }
            Ok(_) => self.clients.broadcast(&self.chunk[..self.length]),
            Err(_) => {}
        }
    }

    /// Reads a chunk, makes it a packet, and logs it.
    fn read_chunk(&mut self, place: usize) -> Result<usize, Errno> {
        if self.chunk.is_empty() {
            // Large enough to come from mmap(2): only pages that are used cost memory.
            self.chunk = vec![0; INPUT];
        }
        let output = &self.outputs[place];
        let length = read(&output.fd, &mut self.chunk[1..=LONGEST])?;
        if length > 0 {
            self.chunk[0] = if output.stream == Stream::Stdout {
                STDOUT
            } else {
                STDERR
            };
            self.length = length + 1;
            self.log.write(
                SystemTime::now(),
                output.stream,
                &self.chunk[1..self.length],
            );
        }
        Ok(length)
    }

    fn serve_client(&mut self, place: usize, flags: PollFlags) {
        if flags.intersects(PollFlags::POLLOUT | PollFlags::POLLHUP | PollFlags::POLLERR)
            && self.clients.owed()
        {
            self.clients.offer_again(&self.chunk[..self.length]);
        }
        if !flags.intersects(PollFlags::POLLIN | PollFlags::POLLHUP)
            || self.input.as_ref().is_some_and(Input::is_waiting)
        {
            return;
        }
        if self.packet.is_empty() {
            self.packet = vec![0; INPUT];
        }
        let Some(client) = self.clients.get(place) else {
            return;
        };
        let Received::Packet(length) =
            client.receive(&mut self.packet, flags.contains(PollFlags::POLLHUP))
        else {
            return;
        };
        match self.packet[..length].split_first() {
            Some((&STDIN, bytes)) => {
                if let Some(input) = &mut self.input {
                    // The end of a client's input is no end of a terminal: others may type on.
                    input.ends |= bytes.is_empty() && !input.terminal;
                    input.pending.clear();
                    input.pending.extend_from_slice(bytes);
                    input.taken = 0;
                }
                self.pass_input_on();
            }
            Some((&RESIZE, &[a, b, c, d])) => {
                if let Some(output) = self.outputs.iter().find(|output| output.terminal) {
                    let (rows, columns) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
                    // A size that the kernel doesn't take changes nothing.
                    let _ = terminal::resize(output.fd.as_fd(), columns, rows);
                }
            }
            _ => {}
        }
    }

    /// Gives the container as much input as it takes.
    fn pass_input_on(&mut self) {
        let Some(input) = &mut self.input else { return };
        while input.is_waiting() {
            match write(&input.fd, &input.pending[input.taken..]) {
                Ok(length) => input.taken += length,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                // It has closed its input: whatever is typed is for nobody.
                Err(_) => {
                    self.input = None;
                    return;
                }
            }
        }
    }

    /// After the container's end: what it has written last reaches log and clients, however slow those are.
    pub(super) fn drain(&mut self) {
        self.input = None;
        self.clients.stop_waiting(&self.chunk[..self.length]);
        let mut left = LAST_WORDS;
        for place in 0..self.outputs.len() {
            while left > 0 {
                match self.read_chunk(place) {
                    Ok(length) if length > 0 => {
                        left = left.saturating_sub(length);
                        self.clients.send_or_keep(&self.chunk[..self.length]);
                    }
                    Err(Errno::EINTR) => {}
                    Err(Errno::EAGAIN)
                        if self.outputs[place].terminal && self.comes_more(place) => {}
                    _ => break,
                }
            }
        }
        self.outputs.clear();
    }

    fn comes_more(&self, place: usize) -> bool {
        let mut fds = [PollFd::new(
            self.outputs[place].fd.as_fd(),
            PollFlags::POLLIN,
        )];
        let timeout = PollTimeout::try_from(TERMINAL_LAG).unwrap_or(PollTimeout::ZERO);
        matches!(poll(&mut fds, timeout), Ok(1..))
    }

    /// Tells everybody the exit code, and gives back the socket of the client that the container was started for. The log is closed and
    /// the socket for clients gone.
    pub(super) fn finish(mut self, exit_code: i32) -> Option<OwnedFd> {
        let [a, b, c, d] = exit_code.to_le_bytes();
        self.clients.send_or_keep(&[EXIT, a, b, c, d]);
        drop((self.log, self.listener));
        self.clients.finish()
    }
}

/// Makes reads and writes on this side return at once; the other side of a pipe stays as it is.
pub(super) fn nonblocking(fd: impl AsFd) -> io::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = OFlag::from_bits_retain(fcntl(fd.as_fd(), FcntlArg::F_GETFL)?) | OFlag::O_NONBLOCK;
    fcntl(fd.as_fd(), FcntlArg::F_SETFL(flags))?;
    Ok(())
}
