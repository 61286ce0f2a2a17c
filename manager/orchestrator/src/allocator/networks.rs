//! Ranges and VXLAN identifiers of networks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use model::{ClusterSpec, Network, NetworkSpec};
use store::{Change, View};

use super::{INGRESS, has_ingress};
use crate::Plan;

/// Identifiers below belong to others.
const FIRST_VNI: u32 = 4096;
/// An identifier has 24 bits.
const LAST_VNI: u32 = (1 << 24) - 1;
/// A range that is smaller has no address for a gateway, a service and a task.
const LONGEST_PREFIX: u8 = 29;

/// The networks as the plan leaves them, by id.
pub(super) type Networks = BTreeMap<String, Network>;

/// Gives every network a range and an identifier; makes the network `ingress` when a service needs it.
pub(super) fn allocate(view: &View, plan: &mut Plan) -> Networks {
    let mut all: Networks = view
        .networks()
        .iter()
        .map(|network| (network.id.clone(), Network::clone(network)))
        .collect();
    if needs_ingress(view) && view.networks().named(INGRESS).is_none() {
        all.insert(INGRESS.to_owned(), ingress());
    }
    let mut taken = Taken::by(&all);
    // One that is only being made was made last.
    let age = |network: &Network| match network.meta.version {
        0 => i64::MAX,
        _ => network.meta.created_ms,
    };
    let mut lacking: Vec<_> = all
        .values()
        .filter(|network| network.subnet.is_empty() || network.vni == 0)
        .map(|network| (age(network), network.id.clone()))
        .collect();
    lacking.sort();
    let standard = ClusterSpec::standard();
    let settings = view.cluster().map_or(&standard, |cluster| &cluster.spec);
    for (_, id) in lacking {
        if let Some(network) = all.get_mut(&id) {
            match taken.give(network, settings) {
                Ok((subnet, vni)) => {
                    network.subnet = subnet.to_string();
                    network.vni = vni;
                    network.trouble.clear();
                }
                Err(trouble) => network.trouble = trouble,
            }
        }
    }
    for network in all.values() {
        match view.networks().get(&network.id) {
            None => plan.changes.push(Change::create(network.clone())),
            Some(known) if **known != *network => {
                plan.changes.push(Change::update(network.clone()));
            }
            Some(_) => {}
        }
    }
    all
}

fn needs_ingress(view: &View) -> bool {
    view.services()
        .iter()
        .any(|service| !service.removing && has_ingress(service))
}

fn ingress() -> Network {
    Network {
        id: INGRESS.to_owned(),
        spec: NetworkSpec {
            name: INGRESS.to_owned(),
            ..NetworkSpec::default()
        },
        ..Network::default()
    }
}

/// What is given away.
struct Taken {
    /// Whose each range is, by name.
    ranges: Vec<(Ipv4Net, String)>,
    vnis: BTreeSet<u32>,
}

impl Taken {
    fn by(networks: &Networks) -> Self {
        Taken {
            ranges: networks
                .values()
                .filter_map(|network| {
                    Some((network.subnet.parse().ok()?, network.spec.name.clone()))
                })
                .collect(),
            vnis: networks
                .values()
                .map(|network| network.vni)
                .filter(|vni| *vni != 0)
                .collect(),
        }
    }

    fn give(
        &mut self,
        network: &Network,
        settings: &ClusterSpec,
    ) -> Result<(Ipv4Net, u32), String> {
        let subnet = if !network.subnet.is_empty() {
            let range = network.subnet.parse();
            range.map_err(|_| format!("its range `{}` cannot be read", network.subnet))?
        } else if network.spec.subnets.is_empty() {
            self.free_range(settings)?
        } else {
            self.asked_range(&network.spec.subnets)?
        };
        let vni = match network.vni {
            0 => (FIRST_VNI..=LAST_VNI)
                .find(|vni| !self.vnis.contains(vni))
                .ok_or("every network identifier is taken, remove a network")?,
            known => known,
        };
        if network.subnet.is_empty() {
            self.ranges.push((subnet, network.spec.name.clone()));
        }
        self.vnis.insert(vni);
        Ok((subnet, vni))
    }

    /// The first IPv4 range that was asked for.
    fn asked_range(&self, subnets: &[String]) -> Result<Ipv4Net, String> {
        let mut asked = None;
        for subnet in subnets {
            match subnet.parse::<IpNet>() {
                Ok(IpNet::V4(range)) => asked = asked.or(Some(range.trunc())),
                Ok(IpNet::V6(_)) => {}
                Err(_) => {
                    return Err(format!(
                        "subnet `{subnet}` is no range, write one like 10.1.0.0/24"
                    ));
                }
            }
        }
        let range = asked.ok_or("it asks for no IPv4 subnet, add one like 10.1.0.0/24")?;
        if range.prefix_len() > LONGEST_PREFIX {
            return Err(format!(
                "subnet {range} is too small, choose /{LONGEST_PREFIX} or a larger one"
            ));
        }
        match self.overlap(range) {
            None => Ok(range),
            Some((other, name)) => Err(format!(
                "subnet {range} overlaps {other} of network `{name}`, choose another one"
            )),
        }
    }

    /// The lowest range of the cluster's pools that nobody has a part of.
    fn free_range(&self, settings: &ClusterSpec) -> Result<Ipv4Net, String> {
        let length = u8::try_from(settings.subnet_length)
            .ok()
            .filter(|length| (1..=LONGEST_PREFIX).contains(length))
            .unwrap_or(24);
        let pools = settings.address_pools.iter();
        for pool in pools.filter_map(|pool| pool.parse::<Ipv4Net>().ok()) {
            if pool.prefix_len() > length {
                continue;
            }
            let last = u64::from(u32::from(pool.broadcast()));
            let mut next = u64::from(u32::from(pool.network()));
            while next <= last {
                let Some(range) = u32::try_from(next)
                    .ok()
                    .and_then(|address| Ipv4Net::new(Ipv4Addr::from(address), length).ok())
                else {
                    break;
                };
                let Some((other, _)) = self.overlap(range) else {
                    return Ok(range);
                };
                // Past both: the other may be the larger one.
                next =
                    u64::from(u32::from(range.broadcast()).max(u32::from(other.broadcast()))) + 1;
            }
        }
        Err(format!(
            "no /{length} range is left in {}: remove a network, or give this one a subnet of its own",
            settings.address_pools.join(", ")
        ))
    }

    fn overlap(&self, range: Ipv4Net) -> Option<&(Ipv4Net, String)> {
        self.ranges
            .iter()
            .find(|(other, _)| other.contains(&range) || range.contains(other))
    }
}
