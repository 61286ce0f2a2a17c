//! What services need beside nodes: networks, secrets, configs.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Config, ConfigSpec, Deployment, Network, NetworkSpec, STACK_LABEL, Secret, SecretSpec, Service,
    ServiceSpec, StackSpec,
};
use store::{Change, View};

use super::deploy::Draft;
use super::{StackError, What};

/// Most that a secret or a config may hold, in bytes.
const LARGEST_FILE: usize = 500 << 10;

/// Whether labels say that something belongs to a stack.
pub(super) fn is_labelled(labels: &BTreeMap<String, String>, stack: &str) -> bool {
    labels.get(STACK_LABEL).is_some_and(|name| name == stack)
}

/// Makes the networks that are not there yet.
pub(super) fn networks(draft: &mut Draft<'_, '_>, spec: &StackSpec) -> Result<(), StackError> {
    for wanted in &spec.networks {
        let Some(known) = draft.view.networks().named(&wanted.name) else {
            let network = Network {
                id: draft.new_id(),
                spec: wanted.clone(),
                stack_id: draft.stack_id.clone(),
                ..Network::default()
            };
            draft.change(What::Create, "network", &wanted.name, Vec::new());
            draft.changes.push(Change::create(network));
            continue;
        };
        if known.stack_id != draft.stack_id {
            return Err(draft.taken("network", &wanted.name));
        }
        if known.spec == *wanted {
            continue;
        }
        if !differ_in_words_alone(&known.spec, wanted) {
            return Err(StackError::Unchangeable {
                noun: "network",
                name: wanted.name.clone(),
            });
        }
        let mut network = (**known).clone();
        network.spec = wanted.clone();
        let details = vec!["labels: changed".to_owned()];
        draft.change(What::Adjust, "network", &wanted.name, details);
        draft.changes.push(Change::update(network));
    }
    Ok(())
}

/// Makes the secrets and configs that are not there yet. Of those that an earlier deployment made only the names are known when
/// `by_name`.
pub(super) fn files(
    draft: &mut Draft<'_, '_>,
    spec: &StackSpec,
    by_name: bool,
) -> Result<(), StackError> {
    for wanted in &spec.secrets {
        let known = draft.view.secrets().named(&wanted.name);
        let known_spec = known.map(|known| (&known.spec.labels, &known.spec.data[..]));
        let next = (&wanted.labels, &wanted.data[..]);
        match file(draft, "secret", &wanted.name, known_spec, next, by_name)? {
            Step::Keep => {}
            Step::Create => {
                let secret = Secret {
                    id: draft.new_id(),
                    spec: wanted.clone(),
                    ..Secret::default()
                };
                draft.changes.push(Change::create(secret));
            }
            Step::Relabel => {
                if let Some(known) = known {
                    let mut secret = (**known).clone();
                    secret.spec.labels = wanted.labels.clone();
                    draft.changes.push(Change::update(secret));
                }
            }
        }
    }
    for wanted in &spec.configs {
        let known = draft.view.configs().named(&wanted.name);
        let known_spec = known.map(|known| (&known.spec.labels, &known.spec.data[..]));
        let next = (&wanted.labels, &wanted.data[..]);
        match file(draft, "config", &wanted.name, known_spec, next, by_name)? {
            Step::Keep => {}
            Step::Create => {
                let config = Config {
                    id: draft.new_id(),
                    spec: wanted.clone(),
                    ..Config::default()
                };
                draft.changes.push(Change::create(config));
            }
            Step::Relabel => {
                if let Some(known) = known {
                    let mut config = (**known).clone();
                    config.spec.labels = wanted.labels.clone();
                    draft.changes.push(Change::update(config));
                }
            }
        }
    }
    Ok(())
}

enum Step {
    Keep,
    Create,
    Relabel,
}

type Labels = BTreeMap<String, String>;

fn file(
    draft: &mut Draft<'_, '_>,
    noun: &'static str,
    name: &str,
    known: Option<(&Labels, &[u8])>,
    (labels, data): (&Labels, &[u8]),
    by_name: bool,
) -> Result<Step, StackError> {
    if data.len() > LARGEST_FILE {
        return Err(StackError::TooLarge {
            noun,
            name: name.to_owned(),
        });
    }
    let Some((known_labels, known_data)) = known else {
        if by_name {
            return Err(StackError::Gone {
                noun,
                name: name.to_owned(),
            });
        }
        draft.change(What::Create, noun, name, Vec::new());
        return Ok(Step::Create);
    };
    if !is_labelled(known_labels, &draft.stack_name) {
        return Err(draft.taken(noun, name));
    }
    if !by_name && known_data != data {
        return Err(StackError::Unchangeable {
            noun,
            name: name.to_owned(),
        });
    }
    if known_labels == labels {
        return Ok(Step::Keep);
    }
    draft.change(What::Adjust, noun, name, vec!["labels: changed".to_owned()]);
    Ok(Step::Relabel)
}

/// Tells of everything that a service uses whether it is there, with what the stack brings.
pub(super) fn check_uses(ahead: &View, service: &ServiceSpec) -> Result<(), StackError> {
    let missing = |noun, name: &str| StackError::Missing {
        service: service.name.clone(),
        noun,
        name: name.to_owned(),
    };
    for attachment in &service.task.networks {
        let name = attachment.network.as_str();
        let networks = ahead.networks();
        let is_there = networks.named(name).is_some() || networks.get(name).is_some();
        if !matches!(name, "host" | "none") && !is_there {
            return Err(missing("network", name));
        }
    }
    let container = &service.task.container;
    for secret in &container.secrets {
        if ahead.secrets().named(&secret.source).is_none() {
            return Err(missing("secret", &secret.source));
        }
    }
    for config in &container.configs {
        if ahead.configs().named(&config.source).is_none() {
            return Err(missing("config", &config.source));
        }
    }
    Ok(())
}

/// Takes away the stack's secrets and configs that nothing can come back to: no deployment that is kept, no revision, no service.
pub(super) fn forget(draft: &mut Draft<'_, '_>, kept: &[&StackSpec]) {
    let view = draft.view;
    let is_own = |labels: &Labels| is_labelled(labels, &draft.stack_name);
    let secrets: Vec<&Secret> = view
        .secrets()
        .iter()
        .map(|secret| &**secret)
        .filter(|secret| is_own(&secret.spec.labels))
        .collect();
    let configs: Vec<&Config> = view
        .configs()
        .iter()
        .map(|config| &**config)
        .filter(|config| is_own(&config.spec.labels))
        .collect();
    if secrets.is_empty() && configs.is_empty() {
        return;
    }
    let named = |spec: &StackSpec| -> (Vec<String>, Vec<String>) {
        let secrets = spec
            .secrets
            .iter()
            .map(|SecretSpec { name, .. }| name.clone());
        let configs = spec
            .configs
            .iter()
            .map(|ConfigSpec { name, .. }| name.clone());
        (secrets.collect(), configs.collect())
    };
    let mut used = uses_of_services(view, |_| true);
    for spec in kept {
        let (secrets, configs) = named(spec);
        used.secrets.extend(secrets);
        used.configs.extend(configs);
    }
    for secret in secrets {
        if !used.secrets.contains(&secret.spec.name) {
            draft.change(What::Remove, "secret", &secret.spec.name, Vec::new());
            draft.changes.push(Change::remove(secret));
        }
    }
    for config in configs {
        if !used.configs.contains(&config.spec.name) {
            draft.change(What::Remove, "config", &config.spec.name, Vec::new());
            draft.changes.push(Change::remove(config));
        }
    }
}

/// Names of what services use.
#[derive(Default)]
pub(super) struct Uses {
    pub(super) secrets: BTreeSet<String>,
    pub(super) configs: BTreeSet<String>,
    /// Names and ids.
    pub(super) networks: BTreeSet<String>,
}

impl Uses {
    fn add(&mut self, task: &model::TaskSpec) {
        let names = |files: &[model::FileReference]| -> Vec<String> {
            files.iter().map(|file| file.source.clone()).collect()
        };
        self.secrets.extend(names(&task.container.secrets));
        self.configs.extend(names(&task.container.configs));
        let networks = task.networks.iter();
        self.networks.extend(networks.map(|it| it.network.clone()));
    }
}

/// What services use, those that `counts` says, in what is wanted now, what was wanted before and what their tasks may run still.
pub(super) fn uses_of_services(view: &View, counts: impl Fn(&Service) -> bool) -> Uses {
    let mut uses = Uses::default();
    for service in view.services().iter().filter(|service| counts(service)) {
        uses.add(&service.spec.task);
        if let Some(previous) = &service.previous {
            uses.add(&previous.task);
        }
        for revision in view.revisions_of(&service.id) {
            uses.add(&revision.task);
        }
    }
    uses
}

/// What is remembered of a deployment: everything but what is secret or large.
pub(super) fn kept(spec: &StackSpec) -> StackSpec {
    let mut kept = spec.clone();
    for secret in &mut kept.secrets {
        secret.data.clear();
    }
    for config in &mut kept.configs {
        config.data.clear();
    }
    for service in &mut kept.services {
        service.task.container.registry_auth = None;
    }
    kept
}

/// Whether a deployment asks for the same as another one.
pub(super) fn is_same(one: &Deployment, other: &StackSpec) -> bool {
    let compared = |spec: &StackSpec| StackSpec {
        prune: false,
        allow_dip: false,
        ..spec.clone()
    };
    compared(&one.spec) == compared(other)
}

fn differ_in_words_alone(one: &NetworkSpec, other: &NetworkSpec) -> bool {
    let relabelled = NetworkSpec {
        labels: other.labels.clone(),
        attachable: other.attachable,
        ..one.clone()
    };
    relabelled == *other
}
