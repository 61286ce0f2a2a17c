//! Which numbers revisions have, and which of them are the same.

use model::{PortSpec, PublishMode, Revision, Service, ServiceSpec, TaskSpec};
use store::View;

/// The revision of that number of a service as it is now.
pub(super) fn of(service: &Service, number: u64) -> Revision {
    Revision {
        id: Revision::id_of(&service.id, number),
        service_id: service.id.clone(),
        number,
        task: service.spec.task.clone(),
        ports: host_ports(&service.spec),
        service_name: service.spec.name.clone(),
        ..Revision::default()
    }
}

/// The number of the next revision of a service: never one that was used.
pub(super) fn next_number(view: &View, service: &Service) -> u64 {
    let numbers = view.revisions_of(&service.id).map(|known| known.number);
    1 + numbers.max().unwrap_or(0).max(service.revision)
}

/// The ports that a node publishes for its own tasks.
pub(super) fn host_ports(spec: &ServiceSpec) -> Vec<PortSpec> {
    spec.endpoint
        .ports
        .iter()
        .filter(|port| port.mode() == PublishMode::Host)
        .cloned()
        .collect()
}

/// Whether tasks of both would run the same. What the registry asks for is no part of that.
pub(super) fn is_same(one: &ServiceSpec, other: &ServiceSpec) -> bool {
    is_same_task(&one.task, &other.task) && host_ports(one) == host_ports(other)
}

/// Whether tasks of a revision run what a specification asks for.
pub(crate) fn is_of(revision: &Revision, spec: &ServiceSpec) -> bool {
    is_same_task(&revision.task, &spec.task) && revision.ports == host_ports(spec)
}

/// Whether two revisions differ in where tasks may run, and in nothing else.
pub(super) fn differ_in_placement_alone(one: &Revision, other: &Revision) -> bool {
    let placed = TaskSpec {
        placement: other.task.placement.clone(),
        ..one.task.clone()
    };
    is_same_task(&placed, &other.task) && one.ports == other.ports
}

/// A specification with the tasks and the ports of a revision.
pub(super) fn returned_to(revision: &Revision, spec: &ServiceSpec) -> ServiceSpec {
    let mut spec = spec.clone();
    spec.task = revision.task.clone();
    let ports = &mut spec.endpoint.ports;
    ports.retain(|port| port.mode() != PublishMode::Host);
    ports.extend(revision.ports.iter().cloned());
    spec
}

/// A specification as it is compared: without what the registry asks for.
pub(super) fn compared(spec: &ServiceSpec) -> ServiceSpec {
    let mut spec = spec.clone();
    spec.task.container.registry_auth = None;
    spec
}

fn is_same_task(one: &TaskSpec, other: &TaskSpec) -> bool {
    let compared = |task: &TaskSpec| {
        let mut task = task.clone();
        task.container.registry_auth = None;
        task
    };
    compared(one) == compared(other)
}
