//! What people ask of services.

use api::v1::{
    CreateServiceRequest, ListServicesReply, RemoveServiceReply, ServiceReply, ServiceView,
    UpdateServiceRequest,
};
use model::{Service, ServiceSpec};
use orchestrator::{check, service, standing};
use store::{Change, View};
use tonic::Status;

use super::find::find;
use super::strip;
use crate::clock::now_ms;
use crate::manager::{Manager, SERVICES};

pub(crate) async fn create(
    manager: &Manager,
    request_id: &str,
    asked: CreateServiceRequest,
) -> Result<ServiceReply, Status> {
    let spec = asked
        .spec
        .ok_or_else(|| Status::invalid_argument("no spec was given"))?;
    let mut warnings = Vec::new();
    manager
        .change(request_id, |view| {
            Manager::require_level(view, SERVICES)?;
            warnings = check::service(view, &spec).map_err(Status::invalid_argument)?;
            if view.services().named(&spec.name).is_some() {
                let name = &spec.name;
                return Err(Status::already_exists(format!(
                    "a service `{name}` exists already; change it with `minictl service update {name}`"
                )));
            }
            specify(view, None, spec.clone())
        })
        .await?;
    reply(manager, &spec.name, warnings)
}

pub(crate) async fn update(
    manager: &Manager,
    request_id: &str,
    asked: UpdateServiceRequest,
) -> Result<ServiceReply, Status> {
    let spec = asked
        .spec
        .ok_or_else(|| Status::invalid_argument("no spec was given"))?;
    let mut warnings = Vec::new();
    manager
        .change(request_id, |view| {
            Manager::require_level(view, SERVICES)?;
            let known = changeable(view, &asked.service)?;
            if asked.version != 0 && known.meta.version != asked.version {
                return Err(Status::aborted(format!(
                    "service `{}` was changed meanwhile; look at it and try again",
                    asked.service
                )));
            }
            let mut spec = spec.clone();
            if spec.name != known.spec.name {
                return Err(Status::invalid_argument(format!(
                    "the service `{}` cannot be renamed; create `{}` and remove the other",
                    known.spec.name, spec.name
                )));
            }
            keep_auth(known, &mut spec);
            warnings = check::service(view, &spec).map_err(Status::invalid_argument)?;
            specify(view, Some(known), spec)
        })
        .await?;
    reply(manager, &spec.name, warnings)
}

pub(crate) async fn roll_back(
    manager: &Manager,
    request_id: &str,
    wanted: &str,
) -> Result<ServiceReply, Status> {
    manager
        .change(request_id, |view| {
            let known = changeable(view, wanted)?;
            let changes = service::roll_back(view, known, now_ms());
            changes.map_err(Status::failed_precondition)
        })
        .await?;
    reply(manager, wanted, Vec::new())
}

pub(crate) async fn get(manager: &Manager, wanted: &str) -> Result<ServiceReply, Status> {
    let view = manager.read().await?;
    let service = show(&view, find(view.services(), wanted)?, now_ms());
    Ok(ServiceReply {
        service: Some(service),
        warnings: Vec::new(),
    })
}

pub(crate) async fn list(manager: &Manager, stack: &str) -> Result<ListServicesReply, Status> {
    let view = manager.read().await?;
    let now = now_ms();
    let services = if stack.is_empty() {
        let all = view.services().iter();
        all.map(|service| show(&view, service, now)).collect()
    } else {
        let of_stack = view.services_of(&find(view.stacks(), stack)?.id);
        of_stack.map(|service| show(&view, service, now)).collect()
    };
    Ok(ListServicesReply {
        services,
        version: view.version(),
    })
}

pub(crate) async fn remove(
    manager: &Manager,
    request_id: &str,
    wanted: &str,
) -> Result<RemoveServiceReply, Status> {
    manager
        .change(request_id, |view| {
            let known = find(view.services(), wanted)?;
            Ok(if known.removing {
                Vec::new()
            } else {
                service::remove(known)
            })
        })
        .await?;
    Ok(RemoveServiceReply {})
}

/// What is shown of a service is without what its registry asks for: who sends it back changed means to keep that.
pub(super) fn keep_auth(known: &Service, spec: &mut ServiceSpec) {
    let auth = &mut spec.task.container.registry_auth;
    if auth.is_none() {
        auth.clone_from(&known.spec.task.container.registry_auth);
    }
}

/// A service, and how far it has come.
pub(super) fn show(view: &View, service: &Service, now_ms: i64) -> ServiceView {
    let standing = standing::of(view, service, now_ms);
    ServiceView {
        service: Some(strip::service(service)),
        running: standing.running,
        wanted: standing.wanted,
        completed: standing.completed,
        current: standing.current,
        converged: standing.converged,
        reasons: standing.reasons,
        failed: standing.failed,
        node_names: node_names(view, service),
    }
}

/// Names of the nodes where its tasks are meant to run.
fn node_names(view: &View, service: &Service) -> String {
    let mut names: Vec<&str> = view
        .tasks_of(&service.id)
        .filter(|task| task.is_wanted())
        .filter_map(|task| view.nodes().get(&task.node_id))
        .map(|node| node.description.hostname.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

fn changeable<'a>(view: &'a View, wanted: &str) -> Result<&'a Service, Status> {
    let known = find(view.services(), wanted)?;
    if known.removing {
        return Err(Status::failed_precondition(format!(
            "the service `{}` is being removed; create it anew when it is gone",
            known.spec.name
        )));
    }
    Ok(known)
}

fn specify(view: &View, known: Option<&Service>, spec: ServiceSpec) -> Result<Vec<Change>, Status> {
    let stack_id = known.map_or("", |known| &known.stack_id);
    let specified = service::specify(view, known, spec, stack_id, now_ms(), &mut identity::new_id);
    super::check_size("the service", &specified.changes)?;
    Ok(specified.changes)
}

fn reply(manager: &Manager, wanted: &str, warnings: Vec<String>) -> Result<ServiceReply, Status> {
    let view = manager.replica().view();
    let service = show(&view, find(view.services(), wanted)?, now_ms());
    Ok(ServiceReply {
        service: Some(service),
        warnings,
    })
}
