//! Addresses of services on their networks, and their ports.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;
use model::{EndpointMode, PublishMode, Service, ServiceAllocation, VirtualAddress};
use store::{Change, View};

use super::networks::Networks;
use super::ports::{Ports, kept};
use super::{INGRESS, has_ingress};
use crate::Plan;

/// Gives every service its addresses and ports; the plan has those whose allocation or trouble changes.
pub(super) fn allocate(view: &View, networks: &Networks, plan: &mut Plan) {
    let mut services: Vec<&Arc<Service>> = view
        .services()
        .iter()
        .filter(|service| !service.removing)
        .collect();
    services.sort_by(|one, other| {
        let age = |service: &Service| service.meta.created_ms;
        (age(one), &one.id).cmp(&(age(other), &other.id))
    });
    let names = names(networks);
    let mut ports = Ports::default();
    let mut addresses = Addresses::default();
    // A service that is on its way out keeps its addresses until it is gone, its ports not.
    for service in view.services().iter().filter(|service| service.removing) {
        for vip in &service.allocation.vips {
            addresses.take(vip);
        }
    }
    // Whoever has something keeps it, before anything is given.
    let mut asks = Vec::new();
    for service in services {
        ports.keep(service);
        let wanted = wanted(service, &names);
        let vips = kept_vips(service, wanted.as_deref().unwrap_or_default(), networks);
        let vips: Vec<_> = vips.into_iter().filter(|vip| addresses.take(vip)).collect();
        asks.push((service, wanted, vips));
    }
    for (service, wanted, vips) in asks {
        let given = wanted.and_then(|wanted| {
            let vips = addresses.choose(service, &wanted, vips.clone(), networks)?;
            let ports = ports.give(service)?;
            for vip in &vips {
                addresses.take(vip);
            }
            Ok(ServiceAllocation { ports, vips })
        });
        let (allocation, trouble) = match given {
            Ok(allocation) => (allocation, String::new()),
            Err(trouble) => {
                let ports = kept(service).into_iter().flatten().collect();
                (ServiceAllocation { ports, vips }, trouble)
            }
        };
        if service.allocation != allocation || service.trouble != trouble {
            plan.changes.push(Change::update(Service {
                allocation,
                trouble,
                ..Service::clone(service)
            }));
        }
    }
}

/// Whether a service has all that it asks for.
pub(super) fn has_all(view: &View, service: &Service) -> bool {
    let ports = &service.allocation.ports;
    let asked = &service.spec.endpoint.ports;
    let ports_given = ports.len() == asked.len()
        && asked
            .iter()
            .zip(kept(service))
            .all(|(port, kept)| port.mode() != PublishMode::Ingress || kept.is_some());
    let find = |name: &str| {
        let networks = view.networks();
        networks.named(name).or_else(|| networks.get(name))
    };
    let attached = attachments(service).all(|name| {
        find(name).is_some_and(|network| {
            let has = |vip: &VirtualAddress| vip.network_id == network.id;
            let addressed = service.spec.endpoint.mode() == EndpointMode::Dnsrr
                || service.allocation.vips.iter().any(has);
            !network.subnet.is_empty() && addressed
        })
    });
    ports_given && attached
}

/// Names of the networks that a service has to be on; `host` and `none` are no networks of the cluster.
fn attachments(service: &Service) -> impl Iterator<Item = &str> {
    let own = service.spec.task.networks.iter();
    own.map(|attachment| attachment.network.as_str())
        .filter(|name| !matches!(*name, "host" | "none"))
        .chain(has_ingress(service).then_some(INGRESS))
}

fn names(networks: &Networks) -> BTreeMap<&str, &str> {
    let ids = networks.keys().map(|id| (id.as_str(), id.as_str()));
    let names = networks
        .values()
        .map(|network| (network.spec.name.as_str(), network.id.as_str()));
    ids.chain(names).collect()
}

/// Ids of the networks that a service has to be on, in order.
fn wanted<'a>(service: &Service, names: &BTreeMap<&str, &'a str>) -> Result<Vec<&'a str>, String> {
    let mut wanted = Vec::new();
    for name in attachments(service) {
        let id = *names.get(name).ok_or_else(|| {
            format!("network `{name}` does not exist, make it or take it out of the service")
        })?;
        if !wanted.contains(&id) {
            wanted.push(id);
        }
    }
    Ok(wanted)
}

/// The addresses that a service was given and still needs.
fn kept_vips(service: &Service, wanted: &[&str], networks: &Networks) -> Vec<VirtualAddress> {
    let needed = |vip: &&VirtualAddress| {
        service.spec.endpoint.mode() == EndpointMode::Vip
            && wanted.contains(&vip.network_id.as_str())
            && networks
                .get(&vip.network_id)
                .and_then(|network| network.subnet.parse::<Ipv4Net>().ok())
                .zip(vip.address.parse::<Ipv4Addr>().ok())
                .is_some_and(|(range, address)| range.contains(&address))
    };
    service
        .allocation
        .vips
        .iter()
        .filter(needed)
        .cloned()
        .collect()
}

/// Addresses that services have, by network.
#[derive(Default)]
struct Addresses {
    taken: BTreeMap<String, BTreeSet<u32>>,
}

impl Addresses {
    /// Whether it was free.
    fn take(&mut self, vip: &VirtualAddress) -> bool {
        vip.address.parse::<Ipv4Addr>().is_ok_and(|address| {
            let taken = self.taken.entry(vip.network_id.clone()).or_default();
            taken.insert(u32::from(address))
        })
    }

    /// One address on every network that is wanted, those that are kept among them.
    fn choose(
        &self,
        service: &Service,
        wanted: &[&str],
        mut kept: Vec<VirtualAddress>,
        networks: &Networks,
    ) -> Result<Vec<VirtualAddress>, String> {
        let balanced = service.spec.endpoint.mode() == EndpointMode::Vip;
        let mut new = Vec::new();
        for id in wanted {
            let Some(network) = networks.get(*id) else {
                continue;
            };
            let name = &network.spec.name;
            let range = network
                .subnet
                .parse::<Ipv4Net>()
                .map_err(|_| format!("network `{name}` cannot be used: {}", network.trouble))?;
            if !balanced || kept.iter().any(|vip| vip.network_id == *id) {
                continue;
            }
            let taken = self.taken.get(*id);
            // Past the network's own address and the gateway's.
            let first = u32::from(range.network()) + 2;
            let address = (first..u32::from(range.broadcast()))
                .find(|address| taken.is_none_or(|taken| !taken.contains(address)))
                .ok_or_else(|| {
                    format!(
                        "network `{name}` ({range}) has no address left, make it anew with a larger subnet"
                    )
                })?;
            new.push(VirtualAddress {
                network_id: (*id).to_owned(),
                address: Ipv4Addr::from(address).to_string(),
            });
        }
        kept.extend(new);
        kept.sort_by_key(|vip| wanted.iter().position(|id| *id == vip.network_id));
        Ok(kept)
    }
}
