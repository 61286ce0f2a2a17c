//! rtnetlink, synchronously: one request, its answers, nothing else in flight (RFC 3549, `rtnetlink(7)`).

mod links;
mod routes;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::sys::socket::{MsgFlags, recv};

use crate::error::{Error, Result};
use crate::netns::Netns;

pub(crate) use links::{Link, MacAddr, Veth};

/// A conversation with the kernel about the links, addresses and routes of one network namespace.
pub(crate) struct Route {
    socket: Socket,
    sequence: u32,
}

impl Route {
    /// Opens a socket in the calling thread's network namespace.
    pub(crate) fn open() -> Result<Route> {
        let mut socket =
            Socket::new(NETLINK_ROUTE).map_err(Error::system("open", "rtnetlink socket"))?;
        socket
            .bind_auto()
            .map_err(Error::system("bind", "rtnetlink socket"))?;
        Ok(Route {
            socket,
            sequence: 0,
        })
    }

    /// Opens a socket in `netns`, for use from wherever the caller is: a netlink socket speaks for the namespace that
    /// it was made in.
    pub(crate) fn open_in(netns: &OwnedFd) -> Result<Route> {
        Netns::enter(netns, Route::open)
    }

    /// Sends a request that is only acknowledged.
    fn apply(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.talk(message, NLM_F_REQUEST | NLM_F_ACK | flags)
            .map(drop)
    }

    /// Asks for one object.
    fn get(&mut self, message: RouteNetlinkMessage) -> io::Result<Option<RouteNetlinkMessage>> {
        Ok(self.talk(message, NLM_F_REQUEST | NLM_F_ACK)?.pop())
    }

    /// Asks for every object of a kind.
    fn dump(&mut self, message: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.talk(message, NLM_F_REQUEST | NLM_F_DUMP)
    }

    fn talk(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;

        let mut answers = Vec::new();
        let mut buffer = vec![0u8; 64 * 1024];
        loop {
            let received = match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Err(nix::errno::Errno::EINTR) => continue,
                other => other?,
            };
            let mut rest = &buffer[..received];
            while let Some((one, next)) = split_message(rest) {
                rest = next;
                // What this library cannot read is a kind of link or route that is none of ours.
                let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(one) else {
                    continue;
                };
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                match message.payload {
                    NetlinkPayload::Done(_) => return Ok(answers),
                    NetlinkPayload::Error(error) if error.code.is_none() => return Ok(answers),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                    _ => {}
                }
            }
        }
    }
}

/// Takes one netlink message off the front of a datagram (`netlink(7)`: length first, aligned to 4).
pub(crate) fn split_message(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    if length < 16 {
        return None;
    }
    let message = bytes.get(..length)?;
    Some((
        message,
        bytes.get(length.next_multiple_of(4)..).unwrap_or_default(),
    ))
}
