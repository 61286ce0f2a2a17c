//! What every node carries, kept as tasks come and go.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::{Node, Resources, Task, TaskState};

use super::group::{Group, HostPort, fixed};

/// What every node carries.
#[derive(Default)]
pub(super) struct Ledger {
    places: Vec<NodeUse>,
    by_id: BTreeMap<Arc<str>, usize>,
    free: Vec<usize>,
    loads: HashMap<Arc<str>, Load>,
}

/// What one node carries.
#[derive(Debug, Default)]
pub(super) struct NodeUse {
    /// None of a node that was removed and has tasks yet.
    pub(super) node: Option<Arc<Node>>,
    id: Arc<str>,
    /// Sum of what is set aside for tasks that may still run.
    pub(super) reserved: Resources,
    /// How many tasks may still run.
    pub(super) tasks: u32,
    services: HashMap<Arc<str>, ServiceUse>,
    /// How many tasks hold each port.
    ports: BTreeMap<HostPort, u32>,
}

/// What one node carries of one service.
#[derive(Debug, Default, PartialEq, Eq)]
struct ServiceUse {
    /// Tasks that may still run.
    held: u32,
    /// Those of them that shall.
    wanted: u32,
    /// The same of each revision.
    revisions: Vec<(u64, u32)>,
    /// When tasks failed: milliseconds since 1970 (UTC).
    failures: Vec<i64>,
}

/// What one task puts on its node.
#[derive(Debug)]
pub(super) struct Load {
    place: usize,
    group: Arc<Group>,
    ports: Box<[HostPort]>,
    /// It may still run: its resources and ports are its own.
    held: bool,
    wanted: bool,
    failed_ms: Option<i64>,
}

impl Ledger {
    /// Takes over what is known of a node; none when it was removed.
    pub(super) fn set_node(&mut self, id: &str, node: Option<Arc<Node>>) {
        let place = self.place(id);
        self.places[place].node = node;
        self.tidy(place);
    }

    /// The nodes, by id.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (usize, &Arc<Node>, &NodeUse)> {
        self.by_id.values().filter_map(|place| {
            let carried = &self.places[*place];
            Some((*place, carried.node.as_ref()?, carried))
        })
    }

    /// What is carried at a place that [`Ledger::nodes`] named.
    pub(super) fn at(&self, place: usize) -> &NodeUse {
        &self.places[place]
    }

    /// The place of a node.
    pub(super) fn find(&self, node_id: &str) -> Option<usize> {
        self.by_id.get(node_id).copied()
    }

    /// Takes over a task as it is in the store or in a plan. Whether there is another amount of room on a node by that.
    pub(super) fn put(&mut self, task: &Task, group: Arc<Group>) -> bool {
        let state = task.status.state();
        let failed = matches!(state, TaskState::Failed | TaskState::Rejected);
        let held = !state.is_final();
        if task.node_id.is_empty() || state < TaskState::Assigned || !(held || failed) {
            return self.release(&task.id);
        }
        let place = self.place(&task.node_id);
        let ports = match task.ports.as_slice() {
            [] => group.host_ports().collect(),
            chosen => fixed(chosen).collect(),
        };
        let load = Load {
            place,
            group,
            ports,
            held,
            wanted: task.is_wanted(),
            failed_ms: failed.then_some(task.status.at_ms),
        };
        self.hold(Arc::from(task.id.as_str()), load)
    }

    /// Puts a task on a node that it was chosen for.
    pub(super) fn assign(&mut self, task_id: &str, place: usize, group: &Arc<Group>) {
        let load = Load {
            place,
            group: group.clone(),
            ports: group.host_ports().collect(),
            held: true,
            wanted: true,
            failed_ms: None,
        };
        self.hold(Arc::from(task_id), load);
    }

    /// Forgets a task. Whether there is more room on its node by that.
    pub(super) fn release(&mut self, task_id: &str) -> bool {
        let Some(load) = self.loads.remove(task_id) else {
            return false;
        };
        self.places[load.place].subtract(&load);
        self.tidy(load.place);
        load.held
    }

    fn hold(&mut self, task_id: Arc<str>, load: Load) -> bool {
        self.places[load.place].add(&load);
        let (place, held) = (load.place, load.held);
        match self.loads.insert(task_id, load) {
            None => held,
            Some(before) => {
                self.places[before.place].subtract(&before);
                self.tidy(before.place);
                before.held != held || before.place != place
            }
        }
    }

    fn place(&mut self, id: &str) -> usize {
        if let Some(place) = self.by_id.get(id) {
            return *place;
        }
        let id = Arc::<str>::from(id);
        let carried = NodeUse {
            id: id.clone(),
            ..NodeUse::default()
        };
        let place = match self.free.pop() {
            Some(place) => {
                self.places[place] = carried;
                place
            }
            None => {
                self.places.push(carried);
                self.places.len() - 1
            }
        };
        self.by_id.insert(id, place);
        place
    }

    /// Forgets a removed node with its last task.
    fn tidy(&mut self, place: usize) {
        let carried = &self.places[place];
        if carried.node.is_none() && carried.services.is_empty() {
            self.by_id.remove(&carried.id);
            self.free.push(place);
        }
    }
}

impl NodeUse {
    /// A node and what others have set aside of it.
    pub(super) fn with_reserved(node: Arc<Node>, reserved: Resources) -> Self {
        NodeUse {
            node: Some(node),
            reserved,
            ..NodeUse::default()
        }
    }

    /// Tasks of the group's service that may still run here.
    pub(super) fn held(&self, group: &Group) -> u32 {
        self.of(group).map_or(0, |carried| carried.held)
    }

    /// Tasks of the group's service that shall run here.
    pub(super) fn wanted(&self, group: &Group) -> u32 {
        self.of(group).map_or(0, |carried| carried.wanted)
    }

    /// Tasks of the group itself that shall run here.
    pub(super) fn wanted_of_revision(&self, group: &Group) -> u32 {
        self.of(group)
            .and_then(|carried| {
                carried
                    .revisions
                    .iter()
                    .find(|(number, _)| *number == group.number)
            })
            .map_or(0, |(_, wanted)| *wanted)
    }

    /// How many tasks of the group's service failed here after that time.
    pub(super) fn failures_after(&self, group: &Group, after_ms: i64) -> usize {
        self.of(group).map_or(0, |carried| {
            let recent = |at_ms: &&i64| **at_ms > after_ms;
            carried.failures.iter().filter(recent).count()
        })
    }

    /// Whether somebody holds a port.
    pub(super) fn holds(&self, port: HostPort) -> bool {
        self.ports.contains_key(&port)
    }

    fn of(&self, group: &Group) -> Option<&ServiceUse> {
        self.services.get(&group.service_id)
    }

    fn add(&mut self, load: &Load) {
        let service = match self.services.get_mut(&load.group.service_id) {
            Some(known) => known,
            None => self
                .services
                .entry(load.group.service_id.clone())
                .or_default(),
        };
        service.failures.extend(load.failed_ms);
        if !load.held {
            return;
        }
        service.held += 1;
        if load.wanted {
            service.wanted += 1;
            let number = load.group.number;
            match service.revisions.iter_mut().find(|(of, _)| *of == number) {
                Some((_, wanted)) => *wanted += 1,
                None => service.revisions.push((number, 1)),
            }
        }
        self.tasks += 1;
        let needs = &load.group.needs;
        self.reserved.nano_cpus = self.reserved.nano_cpus.saturating_add(needs.nano_cpus);
        self.reserved.memory_bytes = self
            .reserved
            .memory_bytes
            .saturating_add(needs.memory_bytes);
        for port in &load.ports {
            *self.ports.entry(*port).or_default() += 1;
        }
    }

    fn subtract(&mut self, load: &Load) {
        let Some(service) = self.services.get_mut(&load.group.service_id) else {
            return;
        };
        if let Some(failed_ms) = load.failed_ms
            && let Some(at) = service
                .failures
                .iter()
                .position(|at_ms| *at_ms == failed_ms)
        {
            service.failures.swap_remove(at);
        }
        if load.held {
            service.held -= 1;
            if load.wanted {
                service.wanted -= 1;
                let number = load.group.number;
                if let Some((_, wanted)) =
                    service.revisions.iter_mut().find(|(of, _)| *of == number)
                {
                    *wanted -= 1;
                }
                service.revisions.retain(|(_, wanted)| *wanted > 0);
            }
            self.tasks -= 1;
            let needs = &load.group.needs;
            self.reserved.nano_cpus = self.reserved.nano_cpus.saturating_sub(needs.nano_cpus);
            self.reserved.memory_bytes = self
                .reserved
                .memory_bytes
                .saturating_sub(needs.memory_bytes);
            for port in &load.ports {
                if let Some(holders) = self.ports.get_mut(port) {
                    *holders -= 1;
                    if *holders == 0 {
                        self.ports.remove(port);
                    }
                }
            }
        }
        if *service == ServiceUse::default() {
            self.services.remove(&load.group.service_id);
        }
    }
}

#[cfg(test)]
impl Ledger {
    /// Everything that is known, in an order that does not depend on how it came to be.
    pub(super) fn told(&self) -> Vec<String> {
        self.by_id
            .iter()
            .map(|(id, place)| {
                let carried = &self.places[*place];
                let mut services: Vec<_> = carried
                    .services
                    .iter()
                    .map(|(service, known)| {
                        let mut revisions = known.revisions.clone();
                        revisions.sort_unstable();
                        let mut failures = known.failures.clone();
                        failures.sort_unstable();
                        (service, known.held, known.wanted, revisions, failures)
                    })
                    .collect();
                services.sort();
                format!(
                    "{id} {} {:?} {} {services:?} {:?}",
                    carried.node.is_some(),
                    carried.reserved,
                    carried.tasks,
                    carried.ports
                )
            })
            .collect()
    }
}
