//! The façade, and its first half: networks are listed, made and removed here. Endpoints come in `connect`, go in
//! `release`.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::Ipv4Net;

use crate::error::{Error, Result};
use crate::ipam;
use crate::model::{Driver, Endpoint, Network, NetworkSpec};
use crate::names;
use crate::netlink::Route;
use crate::nft::Nft;
use crate::resolver::upstream;
use crate::state::State;

/// The name of the predefined network.
pub const DEFAULT_NETWORK: &str = "bridge";

/// Where the networks keep their state.
#[derive(Debug, Clone)]
pub struct Options {
    /// Durable: `networks/NAME.json` beneath it.
    pub data_root: PathBuf,
    /// Until reboot: `network/` beneath it.
    pub run_root: PathBuf,
    /// The command that calls [`resolver::serve`](crate::resolver::serve) on the same roots; empty where names on
    /// user-made networks are not wanted.
    pub resolver: Vec<OsString>,
}

/// The networks of this host: of the network namespace that the first call is made in.
#[derive(Debug, Clone)]
pub struct Networks {
    pub(crate) options: Options,
    pub(crate) state: State,
    /// Opened once and kept: to close such a socket soon after a deletion waits for the kernel to clear up (10 ms).
    nft: Arc<Mutex<Option<Nft>>>,
}

impl Networks {
    /// Opens the networks; nothing is read or made yet.
    pub fn open(options: Options) -> Result<Networks> {
        let state = State::new(&options.data_root, &options.run_root);
        Ok(Networks {
            options,
            state,
            nft: Arc::default(),
        })
    }

    /// Talks to nf_tables.
    pub(crate) fn nft<T>(&self, talk: impl FnOnce(&mut Nft) -> Result<T>) -> Result<T> {
        let mut nft = self.nft.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *nft {
            Some(nft) => talk(nft),
            closed => talk(closed.insert(Nft::open()?)),
        }
    }

    /// Every network, the predefined one first, the others by name.
    pub fn list(&self) -> Result<Vec<Network>> {
        let mut all = vec![self.default_network()?];
        all.extend(self.state.networks()?);
        Ok(all)
    }

    /// The network of this name or of the one id that starts so.
    pub fn get(&self, name_or_id: &str) -> Result<Network> {
        if name_or_id == DEFAULT_NETWORK {
            return self.default_network();
        }
        let mut all = self.list()?;
        if let Some(index) = all.iter().position(|network| network.name == name_or_id) {
            return Ok(all.swap_remove(index));
        }
        all.retain(|network| !name_or_id.is_empty() && network.id.starts_with(name_or_id));
        match all.len() {
            0 => Err(Error::NetworkNotFound(name_or_id.to_owned())),
            1 => Ok(all.swap_remove(0)),
            _ => {
                let names = all.into_iter().map(|network| network.name).collect();
                Err(Error::Ambiguous {
                    prefix: name_or_id.to_owned(),
                    names,
                })
            }
        }
    }

    /// The predefined network. Its subnet is settled by its first endpoint after a boot; until then this is the one
    /// that would be taken now.
    pub fn default_network(&self) -> Result<Network> {
        match self.state.default_network()? {
            Some(network) => Ok(network),
            None => self.choose_default(),
        }
    }

    /// Chooses the predefined network's subnet anew.
    pub(crate) fn choose_default(&self) -> Result<Network> {
        let taken = self.taken(names::DEFAULT_BRIDGE)?;
        let subnets: Vec<Ipv4Net> = taken.into_iter().map(|(subnet, _)| subnet).collect();
        let subnet = ipam::first_free(ipam::default_pool(), &subnets)
            .ok_or_else(|| Error::NoSubnetLeft(DEFAULT_NETWORK.to_owned()))?;
        Ok(Network {
            name: DEFAULT_NETWORK.to_owned(),
            id: names::DEFAULT_ID.to_owned(),
            driver: Driver::Bridge,
            bridge: names::DEFAULT_BRIDGE.to_owned(),
            subnet,
            gateway: first_host(subnet),
            internal: false,
            mtu: None,
            labels: Default::default(),
            options: Default::default(),
            created: jiff::Timestamp::now(),
            default: true,
        })
    }

    /// Makes a network. Only its definition is written: the bridge comes with the first endpoint.
    pub fn create(&self, spec: &NetworkSpec) -> Result<Network> {
        names::check_network_name(&spec.name)?;
        let mtu = read_options(spec)?;
        // Two at once must not choose the same subnet.
        let _lock = self.state.lock()?;
        let default = self.default_network()?;
        if spec.name == default.name
            || self
                .state
                .networks()?
                .iter()
                .any(|network| network.name == spec.name)
        {
            return Err(Error::NameTaken(spec.name.clone()));
        }
        let mut taken = self.taken("")?;
        taken.push((default.subnet, format!("network {:?}", default.name)));
        let subnet = choose_subnet(spec, &taken)?;
        let gateway = choose_gateway(spec, subnet)?;
        let id = names::random_id()?;
        let network = Network {
            name: spec.name.clone(),
            bridge: names::bridge_of(&id),
            id,
            driver: Driver::Bridge,
            subnet,
            gateway,
            internal: spec.internal,
            mtu,
            labels: spec.labels.clone(),
            options: spec.options.clone(),
            created: jiff::Timestamp::now(),
            default: false,
        };
        if self.state.define(&network)? {
            Ok(network)
        } else {
            Err(Error::NameTaken(spec.name.clone()))
        }
    }

    /// Removes a network; refused while it has endpoints.
    pub fn remove(&self, name_or_id: &str) -> Result<Network> {
        let network = self.get(name_or_id)?;
        if network.default {
            return Err(Error::Predefined(network.name));
        }
        {
            let _lock = self.state.lock()?;
            let mut endpoints = self.state.endpoints()?;
            endpoints.retain(|endpoint| endpoint.network_id == network.id);
            if !endpoints.is_empty() {
                let endpoints = endpoints.into_iter().map(|endpoint| endpoint.id).collect();
                return Err(Error::InUse {
                    network: network.name,
                    endpoints,
                });
            }
            self.state.undefine(&network.name)?;
            self.state.forget_leases(&network);
        }
        Ok(network)
    }

    /// Every connected endpoint, by id and network.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>> {
        self.state.endpoints()
    }

    /// The address that an endpoint of `network` puts as `nameserver` into its resolv.conf: `None` on the predefined
    /// network, which has no names and takes over the host's resolvers.
    pub fn resolver_conf(&self, network: &Network) -> Option<Ipv4Addr> {
        (!network.default && !self.options.resolver.is_empty()).then_some(network.gateway)
    }

    /// What is in use on this host: networks of ours, routes (but for those of the links whose name is `besides` or
    /// of a bridge of ours), name servers.
    fn taken(&self, besides: &str) -> Result<Vec<(Ipv4Net, String)>> {
        let mut taken: Vec<(Ipv4Net, String)> = Vec::new();
        for network in self.state.networks()? {
            taken.push((network.subnet, format!("network {:?}", network.name)));
        }
        let mut route = Route::open()?;
        let mut links = route.links()?;
        links.retain(|link| link.name == besides || names::is_our_bridge(link));
        for entry in route.routes()? {
            let ours = links.iter().any(|link| Some(link.index) == entry.link);
            if !ours && !ipam::is_catch_all(&entry.destination) {
                taken.push((entry.destination, "a route of this host".to_owned()));
            }
        }
        for server in upstream::Servers::read().v4() {
            taken.push((
                Ipv4Net::from(server),
                "a name server of this host".to_owned(),
            ));
        }
        Ok(taken)
    }
}

fn choose_subnet(spec: &NetworkSpec, taken: &[(Ipv4Net, String)]) -> Result<Ipv4Net> {
    let Some(subnet) = spec.subnet else {
        let subnets: Vec<Ipv4Net> = taken.iter().map(|(subnet, _)| *subnet).collect();
        return ipam::first_free(ipam::user_pool(), &subnets)
            .ok_or_else(|| Error::NoSubnetLeft(spec.name.clone()));
    };
    let subnet = subnet.trunc();
    if !(8..=29).contains(&subnet.prefix_len()) {
        let reason = "a prefix of /8 to /29 is needed, e.g. 10.100.0.0/24".to_owned();
        return Err(Error::Invalid {
            what: "subnet",
            value: subnet.to_string(),
            reason,
        });
    }
    let address = subnet.network();
    if address.is_loopback()
        || address.is_multicast()
        || address.is_link_local()
        || address.octets()[0] == 0
    {
        let reason =
            "the range has a meaning of its own; a private one is needed, e.g. 10.100.0.0/24"
                .to_owned();
        return Err(Error::Invalid {
            what: "subnet",
            value: subnet.to_string(),
            reason,
        });
    }
    match taken
        .iter()
        .find(|(other, _)| ipam::overlap(&subnet, other))
    {
        Some((other, owner)) => Err(Error::Overlap {
            subnet,
            other: *other,
            owner: owner.clone(),
        }),
        None => Ok(subnet),
    }
}

fn choose_gateway(spec: &NetworkSpec, subnet: Ipv4Net) -> Result<Ipv4Addr> {
    let Some(gateway) = spec.gateway else {
        return Ok(first_host(subnet));
    };
    if subnet.contains(&gateway) && gateway != subnet.network() && gateway != subnet.broadcast() {
        return Ok(gateway);
    }
    let reason = format!("it is no host's address of subnet {subnet}");
    Err(Error::Invalid {
        what: "gateway",
        value: gateway.to_string(),
        reason,
    })
}

fn first_host(subnet: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(subnet.network()) + 1)
}

/// The MTU out of the options, in bytes; an option that nobody would honour is refused.
fn read_options(spec: &NetworkSpec) -> Result<Option<u32>> {
    let mut mtu = None;
    for (key, value) in &spec.options {
        if !matches!(key.as_str(), "mtu" | "com.docker.network.driver.mtu") {
            let reason = "the bridge driver knows the option mtu alone".to_owned();
            return Err(Error::Invalid {
                what: "network option",
                value: key.clone(),
                reason,
            });
        }
        let number = value
            .parse()
            .ok()
            .filter(|number| (68..=65535).contains(number));
        mtu = Some(number.ok_or_else(|| Error::Invalid {
            what: "mtu",
            value: value.clone(),
            reason: "a number of bytes from 68 to 65535 is needed, e.g. 1450".to_owned(),
        })?);
    }
    Ok(mtu)
}
