//! A service goes: its tasks end, then everything that is left of it is removed.

use model::TaskState;
use store::{Change, View};

use super::draft::Draft;
use super::slots::{Slots, is_over, may_live};
use crate::plan::Plan;

/// Ends the tasks of a service; removes it with everything of it when none can have a process any more, or nobody can tell.
pub(super) fn carry_on<'a>(draft: &mut Draft<'a, '_>, slots: &Slots<'a>) {
    let view = draft.view;
    let waited_for = |task: &&&model::Task| !is_over(task) && may_live(view, task);
    if slots.tasks().iter().any(|task| waited_for(&task)) {
        for task in slots.tasks() {
            draft.end(task, TaskState::Remove, "its service is removed");
        }
        return;
    }
    let mut plan = remains(view, &draft.service.id, slots);
    if let Some(service) = view.services().get(&draft.service.id) {
        plan.changes.push(Change::remove(&**service));
    }
    draft.remove(plan);
}

/// Removes the tasks and revisions of a service.
pub(super) fn remains(view: &View, service_id: &str, slots: &Slots<'_>) -> Plan {
    let tasks = slots.tasks().iter().map(|task| Change::remove(*task));
    let revisions = view
        .revisions_of(service_id)
        .map(|revision| Change::remove(&**revision));
    Plan {
        changes: tasks.chain(revisions).collect(),
        again_ms: None,
    }
}
