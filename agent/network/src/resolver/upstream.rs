//! The host's own resolvers (`resolv.conf(5)`).

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::SystemTime;

/// Where they are named.
pub(crate) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The name servers that questions are passed on to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Servers(pub(crate) Vec<IpAddr>);

impl Servers {
    /// Those of this host, now.
    pub(crate) fn read() -> Servers {
        Servers::parse(&fs::read_to_string(RESOLV_CONF).unwrap_or_default())
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

/// A resolv.conf that is read again when it changes.
#[derive(Debug)]
pub(crate) struct Watched {
    path: PathBuf,
    seen: Option<SystemTime>,
    servers: Servers,
}

impl Watched {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Watched {
        Watched {
            path: path.into(),
            seen: None,
            servers: Servers::default(),
        }
    }

    /// The servers as the file has them now.
    pub(crate) fn servers(&mut self) -> Servers {
        let changed = fs::metadata(&self.path)
            .and_then(|meta| meta.modified())
            .ok();
        if changed.is_none() || changed != self.seen {
            self.servers = Servers::parse(&fs::read_to_string(&self.path).unwrap_or_default());
            self.seen = changed;
        }
        self.servers.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nameserver_lines() {
        let check = |text: &str, expected: &[&str]| {
            let found: Vec<String> = Servers::parse(text)
                .0
                .iter()
                .map(IpAddr::to_string)
                .collect();
            assert_eq!(found, expected, "{text:?}");
        };
        check("", &[]);
        check(
            "# c\nsearch a\nnameserver 127.0.0.53\noptions edns0\nnameserver\t::1 # x\n",
            &["127.0.0.53", "::1"],
        );
        check(
            "nameserver\nnameserver nonsense\nnameservers 1.1.1.1\n",
            &[],
        );
    }
}
