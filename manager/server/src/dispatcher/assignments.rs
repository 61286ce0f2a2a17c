//! What a node needs, and how that differs from what it has been told. Pure.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use api::v1::assignment::Object;
use api::v1::assignment_key::Kind;
use api::v1::{Assignment, AssignmentKey, AssignmentsMessage};
use model::{Config, Network, Revision, Secret, Task, TaskState};
use store::{Stored, Table, View};

/// Networks that every node has by itself.
const OF_THE_NODE: [&str; 2] = ["host", "none"];

/// What a node has been told: each thing, and a digest of what of it matters to the node.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Whether it has been told everything once.
    begun: bool,
    things: BTreeMap<(Kind, String), u64>,
}

impl Known {
    /// Whether the node has been told of a thing.
    pub(super) fn has(&self, kind: Kind, id: &str) -> bool {
        self.things.contains_key(&(kind, id.to_owned()))
    }

    /// Whether what a task means to the node is what it has been told. One that has ended may mean that other things can go.
    pub(super) fn has_as_it_is(&self, task: &Task) -> bool {
        let known = self.things.get(&(Kind::Task, task.id.clone()));
        !task.status.state().is_final() && known.copied() == is_for_node(task).then(|| digest(task))
    }
}

/// What a node is to be told next: everything at first, then what has changed; none when nothing has.
pub(super) fn next(view: &View, node_id: &str, known: &mut Known) -> Option<AssignmentsMessage> {
    let needed = needed(view, node_id);
    // From the end of the table of kinds to its beginning: a task comes after all that it needs.
    let changed = needed
        .iter()
        .rev()
        .filter(|(key, digest)| known.things.get(*key) != Some(*digest));
    let put: Vec<Assignment> = changed
        .filter_map(|((kind, id), _)| show(view, *kind, id))
        .collect();
    let gone = known.things.keys().filter(|key| !needed.contains_key(*key));
    let remove: Vec<AssignmentKey> = gone
        .map(|(kind, id)| AssignmentKey {
            kind: (*kind).into(),
            id: id.clone(),
        })
        .collect();
    let complete = !known.begun;
    *known = Known {
        begun: true,
        things: needed,
    };
    (complete || !put.is_empty() || !remove.is_empty()).then(|| AssignmentsMessage {
        complete,
        put,
        remove,
        errands: Vec::new(),
    })
}

/// Whether a task is bound to its node, so that the node is told of it.
fn is_for_node(task: &Task) -> bool {
    !task.node_id.is_empty() && task.status.state() >= TaskState::Assigned
}

fn needed(view: &View, node_id: &str) -> BTreeMap<(Kind, String), u64> {
    let mut needed = BTreeMap::new();
    for task in view.tasks_on(node_id).filter(|task| is_for_node(task)) {
        needed.insert((Kind::Task, task.id.clone()), digest(task));
        let Some(revision) = view.revision(&task.service_id, task.revision) else {
            continue;
        };
        add(&mut needed, Kind::Revision, &**revision);
        // What has ended needs nothing any more.
        if !task.status.state().is_final() {
            add_files(&mut needed, view, revision);
        }
    }
    needed
}

fn add_files(needed: &mut BTreeMap<(Kind, String), u64>, view: &View, revision: &Revision) {
    let container = &revision.task.container;
    for file in &container.secrets {
        if let Some(secret) = named(view.secrets(), &file.source) {
            add(needed, Kind::Secret, &**secret);
        }
    }
    for file in &container.configs {
        if let Some(config) = named(view.configs(), &file.source) {
            add(needed, Kind::Config, &**config);
        }
    }
    for attachment in &revision.task.networks {
        if OF_THE_NODE.contains(&attachment.network.as_str()) {
            continue;
        }
        if let Some(network) = named(view.networks(), &attachment.network) {
            add(needed, Kind::Network, &**network);
        }
    }
}

fn named<'a, T: Stored>(table: &'a Table<T>, wanted: &str) -> Option<&'a Arc<T>> {
    table.named(wanted).or_else(|| table.get(wanted))
}

fn add<T: Stored>(needed: &mut BTreeMap<(Kind, String), u64>, kind: Kind, object: &T) {
    needed.insert((kind, object.id().to_owned()), object.meta().version);
}

/// A digest of what managers say of a task. What its node says of it the node knows.
fn digest(task: &Task) -> u64 {
    let mut hasher = DefaultHasher::new();
    let lost = task.status.state() == TaskState::Orphaned;
    (task.desired_state, lost, &task.reason, &task.ports).hash(&mut hasher);
    (&task.service_id, task.revision, task.slot, &task.node_id).hash(&mut hasher);
    let attempt = (task.attempt, task.window_ms, task.not_before_ms);
    (attempt, task.job_iteration).hash(&mut hasher);
    hasher.finish()
}

fn show(view: &View, kind: Kind, id: &str) -> Option<Assignment> {
    let object = match kind {
        Kind::Task => Object::Task(Task::clone(view.tasks().get(id)?)),
        Kind::Revision => Object::Revision(Revision::clone(view.revisions().get(id)?)),
        Kind::Secret => Object::Secret(Secret::clone(view.secrets().get(id)?)),
        Kind::Config => Object::Config(Config::clone(view.configs().get(id)?)),
        Kind::Network => Object::Network(Network::clone(view.networks().get(id)?)),
    };
    Some(Assignment {
        object: Some(object),
    })
}

#[cfg(test)]
mod tests;
