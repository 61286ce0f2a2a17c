//! Reserving host ports: a bound socket that never listens makes the port "in use" for everybody else, without a
//! process that passes the data on.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, getsockname, setsockopt, socket, sockopt,
};

use crate::conflict::{self, Taken};
use crate::error::{Error, Result};
use crate::model::{PortMapping, Protocol};
use crate::networks::Networks;

impl Networks {
    /// Reserves host ports: binds a socket for each mapping (never listening), so that this host's processes and
    /// other endpoints see the port as taken, and chooses a port where the mapping says 0. The mappings come back in
    /// the same order with every host port filled in. Keep the descriptors (close-on-exec) as long as the endpoint.
    pub fn reserve_ports(&self, ports: &[PortMapping]) -> Result<(Vec<OwnedFd>, Vec<PortMapping>)> {
        let mut sockets = Vec::with_capacity(ports.len());
        let mut chosen = Vec::with_capacity(ports.len());
        for mapping in ports {
            if let Some(twin) = chosen
                .iter()
                .find(|other| conflict::collide(other, mapping))
            {
                let reason = format!("the same host port is already asked for by {twin}");
                return Err(Error::Invalid {
                    what: "published port",
                    value: mapping.to_string(),
                    reason,
                });
            }
            let (socket, host_port) = self.reserve(mapping)?;
            sockets.push(socket);
            chosen.push(PortMapping {
                host_port,
                ..*mapping
            });
        }
        Ok((sockets, chosen))
    }

    fn reserve(&self, mapping: &PortMapping) -> Result<(OwnedFd, u16)> {
        let errno = match bound(mapping, false) {
            Ok(reserved) => return Ok(reserved),
            Err(errno) => errno,
        };
        let address = mapping.host().unwrap_or(Ipv4Addr::UNSPECIFIED);
        let (port, protocol) = (mapping.host_port, mapping.protocol);
        match errno {
            Errno::EADDRINUSE => match conflict::find(mapping, &self.endpoints()?) {
                Taken::By(holder) => Err(Error::PortTaken {
                    address,
                    port,
                    protocol,
                    holder: Some(holder),
                }),
                Taken::Lingering if let Ok(reserved) = bound(mapping, true) => Ok(reserved),
                Taken::Lingering | Taken::Unknown => Err(Error::PortTaken {
                    address,
                    port,
                    protocol,
                    holder: None,
                }),
            },
            Errno::EADDRNOTAVAIL => Err(Error::NoSuchHostAddress {
                address,
                port,
                protocol,
            }),
            errno => Err(Error::system(
                "reserve port",
                format_args!("{address}:{port}/{protocol}"),
            )(errno)),
        }
    }
}

/// A bound socket and its port. `past_closed` binds over connections that are closed already; not for every bind,
/// since a process that does the same could then take the port from us.
fn bound(mapping: &PortMapping, past_closed: bool) -> Result<(OwnedFd, u16), Errno> {
    let kind = match mapping.protocol {
        Protocol::Tcp => SockType::Stream,
        Protocol::Udp => SockType::Datagram,
    };
    let socket = socket(AddressFamily::Inet, kind, SockFlag::SOCK_CLOEXEC, None)?;
    if past_closed {
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    }
    let address = mapping.host().unwrap_or(Ipv4Addr::UNSPECIFIED);
    bind(
        socket.as_raw_fd(),
        &SockaddrIn::from(SocketAddrV4::new(address, mapping.host_port)),
    )?;
    let port = getsockname::<SockaddrIn>(socket.as_raw_fd())?.port();
    Ok((socket, port))
}
