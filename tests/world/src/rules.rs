//! What must hold after every commit.

use std::collections::{BTreeMap, BTreeSet};

use model::{Availability, NodeState, Task, TaskState};
use orchestrator::constraint::Constraint;
use store::{Event, Kind, View, What};

/// What was seen of tasks before.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    tasks: BTreeMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    state: TaskState,
    desired: TaskState,
    node_id: String,
}

impl Rules {
    /// The first rule that a commit broke.
    pub(crate) fn check(&mut self, view: &View, events: &[Event]) -> Result<(), String> {
        let mut slots = BTreeMap::new();
        for event in events {
            match &event.object {
                Kind::Task(task) if event.what == What::Removed => {
                    self.tasks.remove(&task.id);
                }
                Kind::Task(task) => {
                    let told_to_run = self.goes_forward(view, task)?;
                    let key = (task.service_id.as_str(), slot(task));
                    *slots.entry(key).or_default() |= told_to_run;
                }
                Kind::Revision(revision) if event.what == What::Updated => {
                    return Err(format!("revision {} was changed", revision.id));
                }
                _ => {}
            }
        }
        slots
            .into_iter()
            .try_for_each(|((service_id, slot), is_new)| one_runs(view, service_id, &slot, is_new))
    }

    /// Whether the task was told to run just now.
    fn goes_forward(&mut self, view: &View, task: &Task) -> Result<bool, String> {
        let (state, desired) = (task.status.state(), task.desired_state());
        let before = self.tasks.insert(
            task.id.clone(),
            Seen {
                state,
                desired,
                node_id: task.node_id.clone(),
            },
        );
        let name = &task.id;
        let (was, wanted) = match &before {
            None => (TaskState::New, TaskState::New),
            Some(before) => {
                if state < before.state || desired < before.desired {
                    return Err(format!(
                        "task {name} went back: from {} ({}) to {state} ({desired})",
                        before.state, before.desired
                    ));
                }
                if !before.node_id.is_empty() && before.node_id != task.node_id {
                    return Err(format!(
                        "task {name} moved from {} to {}",
                        before.node_id, task.node_id
                    ));
                }
                (before.state, before.desired)
            }
        };
        if state >= TaskState::Assigned && was < TaskState::Assigned && !state.is_final() {
            fits(view, task)?;
        }
        let told_to_run = desired == TaskState::Running && wanted < TaskState::Running;
        if told_to_run {
            may_start(view, task)?;
        }
        if matches!(state, TaskState::Starting | TaskState::Running) && desired < TaskState::Running
        {
            return Err(format!(
                "task {name} is {state} and was never told to start"
            ));
        }
        Ok(told_to_run)
    }
}

fn slot(task: &Task) -> (u64, String) {
    match task.slot {
        0 => (0, task.node_id.clone()),
        slot => (slot, String::new()),
    }
}

/// Of a slot one task is meant to run; two, while one takes the place of another that is of an older revision, or could not stay when
/// the second was told to run, or is moved because its service is to be spread evenly.
fn one_runs(view: &View, service_id: &str, of: &(u64, String), is_new: bool) -> Result<(), String> {
    let mut running: Vec<_> = view
        .tasks_of(service_id)
        .filter(|task| {
            slot(task) == *of
                && task.desired_state() == TaskState::Running
                && !task.status.state().is_final()
        })
        .collect();
    running.sort_by_key(|task| (task.meta.created_ms, task.revision));
    match running.as_slice() {
        [] | [_] => Ok(()),
        [older, newer]
            if !is_new
                || older.revision != newer.revision
                || rebalances(view, newer)
                || !stays(view, older)
                || !stays(view, newer) =>
        {
            Ok(())
        }
        more => Err(format!(
            "slot {of:?} of service {service_id} has {} tasks that are to run: {more:#?}",
            more.len()
        )),
    }
}

fn rebalances(view: &View, task: &Task) -> bool {
    view.revision(&task.service_id, task.revision)
        .is_some_and(|revision| revision.task.placement.rebalance)
}

/// Whether a task is where it may be.
fn stays(view: &View, task: &Task) -> bool {
    if task.node_id.is_empty() {
        return true;
    }
    let Some(node) = view.nodes().get(&task.node_id) else {
        return false;
    };
    let constraints = view
        .revision(&task.service_id, task.revision)
        .map(|revision| revision.task.placement.constraints.as_slice())
        .unwrap_or_default();
    node.status.state() == NodeState::Ready
        && node.spec.availability() != Availability::Drain
        && constraints
            .iter()
            .all(|expression| Constraint::parse(expression).is_ok_and(|it| it.matches(node)))
}

/// A task that was just given a node fits there beside all others.
fn fits(view: &View, task: &Task) -> Result<(), String> {
    let told = |what: String| {
        Err(format!(
            "node {}: {what}, by task {}",
            task.node_id, task.id
        ))
    };
    let Some(node) = view.nodes().get(&task.node_id) else {
        return told("there is none".to_owned());
    };
    if node.spec.availability() != Availability::Active || node.status.state() != NodeState::Ready {
        return told("it takes no tasks".to_owned());
    }
    let (mut memory_bytes, mut nano_cpus, mut of_service) = (0, 0, 0);
    let mut ports = BTreeSet::new();
    for other in view.tasks_on(&node.id) {
        if other.status.state().is_final() || other.status.state() < TaskState::Assigned {
            continue;
        }
        of_service += u64::from(other.service_id == task.service_id);
        for port in &other.ports {
            if port.published != 0 && !ports.insert((port.protocol, port.published)) {
                return told(format!("port {} twice", port.published));
            }
        }
        if let Some(revision) = view.revision(&other.service_id, other.revision) {
            let needs = &revision.task.resources.reservations;
            memory_bytes += needs.memory_bytes;
            nano_cpus += needs.nano_cpus;
        }
    }
    let has = &node.description.resources;
    let Some(revision) = view.revision(&task.service_id, task.revision) else {
        return told(format!("revision {} is not there", task.revision));
    };
    let needs = &revision.task.resources.reservations;
    if needs.memory_bytes > 0 && memory_bytes > has.memory_bytes {
        return told(format!(
            "{memory_bytes} bytes of {} are set aside",
            has.memory_bytes
        ));
    }
    if needs.nano_cpus > 0 && nano_cpus > has.nano_cpus {
        return told(format!(
            "{nano_cpus} billionths of {} processors are set aside",
            has.nano_cpus
        ));
    }
    let most = revision.task.placement.max_replicas_per_node;
    if most > 0 && of_service > most {
        return told(format!(
            "{of_service} tasks of a service that may have {most}"
        ));
    }
    Ok(())
}

/// What a task waited for is written down before it is told to start.
fn may_start(view: &View, task: &Task) -> Result<(), String> {
    let Some(service) = view.services().get(&task.service_id) else {
        return Ok(());
    };
    if task.revision != service.revision || service.spec.gate.always {
        return Ok(());
    }
    let latched = |name: &str| {
        service
            .latches
            .iter()
            .any(|latch| latch.dependency == name && latch.revision == task.revision)
    };
    match service
        .spec
        .depends_on
        .iter()
        .find(|dependency| !latched(&dependency.service))
    {
        None => Ok(()),
        Some(dependency) => Err(format!(
            "task {} of service {} is told to start before the gate of {} has opened",
            task.id, service.spec.name, dependency.service
        )),
    }
}
