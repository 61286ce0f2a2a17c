//! What the table says, as a pure function of the networks in use and their endpoints.
//!
//! | concern | where |
//! |---|---|
//! | published ports, from other hosts and from endpoints | `prerouting` -> `publish`: the maps say who has the port |
//! | published ports, from this host (its addresses, 127.0.0.1) | `output` -> `publish` |
//! | an endpoint that reaches itself or a sibling through a published port | `postrouting`, the second rule of a network |
//! | 127.0.0.1:port: the packet leaves by the bridge, so it needs a source that can be answered | `postrouting`, third |
//! | the way out | `postrouting`, first |
//! | bridges do not see each other, nobody outside reaches what is not published, `internal` | `forward` |
//! | packets that claim 127/8 and come from a wire, which `route_localnet` would let in | `guard` |
//! | names: a gateway's port 53 is the resolver's | `ports`, as for every published port of one address |

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use super::clause::{Clause, Is};
use super::table::{Chain, Datum, Element, Hook, Point, Set, Table, Type};
use crate::model::{Endpoint, Network, Protocol};

/// Where the resolver listens, on the gateway of each user-made network. Packets to port 53 are brought here, so that
/// neither a name server of the host nor an endpoint that publishes port 53 stands in the way.
pub(crate) const RESOLVER_PORT: u16 = 10053;

pub(crate) const BRIDGES: &str = "bridges";
pub(crate) const INSIDE: &str = "inside";
pub(crate) const INTERNAL: &str = "internal";
pub(crate) const PORTS: &str = "ports";
pub(crate) const PORTS_ANY: &str = "ports_any";

/// The rules of the house.
pub(crate) enum Ruleset {}

impl Ruleset {
    /// The table for these networks (those that are in use) and these endpoints.
    pub(crate) fn of(networks: &[Network], endpoints: &[Endpoint]) -> Table {
        let links = |keep: &dyn Fn(&Network) -> bool| {
            networks
                .iter()
                .filter(|n| keep(n))
                .map(|n| element(vec![Datum::Link(n.bridge.clone())], vec![]))
                .collect()
        };
        // Of two endpoints that claim a port, the one that is going has not yet said so: the later one has it.
        let mut by_age: Vec<&Endpoint> = endpoints.iter().collect();
        by_age.sort_by_key(|endpoint| endpoint.connected);
        let (mut ports, mut ports_any) = (BTreeMap::new(), BTreeMap::new());
        let pair = |element: Element| (element.key, element.value);
        for endpoint in by_age {
            let mapped = Ruleset::ports_of(endpoint);
            ports.extend(mapped.ports.into_iter().map(pair));
            ports_any.extend(mapped.ports_any.into_iter().map(pair));
        }
        let named = networks.iter().filter(|n| !n.default);
        ports.extend(named.flat_map(resolver_ports).map(pair));
        let elements = |map: BTreeMap<_, _>| {
            map.into_iter()
                .map(|(key, value)| element(key, value))
                .collect()
        };

        let inside = networks.iter().map(|n| {
            element(
                vec![Datum::Link(n.bridge.clone()), Datum::Link(n.bridge.clone())],
                vec![],
            )
        });
        Table {
            sets: vec![
                Set {
                    name: BRIDGES,
                    key: &[Type::Link],
                    value: &[],
                    elements: links(&|_| true),
                },
                Set {
                    name: INSIDE,
                    key: &[Type::Link, Type::Link],
                    value: &[],
                    elements: inside.collect(),
                },
                Set {
                    name: INTERNAL,
                    key: &[Type::Link],
                    value: &[],
                    elements: links(&|n| n.internal),
                },
                Set {
                    name: PORTS,
                    key: &[Type::Address, Type::Protocol, Type::Port],
                    value: &[Type::Address, Type::Port],
                    elements: elements(ports),
                },
                Set {
                    name: PORTS_ANY,
                    key: &[Type::Protocol, Type::Port],
                    value: &[Type::Address, Type::Port],
                    elements: elements(ports_any),
                },
            ],
            chains: vec![
                Chain {
                    name: "publish",
                    hook: None,
                    rules: vec![
                        vec![Clause::ToAddressAndPortOf(PORTS)],
                        vec![Clause::ToPortOf(PORTS_ANY)],
                    ],
                },
                Chain {
                    name: "prerouting",
                    hook: Some(Hook {
                        kind: "nat",
                        point: Point::Prerouting,
                        priority: -100,
                    }),
                    rules: vec![vec![Clause::DestinationLocal, Clause::Jump("publish")]],
                },
                Chain {
                    name: "output",
                    hook: Some(Hook {
                        kind: "nat",
                        point: Point::Output,
                        priority: -100,
                    }),
                    rules: vec![vec![Clause::DestinationLocal, Clause::Jump("publish")]],
                },
                Chain {
                    name: "guard",
                    hook: Some(Hook {
                        kind: "filter",
                        point: Point::Prerouting,
                        priority: -300,
                    }),
                    rules: vec![
                        vec![from_a_wire(), Clause::Destination(LOOPBACK), Clause::Drop],
                        vec![from_a_wire(), Clause::Source(LOOPBACK), Clause::Drop],
                    ],
                },
                Chain {
                    name: "forward",
                    hook: Some(Hook {
                        kind: "filter",
                        point: Point::Forward,
                        priority: 0,
                    }),
                    rules: vec![
                        vec![Clause::LinksIn(INSIDE), Clause::Accept],
                        vec![Clause::InLinkIn(INTERNAL), Clause::Drop],
                        vec![Clause::OutLinkIn(INTERNAL), Clause::Drop],
                        vec![Clause::Established, Clause::Accept],
                        // A packet out of the blue would leave with an address that nobody can answer.
                        vec![Clause::InLinkIn(BRIDGES), Clause::Untrackable, Clause::Drop],
                        vec![
                            Clause::OutLinkIn(BRIDGES),
                            Clause::Translated(false),
                            Clause::Drop,
                        ],
                    ],
                },
                Chain {
                    name: "postrouting",
                    hook: Some(Hook {
                        kind: "nat",
                        point: Point::Postrouting,
                        priority: 100,
                    }),
                    rules: networks
                        .iter()
                        .filter(|n| !n.internal)
                        .flat_map(outgoing)
                        .collect(),
                },
            ],
        }
    }

    /// The map elements that one endpoint's published ports are.
    pub(crate) fn ports_of(endpoint: &Endpoint) -> PortElements {
        let mut elements = PortElements::default();
        for port in &endpoint.ports {
            let target = vec![
                Datum::Address(endpoint.ip),
                Datum::Port(port.container_port),
            ];
            let (protocol, number) = (Datum::Protocol(port.protocol), Datum::Port(port.host_port));
            match port.host() {
                Some(ip) => elements
                    .ports
                    .push(element(vec![Datum::Address(ip), protocol, number], target)),
                None => elements
                    .ports_any
                    .push(element(vec![protocol, number], target)),
            }
        }
        elements
    }
}

/// One endpoint's share of the two port maps.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PortElements {
    /// For [`PORTS`].
    pub(crate) ports: Vec<Element>,
    /// For [`PORTS_ANY`].
    pub(crate) ports_any: Vec<Element>,
}

impl PortElements {
    /// The keys in both maps; they differ in their length, so none is taken for one of the other map.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Vec<Datum>> {
        self.ports
            .iter()
            .chain(&self.ports_any)
            .map(|element| &element.key)
    }

    pub(crate) fn by_map(&self) -> [(&'static str, &[Element]); 2] {
        [(PORTS, &self.ports), (PORTS_ANY, &self.ports_any)]
    }
}

fn outgoing(network: &Network) -> [Vec<Clause>; 3] {
    let bridge = |is| Clause::OutLink(is, network.bridge.clone());
    let from_subnet = Clause::Source(network.subnet);
    [
        vec![from_subnet.clone(), bridge(Is::Other), Clause::Masquerade],
        vec![
            from_subnet,
            bridge(Is::Same),
            Clause::Translated(true),
            Clause::Masquerade,
        ],
        vec![
            Clause::Source(LOOPBACK),
            bridge(Is::Same),
            Clause::Masquerade,
        ],
    ]
}

fn resolver_ports(network: &Network) -> [Element; 2] {
    [Protocol::Tcp, Protocol::Udp].map(|protocol| {
        element(
            vec![
                Datum::Address(network.gateway),
                Datum::Protocol(protocol),
                Datum::Port(53),
            ],
            vec![Datum::Address(network.gateway), Datum::Port(RESOLVER_PORT)],
        )
    })
}

fn element(key: Vec<Datum>, value: Vec<Datum>) -> Element {
    Element { key, value }
}

fn from_a_wire() -> Clause {
    Clause::InLink(Is::Other, "lo".to_owned())
}

const LOOPBACK: Ipv4Net = Ipv4Net::new_assert(std::net::Ipv4Addr::new(127, 0, 0, 0), 8);
