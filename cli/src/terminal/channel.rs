//! The streams of a container as packets on its attach socket: a sequence of packets, the first byte of each its type.
//! Never waits: it is made to be polled.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};

/// One packet, in either direction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Packet {
    /// To the container; empty at the end of the input.
    Stdin(Vec<u8>),
    /// To the container's terminal.
    Resize {
        rows: u16,
        columns: u16,
    },
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    /// The container's exit code.
    Exit(i32),
    /// The container's side is gone.
    Closed,
}

/// What became of a packet to be sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sent {
    Whole,
    /// There is no room now: try again when the channel polls writable.
    Later,
    Closed,
}

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const RESIZE: u8 = 3;
const EXIT: u8 = 4;

/// Longer than any packet a monitor sends.
const LONGEST: usize = 256 * 1024;

/// A connection to a container's streams.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Channel {
    /// Speaks over this connected socket (SOCK_SEQPACKET).
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Channel {
            socket,
            buffer: vec![0; LONGEST],
        }
    }

    /// Sends a packet for the container, whole or not at all.
    pub(crate) fn send(&mut self, packet: &Packet) -> io::Result<Sent> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        match send(self.socket.as_raw_fd(), &encode(packet), flags) {
            Ok(_) => Ok(Sent::Whole),
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS) => Ok(Sent::Later),
            Err(Errno::EPIPE | Errno::ECONNRESET | Errno::ENOTCONN) => Ok(Sent::Closed),
            Err(error) => Err(error.into()),
        }
    }

    /// The next packet that has come, if any; those of unknown types are passed over.
    pub(crate) fn receive(&mut self) -> io::Result<Option<Packet>> {
        match recv(
            self.socket.as_raw_fd(),
            &mut self.buffer,
            MsgFlags::MSG_DONTWAIT,
        ) {
            Ok(0) => Ok(Some(Packet::Closed)),
            Ok(length) => Ok(decode(&self.buffer[..length])),
            // The other side left without reading all that we sent: told once, and before what it sent us.
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNRESET) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn encode(packet: &Packet) -> Vec<u8> {
    let of = |kind: u8, payload: &[u8]| [&[kind], payload].concat();
    match packet {
        Packet::Stdin(bytes) => of(STDIN, bytes),
        Packet::Stdout(bytes) => of(STDOUT, bytes),
        Packet::Stderr(bytes) => of(STDERR, bytes),
        Packet::Resize { rows, columns } => of(
            RESIZE,
            &[rows.to_le_bytes(), columns.to_le_bytes()].concat(),
        ),
        Packet::Exit(code) => of(EXIT, &code.to_le_bytes()),
        Packet::Closed => Vec::new(),
    }
}

fn decode(packet: &[u8]) -> Option<Packet> {
    let (kind, payload) = packet.split_first()?;
    match *kind {
        STDIN => Some(Packet::Stdin(payload.to_vec())),
        STDOUT => Some(Packet::Stdout(payload.to_vec())),
        STDERR => Some(Packet::Stderr(payload.to_vec())),
        EXIT => Some(Packet::Exit(i32::from_le_bytes(payload.try_into().ok()?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read() {
        fn check(bytes: &[u8], expected: Option<Packet>) {
            assert_eq!(decode(bytes), expected, "{bytes:?}");
        }
        check(b"", None);
        check(b"\x01hello", Some(Packet::Stdout(b"hello".to_vec())));
        check(b"\x02", Some(Packet::Stderr(Vec::new())));
        check(b"\x04\x89\0\0\0", Some(Packet::Exit(137)));
        check(b"\x04\x89\0", None);
        check(b"\x09x", None);
        assert_eq!(
            encode(&Packet::Resize {
                rows: 0x0102,
                columns: 80
            }),
            [3, 2, 1, 80, 0]
        );
        assert_eq!(encode(&Packet::Stdin(Vec::new())), [0]);
    }
}
