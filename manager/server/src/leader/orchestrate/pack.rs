//! Plans become transactions. Pure.

use std::collections::BTreeMap;

use model::Task;
use prost::Message;
use store::change::{Action, Removal};
use store::{Change, Kind, Object, Stored, Table, View};

use super::timers::Key;

/// Most changes of plans that go together: one that is refused takes the others with it.
const TOGETHER: usize = 200;
/// Most changes, and most bytes, of one step of a plan that is larger.
const STEP: usize = 2000;
const BYTES: usize = 3 << 19;

/// Transactions that follow one another, and what they were planned for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Pack {
    pub(super) keys: Vec<Key>,
    pub(super) steps: Vec<Vec<Change>>,
}

/// Packs plans: small ones together, each in one transaction; one that is too large for one in steps, in its order.
pub(super) fn pack(plans: Vec<(Vec<Key>, Vec<Change>)>) -> Vec<Pack> {
    let mut packs = Vec::new();
    let mut shared = Pack::default();
    let mut bytes_shared = 0;
    for (keys, changes) in plans {
        let sizes: Vec<usize> = changes.iter().map(Change::encoded_len).collect();
        let bytes: usize = sizes.iter().sum();
        if changes.len() > TOGETHER || bytes > BYTES {
            let steps = steps(changes, &sizes);
            packs.push(Pack { keys, steps });
            continue;
        }
        let count = shared.steps.first().map_or(0, Vec::len);
        if count > 0 && (count + changes.len() > TOGETHER || bytes_shared + bytes > BYTES) {
            packs.push(std::mem::take(&mut shared));
            bytes_shared = 0;
        }
        bytes_shared += bytes;
        shared.keys.extend(keys);
        match shared.steps.first_mut() {
            Some(together) => together.extend(changes),
            None => shared.steps.push(changes),
        }
    }
    if !shared.steps.is_empty() {
        packs.push(shared);
    }
    packs
}

fn steps(changes: Vec<Change>, sizes: &[usize]) -> Vec<Vec<Change>> {
    let mut steps: Vec<Vec<Change>> = Vec::new();
    let mut bytes = 0;
    for (change, size) in changes.into_iter().zip(sizes) {
        match steps.last_mut() {
            Some(step) if step.len() < STEP && bytes + size <= BYTES => {
                bytes += size;
                step.push(change);
            }
            _ => {
                bytes = *size;
                steps.push(vec![change]);
            }
        }
    }
    steps
}

/// Makes of changes that were planned one upon the other changes upon the view: each object is changed once, to what it is to be
/// at last, from what the view says.
pub(super) fn squash(view: &View, changes: Vec<Change>) -> Vec<Change> {
    let mut squashed: Vec<Option<Change>> = Vec::with_capacity(changes.len());
    let mut places = BTreeMap::<(u32, String), usize>::new();
    for change in changes {
        let Some(name) = name(&change) else {
            continue;
        };
        let Some(at) = places.get(&name).copied() else {
            places.insert(name, squashed.len());
            squashed.push(Some(based(change, view)));
            continue;
        };
        let was_created = matches!(
            squashed[at]
                .as_ref()
                .and_then(|change| change.action.as_ref()),
            Some(Action::Create(_))
        );
        squashed[at] = match change.action {
            Some(Action::Update(object)) if was_created => Some(Change {
                action: Some(Action::Create(object)),
            }),
            Some(Action::Remove(_)) if was_created => {
                places.remove(&name);
                None
            }
            _ => Some(based(change, view)),
        };
    }
    squashed.into_iter().flatten().collect()
}

/// Bases a change on the version that the view has.
fn based(mut change: Change, view: &View) -> Change {
    match &mut change.action {
        Some(Action::Update(Object { kind: Some(kind) })) => match kind {
            Kind::Cluster(_) => {}
            Kind::Node(node) => base(view.nodes(), node),
            Kind::Task(task) => base(view.tasks(), task),
            Kind::Config(config) => base(view.configs(), config),
            Kind::Service(service) => base(view.services(), service),
            Kind::Revision(revision) => base(view.revisions(), revision),
            Kind::Stack(stack) => base(view.stacks(), stack),
            Kind::Deployment(deployment) => base(view.deployments(), deployment),
            Kind::Secret(secret) => base(view.secrets(), secret),
            Kind::Network(network) => base(view.networks(), network),
        },
        Some(Action::Remove(removal)) => {
            removal.version = known_version(view, removal).unwrap_or(removal.version);
        }
        _ => {}
    }
    change
}

fn base<T: Stored>(table: &Table<T>, object: &mut T) {
    if let Some(known) = table.get(object.id()) {
        object.meta_mut().version = known.meta().version;
    }
}

fn known_version(view: &View, removal: &Removal) -> Option<u64> {
    use model::{Deployment, Network, Revision, Service, Stack};
    let id = removal.id.as_str();
    match removal.table {
        Task::TABLE => Some(view.tasks().get(id)?.meta.version),
        Service::TABLE => Some(view.services().get(id)?.meta.version),
        Revision::TABLE => Some(view.revisions().get(id)?.meta.version),
        Stack::TABLE => Some(view.stacks().get(id)?.meta.version),
        Deployment::TABLE => Some(view.deployments().get(id)?.meta.version),
        Network::TABLE => Some(view.networks().get(id)?.meta.version),
        _ => None,
    }
}

/// Table and id of what is changed.
fn name(change: &Change) -> Option<(u32, String)> {
    fn of<T: Stored>(object: &T) -> (u32, String) {
        (T::TABLE, object.id().to_owned())
    }
    let kind = match change.action.as_ref()? {
        Action::Remove(removal) => return Some((removal.table, removal.id.clone())),
        Action::Create(object) | Action::Update(object) => object.kind.as_ref()?,
    };
    Some(match kind {
        Kind::Cluster(cluster) => of(cluster),
        Kind::Node(node) => of(&**node),
        Kind::Task(task) => of(task),
        Kind::Config(config) => of(config),
        Kind::Service(service) => of(&**service),
        Kind::Revision(revision) => of(&**revision),
        Kind::Stack(stack) => of(stack),
        Kind::Deployment(deployment) => of(&**deployment),
        Kind::Secret(secret) => of(secret),
        Kind::Network(network) => of(network),
    })
}

/// The service that a change is about, if it is about one.
pub(super) fn service_of(change: &Change) -> Option<&str> {
    match change.action.as_ref()? {
        Action::Create(object) | Action::Update(object) => match object.kind.as_ref()? {
            Kind::Service(service) => Some(&service.id),
            Kind::Task(task) => Some(&task.service_id),
            Kind::Revision(revision) => Some(&revision.service_id),
            _ => None,
        },
        Action::Remove(removal) if removal.table == model::Service::TABLE => Some(&removal.id),
        Action::Remove(_) => None,
    }
}

/// The tasks that changes alter and that a node may be telling of just now, with the versions that they are based on.
pub(super) fn altered_tasks<'a>(
    view: &'a View,
    changes: &'a [Change],
) -> impl Iterator<Item = (&'a str, u64)> {
    changes.iter().filter_map(move |change| {
        let (id, version) = match change.action.as_ref()? {
            Action::Update(Object {
                kind: Some(Kind::Task(task)),
            }) => (task.id.as_str(), task.meta.version),
            Action::Remove(removal) if removal.table == Task::TABLE => {
                (removal.id.as_str(), removal.version)
            }
            _ => return None,
        };
        let known = view.tasks().get(id)?;
        (!known.node_id.is_empty()).then_some((id, version))
    })
}

#[cfg(test)]
mod tests;
