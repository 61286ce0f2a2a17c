//! Which services, stacks and networks have to be looked at, after what has happened. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use model::{Cluster, Node, Service, ServiceMode, Task, TaskState};
use orchestrator::allocator;
use prost::Message;
use store::{Event, Kind, View, What};

/// What has to be looked at, and what is known by which events are judged without looking at everything.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    /// Services, by id.
    pub(super) services: BTreeSet<String>,
    /// Stacks, by id.
    pub(super) stacks: BTreeSet<String>,
    /// Whether something may be allocated.
    pub(super) allocation: bool,
    /// Services with a task on each node.
    global: BTreeSet<String>,
    /// Services that are spread anew when nodes come.
    rebalanced: BTreeSet<String>,
    /// Services that scale by themselves.
    scaled: BTreeSet<String>,
    /// By the full name of a service, those that depend on it.
    dependents: BTreeMap<String, BTreeSet<String>>,
    /// By service, the names that it depends on.
    depends: BTreeMap<String, Vec<String>>,
    /// By node, a digest of what matters of it.
    nodes: BTreeMap<String, u64>,
    cluster: u64,
}

impl Dirty {
    /// Everything has to be looked at.
    pub(super) fn everything(view: &View) -> Self {
        let mut dirty = Dirty {
            allocation: true,
            stacks: view.stacks().iter().map(|stack| stack.id.clone()).collect(),
            cluster: view.cluster().map_or(0, |cluster| digest_cluster(cluster)),
            ..Dirty::default()
        };
        for service in view.services().iter() {
            dirty.services.insert(service.id.clone());
            dirty.index(service);
        }
        for node in view.nodes().iter() {
            dirty.nodes.insert(node.id.clone(), digest_node(node));
        }
        dirty
    }

    /// Services that scale by themselves.
    pub(super) fn scaled(&self) -> impl Iterator<Item = &String> {
        self.scaled.iter()
    }

    /// Something has happened.
    pub(super) fn note(&mut self, view: &View, event: &Event) {
        let removed = event.what == What::Removed;
        match &event.object {
            Kind::Task(task) => self.note_task(view, task, event.what),
            Kind::Service(service) => self.note_service(view, service, removed),
            Kind::Node(node) => self.note_node(view, node, removed),
            Kind::Stack(stack) => {
                if !removed {
                    self.stacks.insert(stack.id.clone());
                }
            }
            Kind::Network(network) => {
                self.allocation = true;
                let names = [network.id.as_str(), network.spec.name.as_str()];
                let attached = view.services().iter().filter(|service| {
                    let mut networks = service.spec.task.networks.iter();
                    networks.any(|attachment| names.contains(&attachment.network.as_str()))
                });
                self.services
                    .extend(attached.map(|service| service.id.clone()));
                if !network.stack_id.is_empty() {
                    self.stacks.insert(network.stack_id.clone());
                }
            }
            Kind::Cluster(cluster) => {
                if self.cluster != digest_cluster(cluster) {
                    *self = Dirty::everything(view);
                }
            }
            Kind::Config(_) | Kind::Revision(_) | Kind::Deployment(_) | Kind::Secret(_) => {}
        }
    }

    /// What a plan of ours made of a task is looked at when the plan is committed; what a node says counts from its start on.
    fn note_task(&mut self, view: &View, task: &Task, what: What) {
        let told = task.status.state() >= TaskState::Starting;
        if what == What::Created || (what == What::Updated && !told) {
            return;
        }
        self.services.insert(task.service_id.clone());
        let Some(service) = view.services().get(&task.service_id) else {
            return;
        };
        let Some(dependents) = self.dependents.get(&service.spec.name) else {
            return;
        };
        let waits = |id: &&String| {
            let dependent = view.services().get(id);
            dependent.is_some_and(|dependent| waits_for(dependent, &service.spec.name))
        };
        self.services
            .extend(dependents.iter().filter(waits).cloned());
    }

    fn note_service(&mut self, view: &View, service: &Service, removed: bool) {
        self.forget(&service.id);
        if removed {
            // What it had may be given to others.
            self.allocation = true;
            self.services.remove(&service.id);
        } else {
            self.index(service);
            self.services.insert(service.id.clone());
            self.allocation |= !allocator::is_allocated(view, service) || service.removing;
        }
        if let Some(dependents) = self.dependents.get(&service.spec.name) {
            self.services.extend(dependents.iter().cloned());
        }
        let stack = view.stacks().get(&service.stack_id);
        if stack.is_some_and(|stack| stack.removing) {
            self.stacks.insert(service.stack_id.clone());
        }
    }

    fn note_node(&mut self, view: &View, node: &Node, removed: bool) {
        let changed = if removed {
            self.nodes.remove(&node.id).is_some()
        } else {
            let now = digest_node(node);
            self.nodes.insert(node.id.clone(), now) != Some(now)
        };
        if changed {
            let there = view.tasks_on(&node.id).map(|task| task.service_id.clone());
            self.services.extend(there);
            let everywhere = self.global.iter().chain(&self.rebalanced);
            self.services.extend(everywhere.cloned());
        }
    }

    fn index(&mut self, service: &Service) {
        let id = &service.id;
        if matches!(
            service.spec.mode,
            Some(ServiceMode::Global(_) | ServiceMode::GlobalJob(_))
        ) {
            self.global.insert(id.clone());
        }
        if service.spec.task.placement.rebalance {
            self.rebalanced.insert(id.clone());
        }
        if service.spec.autoscale.is_some() {
            self.scaled.insert(id.clone());
        }
        let names: Vec<String> = service
            .spec
            .depends_on
            .iter()
            .map(|dependency| dependency.service.clone())
            .collect();
        for name in &names {
            let dependents = self.dependents.entry(name.clone()).or_default();
            dependents.insert(id.clone());
        }
        if !names.is_empty() {
            self.depends.insert(id.clone(), names);
        }
    }

    fn forget(&mut self, id: &str) {
        self.global.remove(id);
        self.rebalanced.remove(id);
        self.scaled.remove(id);
        for name in self.depends.remove(id).unwrap_or_default() {
            if let Some(dependents) = self.dependents.get_mut(&name) {
                dependents.remove(id);
                if dependents.is_empty() {
                    self.dependents.remove(&name);
                }
            }
        }
    }
}

/// Whether a service may be waiting for that dependency: its gate is closed, or never stays open.
fn waits_for(service: &Service, name: &str) -> bool {
    let open = service
        .latches
        .iter()
        .any(|latch| latch.dependency == name && latch.revision == service.revision);
    service.waiting.is_some() || service.spec.gate.always || !open
}

/// What of a node makes services look at it again: not its certificate, nor its place among the managers.
fn digest_node(node: &Node) -> u64 {
    let mut hasher = DefaultHasher::new();
    node.spec.encode_to_vec().hash(&mut hasher);
    node.description.encode_to_vec().hash(&mut hasher);
    (node.status.state, &node.status.address).hash(&mut hasher);
    hasher.finish()
}

/// What of the cluster's settings counts for services.
fn digest_cluster(cluster: &Cluster) -> u64 {
    let mut hasher = DefaultHasher::new();
    let spec = &cluster.spec;
    (&spec.address_pools, spec.subnet_length, spec.task_history).hash(&mut hasher);
    cluster.feature_level.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
