//! What is forgotten: tasks that have ended, and revisions that nothing needs.
//!
//! A slot remembers as many of its ended tasks as the cluster's `task_history` says. Tasks that were scaled away, of earlier runs of a
//! job and of lost nodes are not remembered; those of a slot that is not used any more for ten minutes.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use model::{Service, Task, TaskState};
use store::{Change, View};

use crate::plan::Plan;
use crate::service::is_of;
use crate::service::slots::{Line, Slots, is_meant, is_over};

/// How many ended tasks of a slot are remembered before the cluster says how many.
const USUAL_HISTORY: u32 = 5;
/// For how long the tasks of a slot that nobody uses are remembered, in milliseconds.
const UNUSED_MS: i64 = 600_000;
/// How many revisions are kept whether anything needs them or not: the newest.
const KEPT_REVISIONS: usize = 10;

/// Removes what a service does not have to remember. [`crate::service::reconcile`] does so when nothing else is left to do.
pub fn reap(view: &View, service_id: &str, now_ms: i64) -> Plan {
    match view.services().get(service_id) {
        Some(service) => forget(view, service, &Slots::of(view, service_id), now_ms),
        None => Plan::default(),
    }
}

/// The same, with the tasks at hand.
pub(crate) fn forget(view: &View, service: &Service, slots: &Slots<'_>, now_ms: i64) -> Plan {
    let mut plan = Plan::default();
    let history = view
        .cluster()
        .map_or(USUAL_HISTORY, |cluster| cluster.spec.task_history);
    let history = usize::try_from(history).unwrap_or(usize::MAX);
    let mut needed = BTreeSet::from([service.revision]);
    for slot in slots.iter() {
        let is_used = Line::of(slot).newest.is_some();
        let mut remembered = 0;
        for task in slot.iter().rev() {
            let mut goes = is_forgotten(service, task) || (is_past(task) && remembered >= history);
            if !goes && !is_used && is_past(task) {
                let until_ms = task.meta.updated_ms + UNUSED_MS;
                goes = until_ms <= now_ms;
                if !goes {
                    plan.look_at(until_ms);
                }
            }
            if goes {
                plan.changes.push(Change::remove(*task));
                continue;
            }
            needed.insert(task.revision);
            remembered += usize::from(is_past(task));
        }
    }
    plan.changes.extend(revisions(view, service, needed));
    plan
}

/// Whether a task has ended and another may have its place.
fn is_past(task: &Task) -> bool {
    is_over(task) && !is_meant(task)
}

/// Whether an ended task is not remembered, whatever the room.
fn is_forgotten(service: &Service, task: &Task) -> bool {
    is_past(task)
        && (task.desired_state() == TaskState::Remove
            || task.status.state() == TaskState::Orphaned
            || task.job_iteration < service.job_iteration)
}

/// Removes revisions beyond the newest ones, but for those that are needed or returned to.
fn revisions(view: &View, service: &Service, mut needed: BTreeSet<u64>) -> Vec<Change> {
    let mut known: Vec<_> = view.revisions_of(&service.id).collect();
    if known.len() <= KEPT_REVISIONS {
        return Vec::new();
    }
    known.sort_by_key(|revision| Reverse(revision.number));
    if let Some(rollout) = &service.rollout {
        needed.extend([rollout.from, rollout.to]);
    }
    let is_previous = |revision: &model::Revision| {
        let previous = service.previous.as_deref();
        previous.is_some_and(|previous| is_of(revision, previous))
    };
    known
        .into_iter()
        .skip(KEPT_REVISIONS)
        .filter(|revision| !needed.contains(&revision.number) && !is_previous(revision))
        .map(|revision| Change::remove(&**revision))
        .collect()
}
