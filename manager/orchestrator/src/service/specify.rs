//! What people want of a service is written down.

use model::{Rollout, RolloutState, Service, ServiceMode, ServiceSpec};
use store::{Change, View};

use super::details;
use super::revision;
use super::rollback::unfinished;
use super::rolling::begun;
use super::rules::is_job;
use super::slots::is_meant;
use crate::plan::Ids;

/// What comes of writing down what is wanted of a service.
#[derive(Clone, Debug)]
pub struct Specified {
    /// The changes; none when nothing differs from what is known.
    pub changes: Vec<Change>,
    /// The service as it will be.
    pub service: Service,
    /// Whether tasks are replaced, or a job runs again.
    pub replaces_tasks: bool,
    /// What differs, a line for each, for people: `image: blog:v1 -> blog:v2`.
    pub details: Vec<String>,
}

/// Makes a service, or changes one.
///
/// A change of what tasks run, or of ports that nodes publish, makes a new revision and a rollout; any other makes neither. What the
/// registry asks for is no difference, and is kept when none is given. A number of replicas that the autoscaler has chosen is kept within
/// its limits. A rollout that has stopped goes on when the same is asked for again; so does a gate that gave up.
pub fn specify(
    view: &View,
    known: Option<&Service>,
    spec: ServiceSpec,
    stack_id: &str,
    now_ms: i64,
    ids: Ids<'_>,
) -> Specified {
    match known {
        None => make(spec, stack_id, ids),
        Some(known) => change(view, known, spec, stack_id, now_ms),
    }
}

/// Marks a service as one that is to go.
pub fn remove(service: &Service) -> Vec<Change> {
    if service.removing {
        return Vec::new();
    }
    let mut removing = service.clone();
    removing.removing = true;
    vec![Change::update(removing)]
}

fn make(spec: ServiceSpec, stack_id: &str, ids: Ids<'_>) -> Specified {
    let details = details::of_new(&spec);
    let mut service = Service {
        id: ids(),
        spec,
        revision: 1,
        stack_id: stack_id.to_owned(),
        ..Service::default()
    };
    service.job_iteration = u64::from(is_job(&service) && service.spec.schedule.is_empty());
    Specified {
        changes: vec![
            Change::create(revision::of(&service, 1)),
            Change::create(service.clone()),
        ],
        service,
        replaces_tasks: true,
        details,
    }
}

fn change(
    view: &View,
    known: &Service,
    spec: ServiceSpec,
    stack_id: &str,
    now_ms: i64,
) -> Specified {
    let spec = carry_over(known, spec);
    let differs = revision::compared(&known.spec) != revision::compared(&spec);
    let mut details = details::of_change(&known.spec, &spec);
    let mut service = known.clone();
    let mut changes = Vec::new();
    let mut replaces_tasks = false;
    if !stack_id.is_empty() {
        stack_id.clone_into(&mut service.stack_id);
    }
    if differs {
        service.previous = Some(Box::new(before(known, &spec)));
        service.spec = spec;
        let revises = !revision::is_same(&known.spec, &service.spec);
        if revises {
            changes.extend(revise(view, known, &mut service, now_ms));
        }
        let reruns = run_again(known, &mut service, revises);
        replaces_tasks = reruns || (revises && !is_job(&service));
    } else if resume(&mut service, now_ms) {
        details.push("rollout: goes on".to_owned());
        replaces_tasks = true;
    }
    if service.waiting.as_ref().is_some_and(|wait| wait.expired) {
        service.waiting = None;
        details.push("gate: waits anew".to_owned());
    }
    if service != *known {
        changes.push(Change::update(service.clone()));
    }
    Specified {
        changes,
        service,
        replaces_tasks,
        details,
    }
}

/// What is wanted, with what the managers know better.
fn carry_over(known: &Service, mut spec: ServiceSpec) -> ServiceSpec {
    spec.task.force = spec.task.force.max(known.spec.task.force);
    let auth = &mut spec.task.container.registry_auth;
    if auth.is_none() {
        auth.clone_from(&known.spec.task.container.registry_auth);
    }
    if let (Some(ServiceMode::Replicated(now)), Some(ServiceMode::Replicated(asked))) =
        (&known.spec.mode, &mut spec.mode)
        && let (Some(limits), Some(_)) = (&spec.autoscale, &known.autoscaled)
        && limits.min <= limits.max
    {
        asked.replicas = now.replicas.clamp(limits.min, limits.max);
    }
    spec
}

/// What a rollback returns to: of an update that has not ended still what was before it, with what was changed around it since.
fn before(known: &Service, spec: &ServiceSpec) -> ServiceSpec {
    let earlier = known
        .previous
        .as_deref()
        .filter(|_| unfinished(known).is_some());
    match earlier {
        Some(earlier) if revision::is_same(&known.spec, spec) => {
            let ports = revision::host_ports(earlier);
            let task = earlier.task.clone();
            let earlier = model::Revision {
                task,
                ports,
                ..model::Revision::default()
            };
            revision::returned_to(&earlier, spec)
        }
        Some(earlier) => earlier.clone(),
        None => known.spec.clone(),
    }
}

/// Gives a service a new revision, or the one that it came from when that is what is asked for.
fn revise(view: &View, known: &Service, service: &mut Service, now_ms: i64) -> Option<Change> {
    let back = unfinished(known)
        .and_then(|rollout| view.revision(&known.id, rollout.from))
        .filter(|from| revision::is_of(from, &service.spec));
    let number = match back {
        Some(from) => from.number,
        None => revision::next_number(view, known),
    };
    // What worked last, not what was on its way.
    let from = match unfinished(known) {
        Some(rollout) if back.is_none() => rollout.from,
        _ => known.revision,
    };
    let is_left = view
        .tasks_of(&known.id)
        .any(|task| is_meant(task) && task.revision != number);
    service.revision = number;
    service.waiting = None;
    service.rollout = (is_left && !is_job(service)).then(|| begun(from, number, now_ms));
    back.is_none()
        .then(|| Change::create(revision::of(service, number)))
}

/// Whether a changed job runs again.
fn run_again(known: &Service, service: &mut Service, revises: bool) -> bool {
    let is_once = is_job(service) && service.spec.schedule.is_empty();
    let was_once = is_job(known) && known.spec.schedule.is_empty();
    let runs = is_once && (revises || !was_once || service.spec.mode != known.spec.mode);
    if runs {
        service.job_iteration += 1;
    }
    if service.spec.schedule != known.spec.schedule || is_job(service) != is_job(known) {
        service.next_run_ms = 0;
    }
    runs
}

/// Lets a rollout that has stopped go on. Whether there was one.
fn resume(service: &mut Service, now_ms: i64) -> bool {
    let Some(rollout) = &service.rollout else {
        return false;
    };
    let state = match rollout.state() {
        RolloutState::Paused => RolloutState::Updating,
        RolloutState::RollbackPaused => RolloutState::RollingBack,
        _ => return false,
    };
    service.rollout = Some(Rollout {
        state: state.into(),
        reason: rollout.reason.clone(),
        ..begun(rollout.from, rollout.to, now_ms)
    });
    true
}
