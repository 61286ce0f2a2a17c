//! The protocol between a monitor and those who look on, and their side of it.
//!
//! A SOCK_SEQPACKET socket; the first byte of each packet is its type. Towards the container: 0 standard input (without
//! payload: its end), 3 size of the terminal (rows and columns, u16 little-endian). From it: 1 standard output, 2
//! standard error, 4 the exit code (i32 little-endian), the last packet before the socket's end. Unknown types are passed over.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, connect, recv, send, socket};

pub(super) const STDIN: u8 = 0;
pub(super) const STDOUT: u8 = 1;
pub(super) const STDERR: u8 = 2;
pub(super) const RESIZE: u8 = 3;
pub(super) const EXIT: u8 = 4;

/// Payload of a packet at most, in either direction.
pub const LONGEST: usize = 32 * 1024;

/// What comes from a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It wrote to standard output, or its terminal.
    Stdout(Vec<u8>),
    /// It wrote to standard error.
    Stderr(Vec<u8>),
    /// It ended with this code.
    Exit(i32),
    /// All is over, the cleaning up included.
    Closed,
}

/// A connection to a container's streams. It never waits: it is made to be polled by its descriptor.
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects to the monitor's socket; the path may be longer than a socket address.
    pub fn connect(path: &Path) -> io::Result<Client> {
        let socket = socket(
            AddressFamily::Unix,
            SockType::SeqPacket,
            SockFlag::SOCK_CLOEXEC,
            None,
        )?;
        let directory = File::open(path.parent().unwrap_or(path))?;
        connect(
            socket.as_raw_fd(),
            &super::files::address(&directory, path)?,
        )?;
        Ok(Client::new(socket))
    }

    /// Speaks over a socket that is connected already.
    pub fn new(socket: OwnedFd) -> Client {
        Client {
            socket,
            buffer: Vec::new(),
        }
    }

    /// Sends input, as much of it as goes into one packet; returns how much that was. [`io::ErrorKind::WouldBlock`]:
    /// try again when the socket polls writable.
    pub fn send_stdin(&self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(LONGEST)];
        if !bytes.is_empty() {
            self.send(STDIN, bytes)?;
        }
        Ok(bytes.len())
    }

    /// Ends the input.
    pub fn send_eof(&self) -> io::Result<()> {
        self.send(STDIN, &[])
    }

    /// Tells the size of the terminal.
    pub fn resize(&self, rows: u16, columns: u16) -> io::Result<()> {
        let ([a, b], [c, d]) = (rows.to_le_bytes(), columns.to_le_bytes());
        self.send(RESIZE, &[a, b, c, d])
    }

    fn send(&self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let packet = [&[kind], payload].concat();
        send(
            self.socket.as_raw_fd(),
            &packet,
            MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
        )?;
        Ok(())
    }

    /// The next event that has come; `None` when there is none for now.
    pub fn receive(&mut self) -> io::Result<Option<Event>> {
        self.buffer.resize(LONGEST + 1, 0);
        loop {
            let length = match recv(
                self.socket.as_raw_fd(),
                &mut self.buffer,
                MsgFlags::MSG_DONTWAIT,
            ) {
                Ok(length) => length,
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => return Ok(None),
                // The monitor left without reading all that was sent; what it sent before still comes.
                Err(Errno::ECONNRESET) => continue,
                Err(errno) => return Err(errno.into()),
            };
            match self.buffer[..length].split_first() {
                None => return Ok(Some(Event::Closed)),
                Some((&STDOUT, bytes)) => return Ok(Some(Event::Stdout(bytes.to_vec()))),
                Some((&STDERR, bytes)) => return Ok(Some(Event::Stderr(bytes.to_vec()))),
                Some((&EXIT, &[a, b, c, d])) => {
                    return Ok(Some(Event::Exit(i32::from_le_bytes([a, b, c, d]))));
                }
                Some(_) => {}
            }
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
