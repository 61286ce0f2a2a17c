//! Those who look on: connected sockets that each get every chunk of output, and may send input.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, SockFlag, accept4, recv, send};
use nix::unistd::{ForkResult, fork};

use crate::sys::descriptors;

/// As many as may look on at a time.
const MOST: usize = 16;
/// How long those who are slow are waited for in the end, before a process of their own takes over.
const PATIENCE: Duration = Duration::from_secs(1);

/// One who looks on.
#[derive(Debug)]
pub(super) struct Client {
    socket: OwnedFd,
    /// The one that the container was started for: its streams are those of the container.
    first: bool,
    /// It has not taken the last chunk yet.
    owed: bool,
    /// It sends nothing more.
    silent: bool,
    gone: bool,
    /// Packets for it that come after the container's end.
    backlog: Vec<Vec<u8>>,
}

/// What a client has sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A packet of this length.
    Packet(usize),
    Nothing,
}

/// All who look on.
#[derive(Debug, Default)]
pub(super) struct Clients {
    all: Vec<Client>,
}

impl Client {
    fn new(socket: OwnedFd, first: bool) -> Client {
        Client {
            socket,
            first,
            owed: false,
            silent: false,
            gone: false,
            backlog: Vec::new(),
        }
    }

    /// Whether it is to be polled for room or for what it sends; nothing when not at all.
    pub(super) fn interest(&self, listen: bool) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::POLLIN, listen && !self.silent);
        flags.set(PollFlags::POLLOUT, self.owed);
        flags
    }

    /// Sends a packet if there is room for it now.
    fn offer(&mut self, packet: &[u8]) -> bool {
        match send(
            self.socket.as_raw_fd(),
            packet,
            MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
        ) {
            Ok(_) => true,
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS | Errno::ENOMEM) => false,
            Err(_) => {
                self.gone = true;
                true
            }
        }
    }

    /// Reads one packet.
    pub(super) fn receive(&mut self, buffer: &mut [u8], hung_up: bool) -> Received {
        match recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(0) if hung_up => self.gone = true,
            // It has shut down its sending side alone.
            Ok(0) => self.silent = true,
            Ok(length) => return Received::Packet(length),
            // That it left without reading everything is told once, before what it sent.
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNRESET) => {}
            Err(_) => self.gone = true,
        }
        Received::Nothing
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Clients {
    /// The client that the container is started for.
    pub(super) fn add_first(&mut self, socket: OwnedFd) {
        self.all.push(Client::new(socket, true));
    }

    /// Lets one more in, if there is one and room for it.
    pub(super) fn accept(&mut self, listener: BorrowedFd<'_>) {
        if let Ok(fd) = accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC)
            && let Some(socket) = descriptors::inherited(fd)
        {
            self.all.push(Client::new(socket, false));
        }
    }

    pub(super) fn have_room(&self) -> bool {
        self.all.len() < MOST
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Client> {
        self.all.iter()
    }

    pub(super) fn get(&mut self, place: usize) -> Option<&mut Client> {
        self.all.get_mut(place)
    }

    /// Sends a chunk to all; those without room owe it a taking.
    pub(super) fn broadcast(&mut self, packet: &[u8]) {
        for client in &mut self.all {
            client.owed = !client.offer(packet);
        }
    }

    /// Whether someone has not taken the last chunk: the container waits for them meanwhile.
    pub(super) fn owed(&self) -> bool {
        self.all.iter().any(|client| client.owed)
    }

    /// Offers the last chunk again to those who have not taken it.
    pub(super) fn offer_again(&mut self, packet: &[u8]) {
        for client in self.all.iter_mut().filter(|client| client.owed) {
            client.owed = !client.offer(packet);
        }
    }

    /// Forgets those who have gone; true when the first is among them.
    pub(super) fn forget_gone(&mut self) -> bool {
        let first = self.all.iter().any(|client| client.first && client.gone);
        self.all.retain(|client| !client.gone);
        first
    }

    /// From now on nobody is waited for: the last chunk and all that follows is kept for those who are slow.
    pub(super) fn stop_waiting(&mut self, packet: &[u8]) {
        for client in self.all.iter_mut().filter(|client| client.owed) {
            client.backlog.push(packet.to_vec());
            client.owed = false;
        }
    }

    /// Sends or keeps.
    pub(super) fn send_or_keep(&mut self, packet: &[u8]) {
        for client in self.all.iter_mut().filter(|client| !client.gone) {
            if !client.backlog.is_empty() || !client.offer(packet) {
                client.backlog.push(packet.to_vec());
            }
        }
    }

    /// Delivers what was kept, and gives back the first client's socket. Whoever is still slow after a second is left to a process
    /// that does nothing else and ends with its client.
    pub(super) fn finish(mut self) -> Option<OwnedFd> {
        let deadline = Instant::now() + PATIENCE;
        while self.deliver() {
            if Instant::now() > deadline {
                self.leave_the_rest_to_a_child();
                break;
            }
            self.wait_for_room(PollTimeout::from(50u16));
        }
        let first = self
            .all
            .into_iter()
            .find(|client| client.first && !client.gone);
        first.map(|client| client.socket)
    }

    /// True when something is left.
    fn deliver(&mut self) -> bool {
        for client in &mut self.all {
            let mut sent = 0;
            while sent < client.backlog.len() && !client.gone {
                let packet = std::mem::take(&mut client.backlog[sent]);
                if !client.offer(&packet) {
                    client.backlog[sent] = packet;
                    break;
                }
                sent += 1;
            }
            client.backlog.drain(..sent);
        }
        self.all.retain(|client| !client.gone);
        self.all.iter().any(|client| !client.backlog.is_empty())
    }

    fn wait_for_room(&self, timeout: PollTimeout) {
        let slow = self.all.iter().filter(|client| !client.backlog.is_empty());
        let mut fds: Vec<PollFd<'_>> = slow
            .map(|client| PollFd::new(client.as_fd(), PollFlags::POLLOUT))
            .collect();
        // Woken early, we offer early.
        let _ = poll(&mut fds, timeout);
    }

    fn leave_the_rest_to_a_child(&mut self) {
        // SAFETY: the monitor has one thread, so that the child may use the heap and all else.
        if !matches!(unsafe { fork() }, Ok(ForkResult::Child)) {
            return;
        }
        self.all.retain(|client| !client.backlog.is_empty());
        let kept: Vec<i32> = self
            .all
            .iter()
            .map(|client| client.socket.as_raw_fd())
            .collect();
        // The monitor's lock above all must not live on with a slow client.
        // SAFETY: this process is about to do nothing but send on those that are kept; nothing else that owns a
        // descriptor is used or dropped in it any more.
        unsafe { descriptors::close_all_but(kept) };
        while self.deliver() {
            self.wait_for_room(PollTimeout::NONE);
        }
        std::process::exit(0)
    }
}

/// The exit command has the client's socket open until it ends.
pub(super) fn keep_across_exec(socket: &OwnedFd) {
    // Without it the client merely sees the end earlier.
    let _ = fcntl(socket, FcntlArg::F_SETFD(FdFlag::empty()));
}
