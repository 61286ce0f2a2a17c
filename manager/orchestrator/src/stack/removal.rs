//! A stack goes, or a part of it: services against the order of what they depend on, then what they used.

use model::{STACK_LABEL, Service, ServiceSpec, Stack};
use store::{Change, View};

use super::objects::{is_labelled, uses_of_services};
use super::{deploy, waves};
use crate::plan::Plan;
use crate::service;
use crate::service::slots;

/// The next step of a removal.
pub(super) fn carry_on(view: &View, stack: &Stack) -> Plan {
    let mut plan = Plan::default();
    let services: Vec<&Service> = view
        .services_of(&stack.id)
        .map(|service| &**service)
        .collect();
    if services.is_empty() {
        remove_rest(view, stack, &mut plan);
        return plan;
    }
    let specs: Vec<ServiceSpec> = services
        .iter()
        .map(|service| service.spec.clone())
        .collect();
    // Somebody may have closed a circle since: then there is no order to keep.
    let waves = waves::of(&specs).unwrap_or_else(|_| vec![(0..services.len()).collect()]);
    for wave in waves.iter().rev() {
        let mut lives = false;
        for place in wave {
            let service = services[*place];
            plan.changes.extend(service::remove(service));
            lives |= view
                .tasks_of(&service.id)
                .any(|task| slots::may_live(view, task));
        }
        if lives {
            break;
        }
    }
    plan
}

/// Removes the networks that the newest deployment does not name any more, once nothing is attached to them.
pub(super) fn prune_networks(view: &View, stack: &Stack) -> Plan {
    let mut plan = Plan::default();
    let Some(newest) = deploy::newest(view, &stack.id).filter(|newest| newest.spec.prune) else {
        return plan;
    };
    let named = |name: &str| newest.spec.networks.iter().any(|it| it.name == name);
    let mut pruned = view
        .networks_of(&stack.id)
        .filter(|network| !named(&network.spec.name))
        .peekable();
    if pruned.peek().is_none() {
        return plan;
    }
    let used = uses_of_services(view, |_| true).networks;
    plan.changes.extend(
        pruned
            .filter(|network| !used.contains(&network.spec.name) && !used.contains(&network.id))
            .map(|network| Change::remove(&**network)),
    );
    plan
}

/// Removes everything that is left once the services are gone. What others use stays, and belongs to no stack from then on.
fn remove_rest(view: &View, stack: &Stack, plan: &mut Plan) {
    let used = uses_of_services(view, |service| service.stack_id != stack.id);
    for network in view.networks_of(&stack.id) {
        let spec = &network.spec;
        plan.changes.push(
            match used.networks.contains(&spec.name) || used.networks.contains(&network.id) {
                false => Change::remove(&**network),
                true => {
                    let mut network = (**network).clone();
                    network.stack_id.clear();
                    network.spec.labels.remove(STACK_LABEL);
                    Change::update(network)
                }
            },
        );
    }
    for secret in view.secrets().iter() {
        if !is_labelled(&secret.spec.labels, &stack.name) {
            continue;
        }
        plan.changes
            .push(match used.secrets.contains(&secret.spec.name) {
                false => Change::remove(&**secret),
                true => {
                    let mut secret = (**secret).clone();
                    secret.spec.labels.remove(STACK_LABEL);
                    Change::update(secret)
                }
            });
    }
    for config in view.configs().iter() {
        if !is_labelled(&config.spec.labels, &stack.name) {
            continue;
        }
        plan.changes
            .push(match used.configs.contains(&config.spec.name) {
                false => Change::remove(&**config),
                true => {
                    let mut config = (**config).clone();
                    config.spec.labels.remove(STACK_LABEL);
                    Change::update(config)
                }
            });
    }
    let deployments = view.deployments_of(&stack.id);
    plan.changes
        .extend(deployments.map(|deployment| Change::remove(&**deployment)));
    plan.changes.push(Change::remove(stack));
}
