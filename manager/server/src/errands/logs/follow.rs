//! Whose logs are wanted: the tasks that are there, and those that come.

use std::sync::Arc;

use model::{Task, TaskState};
use store::{Event, Kind, View};

use super::Label;

/// Whose logs are wanted, by id.
pub(super) enum Wanted {
    Task(String),
    Service(String),
    Stack(String),
}

impl Wanted {
    /// The tasks, by service, slot and age.
    pub(super) fn tasks(&self, view: &View) -> Vec<Arc<Task>> {
        let mut tasks: Vec<Arc<Task>> = match self {
            Wanted::Task(id) => view.tasks().get(id).cloned().into_iter().collect(),
            Wanted::Service(id) => view.tasks_of(id).cloned().collect(),
            Wanted::Stack(id) => view
                .services_of(id)
                .flat_map(|service| view.tasks_of(&service.id).cloned())
                .collect(),
        };
        tasks.sort_by(|one, other| {
            let key = |task: &Task| (task.service_id.clone(), task.slot, task.meta.created_ms);
            key(one).cmp(&key(other))
        });
        tasks
    }

    /// Whether one of these events is about such a task; all of them may be when none are known.
    pub(super) fn concerned(&self, view: &View, happened: Option<&[Arc<[Event]>]>) -> bool {
        let Some(happened) = happened else {
            return true;
        };
        let mut events = happened.iter().flat_map(|batch| batch.iter());
        events.any(|event| match (&event.object, self) {
            (Kind::Task(task), Wanted::Task(id)) => task.id == *id,
            (Kind::Task(task), Wanted::Service(id)) => task.service_id == *id,
            (Kind::Task(task), Wanted::Stack(id)) => view
                .services()
                .get(&task.service_id)
                .is_some_and(|service| service.stack_id == *id),
            _ => false,
        })
    }

    /// Whether nothing will be printed any more: what was asked for is gone, or is one task that has ended.
    pub(super) fn is_over(&self, view: &View) -> bool {
        match self {
            Wanted::Task(id) => view
                .tasks()
                .get(id)
                .is_none_or(|task| task.status.state().is_final()),
            Wanted::Service(id) => view.services().get(id).is_none(),
            Wanted::Stack(id) => view.stacks().get(id).is_none(),
        }
    }
}

/// Whether there is something that a task could have printed to. A container that does not run yet is none: its log would end at once.
pub(super) fn has_log(task: &Task) -> bool {
    let state = task.status.state();
    let printed = match state.is_final() {
        true => !task.status.container_id.is_empty(),
        false => state >= TaskState::Starting,
    };
    !task.node_id.is_empty() && printed
}

/// How lines of a task are labelled.
pub(super) fn label(view: &View, task: &Task) -> Label {
    let service = view.services().get(&task.service_id);
    let service = service.map_or(task.service_id.as_str(), |service| &service.spec.name);
    let node = view.nodes().get(&task.node_id);
    Label {
        task_id: task.id.clone(),
        task_name: task.name(service),
        node_name: node.map_or_else(
            || task.node_id.clone(),
            |node| node.description.hostname.clone(),
        ),
    }
}
