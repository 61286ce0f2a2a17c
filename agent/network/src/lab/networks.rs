//! Endpoints on hosts made of namespaces: what reaches what, and that nothing stays behind.

use super::*;
use crate::{Error, ErrorKind, Holder, NetworkSpec};

#[test]
fn published_ports_are_reached_from_everywhere() {
    let Some(host) = Host::new("published_ports_are_reached_from_everywhere") else {
        return;
    };
    let ports = [
        port("", 8080, 80, Protocol::Tcp),
        port("", 8053, 53, Protocol::Udp),
        port("127.0.0.1", 8081, 80, Protocol::Tcp),
        port(HOST, 8082, 80, Protocol::Tcp),
    ];
    let (web, attachment) = host.connect("web", "bridge", &ports);
    assert_eq!(attachment.warnings, Vec::<String>::new());
    assert_eq!(
        (
            attachment.endpoint.ip.to_string().as_str(),
            attachment.endpoint.mtu
        ),
        ("10.88.0.2", 1400)
    );
    let (sibling, _) = host.connect("sibling", "bridge", &[]);
    let _tcp = Server::tcp(&web, "web", 80);
    let _udp = Server::udp(&web, "web", 53);

    let check = |from: &OwnedFd, to: &str, expected: &str| {
        assert_eq!(
            ask_tcp(from, to, PATIENCE).as_deref(),
            Some(expected),
            "tcp {to}"
        );
    };
    let refuse =
        |from: &OwnedFd, to: &str| assert_eq!(ask_tcp(from, to, IMPATIENCE), None, "tcp {to}");
    // From the host: by 127.0.0.1 (and the rest of it), its address, the endpoint's own.
    check(&host.netns, "127.0.0.1:8080", "web 10.88.0.1");
    check(&host.netns, "127.1.2.3:8080", "web 10.88.0.1");
    check(&host.netns, "127.0.0.1:8081", "web 10.88.0.1");
    check(&host.netns, "192.0.2.10:8080", "web 192.0.2.10");
    check(&host.netns, "192.0.2.10:8082", "web 192.0.2.10");
    check(&host.netns, "10.88.0.2:80", "web 10.88.0.1");
    refuse(&host.netns, "127.0.0.1:8082");
    refuse(&host.netns, "192.0.2.10:8081");
    // From another host: with its own address kept, and only what is published.
    check(&host.outside, "192.0.2.10:8080", "web 192.0.2.20");
    check(&host.outside, "192.0.2.10:8082", "web 192.0.2.20");
    refuse(&host.outside, "192.0.2.10:8081");
    // From a sibling and from the endpoint itself, through the host's address and directly.
    check(&sibling, "192.0.2.10:8080", "web 10.88.0.1");
    check(&sibling, "10.88.0.1:8080", "web 10.88.0.1");
    check(&sibling, "10.88.0.2:80", "web 10.88.0.3");
    check(&web, "192.0.2.10:8080", "web 10.88.0.1");
    // UDP likewise.
    for (from, to, expected) in [
        (&host.netns, "127.0.0.1:8053", "web 10.88.0.1"),
        (&host.netns, "192.0.2.10:8053", "web 192.0.2.10"),
        (&host.outside, "192.0.2.10:8053", "web 192.0.2.20"),
        (&sibling, "192.0.2.10:8053", "web 10.88.0.1"),
        (&web, "192.0.2.10:8053", "web 10.88.0.1"),
    ] {
        assert_eq!(
            ask_udp(from, to, PATIENCE).as_deref(),
            Some(expected),
            "udp {to}"
        );
    }

    host.on(|networks| networks.disconnect("web")).unwrap();
    refuse(&host.netns, "127.0.0.1:8080");
    host.on(|networks| networks.disconnect("sibling")).unwrap();
    host.on(|networks| networks.disconnect("sibling")).unwrap();
    host.assert_clean();
}

#[test]
fn the_way_out_and_the_walls() {
    let Some(host) = Host::new("the_way_out_and_the_walls") else {
        return;
    };
    let make = |name: &str, internal| {
        let spec = NetworkSpec {
            name: name.into(),
            internal,
            ..NetworkSpec::default()
        };
        host.on(|networks| networks.create(&spec)).unwrap()
    };
    let (red, vault) = (make("red", false), make("vault", true));
    let (one, a1) = host.connect("one", "bridge", &[]);
    let (two, a2) = host.connect("two", "red", &[]);
    let (three, a3) = host.connect("three", "vault", &[port("", 9000, 80, Protocol::Tcp)]);
    let (four, a4) = host.connect("four", &vault.id[..12], &[]);
    assert_eq!(a3.warnings.len(), 1, "{:?}", a3.warnings);
    assert_eq!(a2.network, red);
    let _servers: Vec<Server> = [
        (&one, "one"),
        (&two, "two"),
        (&three, "three"),
        (&host.outside, "outside"),
    ]
    .map(|(netns, name)| Server::tcp(netns, name, 80))
    .into();

    let to = |attachment: &Attachment| format!("{}:80", attachment.endpoint.ip);
    // Out, with the host's address.
    assert_eq!(
        ask_tcp(&one, "192.0.2.20:80", PATIENCE).as_deref(),
        Some("outside 192.0.2.10")
    );
    assert_eq!(
        ask_tcp(&two, "192.0.2.20:80", PATIENCE).as_deref(),
        Some("outside 192.0.2.10")
    );
    // Within a network, also an internal one; and the host itself.
    assert_eq!(
        ask_tcp(&four, &to(&a3), PATIENCE),
        Some(format!("three {}", a4.endpoint.ip))
    );
    assert!(ask_tcp(&host.netns, &to(&a3), PATIENCE).is_some());
    // Never between networks, out of an internal one, or in from a neighbour who knows the way.
    assert_eq!(ask_tcp(&one, &to(&a2), IMPATIENCE), None);
    assert_eq!(ask_tcp(&two, &to(&a1), IMPATIENCE), None);
    assert_eq!(ask_tcp(&two, &to(&a3), IMPATIENCE), None);
    assert_eq!(ask_tcp(&three, "192.0.2.20:80", IMPATIENCE), None);
    assert!(sh(
        &three,
        &format!("ip route add default via {}", vault.gateway)
    ));
    assert_eq!(ask_tcp(&three, "192.0.2.20:80", IMPATIENCE), None);
    assert_eq!(ask_tcp(&three, &to(&a1), IMPATIENCE), None);
    assert!(sh(
        &host.outside,
        "ip route add 10.88.0.0/15 via 192.0.2.10"
    ));
    assert_eq!(ask_tcp(&host.outside, &to(&a1), IMPATIENCE), None);
    assert_eq!(ask_tcp(&host.outside, &to(&a3), IMPATIENCE), None);
    // 127.0.0.1 of the host stays the host's, whatever an endpoint does to its own routes.
    let _local = Server::tcp(&host.netns, "local", 7000);
    assert_eq!(
        ask_tcp(&host.netns, "127.0.0.1:7000", PATIENCE).as_deref(),
        Some("local 127.0.0.1")
    );
    assert!(sh(
        &one,
        "ip addr del 127.0.0.1/8 dev lo; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; \
         ip route add 127.0.0.1/32 via 10.88.0.1 src 10.88.0.2"
    ));
    assert_eq!(ask_tcp(&one, "127.0.0.1:7000", IMPATIENCE), None);

    let refused = host.on(|networks| networks.remove("red")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InUse, "{refused}");
    assert!(refused.to_string().contains("two"), "{refused}");
    for id in ["one", "two", "three", "four"] {
        host.on(|networks| networks.disconnect(id)).unwrap();
    }
    host.assert_clean();
    host.on(|networks| networks.remove("red")).unwrap();
    host.on(|networks| networks.remove(&vault.id)).unwrap();
}

#[test]
fn reserved_ports() {
    let Some(host) = Host::new("reserved_ports") else {
        return;
    };
    let wanted = [
        port("", 8080, 80, Protocol::Tcp),
        port("127.0.0.1", 0, 81, Protocol::Tcp),
        port("", 0, 53, Protocol::Udp),
    ];
    let (held, chosen) = host.on(|networks| networks.reserve_ports(&wanted)).unwrap();
    assert_eq!(chosen[0].host_port, 8080);
    assert!(chosen.iter().all(|mapping| mapping.host_port != 0));
    let (netns, _) = host.connect("web", "bridge", &chosen);
    let _server = Server::tcp(&netns, "web", 80);
    assert!(
        ask_tcp(&host.netns, "127.0.0.1:8080", PATIENCE).is_some(),
        "the reservation is not in the way"
    );
    assert!(inside(&host.netns, || TcpListener::bind("0.0.0.0:8080")).is_err());
    let _names = Server::udp(&netns, "web", 53);
    let udp = format!("127.0.0.1:{}", chosen[2].host_port);
    assert_eq!(
        ask_udp(&host.netns, &udp, PATIENCE).as_deref(),
        Some("web 10.88.0.1")
    );

    let taken = |mapping: PortMapping| {
        host.on(|networks| networks.reserve_ports(&[mapping]))
            .unwrap_err()
    };
    match taken(port("127.0.0.1", 8080, 80, Protocol::Tcp)) {
        Error::PortTaken {
            port: 8080,
            holder: Some(Holder::Endpoint(id)),
            ..
        } => assert_eq!(id, "web"),
        other => panic!("{other:?}"),
    }
    let child = inside(&host.netns, || {
        Command::new("python3")
            .args(["-c", "import socket,time; s=socket.socket(); s.bind(('',8090)); s.listen(); time.sleep(60)"])
            .spawn()
    });
    if let Ok(mut child) = child {
        let deadline = Instant::now() + Duration::from_secs(5);
        while ask_tcp(&host.netns, "127.0.0.1:8090", Duration::from_millis(50)).is_none()
            && inside(&host.netns, || TcpListener::bind("0.0.0.0:8090")).is_ok()
            && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(20));
        }
        let error = taken(port("", 8090, 80, Protocol::Tcp));
        let pid = child.id();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(
            error
                .to_string()
                .contains(&format!("by process {pid} (python3")),
            "{error}"
        );
    }
    assert!(matches!(
        taken(port("203.0.113.9", 1, 1, Protocol::Tcp)),
        Error::NoSuchHostAddress { .. }
    ));
    let twice = [port("", 8099, 1, Protocol::Tcp); 2];
    let twice = host
        .on(|networks| networks.reserve_ports(&twice))
        .unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Invalid);

    drop(held);
    // The next owner takes the port over before the last one has cleaned up, and keeps it.
    let (_held, again) = host
        .on(|networks| networks.reserve_ports(&wanted[..1]))
        .unwrap();
    let (next, _) = host.connect("next", "bridge", &again);
    let _next = Server::tcp(&next, "next", 80);
    host.on(|networks| networks.disconnect("web")).unwrap();
    assert_eq!(
        ask_tcp(&host.netns, "127.0.0.1:8080", PATIENCE).as_deref(),
        Some("next 10.88.0.1")
    );
    host.on(|networks| networks.disconnect("next")).unwrap();
    host.assert_clean();
}

#[test]
fn one_id_on_two_networks() {
    let Some(host) = Host::new("one_id_on_two_networks") else {
        return;
    };
    let options = [("mtu".to_owned(), "1300".to_owned())].into();
    let red = NetworkSpec {
        name: "red".into(),
        options,
        ..NetworkSpec::default()
    };
    host.on(|networks| networks.create(&red)).unwrap();
    let (netns, first) = host.connect("web", "bridge", &[port("", 8080, 80, Protocol::Tcp)]);
    let second = EndpointSpec {
        ifname: "eth1",
        ..spec("web", &netns, "red", &[])
    };
    let second = host.on(|networks| networks.connect(&second)).unwrap();
    assert_eq!((first.endpoint.mtu, second.endpoint.mtu), (1400, 1300));
    let mut inner = Route::open_in(&netns).unwrap();
    assert_eq!(inner.link("eth1").unwrap().unwrap().mtu, 1300);
    assert_eq!(
        inner.default_route_mtu().unwrap(),
        Some(1400),
        "the first network is the way out"
    );

    let _server = Server::tcp(&netns, "web", 80);
    let (sibling, _) = host.connect("sibling", "red", &[]);
    let direct = format!("{}:80", second.endpoint.ip);
    assert!(ask_tcp(&sibling, &direct, PATIENCE).is_some());
    host.on(|networks| networks.disconnect_from("web", "red"))
        .unwrap();
    assert!(inner.link("eth1").unwrap().is_none());
    assert_eq!(ask_tcp(&sibling, &direct, IMPATIENCE), None);
    assert!(
        ask_tcp(&host.netns, "127.0.0.1:8080", PATIENCE).is_some(),
        "the other network is untouched"
    );
    for id in ["web", "sibling"] {
        host.on(|networks| networks.disconnect(id)).unwrap();
    }
    host.assert_clean();
}

#[test]
fn a_firewall_of_others_is_told_of() {
    let Some(host) = Host::new("a_firewall_of_others_is_told_of") else {
        return;
    };
    let rules =
        "table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }";
    if !sh(
        &host.netns,
        &format!("command -v nft >/dev/null && nft '{rules}'"),
    ) {
        println!("skipped: no nft here");
        return;
    }
    let (_one, attachment) = host.connect("one", "bridge", &[]);
    assert_eq!(
        attachment.warnings,
        [
            "chain FORWARD of nftables table filter drops forwarded packets by default: unless it accepts those of \
             mini0, endpoints reach nothing outside and published ports are not reached from other hosts; let them pass with: \
             nft 'insert rule ip filter FORWARD iifname mini0 accept; insert rule ip filter FORWARD oifname mini0 accept'"
        ]
    );
    host.on(|networks| networks.disconnect("one")).unwrap();
    host.assert_clean();
}

#[test]
fn udp_clients_follow_the_port() {
    let Some(host) = Host::new("udp_clients_follow_the_port") else {
        return;
    };
    // A client that keeps its port keeps its "connection" alive, before and after the port changes hands.
    let client = inside(&host.outside, || {
        UdpSocket::bind("192.0.2.20:4000").unwrap()
    });
    client.set_read_timeout(Some(IMPATIENCE)).unwrap();
    let ask = || {
        client.send_to(b"?", "192.0.2.10:8053").unwrap();
        let mut buffer = [0; 100];
        client
            .recv(&mut buffer)
            .ok()
            .map(|length| String::from_utf8_lossy(&buffer[..length]).into_owned())
    };
    let (_keeper, _) = host.connect("keeper", "bridge", &[]);
    assert_eq!(ask(), None);
    for name in ["one", "two"] {
        let (netns, _) = host.connect(name, "bridge", &[port("", 8053, 53, Protocol::Udp)]);
        let server = Server::udp(&netns, name, 53);
        assert_eq!(ask(), Some(format!("{name} 192.0.2.20")));
        drop(server);
        host.on(|networks| networks.release(name)).unwrap();
        assert_eq!(ask(), None);
    }
    host.on(|networks| networks.disconnect("keeper")).unwrap();
    host.assert_clean();
}

#[test]
fn networks_are_made_and_refused() {
    let Some(host) = Host::new("networks_are_made_and_refused") else {
        return;
    };
    let create = |name: &str, subnet: &str, gateway: &str| {
        let spec = NetworkSpec {
            name: name.into(),
            subnet: subnet.parse().ok(),
            gateway: gateway.parse().ok(),
            ..NetworkSpec::default()
        };
        host.on(|networks| networks.create(&spec))
    };
    let red = create("red", "", "").unwrap();
    assert_eq!(
        (
            red.subnet.to_string().as_str(),
            red.gateway.to_string().as_str()
        ),
        ("10.89.0.0/20", "10.89.0.1")
    );
    assert_eq!(
        create("blue", "", "").unwrap().subnet.to_string(),
        "10.89.16.0/20"
    );
    assert_eq!(
        create("green", "10.200.0.7/24", "10.200.0.254")
            .unwrap()
            .subnet
            .to_string(),
        "10.200.0.0/24"
    );
    let check = |name: &str, subnet: &str, gateway: &str, words: &str| {
        let error = create(name, subnet, gateway).unwrap_err().to_string();
        assert!(error.contains(words), "{error:?} should say {words:?}");
    };
    check("red", "", "", "network \"red\" already exists");
    check("bridge", "", "", "already exists");
    check("a/b", "", "", "invalid network name");
    check(
        "x",
        "10.89.1.0/24",
        "",
        "subnet 10.89.1.0/24 overlaps 10.89.0.0/20 of network \"red\"",
    );
    check("x", "10.88.1.0/24", "", "of network \"bridge\"");
    check(
        "x",
        "192.0.2.0/25",
        "",
        "overlaps 192.0.2.0/24 of a route of this host",
    );
    check("x", "10.201.0.0/31", "", "/8 to /29");
    check("x", "127.0.0.0/24", "", "a private one is needed");
    check("x", "10.201.0.0/24", "10.202.0.1", "invalid gateway");
    let missing = host.on(|networks| networks.get("nope")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(
        host.on(|networks| networks.remove("bridge"))
            .unwrap_err()
            .kind(),
        ErrorKind::Invalid
    );
    let names: Vec<String> = host
        .on(|networks| networks.list())
        .unwrap()
        .into_iter()
        .map(|n| n.name)
        .collect();
    assert_eq!(names, ["bridge", "blue", "green", "red"]);

    // A wish for an address, and what cannot be wished.
    let netns = Netns::create().unwrap();
    let wish = |id: &str, ip: &str| {
        host.on(|networks| {
            let mut spec = spec(id, &netns, "green", &[]);
            spec.ip = ip.parse().ok();
            networks.connect(&spec)
        })
    };
    assert_eq!(
        wish("a", "10.200.0.77").unwrap().endpoint.ip.to_string(),
        "10.200.0.77"
    );
    assert_eq!(
        wish("b", "10.200.0.77").unwrap_err().to_string(),
        "address 10.200.0.77 of network \"green\" is in use by a"
    );
    assert_eq!(
        wish("b", "10.200.0.254").unwrap_err().kind(),
        ErrorKind::Invalid
    );
    assert_eq!(
        wish("b", "10.201.0.1").unwrap_err().kind(),
        ErrorKind::Invalid
    );
    assert_eq!(wish("a", "").unwrap_err().kind(), ErrorKind::AlreadyExists);
    // The interface's name is taken in that namespace: everything is undone.
    let failed = wish("b", "").unwrap_err();
    assert!(
        failed.to_string().starts_with("create veth pair"),
        "{failed}"
    );
    assert_eq!(host.on(|networks| networks.endpoints()).unwrap().len(), 1);
    host.on(|networks| networks.disconnect("a")).unwrap();
    host.assert_clean();
    // And once more where it was the first endpoint: bridge and table go again.
    assert!(sh(&netns, "ip link add eth0 type bridge"));
    wish("b", "").unwrap_err();
    host.assert_clean();
}
