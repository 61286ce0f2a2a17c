//! A switch for hosts that are network namespaces: a bridge in a namespace of its own, which can be told to lose what
//! goes between two of its ports.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};

use crate::error::{Error, Result};
use crate::names::{check_link_name, mac_of};
use crate::netlink::{Link, Route, Veth};
use crate::netns::Netns;
use crate::nft::Nft;
use crate::nft::clause::Clause;
use crate::nft::table::{Chain, Datum, Element, Hook, Point, Set, Table, Type};

/// A bridge in a network namespace of its own, by descriptors of that namespace: it is there as long as the namespace.
pub struct Switch {
    netns: OwnedFd,
    route: Route,
    bridge: Link,
}

/// What is plugged into a [`Switch`]: a host's link, made together with its port.
#[derive(Debug)]
pub struct Plug<'a> {
    /// The name of the port on the switch: 1 to 15 characters.
    pub port: &'a str,
    /// The host.
    pub netns: &'a OwnedFd,
    /// The name of the host's link, e.g. `eth0`.
    pub link: &'a str,
    /// The host's address.
    pub address: Ipv4Addr,
    /// The length of its prefix in bits.
    pub prefix_len: u8,
}

const BRIDGE: &str = "switch";
/// Bytes; what Ethernet has.
const MTU: u32 = 1500;
const CUT: &str = "cut";

impl Switch {
    /// Makes the bridge in `netns`, where there is none yet.
    pub fn create(netns: OwnedFd) -> Result<Switch> {
        let mut route = Route::open_in(&netns)?;
        route.create_bridge(BRIDGE, mac_of(Ipv4Addr::UNSPECIFIED), MTU)?;
        route.set_up(BRIDGE)?;
        Switch::find(netns, route)
    }

    /// The one that was made in `netns` before.
    pub fn open(netns: OwnedFd) -> Result<Switch> {
        let route = Route::open_in(&netns)?;
        Switch::find(netns, route)
    }

    fn find(netns: OwnedFd, mut route: Route) -> Result<Switch> {
        let absent = || std::io::Error::from_raw_os_error(libc::ENODEV);
        let bridge = route
            .link(BRIDGE)?
            .ok_or_else(|| Error::system("look up bridge", BRIDGE)(absent()))?;
        Ok(Switch {
            netns,
            route,
            bridge,
        })
    }

    /// Connects a host: a veth pair whose one end is a port here and whose other end is the host's link, with its
    /// address and up.
    pub fn plug(&mut self, plug: &Plug<'_>) -> Result<()> {
        check_link_name(plug.port)?;
        check_link_name(plug.link)?;
        self.route.create_veth(&Veth {
            host_name: plug.port,
            bridge: &self.bridge,
            netns: plug.netns,
            name: plug.link,
            mac: mac_of(plug.address),
            mtu: MTU,
        })?;
        let mut host = Route::open_in(plug.netns)?;
        let absent = || std::io::Error::from_raw_os_error(libc::ENODEV);
        let link = host
            .link(plug.link)?
            .ok_or_else(|| Error::system("look up link", plug.link)(absent()))?;
        host.add_address(&link, plug.address, plug.prefix_len)?;
        host.set_up(plug.link)
    }

    /// From now on loses every IPv4 packet between the ports of these pairs, whichever way it goes, and no other: what
    /// was cut before and is not named is whole again. Nobody is told: a connection across a cut falls silent.
    ///
    /// ARP goes through. A host that cannot even resolve its neighbour's address is told "no route to host" by its
    /// own kernel after three seconds, which nobody is told whose peer is behind a router that lost its way.
    pub fn cut(&self, pairs: &BTreeSet<(String, String)>) -> Result<()> {
        let table = cut_table(pairs);
        Netns::enter(self.netns.as_fd(), || Nft::open()?.replace_bridge(&table))
    }
}

fn cut_table(pairs: &BTreeSet<(String, String)>) -> Table {
    let one_way = |from: &str, to: &str| Element {
        key: vec![Datum::Link(from.to_owned()), Datum::Link(to.to_owned())],
        value: vec![],
    };
    Table {
        sets: vec![Set {
            name: CUT,
            key: &[Type::Link, Type::Link],
            value: &[],
            elements: pairs
                .iter()
                .flat_map(|(a, b)| [one_way(a, b), one_way(b, a)])
                .collect(),
        }],
        chains: vec![Chain {
            name: "forward",
            hook: Some(Hook {
                kind: "filter",
                point: Point::Forward,
                priority: 0,
            }),
            rules: vec![vec![Clause::Ipv4, Clause::LinksIn(CUT), Clause::Drop]],
        }],
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_cut_holds_in_both_directions() {
        fn check(pairs: &[(&str, &str)], expected: &[&str]) {
            let pairs = pairs
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
            let text = cut_table(&pairs.collect()).to_string();
            let elements = text.lines().filter(|line| line.contains(" . \""));
            let elements: Vec<_> = elements
                .map(|line| line.trim().trim_start_matches("elements = { "))
                .map(|line| line.trim_end_matches(" }").trim_end_matches(','))
                .collect();
            assert_eq!(elements, expected);
            assert!(text.contains("meta protocol ip iifname . oifname @cut drop"));
        }
        check(&[], &[]);
        check(&[("a", "b")], &[r#""a" . "b""#, r#""b" . "a""#]);
        check(
            &[("a", "b"), ("a", "c")],
            &[
                r#""a" . "b""#,
                r#""a" . "c""#,
                r#""b" . "a""#,
                r#""c" . "a""#,
            ],
        );
    }

    #[test]
    fn hosts_talk_until_they_are_cut_off_and_again_afterwards() {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: needs root for network namespaces");
            return;
        }
        let hosts = [Netns::create().unwrap(), Netns::create().unwrap()];
        let mut switch = Switch::create(Netns::create().unwrap()).unwrap();
        for (index, netns) in hosts.iter().enumerate() {
            let plug = Plug {
                port: ["a", "b"][index],
                netns,
                link: "eth0",
                address: Ipv4Addr::new(192, 0, 2, 1 + index as u8),
                prefix_len: 24,
            };
            switch.plug(&plug).unwrap();
        }
        let server = Netns::enter(&hosts[1], || Ok(TcpListener::bind("0.0.0.0:7000").unwrap()));
        let server = server.unwrap();
        let target: SocketAddr = "192.0.2.2:7000".parse().unwrap();
        let call = |patience: u64| {
            let patience = Duration::from_millis(patience);
            Netns::enter(&hosts[0], || {
                Ok(TcpStream::connect_timeout(&target, patience))
            })
            .unwrap()
        };
        let mut caller = call(3000).unwrap();
        let mut called = server.accept().unwrap().0;
        let patience = Some(Duration::from_millis(300));
        called.set_read_timeout(patience).unwrap();
        let mut byte = [0];

        let pairs = BTreeSet::from([("a".to_owned(), "b".to_owned())]);
        switch.cut(&pairs).unwrap();
        let refused = call(300).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::TimedOut, "{refused}");
        caller.write_all(b"x").unwrap();
        let silence = called.read(&mut byte).unwrap_err();
        assert_eq!(silence.kind(), std::io::ErrorKind::WouldBlock, "{silence}");

        let switch = Switch::open(switch.netns).unwrap();
        switch.cut(&BTreeSet::new()).unwrap();
        called
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        assert_eq!(called.read(&mut byte).unwrap(), 1, "what was sent arrives");
        call(3000).unwrap();
    }
}
