//! Forgetting UDP flows. A UDP "connection" lives as long as its client keeps sending, so a client that knew an
//! endpoint which is gone, or that sent before a port was published, would stay with the old target for ever.

use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::sys::socket::{MsgFlags, recv};

use crate::error::{Error, Result};
use crate::netlink::split_message;
use crate::nft::wire::{DUMP, PAYLOAD, attributes, write_message};

/// A UDP flow as connection tracking knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    /// Where its first packet was sent to.
    pub(crate) destination: (Ipv4Addr, u16),
    /// Where its answers come from: the translated destination.
    pub(crate) answered_by: (Ipv4Addr, u16),
}

/// Deletes the UDP flows that `unwanted` picks.
pub(crate) fn forget_udp(unwanted: impl Fn(&Flow) -> bool) -> Result<()> {
    let mut socket =
        Socket::new(NETLINK_NETFILTER).map_err(Error::system("open", "conntrack socket"))?;
    socket
        .bind_auto()
        .map_err(Error::system("bind", "conntrack socket"))?;
    for tuple in list(&socket, unwanted).map_err(Error::system("list", "UDP flows"))? {
        let mut request = Vec::new();
        write_message(
            &mut request,
            CT_DELETE,
            NLM_F_REQUEST | NLM_F_ACK,
            2,
            AF_INET,
            0,
            &tuple,
        );
        socket
            .send(&request, 0)
            .map_err(Error::system("forget", "a UDP flow"))?;
        // The answer says at worst that the flow has ended by itself.
        let _ = recv(socket.as_raw_fd(), &mut [0; 4096], MsgFlags::empty());
    }
    Ok(())
}

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const AF_INET: u8 = 2;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET`.
const CT_GET: u16 = 1 << 8 | 1;
/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE`.
const CT_DELETE: u16 = 1 << 8 | 2;

/// The original tuples (as attributes, ready to be sent back) of the flows picked.
fn list(socket: &Socket, pick: impl Fn(&Flow) -> bool) -> std::io::Result<Vec<Vec<u8>>> {
    let mut request = Vec::new();
    write_message(
        &mut request,
        CT_GET,
        NLM_F_REQUEST | DUMP,
        1,
        AF_INET,
        0,
        &[],
    );
    socket.send(&request, 0)?;
    let mut found = Vec::new();
    let mut buffer = vec![0u8; 64 * 1024];
    loop {
        let received = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        let mut rest = &buffer[..received];
        while let Some((message, next)) = split_message(rest) {
            rest = next;
            match u16::from_ne_bytes([message[4], message[5]]) {
                NLMSG_DONE | NLMSG_ERROR => return Ok(found),
                _ => {}
            }
            if let Some((flow, tuple)) = message.get(PAYLOAD.start..).and_then(read_flow)
                && pick(&flow)
            {
                found.push(tuple);
            }
        }
    }
}

fn read_flow(payload: &[u8]) -> Option<(Flow, Vec<u8>)> {
    let (mut original, mut reply) = (None, None);
    for (kind, value) in attributes(payload) {
        match kind {
            1 => original = Some(value),
            2 => reply = Some(value),
            _ => {}
        }
    }
    let tuple = original?;
    let mut again = crate::nft::wire::Attributes::default();
    again.nest(1, |nest| nest.bytes.extend_from_slice(tuple));
    let (_, destination) = read_tuple(tuple)?;
    let (answered_by, _) = read_tuple(reply?)?;
    Some((
        Flow {
            destination,
            answered_by,
        },
        again.bytes,
    ))
}

/// Source and destination of a UDP tuple (`enum ctattr_tuple`).
fn read_tuple(tuple: &[u8]) -> Option<((Ipv4Addr, u16), (Ipv4Addr, u16))> {
    let part = |number: u16| {
        attributes(tuple)
            .find(|(kind, _)| *kind == number)
            .map(|(_, value)| value)
    };
    let (ip, proto) = (part(1)?, part(2)?);
    let field = |of, number: u16| {
        attributes(of)
            .find(|(kind, _)| *kind == number)
            .map(|(_, value)| value)
    };
    if field(proto, 1)? != [libc::IPPROTO_UDP as u8] {
        return None;
    }
    let address = |number| {
        Some(Ipv4Addr::from(
            <[u8; 4]>::try_from(field(ip, number)?).ok()?,
        ))
    };
    let port = |number| Some(u16::from_be_bytes(field(proto, number)?.try_into().ok()?));
    Some(((address(1)?, port(2)?), (address(2)?, port(3)?)))
}
