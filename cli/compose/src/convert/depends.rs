//! What waits for what.

use std::collections::BTreeMap;

use model::{Dependency, DependencyCondition, RestartCondition, ServiceSpec};

use super::service::Service;
use super::{deploy, full, health};
use crate::error::{Fault, Result};
use crate::place::{At, Notes, Path};
use crate::suggest::did_you_mean;
use crate::tree::Mark;
use crate::view::{Fields, View};

/// A dependency as it is written.
pub(super) struct Wanted {
    /// Short name of the other service.
    name: String,
    at: At,
    path: Path,
    condition: DependencyCondition,
    /// The condition is not written.
    implied: bool,
    required: bool,
    restart: bool,
}

/// The dependencies of a service.
pub(super) fn wanted(fields: &Fields<'_>) -> Result<Vec<Wanted>> {
    let Some(view) = fields.get("depends_on") else {
        return Ok(Vec::new());
    };
    let conditions = [
        ("service_started", DependencyCondition::Started),
        ("service_healthy", DependencyCondition::Healthy),
        (
            "service_completed_successfully",
            DependencyCondition::CompletedSuccessfully,
        ),
    ];
    let mut wanted = Vec::new();
    for (key, view) in view.entries()? {
        let fields = view.fields()?;
        let condition = fields.get("condition");
        let implied = condition
            .as_ref()
            .is_none_or(|view| view.node.mark == Mark::Implied);
        let condition = condition.map(|view| view.choice(&conditions)).transpose()?;
        let required = fields.maybe("required", View::boolean)?;
        let restart = fields.or_default("restart", View::boolean)?;
        fields.finish()?;
        wanted.push(Wanted {
            name: key.text.clone(),
            at: key.at,
            path: view.path,
            condition: condition.unwrap_or(DependencyCondition::Started),
            implied,
            required: required.unwrap_or(true),
            restart,
        });
    }
    Ok(wanted)
}

/// Checks the dependencies of all services, and gives them full names. In the order of names, whatever that of the file.
pub(super) fn connect(
    stack: &str,
    mut services: Vec<Service>,
    notes: &Notes,
) -> Result<Vec<ServiceSpec>> {
    let places: BTreeMap<String, usize> = services
        .iter()
        .enumerate()
        .map(|(place, service)| (service.short.clone(), place))
        .collect();
    for service in &mut services {
        let wants = std::mem::take(&mut service.wants);
        service.wants = known(wants, &places, notes)?;
    }
    refuse_cycles(&services, &places)?;
    let mut restarts_on_failure = Vec::new();
    for wanted in services.iter().flat_map(|service| &service.wants) {
        let place = places[&wanted.name];
        if check(wanted, &services[place], notes)? {
            restarts_on_failure.push(place);
        }
    }
    for place in restarts_on_failure {
        services[place].spec.task.restart.condition = RestartCondition::OnFailure as i32;
    }
    let mut specs: Vec<ServiceSpec> = services
        .into_iter()
        .map(|service| {
            let mut spec = service.spec;
            let mut depends_on: Vec<Dependency> = service
                .wants
                .into_iter()
                .map(|wanted| Dependency {
                    service: full(stack, &wanted.name),
                    condition: wanted.condition as i32,
                    optional: !wanted.required,
                    restart: wanted.restart,
                })
                .collect();
            depends_on.sort_by(|a, b| a.service.cmp(&b.service));
            spec.depends_on = depends_on;
            spec
        })
        .collect();
    specs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(specs)
}

/// Those whose service is there.
fn known(
    wants: Vec<Wanted>,
    places: &BTreeMap<String, usize>,
    notes: &Notes,
) -> Result<Vec<Wanted>> {
    let mut known = Vec::new();
    for wanted in wants {
        if places.contains_key(&wanted.name) {
            known.push(wanted);
            continue;
        }
        let why = format!("there is no service `{}`", wanted.name);
        if wanted.required {
            let hint = did_you_mean(&wanted.name, places.keys().map(String::as_str));
            return Err(Fault::new(wanted.at, &wanted.path, why + &hint));
        }
        notes.warn(wanted.at, &wanted.path, why + "; it is not waited for");
    }
    Ok(known)
}

/// Whether the other service's tasks are to be started again on failure only, which its author did not say.
fn check(wanted: &Wanted, other: &Service, notes: &Notes) -> Result<bool> {
    let name = &wanted.name;
    let fault = |why: String| Err(Fault::new(wanted.at, &wanted.path, why));
    let hint = |why: String| notes.warn(wanted.at, &wanted.path, why);
    let check = other.spec.task.container.healthcheck.as_ref();
    let disabled = check.is_some_and(health::is_disabled);
    match wanted.condition {
        DependencyCondition::Started => {
            let asked = check.is_some_and(|check| !check.test.is_empty() && !disabled);
            if wanted.implied && asked {
                hint(format!(
                    "waits until `{name}` has started, though that has a health check; write `condition: service_healthy` to wait until it is healthy"
                ));
            }
        }
        DependencyCondition::Healthy if disabled => {
            return fault(format!(
                "`{name}` can never be healthy: its `healthcheck` is disabled"
            ));
        }
        DependencyCondition::Healthy if check.is_none_or(|check| check.test.is_empty()) => {
            hint(format!(
                "`{name}` has no `healthcheck` in this file: its image must have one"
            ));
        }
        DependencyCondition::Healthy => {}
        DependencyCondition::CompletedSuccessfully => {
            let again = other.spec.task.restart.condition == RestartCondition::Any as i32;
            let job = other.spec.mode.as_ref().is_some_and(deploy::is_job);
            if again && !job {
                if other.restart_said {
                    return fault(format!(
                        "`{name}` never completes: it is started again whenever it ends; write `restart: on-failure` there, or make it a job"
                    ));
                }
                hint(format!(
                    "`{name}` is waited for until it has completed: it is started again on failure only; write `restart: on-failure` there to say so"
                ));
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn refuse_cycles(services: &[Service], places: &BTreeMap<String, usize>) -> Result<()> {
    let mut state = vec![State::New; services.len()];
    for start in 0..services.len() {
        // A stack of our own: a chain may be as long as the file has services.
        let mut stack = vec![(start, 0)];
        while let Some((place, next)) = stack.pop() {
            if next == 0 && state[place] == State::Done {
                continue;
            }
            state[place] = State::Open;
            let Some(wanted) = services[place].wants.get(next) else {
                state[place] = State::Done;
                continue;
            };
            stack.push((place, next + 1));
            let target = places[&wanted.name];
            match state[target] {
                State::Done => {}
                State::New => stack.push((target, 0)),
                State::Open => {
                    let from = stack.iter().position(|(place, _)| *place == target);
                    let chain = stack[from.unwrap_or(0)..].iter().map(|(place, _)| *place);
                    let names: Vec<&str> = chain
                        .chain([target])
                        .map(|place| services[place].short.as_str())
                        .collect();
                    let why = format!("dependency cycle detected: {}", names.join(" -> "));
                    return Err(Fault::new(wanted.at, &wanted.path, why));
                }
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}
