//! What holds for all tasks of a service while one plan is made.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use model::{
    MountKind, Node, RestartPolicy, Revision, RolloutState, Service, ServiceMode, Task, TaskState,
    UpdateConfig, UpdateOrder,
};
use store::View;

use super::slots::{Reach, Slots, reach_of};
use crate::constraint::Constraint;
use crate::restart;

/// What holds for all tasks of a service.
pub(super) struct Rules<'a> {
    view: &'a View,
    /// The revision that tasks are to become tasks of.
    pub(super) goal: u64,
    /// Whether there is one task per node.
    pub(super) per_node: bool,
    /// Whether tasks are to end by themselves.
    pub(super) is_job: bool,
    /// Whether the gate is open for the newest revision.
    open: bool,
    /// Whether started tasks of older revisions wait at the gate too.
    always: bool,
    /// Whether the service returns to what it was: that was let through before.
    returns: bool,
    order: UpdateOrder,
    /// How many slots there are.
    slots: usize,
    /// Revisions of which a task was let start.
    started: Vec<u64>,
    revisions: BTreeMap<u64, Known<'a>>,
    ready_nodes: OnceCell<usize>,
}

struct Known<'a> {
    revision: &'a Revision,
    constraints: Vec<Constraint>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(view: &'a View, service: &Service, slots: &Slots<'a>, open: bool) -> Self {
        let returns = is_returning(service);
        let known = |revision: &'a Arc<Revision>| {
            let constraints = revision.task.placement.constraints.iter();
            let known = Known {
                revision,
                constraints: constraints
                    .filter_map(|constraint| Constraint::parse(constraint).ok())
                    .collect(),
            };
            (revision.number, known)
        };
        let mut started = Vec::new();
        for task in slots.tasks() {
            if !started.contains(&task.revision) && was_started(task) {
                started.push(task.revision);
            }
        }
        let mode = service.spec.mode.as_ref();
        Rules {
            view,
            goal: service.revision,
            per_node: matches!(
                mode,
                Some(ServiceMode::Global(_) | ServiceMode::GlobalJob(_))
            ),
            is_job: is_job(service),
            open,
            always: service.spec.gate.always,
            returns,
            order: pacing(service).order(),
            slots: slots.iter().count(),
            started,
            revisions: view.revisions_of(&service.id).map(known).collect(),
            ready_nodes: OnceCell::new(),
        }
    }

    /// Whether tasks of a revision may start, as far as the gate goes.
    pub(super) fn may_start(&self, revision: u64) -> bool {
        self.open
            || self.returns
            || (!self.always && revision != self.goal && self.has_started(revision))
    }

    /// Whether a task of a revision was ever let start.
    pub(super) fn has_started(&self, revision: u64) -> bool {
        self.started.contains(&revision)
    }

    /// The revision of that number, if it is known still.
    pub(super) fn revision(&self, number: u64) -> Option<&'a Revision> {
        Some(self.revisions.get(&number)?.revision)
    }

    /// The revision that a task in the place of this one is of.
    pub(super) fn kept(&self, task: &Task) -> u64 {
        match self.revisions.contains_key(&task.revision) {
            true => task.revision,
            false => self.goal,
        }
    }

    /// What follows a task of a revision that has ended.
    pub(super) fn restart(&self, revision: u64) -> RestartPolicy {
        let policy = self
            .revision(revision)
            .map_or_else(RestartPolicy::default, |known| known.task.restart);
        match self.is_job {
            true => restart::of_job(policy),
            false => policy,
        }
    }

    /// Whether a task of a revision may be on a node.
    pub(super) fn suits(&self, revision: u64, node: &Node) -> bool {
        self.revisions.get(&revision).is_none_or(|known| {
            known
                .constraints
                .iter()
                .all(|constraint| constraint.matches(node))
        })
    }

    /// Whether tasks are moved to nodes that have fewer.
    pub(super) fn rebalances(&self) -> bool {
        self.revision(self.goal)
            .is_some_and(|goal| goal.task.placement.rebalance)
    }

    /// Whether a task may start while the one that it replaces runs: neither can take something of the other.
    pub(super) fn may_overlap(&self, old: u64, new: u64) -> bool {
        if self.is_job {
            return false;
        }
        match self.order {
            UpdateOrder::StartFirst => true,
            UpdateOrder::StopFirst => false,
            UpdateOrder::Auto => [old, new]
                .into_iter()
                .filter_map(|number| self.revision(number))
                .all(|revision| !holds_something(revision)),
        }
    }

    /// Whether there can be room for one task more than there are slots, as far as people limit tasks per node.
    pub(super) fn has_room(&self, revision: u64) -> bool {
        let most = self
            .revision(revision)
            .map_or(0, |known| known.task.placement.max_replicas_per_node);
        if most == 0 || self.per_node || self.order == UpdateOrder::StartFirst {
            return true;
        }
        let ready = *self.ready_nodes.get_or_init(|| {
            let nodes = self.view.nodes().iter();
            nodes.filter(|node| reach_of(node) == Reach::Fine).count()
        });
        most.saturating_mul(ready as u64) > self.slots as u64
    }
}

/// How tasks are replaced now. A rollback that says nothing of the order has that of an update: whether two tasks can be beside each
/// other does not depend on where one is going.
pub(super) fn pacing(service: &Service) -> UpdateConfig {
    let one_by_one = UpdateConfig {
        parallelism: 1,
        ..UpdateConfig::default()
    };
    let update = service.spec.update.unwrap_or(one_by_one);
    if !is_returning(service) {
        return update;
    }
    let mut rollback = service.spec.rollback.unwrap_or(one_by_one);
    if rollback.order() == UpdateOrder::Auto {
        rollback.order = update.order;
    }
    rollback
}

/// Whether the tasks of a service are to end by themselves.
pub(super) fn is_job(service: &Service) -> bool {
    matches!(
        service.spec.mode,
        Some(ServiceMode::ReplicatedJob(_) | ServiceMode::GlobalJob(_))
    )
}

fn is_returning(service: &Service) -> bool {
    let rollout = service.rollout.as_ref();
    rollout.is_some_and(|rollout| {
        matches!(
            rollout.state(),
            RolloutState::RollingBack | RolloutState::RollbackPaused
        )
    })
}

fn was_started(task: &Task) -> bool {
    task.desired_state() == TaskState::Running
        || task.is_live()
        || matches!(task.status.state(), TaskState::Complete | TaskState::Failed)
}

/// Whether a task has something that no second one can have at the same time: a port of its node, or data that it writes to.
fn holds_something(revision: &Revision) -> bool {
    let mounts = &revision.task.container.mounts;
    !revision.ports.is_empty()
        || mounts.iter().any(|mount| match mount.kind() {
            MountKind::Bind => !mount.read_only && !mount.source.ends_with(".sock"),
            MountKind::Volume => !mount.read_only && !mount.source.is_empty(),
            MountKind::Tmpfs => false,
        })
}
