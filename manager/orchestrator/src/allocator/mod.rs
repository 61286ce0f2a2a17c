//! What the managers give: ranges and identifiers to networks, addresses and ports to services. A function of the store alone: nothing
//! is remembered, a new leader goes on with what objects say they have. Who has something keeps it; what is free goes to who was made
//! first, the lowest first.
//!
//! Of a network's range the first address is the gateway's; addresses of services are taken from below, those of tasks from above.
//! What cannot be given is told in `trouble`, and given once something is free.

mod networks;
mod ports;
mod services;
#[cfg(test)]
mod tests;

use model::{PublishMode, Service};
use store::View;

use crate::Plan;

/// Id and name of the network that carries ports which are published on every node.
pub const INGRESS: &str = "ingress";

/// Gives every network and service what it lacks, and takes back what it doesn't need any more.
pub fn allocate(view: &View, _now_ms: i64) -> Plan {
    let mut plan = Plan::default();
    let networks = networks::allocate(view, &mut plan);
    services::allocate(view, &networks, &mut plan);
    plan
}

/// Whether a service has all that the managers have to give it, so that tasks of it may be placed.
pub fn is_allocated(view: &View, service: &Service) -> bool {
    services::has_all(view, service)
}

/// Whether a service has a port that is published on every node.
fn has_ingress(service: &Service) -> bool {
    service
        .spec
        .endpoint
        .ports
        .iter()
        .any(|port| port.mode() == PublishMode::Ingress)
}
