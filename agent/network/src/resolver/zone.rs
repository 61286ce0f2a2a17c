//! Which names and addresses an asking endpoint sees.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::model::Endpoint;
use crate::networks::DEFAULT_NETWORK;

/// The endpoints of every user-made network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Directory {
    endpoints: Vec<Endpoint>,
}

/// What one client is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Zone {
    /// Lower-case names, with and without the network's name behind them.
    pub(crate) names: BTreeMap<String, BTreeSet<Ipv4Addr>>,
    /// The name of each address.
    pub(crate) addresses: BTreeMap<Ipv4Addr, String>,
    /// What is answered here alone when an address is asked for.
    pub(crate) subnets: Vec<Ipv4Net>,
    /// Whether other names may be looked up outside.
    pub(crate) way_out: bool,
}

impl Directory {
    /// Of all records, those of user-made networks.
    pub(crate) fn of(endpoints: Vec<Endpoint>) -> Directory {
        let mut endpoints = endpoints;
        endpoints.retain(|endpoint| endpoint.network != DEFAULT_NETWORK);
        Directory { endpoints }
    }

    /// The gateways to listen on.
    pub(crate) fn gateways(&self) -> BTreeSet<Ipv4Addr> {
        self.endpoints
            .iter()
            .map(|endpoint| endpoint.gateway)
            .collect()
    }

    /// What a client sees that asks at `gateway`: the names of every network that it is on; for one that is no
    /// endpoint (the host itself), those of the gateway's network.
    pub(crate) fn zone(&self, gateway: Ipv4Addr, client: Ipv4Addr) -> Zone {
        let asking = self
            .endpoints
            .iter()
            .find(|e| e.gateway == gateway && e.ip == client);
        let networks: BTreeSet<&str> = match asking {
            Some(asking) => self
                .endpoints
                .iter()
                .filter(|e| e.id == asking.id)
                .map(|e| e.network_id.as_str())
                .collect(),
            None => self
                .endpoints
                .iter()
                .filter(|e| e.gateway == gateway)
                .map(|e| e.network_id.as_str())
                .collect(),
        };
        let mut zone = Zone::default();
        for endpoint in self
            .endpoints
            .iter()
            .filter(|e| networks.contains(e.network_id.as_str()))
        {
            zone.add(endpoint);
        }
        zone
    }
}

impl Zone {
    fn add(&mut self, endpoint: &Endpoint) {
        let network = endpoint.network.to_ascii_lowercase();
        let mut own = None;
        for name in std::iter::once(&endpoint.hostname).chain(&endpoint.aliases) {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            if !is_name(&name) {
                continue;
            }
            let long = format!("{name}.{network}");
            self.names.entry(name).or_default().insert(endpoint.ip);
            self.names
                .entry(long.clone())
                .or_default()
                .insert(endpoint.ip);
            own.get_or_insert(long);
        }
        let own = own
            .unwrap_or_else(|| format!("{}.{network}", endpoint.ip.to_string().replace('.', "-")));
        self.addresses.insert(endpoint.ip, own);
        let subnet = Ipv4Net::new(endpoint.ip, endpoint.prefix_len).map(|net| net.trunc());
        if let Ok(subnet) = subnet
            && !self.subnets.contains(&subnet)
        {
            self.subnets.push(subnet);
        }
        self.way_out |= !endpoint.internal;
    }
}

/// Whether a name fits into a question (RFC 1035, 2.3.4).
pub(crate) fn is_name(name: &str) -> bool {
    let fits = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 180 && name.split('.').all(fits)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn endpoint(id: &str, network: &str, ip: &str, aliases: &[&str]) -> Endpoint {
        let ip: Ipv4Addr = ip.parse().unwrap();
        let subnet = Ipv4Net::new(ip, 24).unwrap().trunc();
        Endpoint {
            id: id.to_owned(),
            network: network.to_owned(),
            network_id: format!("{network}-id"),
            internal: network == "vault",
            ifname: "eth0".to_owned(),
            host_ifname: format!("mv{id}"),
            hostname: id.to_owned(),
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            ip,
            prefix_len: 24,
            gateway: subnet.hosts().next().unwrap(),
            mac: String::new(),
            mtu: 1500,
            ports: vec![],
            connected: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    pub(crate) fn directory() -> Directory {
        Directory::of(vec![
            endpoint("db", "red", "10.1.0.2", &["Redis", "not a name"]),
            endpoint("web1", "red", "10.1.0.3", &["web"]),
            endpoint("web2", "red", "10.1.0.4", &["web"]),
            endpoint("web2", "blue", "10.2.0.2", &[]),
            endpoint("lone", "blue", "10.2.0.3", &[]),
            endpoint("safe", "vault", "10.3.0.2", &[]),
            endpoint("plain", "bridge", "10.88.0.2", &[]),
        ])
    }

    #[test]
    fn who_sees_what() {
        let check = |gateway: &str, client: &str, names: &[&str], way_out: bool| {
            let zone = directory().zone(gateway.parse().unwrap(), client.parse().unwrap());
            let seen: Vec<&str> = zone
                .names
                .keys()
                .map(String::as_str)
                .filter(|n| !n.contains('.'))
                .collect();
            assert_eq!(seen, names, "{client} at {gateway}");
            assert_eq!(zone.way_out, way_out, "{client} at {gateway}");
        };
        check(
            "10.1.0.1",
            "10.1.0.2",
            &["db", "redis", "web", "web1", "web2"],
            true,
        );
        check(
            "10.1.0.1",
            "10.1.0.4",
            &["db", "lone", "redis", "web", "web1", "web2"],
            true,
        );
        check("10.2.0.1", "10.2.0.3", &["lone", "web2"], true);
        check("10.3.0.1", "10.3.0.2", &["safe"], false);
        check(
            "10.1.0.1",
            "10.1.0.1",
            &["db", "redis", "web", "web1", "web2"],
            true,
        );
        check("10.9.0.1", "10.9.0.2", &[], false);
        assert_eq!(directory().gateways().len(), 3);
    }

    #[test]
    fn names_that_fit() {
        let check = |name: &str, fits: bool| assert_eq!(is_name(name), fits, "{name}");
        check("web", true);
        check("my_app-1.local", true);
        check(&"x".repeat(63), true);
        for bad in ["", ".", "a..b", "a b", "ä", &"x".repeat(64)] {
            check(bad, false);
        }
    }
}
