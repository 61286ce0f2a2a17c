//! The table of given networks and endpoints, as text; and the kernel's reading of the same.

use std::collections::BTreeMap;
use std::process::Command;

use super::table::Table;
use super::{Nft, Ruleset};
use crate::lab;
use crate::model::{Driver, Endpoint, Network, PortMapping, Protocol};

fn network(name: &str, bridge: &str, subnet: &str, internal: bool) -> Network {
    let subnet: ipnet::Ipv4Net = subnet.parse().unwrap();
    Network {
        name: name.to_owned(),
        id: format!("{name}-id"),
        driver: Driver::Bridge,
        bridge: bridge.to_owned(),
        subnet,
        gateway: subnet.hosts().next().unwrap(),
        internal,
        mtu: None,
        labels: BTreeMap::new(),
        options: BTreeMap::new(),
        created: jiff::Timestamp::UNIX_EPOCH,
        default: name == "bridge",
    }
}

fn endpoint(ip: &str, ports: &[(&str, u16, u16, Protocol)]) -> Endpoint {
    Endpoint {
        id: ip.to_owned(),
        network: "bridge".to_owned(),
        network_id: "bridge-id".to_owned(),
        internal: false,
        ifname: "eth0".to_owned(),
        host_ifname: "mv0".to_owned(),
        hostname: "h".to_owned(),
        aliases: vec![],
        ip: ip.parse().unwrap(),
        prefix_len: 16,
        gateway: "10.88.0.1".parse().unwrap(),
        mac: String::new(),
        mtu: 1500,
        ports: ports
            .iter()
            .map(|(host, host_port, container_port, protocol)| PortMapping {
                host_ip: host.parse().ok(),
                host_port: *host_port,
                container_port: *container_port,
                protocol: *protocol,
            })
            .collect(),
        connected: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn whole() -> Table {
    Ruleset::of(
        &[
            network("bridge", "mini0", "10.88.0.0/16", false),
            network("web", "mini-0123456789", "10.89.0.0/24", false),
            network("vault", "mini-abcdef0123", "10.89.1.0/24", true),
        ],
        &[
            endpoint(
                "10.88.0.2",
                &[
                    ("", 8080, 80, Protocol::Tcp),
                    ("127.0.0.1", 5353, 53, Protocol::Udp),
                ],
            ),
            endpoint("10.88.0.3", &[("0.0.0.0", 8081, 80, Protocol::Tcp)]),
        ],
    )
}

#[test]
fn the_table_of_three_networks() {
    let expected = r#"table ip mini {
	set bridges {
		type ifname
		elements = { "mini-0123456789",
			     "mini-abcdef0123",
			     "mini0" }
	}

	set inside {
		type ifname . ifname
		elements = { "mini-0123456789" . "mini-0123456789",
			     "mini-abcdef0123" . "mini-abcdef0123",
			     "mini0" . "mini0" }
	}

	set internal {
		type ifname
		elements = { "mini-abcdef0123" }
	}

	map ports {
		type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
		elements = { 10.89.0.1 . tcp . 53 : 10.89.0.1 . 10053,
			     10.89.0.1 . udp . 53 : 10.89.0.1 . 10053,
			     10.89.1.1 . tcp . 53 : 10.89.1.1 . 10053,
			     10.89.1.1 . udp . 53 : 10.89.1.1 . 10053,
			     127.0.0.1 . udp . 5353 : 10.88.0.2 . 53 }
	}

	map ports_any {
		type inet_proto . inet_service : ipv4_addr . inet_service
		elements = { tcp . 8080 : 10.88.0.2 . 80,
			     tcp . 8081 : 10.88.0.3 . 80 }
	}

	chain publish {
		dnat to ip daddr . meta l4proto . th dport map @ports
		dnat to meta l4proto . th dport map @ports_any
	}

	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local jump publish
	}

	chain output {
		type nat hook output priority -100; policy accept;
		fib daddr type local jump publish
	}

	chain guard {
		type filter hook prerouting priority raw; policy accept;
		iifname != "lo" ip daddr 127.0.0.0/8 drop
		iifname != "lo" ip saddr 127.0.0.0/8 drop
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname . oifname @inside accept
		iifname @internal drop
		oifname @internal drop
		ct state established,related accept
		iifname @bridges ct state invalid drop
		oifname @bridges ct status ! dnat drop
	}

	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr 10.88.0.0/16 oifname != "mini0" masquerade
		ip saddr 10.88.0.0/16 oifname "mini0" ct status dnat masquerade
		ip saddr 127.0.0.0/8 oifname "mini0" masquerade
		ip saddr 10.89.0.0/24 oifname != "mini-0123456789" masquerade
		ip saddr 10.89.0.0/24 oifname "mini-0123456789" ct status dnat masquerade
		ip saddr 127.0.0.0/8 oifname "mini-0123456789" masquerade
	}
}
"#;
    assert_eq!(whole().to_string(), expected);
}

/// Elements and quotes are written in an order and a width of `nft`'s own.
fn comparable(text: &str) -> Vec<String> {
    let joined = text.replace(",\n", ", ");
    let mut lines: Vec<String> = joined
        .lines()
        .map(|line| {
            let line = line
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .replace("dnat ip to", "dnat to");
            match line.split_once("elements = { ") {
                Some((_, list)) => {
                    let mut elements: Vec<&str> = list.trim_end_matches(" }").split(", ").collect();
                    elements.sort_unstable();
                    elements.join(", ")
                }
                None => line.replace("ct status & dnat == 0", "ct status ! dnat"),
            }
        })
        .collect();
    lines.retain(|line| !line.is_empty());
    lines
}

#[test]
fn the_kernel_reads_the_table_as_we_do() {
    lab::in_own_netns("the_kernel_reads_the_table_as_we_do", || {
        let mut nft = Nft::open().unwrap();
        assert!(!nft.exists().unwrap());
        nft.replace(&whole()).unwrap();
        nft.replace(&whole()).unwrap();
        assert!(nft.exists().unwrap());
        assert!(nft.knows_bridge("mini0").unwrap());
        assert!(!nft.knows_bridge("mini1").unwrap());

        let Ok(listing) = Command::new("nft")
            .args(["list", "table", "ip", "mini"])
            .output()
        else {
            println!("not compared with nft's listing: no nft here");
            return;
        };
        let listing = String::from_utf8(listing.stdout).unwrap();
        println!("{listing}");
        assert_eq!(comparable(&listing), comparable(&whole().to_string()));
    });
}

#[test]
fn elements_come_and_go() {
    lab::in_own_netns("elements_come_and_go", || {
        let mut nft = Nft::open().unwrap();
        nft.replace(&Ruleset::of(&[], &[])).unwrap();
        let elements = Ruleset::ports_of(&endpoint(
            "10.88.0.9",
            &[
                ("", 80, 80, Protocol::Tcp),
                ("", 81, 80, Protocol::Udp),
                ("10.0.0.1", 80, 80, Protocol::Tcp),
            ],
        ));
        let first = &elements.ports_any[0];
        nft.add(&elements.by_map()).unwrap();
        nft.add(&elements.by_map()).unwrap();
        assert!(nft.has_element("ports_any", first).unwrap());
        nft.delete(&[("ports_any", std::slice::from_ref(first))])
            .unwrap();
        nft.delete(&elements.by_map()).unwrap();
        assert!(
            !nft.has_element("ports_any", &elements.ports_any[1])
                .unwrap()
        );
        assert!(!nft.has_element("ports", &elements.ports[0]).unwrap());

        // More than one message can hold, and more than a socket's first buffer.
        let many: Vec<_> = (1..60_000)
            .map(|port| ("", port, 80, Protocol::Tcp))
            .collect();
        let many = Ruleset::ports_of(&endpoint("10.88.0.9", &many));
        nft.add(&many.by_map()).unwrap();
        assert!(
            nft.has_element("ports_any", &many.ports_any[59_000])
                .unwrap()
        );

        nft.remove().unwrap();
        nft.remove().unwrap();
        assert!(!nft.exists().unwrap());
    });
}

#[test]
fn a_foreign_policy_is_seen() {
    lab::in_own_netns("a_foreign_policy_is_seen", || {
        let rules = "table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }";
        if !Command::new("nft")
            .arg(rules)
            .status()
            .is_ok_and(|status| status.success())
        {
            println!("skipped: no nft here");
            return;
        }
        let chains = Nft::open().unwrap().base_chains().unwrap();
        assert_eq!(chains.len(), 1);
        assert_eq!(
            (chains[0].table.as_str(), chains[0].name.as_str()),
            ("filter", "FORWARD")
        );
        assert_eq!(
            (chains[0].family, chains[0].hook, chains[0].drops),
            (2, 2, true)
        );
    });
}
