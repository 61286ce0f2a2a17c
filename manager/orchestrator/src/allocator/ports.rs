//! Ports that are published on every node: each belongs to one service.

use std::collections::BTreeMap;

use model::{PortProtocol, PortSpec, PublishMode, Service};

/// Where ports are taken from that nobody asked for by number.
const FREE: std::ops::RangeInclusive<u32> = 30_000..=32_767;

/// Which service each published port belongs to, by name.
#[derive(Default)]
pub(super) struct Ports {
    taken: BTreeMap<(i32, u32), String>,
}

impl Ports {
    /// Leaves a service the ports that it was given and still asks for; the others are free.
    pub(super) fn keep(&mut self, service: &Service) {
        for port in kept(service).into_iter().flatten() {
            self.taken
                .entry((port.protocol, port.published))
                .or_insert_with(|| service.spec.name.clone());
        }
    }

    /// All ports of a service, each with its number. The error says which one cannot be given.
    pub(super) fn give(&mut self, service: &Service) -> Result<Vec<PortSpec>, String> {
        let name = &service.spec.name;
        let kept = kept(service);
        let asked = &service.spec.endpoint.ports;
        let mut ports = Vec::new();
        let mut new = Vec::new();
        for (port, kept) in asked.iter().zip(kept) {
            let mut port = port.clone();
            if port.mode() == PublishMode::Ingress {
                if let Some(kept) = kept {
                    port.published = kept.published;
                }
                if port.published == 0 {
                    port.published = self.lowest(port.protocol, &new)?;
                }
                let key = (port.protocol, port.published);
                match self.taken.get(&key) {
                    Some(other) if other != name => {
                        return Err(format!(
                            "port {}/{} is published by service `{other}`, publish another one or remove that service",
                            port.published,
                            protocol(&port)
                        ));
                    }
                    _ => new.push(key),
                }
            }
            ports.push(port);
        }
        for key in new {
            self.taken.insert(key, name.clone());
        }
        Ok(ports)
    }

    fn lowest(&self, protocol: i32, new: &[(i32, u32)]) -> Result<u32, String> {
        FREE.into_iter()
            .find(|port| {
                let key = (protocol, *port);
                !self.taken.contains_key(&key) && !new.contains(&key)
            })
            .ok_or_else(|| {
                format!(
                    "no port from {} to {} is free, choose one of another range",
                    FREE.start(),
                    FREE.end()
                )
            })
    }
}

/// For every port that a service asks for, what it was given for it before.
pub(super) fn kept(service: &Service) -> Vec<Option<PortSpec>> {
    let mut given: Vec<_> = service.allocation.ports.iter().collect();
    let asked = &service.spec.endpoint.ports;
    let answers = |asked: &PortSpec, given: &PortSpec| {
        asked.mode() == PublishMode::Ingress
            && given.mode() == PublishMode::Ingress
            && asked.protocol == given.protocol
            && asked.target == given.target
            && given.published != 0
            && match asked.published {
                0 => FREE.contains(&given.published),
                published => published == given.published,
            }
    };
    // A port that was asked for by number has the first claim on that number.
    let mut kept = vec![None; asked.len()];
    let by_number = |chosen: bool| {
        let ports = asked.iter().enumerate();
        ports.filter(move |(_, port)| (port.published == 0) == chosen)
    };
    for (at, port) in by_number(false).chain(by_number(true)) {
        if let Some(found) = given.iter().position(|given| answers(port, given)) {
            kept[at] = Some(given.remove(found).clone());
        }
    }
    kept
}

/// `tcp`, `udp` or `sctp`.
pub(super) fn protocol(port: &PortSpec) -> &'static str {
    match port.protocol() {
        PortProtocol::Tcp => "tcp",
        PortProtocol::Udp => "udp",
        PortProtocol::Sctp => "sctp",
    }
}
