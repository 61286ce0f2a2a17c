//! One deployment: from what is there to what is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Deployment, Network, STACK_LABEL, ServiceSpec, Stack, StackSpec, UpdateOrder};
use store::{Change, Transaction, View};

use super::{
    Deploy, KEPT_DEPLOYMENTS, PlannedChange, StackError, What, dependencies, feasible, objects,
    waves,
};
use crate::plan::Ids;
use crate::{check, service};

/// Where a specification comes from.
pub(super) enum Origin {
    /// A person: it is whole.
    Asked,
    /// An earlier deployment: of secrets and configs only the names are known.
    Kept {
        /// Services that came with later deployments: they go.
        later: BTreeSet<String>,
    },
}

/// What a deployment comes to while it is made.
pub(super) struct Draft<'a, 'i> {
    pub(super) view: &'a View,
    pub(super) stack_id: String,
    pub(super) stack_name: String,
    pub(super) changes: Vec<Change>,
    planned: Vec<PlannedChange>,
    warnings: Vec<String>,
    now_ms: i64,
    ids: Ids<'i>,
}

/// What has to be changed so that a stack is as it is asked for.
pub(super) fn run(
    view: &View,
    spec: &StackSpec,
    origin: &Origin,
    reason: &str,
    now_ms: i64,
    ids: Ids<'_>,
) -> Result<Deploy, StackError> {
    check_name(&spec.name)?;
    let spec = labelled(spec);
    check_names(&spec)?;
    let known = view.stacks().named(&spec.name);
    if known.is_some_and(|stack| stack.removing) {
        return Err(removing("stack", &spec.name));
    }
    let waves = waves::of(&spec.services).map_err(|error| shortened(error, &spec.name))?;
    let mut draft = Draft {
        view,
        stack_id: known.map_or_else(&mut *ids, |stack| stack.id.clone()),
        stack_name: spec.name.clone(),
        changes: Vec::new(),
        planned: Vec::new(),
        warnings: Vec::new(),
        now_ms,
        ids,
    };
    let gone = no_longer_named(view, &draft.stack_id, &spec, origin);
    let stays = |name: &str| !gone.contains(name);
    draft
        .warnings
        .extend(dependencies::check(view, &spec, stays)?);
    objects::networks(&mut draft, &spec)?;
    objects::files(&mut draft, &spec, matches!(origin, Origin::Kept { .. }))?;
    let ahead = draft.ahead();
    for (number, wave) in waves.iter().enumerate() {
        let number = u32::try_from(number).unwrap_or(u32::MAX).saturating_add(1);
        for place in wave {
            deploy_service(&mut draft, &ahead, &spec, &spec.services[*place], number)?;
        }
    }
    draft.take_away(&gone, &spec);
    let newest = known.and_then(|stack| {
        view.deployments()
            .get(&Deployment::id_of(&stack.id, stack.deployment))
    });
    let kept = objects::kept(&spec);
    let is_same = newest.is_some_and(|newest| objects::is_same(newest, &kept));
    if draft.planned.is_empty() && is_same {
        return Ok(Deploy {
            changes: Vec::new(),
            planned: Vec::new(),
            warnings: draft.warnings,
            stack_id: draft.stack_id,
            deployment: known.map_or(0, |stack| stack.deployment),
        });
    }
    Ok(draft.recorded(known.map(|stack| &**stack), kept, reason))
}

impl Draft<'_, '_> {
    pub(super) fn new_id(&mut self) -> String {
        (self.ids)()
    }

    /// Says what is done to something that is no service.
    pub(super) fn change(
        &mut self,
        what: What,
        noun: &'static str,
        name: &str,
        details: Vec<String>,
    ) {
        self.planned.push(PlannedChange {
            what,
            noun,
            name: name.to_owned(),
            details,
            wave: 0,
        });
    }

    pub(super) fn taken(&self, noun: &'static str, name: &str) -> StackError {
        StackError::Taken {
            noun,
            name: name.to_owned(),
            stack: self.stack_name.clone(),
        }
    }

    /// What will be known once networks, secrets and configs are there.
    fn ahead(&self) -> View {
        let mut ahead = self.view.clone();
        let applied = ahead.apply(Transaction {
            at_ms: self.now_ms,
            changes: self.changes.clone(),
            ..Transaction::default()
        });
        debug_assert_eq!(applied.reply.refusal, None, "what is made was looked for");
        ahead
    }

    /// Removes what is not named any more. Networks follow once nothing is attached to them.
    fn take_away(&mut self, gone: &BTreeSet<String>, spec: &StackSpec) {
        for name in gone {
            if let Some(known) = self.view.services().named(name)
                && !known.removing
            {
                self.changes.extend(service::remove(known));
                self.change(What::Remove, "service", name, Vec::new());
            }
        }
        let newest = newest(self.view, &self.stack_id);
        if !spec.prune {
            return;
        }
        let is_pruned = |network: &&Arc<Network>| {
            let names = |spec: &StackSpec| {
                let mut networks = spec.networks.iter();
                networks.any(|it| it.name == network.spec.name)
            };
            let is_on_its_way = newest.is_some_and(|it| it.spec.prune && !names(&it.spec));
            !names(spec) && !is_on_its_way
        };
        let networks = self.view.networks_of(&self.stack_id).filter(is_pruned);
        let pruned: Vec<String> = networks.map(|it| it.spec.name.clone()).collect();
        for name in pruned {
            self.change(What::Remove, "network", &name, Vec::new());
        }
    }

    /// The deployment, and the stack with its number, before everything else.
    fn recorded(mut self, known: Option<&Stack>, kept: StackSpec, reason: &str) -> Deploy {
        let stack = Stack {
            id: self.stack_id.clone(),
            name: self.stack_name.clone(),
            deployment: known.map_or(1, |stack| stack.deployment + 1),
            ..known.cloned().unwrap_or_default()
        };
        let number = stack.deployment;
        let deployment = Deployment {
            id: Deployment::id_of(&stack.id, number),
            stack_id: stack.id.clone(),
            number,
            spec: kept,
            reason: reason.to_owned(),
            ..Deployment::default()
        };
        let mut older: Vec<&Deployment> = self
            .view
            .deployments_of(&stack.id)
            .map(|deployment| &**deployment)
            .collect();
        older.sort_by_key(|deployment| std::cmp::Reverse(deployment.number));
        let forgotten = older.split_off(older.len().min(KEPT_DEPLOYMENTS - 1));
        let mut specs: Vec<&StackSpec> = older.iter().map(|older| &older.spec).collect();
        specs.push(&deployment.spec);
        objects::forget(&mut self, &specs);
        let mut changes = vec![
            match known {
                Some(_) => Change::update(stack),
                None => Change::create(stack),
            },
            Change::create(deployment),
        ];
        changes.extend(forgotten.into_iter().map(Change::remove));
        changes.append(&mut self.changes);
        Deploy {
            changes,
            planned: self.planned,
            warnings: self.warnings,
            stack_id: self.stack_id,
            deployment: number,
        }
    }
}

fn deploy_service(
    draft: &mut Draft<'_, '_>,
    ahead: &View,
    stack: &StackSpec,
    wanted: &ServiceSpec,
    wave: u32,
) -> Result<(), StackError> {
    let known = draft.view.services().named(&wanted.name);
    if let Some(known) = known {
        if known.stack_id != draft.stack_id {
            return Err(draft.taken("service", &wanted.name));
        }
        if known.removing {
            return Err(removing("service", &wanted.name));
        }
    }
    objects::check_uses(ahead, wanted)?;
    draft
        .warnings
        .extend(check::service(ahead, wanted).map_err(StackError::Service)?);
    let service_id = known.map_or("", |known| known.id.as_str());
    let obstacle = feasible::obstacle(ahead, service_id, wanted);
    let mut spec = wanted.clone();
    if let (Some(why), true) = (&obstacle, stack.allow_dip) {
        for config in [&mut spec.update, &mut spec.rollback].into_iter().flatten() {
            if config.order() == UpdateOrder::StartFirst {
                config.set_order(UpdateOrder::StopFirst);
            }
        }
        draft.warnings.push(format!(
            "service `{}` is updated stop-first, not start-first: {why}",
            wanted.name
        ));
    }
    let specified = service::specify(
        ahead,
        known.map(|known| &**known),
        spec,
        &draft.stack_id,
        draft.now_ms,
        &mut *draft.ids,
    );
    if specified.changes.is_empty() {
        return Ok(());
    }
    let what = match known {
        None => What::Create,
        Some(_) if specified.replaces_tasks => What::Update,
        Some(_) => What::Adjust,
    };
    if let (What::Update, Some(reason), false) = (what, obstacle, stack.allow_dip) {
        return Err(StackError::Infeasible {
            service: wanted.name.clone(),
            reason,
        });
    }
    draft.changes.extend(specified.changes);
    draft.planned.push(PlannedChange {
        what,
        noun: "service",
        name: wanted.name.clone(),
        details: specified.details,
        wave,
    });
    Ok(())
}

/// Services of the stack that are to go.
fn no_longer_named(
    view: &View,
    stack_id: &str,
    spec: &StackSpec,
    origin: &Origin,
) -> BTreeSet<String> {
    let named: BTreeSet<&str> = spec.services.iter().map(|it| it.name.as_str()).collect();
    let goes = |name: &str| match origin {
        _ if spec.prune => true,
        Origin::Asked => false,
        Origin::Kept { later } => later.contains(name),
    };
    view.services_of(stack_id)
        .map(|service| &service.spec.name)
        .filter(|name| !named.contains(name.as_str()) && goes(name))
        .cloned()
        .collect()
}

/// The newest deployment of a stack.
pub(super) fn newest<'a>(view: &'a View, stack_id: &str) -> Option<&'a Deployment> {
    let stack = view.stacks().get(stack_id)?;
    view.deployments()
        .get(&Deployment::id_of(stack_id, stack.deployment))
        .map(|deployment| &**deployment)
}

fn check_name(name: &str) -> Result<(), StackError> {
    let is_inner = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    let begins = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    match begins && name.chars().all(is_inner) && name.len() <= 63 {
        true => Ok(()),
        false => Err(StackError::Name(name.to_owned())),
    }
}

fn check_names(spec: &StackSpec) -> Result<(), StackError> {
    let mut seen = BTreeSet::new();
    let services = spec.services.iter().map(|it| ("service", &it.name));
    let networks = spec.networks.iter().map(|it| ("network", &it.name));
    let secrets = spec.secrets.iter().map(|it| ("secret", &it.name));
    let configs = spec.configs.iter().map(|it| ("config", &it.name));
    for (noun, name) in services.chain(networks).chain(secrets).chain(configs) {
        if !seen.insert((noun, name)) {
            return Err(StackError::Twice {
                noun,
                name: name.clone(),
            });
        }
    }
    Ok(())
}

/// The same, with the stack's label on everything.
fn labelled(spec: &StackSpec) -> StackSpec {
    let mut spec = spec.clone();
    let name = spec.name.clone();
    let label = |labels: &mut BTreeMap<String, String>| {
        labels.insert(STACK_LABEL.to_owned(), name.clone());
    };
    spec.services
        .iter_mut()
        .for_each(|it| label(&mut it.labels));
    spec.networks
        .iter_mut()
        .for_each(|it| label(&mut it.labels));
    spec.secrets.iter_mut().for_each(|it| label(&mut it.labels));
    spec.configs.iter_mut().for_each(|it| label(&mut it.labels));
    spec
}

/// Names as the stack's file has them.
fn shortened(error: StackError, stack: &str) -> StackError {
    let short = |name: String| {
        let inner = name
            .strip_prefix(stack)
            .and_then(|rest| rest.strip_prefix('_'));
        inner.map_or(name.clone(), str::to_owned)
    };
    match error {
        StackError::Cycle(path) => StackError::Cycle(path.into_iter().map(short).collect()),
        error => error,
    }
}

fn removing(noun: &'static str, name: &str) -> StackError {
    StackError::Removing {
        noun,
        name: name.to_owned(),
    }
}
