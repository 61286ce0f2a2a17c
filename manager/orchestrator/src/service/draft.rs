//! What a plan comes to while it is made: every object is changed once at most, so that the changes can be committed together.

use std::collections::BTreeMap;

use model::{Revision, Service, Task, TaskState};
use store::{Change, View};

use super::revision;
use super::slots::{Reach, is_over, node_name, reach};
use crate::plan::{Ids, Plan};

/// How long the tasks of a node that is down are waited for, once they are to end, in milliseconds.
pub(super) const LEASE_MS: i64 = 300_000;

/// A plan that is being made.
pub(super) struct Draft<'a, 'i> {
    pub(super) view: &'a View,
    pub(super) now_ms: i64,
    /// The service as it will be.
    pub(super) service: Service,
    known: &'a Service,
    ids: Ids<'i>,
    revisions: Vec<Revision>,
    created: Vec<Task>,
    changed: BTreeMap<&'a str, Task>,
    removed: Vec<Change>,
    again_ms: Option<i64>,
}

impl<'a, 'i> Draft<'a, 'i> {
    pub(super) fn new(view: &'a View, known: &'a Service, now_ms: i64, ids: Ids<'i>) -> Self {
        Draft {
            view,
            now_ms,
            service: known.clone(),
            known,
            ids,
            revisions: Vec::new(),
            created: Vec::new(),
            changed: BTreeMap::new(),
            removed: Vec::new(),
            again_ms: None,
        }
    }

    /// Looks again at that time, or earlier.
    pub(super) fn look_at(&mut self, at_ms: i64) {
        self.again_ms = Some(self.again_ms.map_or(at_ms, |known| known.min(at_ms)));
    }

    /// Makes a task; what the caller leaves empty is filled in.
    pub(super) fn add(&mut self, mut task: Task) {
        task.id = (self.ids)();
        task.service_id.clone_from(&self.service.id);
        task.status.at_ms = self.now_ms;
        self.created.push(task);
    }

    /// Gives the service's specification as it is now a new revision.
    pub(super) fn revise(&mut self) {
        let number = revision::next_number(self.view, &self.service);
        self.service.revision = number;
        self.revisions.push(revision::of(&self.service, number));
    }

    /// Changes a task.
    pub(super) fn change(&mut self, task: &'a Task) -> &mut Task {
        self.changed
            .entry(task.id.as_str())
            .or_insert_with(|| task.clone())
    }

    /// Lets a task start.
    pub(super) fn release(&mut self, task: &'a Task) {
        self.change(task).set_desired_state(TaskState::Running);
    }

    /// Tells a task to end, and why. One that no node was told of has ended with that.
    pub(super) fn end(&mut self, task: &'a Task, desired: TaskState, reason: &str) {
        if task.desired_state() >= desired {
            return;
        }
        let now_ms = self.now_ms;
        let over = is_over(task);
        let ended = self.change(task);
        ended.set_desired_state(desired);
        if over {
            return;
        }
        if ended.reason.is_empty() {
            reason.clone_into(&mut ended.reason);
        }
        if ended.status.state() < TaskState::Assigned {
            ended.status.set_state(TaskState::Shutdown);
            ended.status.at_ms = now_ms;
            "ended before it had a node".clone_into(&mut ended.status.message);
        }
    }

    /// Gives a task up whose node is down or gone. One whose node is gone will never be heard of again.
    pub(super) fn lose(&mut self, task: &'a Task) {
        let gone = reach(self.view, &task.node_id) == Reach::Gone;
        let node = node_name(self.view, &task.node_id);
        let what = if gone {
            "was removed from the cluster"
        } else {
            "is down"
        };
        self.end(task, TaskState::Shutdown, &format!("node {node} {what}"));
        if gone {
            self.orphan(task);
        }
    }

    /// Stops to wait for a task that is to end when its node will not tell.
    pub(super) fn wait_for_end(&mut self, task: &'a Task) {
        if is_over(task) {
            return;
        }
        match reach(self.view, &task.node_id) {
            Reach::Gone => self.orphan(task),
            Reach::Down => {
                let nodes = self.view.nodes();
                let down_ms = nodes
                    .get(&task.node_id)
                    .map_or(0, |node| node.meta.updated_ms);
                let due_ms = down_ms.max(task.meta.updated_ms) + LEASE_MS;
                match due_ms > self.now_ms {
                    true => self.look_at(due_ms),
                    false => self.orphan(task),
                }
            }
            Reach::Fine | Reach::Paused | Reach::Draining => {}
        }
    }

    fn orphan(&mut self, task: &'a Task) {
        let now_ms = self.now_ms;
        let node = node_name(self.view, &task.node_id);
        let orphan = self.change(task);
        orphan.status.set_state(TaskState::Orphaned);
        orphan.status.at_ms = now_ms;
        orphan.status.routable = false;
        orphan.status.error = format!("node {node} was lost");
    }

    /// Takes changes over that remove what nothing else in the draft touches.
    pub(super) fn remove(&mut self, removed: Plan) {
        self.removed.extend(removed.changes);
        if let Some(at_ms) = removed.again_ms {
            self.look_at(at_ms);
        }
    }

    /// Whether nothing is changed.
    pub(super) fn is_empty(&self) -> bool {
        self.created.is_empty()
            && self.changed.is_empty()
            && self.revisions.is_empty()
            && self.removed.is_empty()
            && self.service == *self.known
    }

    /// The plan: what tasks are made from and what paces them first, the end of a task before what is put in its place, and last that a
    /// place was taken. Whoever commits only the beginning of it leaves what the next plan can carry on, and no two tasks in a place.
    pub(super) fn plan(self) -> Plan {
        let mut changes = Vec::new();
        changes.extend(self.revisions.into_iter().map(Change::create));
        if self.service != *self.known {
            changes.push(Change::update(self.service));
        }
        let view = self.view;
        let was_over = |task: &Task| {
            view.tasks()
                .get(&task.id)
                .is_some_and(|known| is_over(known))
        };
        let (over, alive): (Vec<_>, Vec<_>) = self.changed.into_values().partition(was_over);
        changes.extend(alive.into_iter().map(Change::update));
        changes.extend(self.created.into_iter().map(Change::create));
        changes.extend(over.into_iter().map(Change::update));
        changes.extend(self.removed);
        Plan {
            changes,
            again_ms: self.again_ms,
        }
    }
}
