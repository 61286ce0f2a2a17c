//! The tasks of a service by slot, and what is seen of each: with its node, for what a lost node says of its tasks is old.

use std::sync::Arc;

use model::{Availability, Node, NodeState, Task, TaskState};
use store::View;

/// The tasks of a service, sorted by slot and then by age.
pub(crate) struct Slots<'a>(Vec<&'a Task>);

impl<'a> Slots<'a> {
    /// Those of a service.
    pub(crate) fn of(view: &'a View, service_id: &str) -> Self {
        let mut tasks: Vec<&Task> = view.tasks_of(service_id).map(Arc::as_ref).collect();
        tasks.sort_by(|one, other| {
            let age = |task: &Task| (task.meta.created_ms, task.attempt);
            (key(one), age(one), &one.id).cmp(&(key(other), age(other), &other.id))
        });
        Slots(tasks)
    }

    /// All tasks.
    pub(crate) fn tasks(&self) -> &[&'a Task] {
        &self.0
    }

    /// The tasks of each slot, the oldest first. Never empty ones.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[&'a Task]> {
        self.0.chunk_by(|one, other| key(one) == key(other))
    }
}

/// What makes a slot: its number, or its node where there is one task per node.
pub(crate) fn key(task: &Task) -> (u64, &str) {
    match task.slot {
        0 => (0, task.node_id.as_str()),
        slot => (slot, ""),
    }
}

/// What people call a slot.
pub(crate) fn name(task: &Task) -> String {
    match task.slot {
        0 => format!("the task of node {}", task.node_id),
        slot => format!("slot {slot}"),
    }
}

/// The tasks of a slot that are meant to run, ended ones with nothing in their place included.
#[derive(Default)]
pub(crate) struct Line<'a> {
    /// The newest of them.
    pub(crate) newest: Option<&'a Task>,
    /// The one that it is to replace once it runs.
    pub(crate) older: Option<&'a Task>,
    /// Any others: there should be none.
    pub(crate) surplus: Vec<&'a Task>,
}

impl<'a> Line<'a> {
    /// Of the tasks of a slot, the oldest first.
    pub(crate) fn of(slot: &[&'a Task]) -> Self {
        let mut line = Line::default();
        for task in slot.iter().rev().filter(|task| is_meant(task)) {
            match (line.newest, line.older) {
                (None, _) => line.newest = Some(task),
                (_, None) => line.older = Some(task),
                _ => line.surplus.push(task),
            }
        }
        line
    }

    /// All of them.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &'a Task> {
        let pair = self.newest.into_iter().chain(self.older);
        pair.chain(self.surplus.iter().copied())
    }
}

/// Whether a task is meant to run, or has ended and nothing was put in its place.
pub(crate) fn is_meant(task: &Task) -> bool {
    task.desired_state() <= TaskState::Running
}

/// Whether a task will never run again.
pub(crate) fn is_over(task: &Task) -> bool {
    task.status.state().is_final()
}

/// What a node is to its tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// They run.
    Fine,
    /// They run, and no new ones are to come.
    Paused,
    /// They are to go.
    Draining,
    /// Nothing is known of them.
    Down,
    /// It does not belong to the cluster any more.
    Gone,
}

/// What a task's node is to it. A task without a node has nothing to fear.
pub(crate) fn reach(view: &View, node_id: &str) -> Reach {
    if node_id.is_empty() {
        return Reach::Fine;
    }
    view.nodes()
        .get(node_id)
        .map_or(Reach::Gone, |node| reach_of(node))
}

/// What a node is to its tasks.
pub(crate) fn reach_of(node: &Node) -> Reach {
    match (node.status.state(), node.spec.availability()) {
        (NodeState::Down | NodeState::Disconnected, _) => Reach::Down,
        (_, Availability::Drain) => Reach::Draining,
        (_, Availability::Pause) => Reach::Paused,
        (_, Availability::Active) => Reach::Fine,
    }
}

/// What people call a node.
pub(crate) fn node_name(view: &View, node_id: &str) -> String {
    match view.nodes().get(node_id) {
        Some(node) if !node.description.hostname.is_empty() => node.description.hostname.clone(),
        _ => node_id.to_owned(),
    }
}

/// Whether a task may have a process, now or soon: its node was told of it, and can be asked.
pub(crate) fn may_live(view: &View, task: &Task) -> bool {
    !is_over(task)
        && task.status.state() >= TaskState::Assigned
        && !matches!(reach(view, &task.node_id), Reach::Down | Reach::Gone)
}

/// Whether a task does its work, and others are sent to it.
pub(crate) fn serves(view: &View, task: &Task) -> bool {
    task.status.state() == TaskState::Running
        && task.status.routable
        && !matches!(reach(view, &task.node_id), Reach::Down | Reach::Gone)
}
