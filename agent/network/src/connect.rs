//! An endpoint comes: address, bridge, veth pair, routes, ports, names. Whatever fails, what was done is undone.

use std::net::Ipv4Addr;

use crate::conntrack;
use crate::error::{Error, Result};
use crate::model::{Attachment, Endpoint, EndpointSpec, Network, Protocol};
use crate::names;
use crate::netlink::{Link, Route, Veth};
use crate::networks::Networks;
use crate::nft::Ruleset;
use crate::resolver;
use crate::sysctl;

impl Networks {
    /// Connects a namespace to a network; undoes itself on error.
    ///
    /// The default route goes by the first network that is not internal.
    pub fn connect(&self, spec: &EndpointSpec<'_>) -> Result<Attachment> {
        check(spec)?;
        let mut route = Route::open()?;
        let mut warnings = Vec::new();

        let (network, bridge, endpoint) = self.admit(spec, &mut route, &mut warnings)?;
        let plugged = plug(spec, &network, &bridge, &endpoint, &mut route)
            .and_then(|()| self.publish(&endpoint))
            .and_then(|()| self.serve_names(&network, &endpoint));
        if let Err(error) = plugged {
            // The first error is the one to tell.
            let _ = route.delete_link(&endpoint.host_ifname);
            let _ = self.release_endpoint(&endpoint);
            let _ = self.sweep();
            return Err(error);
        }
        warnings.extend(self.foreign_firewall(&network));
        warnings.extend(self.unspeakable(&network, &endpoint));
        Ok(Attachment {
            endpoint,
            network,
            warnings,
        })
    }

    /// The part that needs the lock: from here on the record keeps the bridge and the address.
    fn admit(
        &self,
        spec: &EndpointSpec<'_>,
        route: &mut Route,
        warnings: &mut Vec<String>,
    ) -> Result<(Network, Link, Endpoint)> {
        let lock = self.state.lock()?;
        let network = self.settled(spec.network, route)?;
        let present = self.state.endpoints_of(spec.id)?;
        if present.iter().any(|e| e.network_id == network.id) {
            return Err(Error::AlreadyConnected {
                id: spec.id.to_owned(),
                network: network.name,
            });
        }
        // The lease first: should we die on the way, it tells that something may be left.
        let ip = self.state.lease(&network, spec.id, spec.ip)?;
        match self.make_room(spec, &network, ip, route, warnings) {
            Ok((bridge, endpoint)) => Ok((network, bridge, endpoint)),
            Err(error) => {
                // The first error is the one to tell.
                drop(lock);
                let _ = self.sweep();
                let _ = self.state.unlease(&network.id, ip, spec.id);
                Err(error)
            }
        }
    }

    /// Bridge, forwarding, record, table. The lock is held.
    fn make_room(
        &self,
        spec: &EndpointSpec<'_>,
        network: &Network,
        ip: Ipv4Addr,
        route: &mut Route,
        warnings: &mut Vec<String>,
    ) -> Result<(Link, Endpoint)> {
        let bridge = ensure_bridge(network, route)?;
        sysctl::change(sysctl::IP_FORWARD, "1", &self.state.marks_dir())?;
        let endpoint = describe(spec, network, &bridge, ip, names::random_veth()?, warnings);
        self.state.record(&endpoint)?;
        let known = self.nft(|nft| nft.knows_bridge(&network.bridge));
        match known.and_then(|known| if known { Ok(()) } else { self.rewrite() }) {
            Ok(()) => Ok((bridge, endpoint)),
            Err(error) => {
                let _ = self.state.forget(&endpoint);
                Err(error)
            }
        }
    }

    /// The network as it is now that nobody can change it.
    fn settled(&self, name_or_id: &str, route: &mut Route) -> Result<Network> {
        let network = self.get(name_or_id)?;
        if !network.default {
            return Ok(network);
        }
        // The host's routes may have changed since the subnet was chosen; while endpoints are there it stays.
        let settled = self.state.default_network()?;
        let used = self
            .state
            .endpoints()?
            .iter()
            .any(|e| e.network_id == network.id);
        if let Some(settled) = settled
            && (used || route.link(names::DEFAULT_BRIDGE)?.is_some())
        {
            return Ok(settled);
        }
        // A bridge of a former life may have another subnet's address.
        if route
            .link(names::DEFAULT_BRIDGE)?
            .is_some_and(|link| names::is_our_bridge(&link))
        {
            route.delete_link(names::DEFAULT_BRIDGE)?;
        }
        let network = self.choose_default()?;
        self.state.settle_default(&network)?;
        Ok(network)
    }

    /// Puts an endpoint's ports into the maps.
    fn publish(&self, endpoint: &Endpoint) -> Result<()> {
        if endpoint.ports.is_empty() {
            return Ok(());
        }
        let elements = Ruleset::ports_of(endpoint);
        match self.nft(|nft| nft.add(&elements.by_map())) {
            // The port's last owner has closed its reservation but not yet taken its elements back.
            Err(Error::System { source, .. }) if is_conflict(&source) => {
                let _lock = self.state.lock()?;
                self.rewrite()?;
            }
            other => other?,
        }
        let udp: Vec<u16> = endpoint
            .ports
            .iter()
            .filter(|p| p.protocol == Protocol::Udp)
            .map(|p| p.host_port)
            .collect();
        if !udp.is_empty() {
            conntrack::forget_udp(|flow| {
                udp.contains(&flow.destination.1) && flow.answered_by.0 != endpoint.ip
            })?;
        }
        Ok(())
    }

    /// Writes the whole table for the endpoints on record. The lock is held.
    pub(crate) fn rewrite(&self) -> Result<()> {
        let endpoints = self.state.endpoints()?;
        let mut networks = self.list()?;
        networks.retain(|network| endpoints.iter().any(|e| e.network_id == network.id));
        self.nft(|nft| nft.replace(&Ruleset::of(&networks, &endpoints)))
    }

    /// A sentence for each chain of others that drops what we need. An accept of ours cannot overrule it.
    fn foreign_firewall(&self, network: &Network) -> Vec<String> {
        const NFPROTO_INET: u8 = 1;
        const NFPROTO_IPV4: u8 = 2;
        const NF_INET_LOCAL_IN: u32 = 1;
        const NF_INET_FORWARD: u32 = 2;
        // That it cannot be asked is no reason to fail: nothing was promised about others' tables.
        let chains = self.nft(|nft| nft.base_chains()).unwrap_or_default();
        let drops = chains
            .iter()
            .filter(|c| c.drops && [NFPROTO_INET, NFPROTO_IPV4].contains(&c.family));
        let named = self.resolver_conf(network).is_some();
        let told = drops.filter_map(|chain| {
            let (what, then, ways): (_, _, &[_]) = match chain.hook {
                NF_INET_FORWARD if !network.internal => (
                    "forwarded packets",
                    "endpoints reach nothing outside and published ports are not reached from other hosts",
                    &["iifname", "oifname"],
                ),
                NF_INET_LOCAL_IN if named => (
                    "packets to this host",
                    "endpoints get no answer to names (port 10053)",
                    &["iifname"],
                ),
                _ => return None,
            };
            let (bridge, chain_name, table) = (&network.bridge, &chain.name, &chain.table);
            let family = if chain.family == NFPROTO_INET { "inet" } else { "ip" };
            let rules: Vec<String> = ways
                .iter()
                .map(|way| format!("insert rule {family} {table} {chain_name} {way} {bridge} accept"))
                .collect();
            Some(format!(
                "chain {chain_name} of nftables table {table} drops {what} by default: unless it accepts those of {bridge}, {then}; let them pass with: nft '{}'",
                rules.join("; ")
            ))
        });
        told.collect()
    }

    /// A sentence for each name that no question can hold.
    fn unspeakable(&self, network: &Network, endpoint: &Endpoint) -> Vec<String> {
        let named = self.resolver_conf(network).is_some();
        let names = std::iter::once(&endpoint.hostname)
            .chain(&endpoint.aliases)
            .filter(|_| named);
        let bad = names.filter(|name| !resolver::is_name(name));
        bad.map(|name| {
            format!("{name:?} cannot be looked up: labels are 1 to 63 letters, digits, '-' and '_'")
        })
        .collect()
    }

    fn serve_names(&self, network: &Network, endpoint: &Endpoint) -> Result<()> {
        if self.resolver_conf(network).is_none() {
            return Ok(());
        }
        resolver::ensure(&self.options.resolver, &self.state, endpoint)
    }
}

fn check(spec: &EndpointSpec<'_>) -> Result<()> {
    names::check_endpoint_id(spec.id)?;
    names::check_link_name(spec.ifname)?;
    match spec
        .ports
        .iter()
        .find(|port| port.host_port == 0 || port.container_port == 0)
    {
        Some(port) => Err(Error::Invalid {
            what: "published port",
            value: port.to_string(),
            reason: "ports are numbers from 1 to 65535; a host port is chosen by reserving it"
                .to_owned(),
        }),
        None => Ok(()),
    }
}

fn describe(
    spec: &EndpointSpec<'_>,
    network: &Network,
    bridge: &Link,
    ip: Ipv4Addr,
    host_ifname: String,
    warnings: &mut Vec<String>,
) -> Endpoint {
    let mut ports = spec.ports.clone();
    if network.internal && !ports.is_empty() {
        warnings.push(format!(
            "network {:?} is internal: no port is published on it",
            network.name
        ));
        ports.clear();
    }
    Endpoint {
        id: spec.id.to_owned(),
        network: network.name.clone(),
        network_id: network.id.clone(),
        internal: network.internal,
        ifname: spec.ifname.to_owned(),
        host_ifname,
        hostname: spec.hostname.clone(),
        aliases: spec.aliases.clone(),
        ip,
        prefix_len: network.subnet.prefix_len(),
        gateway: network.gateway,
        mac: names::mac_of(ip).to_string(),
        mtu: bridge.mtu,
        ports,
        connected: jiff::Timestamp::now(),
    }
}

/// The network's bridge. It is brought up last, so that one which is up is whole.
fn ensure_bridge(network: &Network, route: &mut Route) -> Result<Link> {
    let name = &network.bridge;
    let mut found = route.link(name)?;
    match &found {
        Some(link) if link.kind == "bridge" && link.up => return Ok(link.clone()),
        Some(link) if link.kind != "bridge" => {
            let reason = format!("a link of this name exists and is a {}", link.kind);
            return Err(Error::Invalid {
                what: "bridge",
                value: name.clone(),
                reason,
            });
        }
        Some(_) => {}
        None => {
            let mtu = match network.mtu {
                Some(mtu) => mtu,
                None => route.default_route_mtu()?.unwrap_or(ETHERNET_MTU),
            };
            route.create_bridge(name, names::mac_of(network.gateway), mtu)?;
            found = route.link(name)?;
        }
    }
    let gone =
        || Error::system("look up link", name)(std::io::Error::from_raw_os_error(libc::ENODEV));
    let link = found.ok_or_else(gone)?;
    sysctl::prepare_bridge(name)?;
    route.add_address(&link, network.gateway, network.subnet.prefix_len())?;
    route.set_up(name)?;
    Ok(link)
}

/// Where no route leads out, any size will do: Ethernet's.
const ETHERNET_MTU: u32 = 1500;

fn plug(
    spec: &EndpointSpec<'_>,
    network: &Network,
    bridge: &Link,
    endpoint: &Endpoint,
    route: &mut Route,
) -> Result<()> {
    route.create_veth(&Veth {
        host_name: &endpoint.host_ifname,
        bridge,
        netns: spec.netns,
        name: spec.ifname,
        mac: names::mac_of(endpoint.ip),
        mtu: endpoint.mtu,
    })?;
    sysctl::without_ipv6(&endpoint.host_ifname)?;
    if sysctl::bridges_call_iptables() {
        // br_netfilter bridges a packet whose translated destination is on the same bridge, be it on the same port.
        route.set_hairpin(&endpoint.host_ifname)?;
    }
    let mut inside = Route::open_in(spec.netns)?;
    let gone = || {
        Error::system("look up link", spec.ifname)(std::io::Error::from_raw_os_error(libc::ENODEV))
    };
    let link = inside.link(spec.ifname)?.ok_or_else(gone)?;
    inside.add_address(&link, endpoint.ip, endpoint.prefix_len)?;
    inside.set_up(spec.ifname)?;
    if !network.internal {
        inside.add_default_route(network.gateway)?;
    }
    Ok(())
}

fn is_conflict(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EEXIST | libc::EBUSY))
}
