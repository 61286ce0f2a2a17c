use std::collections::BTreeSet;

use model::*;
use proptest::prelude::*;
use store::{Change, State, Transaction};

use super::{INGRESS, allocate, is_allocated};

fn commit(state: &mut State, at_ms: i64, changes: Vec<Change>) {
    state.advance(1, state.version() + 1);
    let applied = state.apply(Transaction {
        changes,
        at_ms,
        ..Transaction::default()
    });
    assert_eq!(applied.reply.refusal, None);
}

/// Commits what the allocator gives, after which it has nothing more to give.
fn settle(state: &mut State) {
    let plan = allocate(state, 0);
    commit(state, 9, plan.changes);
    assert_eq!(
        allocate(state, 0).changes,
        [],
        "planning twice changes nothing"
    );
}

fn network(name: &str, subnets: &[&str]) -> Network {
    let spec = NetworkSpec {
        name: name.to_owned(),
        subnets: subnets.iter().map(|subnet| (*subnet).to_owned()).collect(),
        ..NetworkSpec::default()
    };
    Network {
        id: format!("id-{name}"),
        spec,
        ..Network::default()
    }
}

fn service(name: &str, networks: &[&str], ports: &[(u32, u32)]) -> Service {
    let mut service = Service {
        id: format!("id-{name}"),
        ..Service::default()
    };
    service.spec.name = name.to_owned();
    for network in networks {
        service.spec.task.networks.push(NetworkAttachment {
            network: (*network).to_owned(),
            aliases: Vec::new(),
        });
    }
    for (published, target) in ports {
        service.spec.endpoint.ports.push(PortSpec {
            published: *published,
            target: *target,
            ..PortSpec::default()
        });
    }
    service
}

/// Pools and length of the ranges that are cut from them.
fn cluster(pools: &[&str], length: u32) -> Cluster {
    let mut spec = ClusterSpec::standard();
    spec.address_pools = pools.iter().map(|pool| (*pool).to_owned()).collect();
    spec.subnet_length = length;
    Cluster {
        id: "c".to_owned(),
        spec,
        ..Cluster::default()
    }
}

fn state(cluster: Cluster, networks: Vec<Network>, services: Vec<Service>) -> State {
    let mut state = State::default();
    let mut changes = vec![Change::create(cluster)];
    changes.extend(networks.into_iter().map(Change::create));
    changes.extend(services.into_iter().map(Change::create));
    commit(&mut state, 1, changes);
    state
}

/// Range and identifier of each network by name, or what troubles it.
fn networks(state: &State) -> Vec<String> {
    let mut told: Vec<_> = state
        .networks()
        .iter()
        .map(|network| match network.trouble.as_str() {
            "" => format!("{} {} {}", network.spec.name, network.subnet, network.vni),
            trouble => format!("{} {trouble}", network.spec.name),
        })
        .collect();
    told.sort();
    told
}

/// Addresses and published ports of each service by name, or what troubles it.
fn services(state: &State) -> Vec<String> {
    let told = |service: &Service| {
        assert_eq!(
            is_allocated(state, service),
            service.trouble.is_empty(),
            "{service:?}"
        );
        if !service.trouble.is_empty() {
            return format!("{} {}", service.spec.name, service.trouble);
        }
        let vips = service
            .allocation
            .vips
            .iter()
            .map(|vip| vip.address.clone());
        let ports = service
            .allocation
            .ports
            .iter()
            .map(|port| port.published.to_string());
        let given: Vec<_> = std::iter::once(service.spec.name.clone())
            .chain(vips)
            .chain(ports)
            .collect();
        given.join(" ")
    };
    let mut told: Vec<_> = state
        .services()
        .iter()
        .map(|service| told(service))
        .collect();
    told.sort();
    told
}

/// Pools, length of a range, networks with the ranges they ask for, and what comes of it.
type Given<'a> = (
    &'a [&'a str],
    u32,
    &'a [(&'a str, &'a [&'a str])],
    &'a [&'a str],
);

#[test]
fn a_network_gets_what_it_asks_for_or_the_lowest_that_is_free() {
    let table: &[Given<'_>] = &[
        (
            &["10.0.0.0/8"],
            24,
            &[("a", &[]), ("b", &["10.0.1.0/24"]), ("c", &[])],
            &[
                "a 10.0.0.0/24 4096",
                "b 10.0.1.0/24 4097",
                "c 10.0.2.0/24 4098",
            ],
        ),
        // A range that was asked for is larger than those that are cut.
        (
            &["10.0.0.0/8"],
            24,
            &[("a", &["10.0.0.7/16"]), ("b", &[])],
            &["a 10.0.0.0/16 4096", "b 10.1.0.0/24 4097"],
        ),
        (
            &["10.0.0.0/8"],
            24,
            &[
                ("a", &["10.0.0.0/16"]),
                ("b", &["10.0.3.0/24"]),
                ("c", &["fd00::/64"]),
                ("d", &["ten"]),
            ],
            &[
                "a 10.0.0.0/16 4096",
                "b subnet 10.0.3.0/24 overlaps 10.0.0.0/16 of network `a`, choose another one",
                "c it asks for no IPv4 subnet, add one like 10.1.0.0/24",
                "d subnet `ten` is no range, write one like 10.1.0.0/24",
            ],
        ),
        (
            &["10.0.0.0/8"],
            24,
            &[
                ("a", &["fd00::/64", "10.9.0.0/29"]),
                ("b", &["10.8.0.0/30"]),
            ],
            &[
                "a 10.9.0.0/29 4096",
                "b subnet 10.8.0.0/30 is too small, choose /29 or a larger one",
            ],
        ),
        (
            &[
                "nonsense",
                "192.168.0.0/28",
                "172.16.0.0/23",
                "172.20.0.0/24",
            ],
            24,
            &[("a", &[]), ("b", &[]), ("c", &[]), ("d", &[])],
            &[
                "a 172.16.0.0/24 4096",
                "b 172.16.1.0/24 4097",
                "c 172.20.0.0/24 4098",
                "d no /24 range is left in nonsense, 192.168.0.0/28, 172.16.0.0/23, 172.20.0.0/24: remove a network, or give this one a subnet of its own",
            ],
        ),
        (
            &["255.255.255.0/24"],
            25,
            &[("a", &[]), ("b", &[]), ("c", &["10.0.0.0/24"])],
            &[
                "a 255.255.255.0/25 4096",
                "b 255.255.255.128/25 4097",
                "c 10.0.0.0/24 4098",
            ],
        ),
    ];
    for (pools, length, asked, expected) in table {
        let asked = asked
            .iter()
            .map(|(name, subnets)| network(name, subnets))
            .collect();
        let mut state = state(cluster(pools, *length), asked, vec![]);
        settle(&mut state);
        assert_eq!(networks(&state), *expected);
    }
}

#[test]
fn what_is_freed_is_given_to_who_waits() {
    let mut state = state(
        cluster(&["10.0.0.0/24"], 24),
        vec![network("a", &[]), network("b", &[])],
        vec![
            service("one", &[], &[(30_000, 80)]),
            service("two", &[], &[(30_000, 80)]),
        ],
    );
    settle(&mut state);
    let told = networks(&state);
    assert_eq!(told[0], "a 10.0.0.0/24 4096");
    assert!(told[1].starts_with("b no /24 range is left"), "{told:?}");
    // The network `ingress` finds no range either: nobody gets a port.
    assert!(
        told[2].starts_with("ingress no /24 range is left"),
        "{told:?}"
    );
    assert!(services(&state)[0].starts_with("one network `ingress` cannot be used: no /24"));
    let a = network("a", &[]);
    commit(&mut state, 2, vec![Change::remove(&a)]);
    settle(&mut state);
    // Of those that wait, the one that was made first.
    assert_eq!(networks(&state)[0], "b 10.0.0.0/24 4096");
    let b = network("b", &[]);
    commit(&mut state, 3, vec![Change::remove(&b)]);
    settle(&mut state);
    assert_eq!(networks(&state), ["ingress 10.0.0.0/24 4096"]);
    assert_eq!(
        services(&state),
        [
            "one 10.0.0.2 30000",
            "two port 30000/tcp is published by service `one`, publish another one or remove that service",
        ]
    );
    let one = service("one", &[], &[]);
    commit(&mut state, 4, vec![Change::remove(&one)]);
    settle(&mut state);
    assert_eq!(services(&state), ["two 10.0.0.2 30000"]);
}

#[test]
fn a_service_gets_an_address_on_every_network_and_keeps_what_it_has() {
    let mut by_tasks = service("names", &["a"], &[]);
    by_tasks.spec.endpoint.mode = EndpointMode::Dnsrr.into();
    let mut state = state(
        cluster(&["10.0.0.0/8"], 24),
        vec![network("a", &[]), network("b", &["10.5.0.0/29"])],
        vec![
            service("both", &["a", "id-b"], &[]),
            service("first", &["a"], &[]),
            service("none", &["host"], &[]),
            service("lost", &["c"], &[]),
            by_tasks,
        ],
    );
    settle(&mut state);
    assert_eq!(
        services(&state),
        [
            "both 10.0.0.2 10.5.0.2",
            "first 10.0.0.3",
            "lost network `c` does not exist, make it or take it out of the service",
            "names",
            "none",
        ]
    );
    // Other networks, or another mode, take addresses back; those that stay do not change.
    let mut both = Service::clone(state.services().get("id-both").expect("it is there"));
    both.spec.task.networks.remove(0);
    let mut late = service("late", &["a", "b"], &[]);
    late.spec.task.networks.reverse();
    commit(
        &mut state,
        2,
        vec![
            Change::update(both),
            Change::create(network("c", &[])),
            Change::create(late),
        ],
    );
    settle(&mut state);
    assert_eq!(
        services(&state),
        [
            "both 10.5.0.2",
            "first 10.0.0.3",
            "late 10.5.0.3 10.0.0.2",
            "lost 10.0.1.2",
            "names",
            "none"
        ]
    );
    // .0 and .7 are nobody's, .1 is the gateway's: five addresses are there.
    for number in 0..4 {
        commit(
            &mut state,
            3,
            vec![Change::create(service(&format!("x{number}"), &["b"], &[]))],
        );
    }
    settle(&mut state);
    let told = services(&state);
    assert_eq!(&told[6..9], ["x0 10.5.0.4", "x1 10.5.0.5", "x2 10.5.0.6"]);
    assert!(
        told[9].starts_with("x3 network `b` (10.5.0.0/29) has no address left"),
        "{told:?}"
    );
}

#[test]
fn a_published_port_is_chosen_once_and_stays() {
    let mut udp = service("dns", &[], &[(53, 53), (53, 53)]);
    udp.spec.endpoint.ports[1].protocol = PortProtocol::Udp.into();
    let mut on_nodes = service("host", &[], &[(53, 53), (0, 80)]);
    for port in &mut on_nodes.spec.endpoint.ports {
        port.mode = PublishMode::Host.into();
    }
    let mut state = state(
        cluster(&["10.0.0.0/8"], 24),
        vec![],
        vec![
            udp,
            on_nodes,
            service("any", &[], &[(0, 80), (30_001, 81), (0, 82)]),
            service("more", &[], &[(0, 80)]),
        ],
    );
    settle(&mut state);
    assert_eq!(
        state
            .networks()
            .get(INGRESS)
            .map(|network| network.spec.name.as_str()),
        Some(INGRESS)
    );
    let expected = [
        "any 10.0.0.2 30000 30001 30002",
        "dns 10.0.0.3 53 53",
        "host 53 0",
        "more 10.0.0.4 30003",
    ];
    assert_eq!(services(&state), expected);
    // One of them goes, another comes: the others stay.
    let mut any = Service::clone(state.services().get("id-any").expect("it is there"));
    any.spec.endpoint.ports.remove(0);
    any.spec.endpoint.ports.push(PortSpec {
        target: 83,
        ..PortSpec::default()
    });
    commit(&mut state, 2, vec![Change::update(any)]);
    settle(&mut state);
    assert_eq!(services(&state)[0], "any 10.0.0.2 30001 30002 30000");
    // What one gives up, another may have in the same plan.
    let mut any = Service::clone(state.services().get("id-any").expect("it is there"));
    any.spec.endpoint.ports = vec![PortSpec {
        published: 53,
        target: 1,
        ..PortSpec::default()
    }];
    let mut dns = Service::clone(state.services().get("id-dns").expect("it is there"));
    dns.spec.endpoint.ports.remove(0);
    commit(
        &mut state,
        3,
        vec![Change::update(any), Change::update(dns)],
    );
    settle(&mut state);
    assert_eq!(
        services(&state)[..2],
        ["any 10.0.0.2 53", "dns 10.0.0.3 53"]
    );
}

#[test]
fn a_network_that_people_called_ingress_is_it() {
    let mut state = state(
        cluster(&["10.0.0.0/8"], 24),
        vec![network("ingress", &["10.7.0.0/24"])],
        vec![service("web", &[], &[(80, 80)])],
    );
    settle(&mut state);
    assert_eq!(services(&state), ["web 10.7.0.2 80"]);
}

proptest! {
    /// In whatever order objects came, they get the same; nobody gets what another has.
    #[test]
    fn the_order_of_coming_does_not_matter(
        order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle(),
        asked in proptest::collection::vec((0..4_u32, 0..3_usize), 12),
    ) {
        let objects = |at: usize| {
            let (port, network_of) = asked[at];
            match at {
                0..3 => Change::create(network(&format!("n{at}"), &[])),
                _ => Change::create(service(
                    &format!("s{at:02}"),
                    &[&format!("n{network_of}")],
                    &if port == 0 { vec![(0, 80)] } else { vec![(30_000 + port, 80)] },
                )),
            }
        };
        let build = |order: &[usize]| {
            let mut state = State::default();
            commit(&mut state, 1, vec![Change::create(cluster(&["10.0.0.0/8"], 24))]);
            for at in order {
                commit(&mut state, 1, vec![objects(*at)]);
            }
            settle(&mut state);
            state
        };
        let sorted: Vec<_> = (0..12).collect();
        let (one, other) = (build(&sorted), build(&order));
        prop_assert_eq!(services(&one), services(&other));
        prop_assert_eq!(networks(&one), networks(&other));
        let mut given = BTreeSet::new();
        for service in one.services().iter() {
            for vip in &service.allocation.vips {
                let address = format!("{} {}", vip.network_id, vip.address);
                prop_assert!(given.insert(address), "an address twice");
            }
            for port in &service.allocation.ports {
                let port = format!("{} {}", port.protocol, port.published);
                prop_assert!(given.insert(port), "a port twice");
            }
        }
    }
}
