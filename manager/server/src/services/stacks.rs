//! What people ask of stacks.

use std::sync::Arc;

use api::v1::planned_change::What;
use api::v1::{
    DeployStackReply, DeployStackRequest, ListStacksReply, PlannedChange, RemoveStackReply,
    RollbackStackRequest, StackView,
};
use model::{Config, Deployment, Secret, Stack, StackSpec};
use orchestrator::stack::{self, Deploy};
use prost::Message;
use store::change::Action;
use store::{Change, Kind, Object, View};
use tonic::Status;

use super::find::find;
use super::{services, strip};
use crate::clock::now_ms;
use crate::manager::{Manager, SERVICES};

/// Files of a deployment that together have more bytes go ahead of it, piece by piece.
const BESIDE: usize = 1 << 20;

pub(crate) async fn deploy(
    manager: &Manager,
    request_id: &str,
    asked: DeployStackRequest,
) -> Result<DeployStackReply, Status> {
    let spec = asked
        .spec
        .ok_or_else(|| Status::invalid_argument("no stack was given"))?;
    super::check_name("stack", &spec.name)?;
    carry_out(manager, request_id, asked.plan, &spec.name, |view| {
        let spec = with_auth(view, spec.clone());
        stack::deploy(view, &spec, "stack up", now_ms(), &mut identity::new_id)
            .map_err(|error| Status::invalid_argument(error.to_string()))
    })
    .await
}

pub(crate) async fn roll_back(
    manager: &Manager,
    request_id: &str,
    asked: RollbackStackRequest,
) -> Result<DeployStackReply, Status> {
    let to = (asked.to != 0).then_some(asked.to);
    carry_out(manager, request_id, asked.plan, &asked.stack, |view| {
        let known = find(view.stacks(), &asked.stack)?;
        stack::roll_back(view, known, to, now_ms(), &mut identity::new_id)
            .map_err(|error| Status::failed_precondition(error.to_string()))
    })
    .await
}

pub(crate) async fn get(manager: &Manager, wanted: &str) -> Result<StackView, Status> {
    let view = manager.read().await?;
    let known = find(view.stacks(), wanted)?;
    let mut shown = show(&view, known, now_ms());
    let mut deployments: Vec<&Arc<Deployment>> = view.deployments_of(&known.id).collect();
    deployments.sort_by_key(|deployment| std::cmp::Reverse(deployment.number));
    let stripped = deployments.into_iter().map(|one| strip::deployment(one));
    shown.deployments = stripped.collect();
    Ok(shown)
}

pub(crate) async fn list(manager: &Manager) -> Result<ListStacksReply, Status> {
    let view = manager.read().await?;
    let now = now_ms();
    let stacks = view.stacks().iter().map(|stack| show(&view, stack, now));
    Ok(ListStacksReply {
        stacks: stacks.collect(),
    })
}

pub(crate) async fn remove(
    manager: &Manager,
    request_id: &str,
    wanted: &str,
) -> Result<RemoveStackReply, Status> {
    manager
        .change(request_id, |view| {
            let known = find(view.stacks(), wanted)?;
            Ok(if known.removing {
                Vec::new()
            } else {
                stack::remove(view, known)
            })
        })
        .await?;
    Ok(RemoveStackReply {})
}

/// Decides, and commits unless only the plan is asked for.
async fn carry_out(
    manager: &Manager,
    request_id: &str,
    plan_only: bool,
    wanted: &str,
    decide: impl Fn(&View) -> Result<Deploy, Status>,
) -> Result<DeployStackReply, Status> {
    let mut view = manager.read().await?;
    Manager::require_level(&view, SERVICES)?;
    if plan_only {
        let decided = decide(&view)?;
        let version = view.version();
        return Ok(reply(decided, version));
    }
    let mut planned = None;
    if view.answered(request_id).is_none() {
        let first = decide(&view)?;
        if send_files(manager, &first.changes).await? {
            planned = Some(first.planned);
        }
    }
    let mut decided = None;
    let version = manager
        .change(request_id, |view| {
            Manager::require_level(view, SERVICES)?;
            let mut deploy = decide(view)?;
            let changes = std::mem::take(&mut deploy.changes);
            decided = Some(deploy);
            super::check_size("the deployment", &changes)?;
            Ok(changes)
        })
        .await?;
    if let Some(mut decided) = decided {
        decided.planned = planned.unwrap_or(decided.planned);
        return Ok(reply(decided, version));
    }
    // It was done before, and the answer was lost.
    view = manager.replica().view();
    let known = find(view.stacks(), wanted)?;
    Ok(DeployStackReply {
        stack_id: known.id.clone(),
        deployment: known.deployment,
        version,
        ..DeployStackReply::default()
    })
}

fn reply(decided: Deploy, version: u64) -> DeployStackReply {
    DeployStackReply {
        stack_id: decided.stack_id,
        deployment: decided.deployment,
        changes: decided.planned.into_iter().map(show_planned).collect(),
        warnings: decided.warnings,
        version,
    }
}

/// Creates secrets and configs of a deployment ahead of it when they are too large to go with it. Their names tell their content:
/// who looks at them early sees nothing that is wrong, and the deployment finds them there. Tells whether it did.
async fn send_files(manager: &Manager, changes: &[Change]) -> Result<bool, Status> {
    let files: Vec<&Change> = changes
        .iter()
        .filter(|change| file(change).is_some())
        .collect();
    let bytes: usize = files.iter().map(|change| change.encoded_len()).sum();
    if bytes <= BESIDE {
        return Ok(false);
    }
    for change in files {
        super::check_size("a secret or config", std::slice::from_ref(change))?;
        manager
            .change("", |view| {
                let there = match file(change) {
                    Some(File::Secret(secret)) => view.secrets().named(&secret.spec.name).is_some(),
                    Some(File::Config(config)) => view.configs().named(&config.spec.name).is_some(),
                    None => true,
                };
                Ok(if there {
                    Vec::new()
                } else {
                    vec![change.clone()]
                })
            })
            .await?;
    }
    Ok(true)
}

enum File<'a> {
    Secret(&'a Secret),
    Config(&'a Config),
}

/// The secret or config that a change creates.
fn file(change: &Change) -> Option<File<'_>> {
    let Some(Action::Create(Object { kind: Some(kind) })) = &change.action else {
        return None;
    };
    match kind {
        Kind::Secret(secret) => Some(File::Secret(secret)),
        Kind::Config(config) => Some(File::Config(config)),
        _ => None,
    }
}

/// Services for which no credentials are sent keep those that they have.
fn with_auth(view: &View, mut spec: StackSpec) -> StackSpec {
    for service in &mut spec.services {
        if let Some(known) = view.services().named(&service.name) {
            services::keep_auth(known, service);
        }
    }
    spec
}

fn show(view: &View, stack: &Stack, now_ms: i64) -> StackView {
    let services: Vec<_> = view
        .services_of(&stack.id)
        .map(|service| services::show(view, service, now_ms))
        .collect();
    StackView {
        stack: Some(stack.clone()),
        converged: !stack.removing && services.iter().all(|service| service.converged),
        failed: services.iter().any(|service| service.failed),
        services,
        deployments: Vec::new(),
        version: view.version(),
    }
}

fn show_planned(planned: stack::PlannedChange) -> PlannedChange {
    let what = match planned.what {
        stack::What::Create => What::Create,
        stack::What::Update => What::Update,
        stack::What::Adjust => What::Adjust,
        stack::What::Remove => What::Remove,
    };
    PlannedChange {
        what: what.into(),
        noun: planned.noun.to_owned(),
        name: planned.name,
        details: planned.details,
        wave: planned.wave,
    }
}
