//! What the managers have assigned to this node, and what belongs to it. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use api::v1::assignment::Object;
use api::v1::assignment_key::Kind;
use api::v1::{Assignment, AssignmentKey};
use model::{Config, Network, Revision, Secret, Task};

use crate::work::{Work, is_named, is_of_every_node};

/// What the managers have assigned to this node.
#[derive(Debug, Default)]
pub(crate) struct Assignments {
    tasks: BTreeMap<String, Task>,
    revisions: BTreeMap<String, Arc<Revision>>,
    secrets: BTreeMap<String, Arc<Secret>>,
    configs: BTreeMap<String, Arc<Config>>,
    networks: BTreeMap<String, Arc<Network>>,
}

/// Something that a task needs and that has not come yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    what: &'static str,
    name: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "waiting for the managers to send {} {}",
            self.what, self.name
        )
    }
}

impl Assignments {
    /// Takes in what was sent; `complete` when what is not named is to go.
    pub(crate) fn apply(
        &mut self,
        complete: bool,
        put: Vec<Assignment>,
        remove: Vec<AssignmentKey>,
    ) {
        if complete {
            *self = Assignments::default();
        }
        for key in remove {
            match key.kind() {
                Kind::Task => drop(self.tasks.remove(&key.id)),
                Kind::Revision => drop(self.revisions.remove(&key.id)),
                Kind::Secret => drop(self.secrets.remove(&key.id)),
                Kind::Config => drop(self.configs.remove(&key.id)),
                Kind::Network => drop(self.networks.remove(&key.id)),
            }
        }
        for object in put.into_iter().filter_map(|assignment| assignment.object) {
            match object {
                Object::Task(task) => drop(self.tasks.insert(task.id.clone(), task)),
                Object::Revision(revision) => {
                    self.revisions
                        .insert(revision.id.clone(), Arc::new(revision));
                }
                Object::Secret(secret) => {
                    self.secrets.insert(secret.id.clone(), Arc::new(secret));
                }
                Object::Config(config) => {
                    self.configs.insert(config.id.clone(), Arc::new(config));
                }
                Object::Network(network) => {
                    self.networks.insert(network.id.clone(), Arc::new(network));
                }
            }
        }
    }

    pub(crate) fn tasks(&self) -> &BTreeMap<String, Task> {
        &self.tasks
    }

    /// A task that the managers don't know after all.
    pub(crate) fn forget(&mut self, task: &str) {
        self.tasks.remove(task);
    }

    /// How long a task may take to end, if that was said.
    pub(crate) fn grace(&self, task: &Task) -> Option<Duration> {
        let id = Revision::id_of(&task.service_id, task.revision);
        let grace = self.revisions.get(&id)?.task.container.stop_grace_ms?;
        Some(Duration::from_millis(grace))
    }

    /// All that is needed to run a task, or what of it has not come yet.
    pub(crate) fn work(&self, task: &Task) -> Result<Work, Missing> {
        let id = Revision::id_of(&task.service_id, task.revision);
        let revision = self.revisions.get(&id).ok_or(Missing {
            what: "revision",
            name: id,
        })?;
        let container = &revision.task.container;
        let attachments = revision.task.networks.iter();
        Ok(Work {
            networks: attachments
                .filter(|attachment| !is_of_every_node(attachment))
                .map(|attachment| {
                    let is = |network: &Network| is_named(network, &attachment.network);
                    find(&self.networks, "network", &attachment.network, is)
                })
                .collect::<Result<_, _>>()?,
            secrets: each(container.secrets.iter().map(|file| &file.source), |name| {
                find(&self.secrets, "secret", name, |secret| {
                    secret.spec.name == *name
                })
            })?,
            configs: each(container.configs.iter().map(|file| &file.source), |name| {
                find(&self.configs, "config", name, |config| {
                    config.spec.name == *name
                })
            })?,
            task: task.clone(),
            revision: revision.clone(),
        })
    }
}

fn each<'a, T>(
    names: impl Iterator<Item = &'a String>,
    find: impl Fn(&String) -> Result<T, Missing>,
) -> Result<Vec<T>, Missing> {
    names.map(find).collect()
}

fn find<T>(
    all: &BTreeMap<String, Arc<T>>,
    what: &'static str,
    name: &str,
    is: impl Fn(&T) -> bool,
) -> Result<Arc<T>, Missing> {
    let found = all.values().find(|one| is(one));
    found.cloned().ok_or_else(|| Missing {
        what,
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use api::v1::assignment::Object;
    use api::v1::assignment_key::Kind;
    use api::v1::{Assignment, AssignmentKey};
    use model::{FileReference, NetworkAttachment, Revision, Secret, Task};

    use super::Assignments;

    fn put(object: Object) -> Assignment {
        Assignment {
            object: Some(object),
        }
    }

    fn task() -> Task {
        Task {
            id: "t".to_owned(),
            service_id: "s".to_owned(),
            revision: 2,
            ..Task::default()
        }
    }

    #[test]
    fn a_task_waits_for_what_it_needs() {
        let mut revision = Revision {
            id: "s.2".to_owned(),
            ..Revision::default()
        };
        revision.task.container.secrets.push(FileReference {
            source: "password".to_owned(),
            ..FileReference::default()
        });
        revision.task.networks = ["host", "front"]
            .map(|network| NetworkAttachment {
                network: network.to_owned(),
                aliases: Vec::new(),
            })
            .to_vec();
        let mut secret = Secret {
            id: "x".to_owned(),
            ..Secret::default()
        };
        secret.spec.name = "password".to_owned();
        let mut network = model::Network {
            id: "n".to_owned(),
            ..Default::default()
        };
        network.spec.name = "front".to_owned();

        let mut all = Assignments::default();
        let check = |all: &Assignments, missing: &str| match all.work(&task()) {
            Err(found) => assert_eq!(
                found.to_string(),
                format!("waiting for the managers to send {missing}")
            ),
            Ok(_) => assert_eq!(missing, ""),
        };
        all.apply(true, vec![put(Object::Task(task()))], Vec::new());
        check(&all, "revision s.2");
        all.apply(false, vec![put(Object::Revision(revision))], Vec::new());
        check(&all, "network front");
        all.apply(false, vec![put(Object::Network(network))], Vec::new());
        check(&all, "secret password");
        all.apply(false, vec![put(Object::Secret(secret))], Vec::new());
        check(&all, "");
        let work = all.work(&task()).expect("complete");
        assert_eq!((work.networks.len(), work.secrets.len()), (1, 1));
        let key = AssignmentKey {
            kind: Kind::Secret.into(),
            id: "x".to_owned(),
        };
        all.apply(false, Vec::new(), vec![key]);
        check(&all, "secret password");
        all.apply(true, Vec::new(), Vec::new());
        assert!(all.tasks().is_empty());
        check(&all, "revision s.2");
    }
}
