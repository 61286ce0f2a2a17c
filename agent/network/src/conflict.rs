//! Who holds a port that could not be bound.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use crate::error::Holder;
use crate::model::{Endpoint, PortMapping, Protocol};

/// What is known of a taken port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Somebody has it.
    By(Holder),
    /// Nobody has it: only connections that are closed already (TIME_WAIT), which a listener may ignore.
    Lingering,
    /// Not to be found out.
    Unknown,
}

/// Looks for the holder of the mapping's host port among our endpoints and this host's processes.
pub(crate) fn find(mapping: &PortMapping, endpoints: &[Endpoint]) -> Taken {
    let ours = endpoints
        .iter()
        .find(|e| e.ports.iter().any(|p| collide(p, mapping)));
    if let Some(endpoint) = ours {
        return Taken::By(Holder::Endpoint(endpoint.id.clone()));
    }
    let mut lingering = false;
    for table in tables(mapping.protocol) {
        for socket in fs::read_to_string(table)
            .unwrap_or_default()
            .lines()
            .filter_map(read_socket)
        {
            if socket.port != mapping.host_port || !socket.may_collide(mapping.host()) {
                continue;
            }
            if socket.state == TIME_WAIT {
                lingering = true;
            } else if let Some(holder) = process_of(socket.inode) {
                return Taken::By(holder);
            }
        }
    }
    if lingering {
        Taken::Lingering
    } else {
        Taken::Unknown
    }
}

/// Whether two mappings claim the same port.
pub(crate) fn collide(a: &PortMapping, b: &PortMapping) -> bool {
    let hosts = match (a.host(), b.host()) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    };
    hosts && a.protocol == b.protocol && a.host_port == b.host_port
}

fn tables(protocol: Protocol) -> [&'static str; 2] {
    match protocol {
        Protocol::Tcp => ["/proc/thread-self/net/tcp", "/proc/self/net/tcp6"],
        Protocol::Udp => ["/proc/thread-self/net/udp", "/proc/self/net/udp6"],
    }
}

const TIME_WAIT: u8 = 6;

#[derive(Debug, PartialEq, Eq)]
struct Socket {
    /// `None` for an IPv6 socket.
    address: Option<Ipv4Addr>,
    port: u16,
    state: u8,
    inode: u64,
}

impl Socket {
    fn may_collide(&self, wanted: Option<Ipv4Addr>) -> bool {
        match (self.address, wanted) {
            (Some(has), Some(wants)) => has == wants || has.is_unspecified(),
            _ => true,
        }
    }
}

/// A line of `/proc/net/tcp` and its like (`proc_pid_net(5)`): `sl local remote state ... inode`.
fn read_socket(line: &str) -> Option<Socket> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, port) = fields.get(1)?.split_once(':')?;
    let address = (address.len() == 8)
        .then(|| u32::from_str_radix(address, 16))
        .transpose()
        .ok()?;
    Some(Socket {
        // The kernel prints the four bytes as one number of the machine's order.
        address: address.map(|number| Ipv4Addr::from(number.to_ne_bytes())),
        port: u16::from_str_radix(port, 16).ok()?,
        state: u8::from_str_radix(fields.get(3)?, 16).ok()?,
        inode: fields.get(9)?.parse().ok()?,
    })
}

fn process_of(inode: u64) -> Option<Holder> {
    let wanted = format!("socket:[{inode}]");
    let own = std::process::id() as i32;
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if pid != own && holds(&process.path(), &wanted) {
            let command = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(Holder::Process {
                pid,
                command: command.trim().to_owned(),
            });
        }
    }
    None
}

fn holds(process: &Path, socket: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    descriptors
        .flatten()
        .any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target.as_os_str() == socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_lines() {
        let check = |line: &str, expected: Option<Socket>| {
            assert_eq!(read_socket(line), expected, "{line}")
        };
        check(
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
            None,
        );
        check(
            "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0",
            Some(Socket {
                address: Some(Ipv4Addr::LOCALHOST),
                port: 8080,
                state: 10,
                inode: 4711,
            }),
        );
        check(
            "   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 7 1",
            Some(Socket {
                address: None,
                port: 80,
                state: 10,
                inode: 7,
            }),
        );
        check("", None);
        check("nonsense", None);
    }

    #[test]
    fn collisions() {
        let mapping = |host: &str, port: u16, protocol| PortMapping {
            host_ip: host.parse().ok(),
            host_port: port,
            container_port: 1,
            protocol,
        };
        let any = mapping("", 80, Protocol::Tcp);
        let check = |b: PortMapping, expected: bool| {
            assert_eq!(collide(&any, &b), expected);
            assert_eq!(collide(&b, &any), expected);
        };
        check(any, true);
        check(mapping("0.0.0.0", 80, Protocol::Tcp), true);
        check(mapping("127.0.0.1", 80, Protocol::Tcp), true);
        check(mapping("", 80, Protocol::Udp), false);
        check(mapping("", 81, Protocol::Tcp), false);
        assert!(!collide(
            &mapping("10.0.0.1", 80, Protocol::Tcp),
            &mapping("10.0.0.2", 80, Protocol::Tcp)
        ));
    }
}
