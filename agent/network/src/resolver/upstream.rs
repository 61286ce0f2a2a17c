//! The host's own resolvers (`resolv.conf(5)`).

use std::fs;
use std::net::{IpAddr, Ipv4Addr};

/// The name servers that questions are passed on to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Servers(pub(crate) Vec<IpAddr>);

impl Servers {
    /// Those of this host, now.
    pub(crate) fn read() -> Servers {
        Servers::parse(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
    }

    /// The `nameserver` lines. A zone (`fe80::1%eth0`) cannot be kept and such a server is left out.
    pub(crate) fn parse(text: &str) -> Servers {
        let servers = text.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            if words.next() == Some("nameserver") {
                words.next()?.parse().ok()
            } else {
                None
            }
        });
        Servers(servers.collect())
    }

    /// Those with an IPv4 address.
    pub(crate) fn v4(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.0.iter().filter_map(|server| match server {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        })
    }
}
