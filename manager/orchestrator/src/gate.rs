//! What a service waits for before its tasks start.
//!
//! A gate opens when everything that the service depends on is as it should be at the same moment, each dependency at its current
//! revision and with no rollout under way. What opened it is latched: for that revision of the service the gate stays open,
//! whatever becomes of the dependencies. Waits and latches are part of the service, so that a new leader goes on where the old one was.

use std::time::Duration;

use model::{DependencyCondition, GateWait, Latch, Service, ServiceMode, Task, TaskState};
use store::View;

use crate::service::slots::is_meant;
use condition::Judgement;

pub(crate) mod condition;
#[cfg(test)]
mod points;
#[cfg(test)]
pub(crate) mod scene;
#[cfg(test)]
mod tests;

/// How long a service waits when it does not say, in milliseconds.
pub const USUAL_TIMEOUT_MS: i64 = 300_000;
/// How often it is written down that a leader looked, in milliseconds.
pub const COUNTED_EVERY_MS: i64 = 5_000;
/// A wait that nobody looked at for so long was not counted, in milliseconds.
pub const UNCOUNTED_AFTER_MS: i64 = 10_000;

/// What is seen of a service's gate; `latches` and `waiting` are to be stored with the service where they differ from what it has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// Whether tasks of the service's newest revision may start.
    pub open: bool,
    /// The gates that have opened.
    pub latches: Vec<Latch>,
    /// The wait, as long as the gate is closed and something waits at it.
    pub waiting: Option<GateWait>,
    /// When to look again though nothing has changed: milliseconds since 1970 (UTC).
    pub again_ms: Option<i64>,
}

/// Looks whether the gate of a service is open.
pub fn look(view: &View, service: &Service, now_ms: i64) -> Look {
    let mut latches = kept(service);
    if service.spec.depends_on.is_empty() {
        return Look {
            open: true,
            latches,
            ..Look::default()
        };
    }
    let always = service.spec.gate.always;
    if !always && is_released(view, service) {
        if !is_latched(service) {
            let judged = judge_all(view, service, now_ms);
            latch(view, service, &mut latches, &judged, false);
        }
        return Look {
            open: true,
            latches,
            ..Look::default()
        };
    }
    let wait = count(service, now_ms);
    let judged = judge_all(view, service, wait.since_ms);
    if judged.iter().all(|judged| judged.opens(wait.expired)) {
        latch(view, service, &mut latches, &judged, true);
        return Look {
            open: true,
            latches,
            ..Look::default()
        };
    }
    let waiting = is_held(view, service).then(|| GateWait {
        message: message(&judged, wait.expired),
        ..wait
    });
    let again_ms = waiting
        .as_ref()
        .filter(|wait| !wait.expired)
        .map(|wait| wait.deadline_ms.min(wait.counted_ms + COUNTED_EVERY_MS));
    Look {
        open: false,
        latches,
        waiting,
        again_ms,
    }
}

/// The dependencies of a service that let it start and are not as they were: `db service_healthy 1/2`.
pub fn degraded(view: &View, service: &Service) -> Vec<String> {
    let latched = service.spec.depends_on.iter().filter(|dependency| {
        dependency.condition() != DependencyCondition::CompletedSuccessfully
            && latch_of(service, &dependency.service).is_some_and(|latch| latch.warning.is_empty())
            && condition::find(view, &dependency.service).is_none_or(|on| !moves(on))
    });
    latched
        .map(|dependency| condition::judge(view, service, dependency, i64::MAX))
        .filter(|judged| !judged.is_enough)
        .map(|judged| judged.words)
        .collect()
}

fn moves(on: &Service) -> bool {
    let rollout = on.rollout.as_ref();
    rollout.is_some_and(|rollout| rollout.state().moves())
}

/// `00:12`, `1:02:03`.
pub fn clock(ms: i64) -> String {
    let seconds = Duration::from_millis(u64::try_from(ms).unwrap_or(0)).as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes:02}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// The latches that can still matter: of what it depends on now, and of the revisions that it can return to.
fn kept(service: &Service) -> Vec<Latch> {
    let rollout = service.rollout.as_ref();
    let revisions = [
        Some(service.revision),
        rollout.map(|rollout| rollout.from),
        rollout.map(|rollout| rollout.to),
    ];
    let matters = |latch: &&Latch| {
        revisions.contains(&Some(latch.revision))
            && service
                .spec
                .depends_on
                .iter()
                .any(|dependency| dependency.service == latch.dependency)
    };
    service.latches.iter().filter(matters).cloned().collect()
}

fn latch_of<'a>(service: &'a Service, dependency: &str) -> Option<&'a Latch> {
    let is_of =
        |latch: &&Latch| latch.revision == service.revision && latch.dependency == dependency;
    service.latches.iter().find(is_of)
}

/// Whether tasks of the service's revision were let through once: they are from then on.
fn is_released(view: &View, service: &Service) -> bool {
    is_latched(service)
        || view.tasks_of(&service.id).any(|task| {
            task.revision == service.revision && task.desired_state() == TaskState::Running
        })
}

fn is_latched(service: &Service) -> bool {
    let mut depends_on = service.spec.depends_on.iter();
    depends_on.all(|dependency| latch_of(service, &dependency.service).is_some())
}

/// Adds what is not latched yet. What is stays as it is: it says which revision of the dependency the tasks have met.
fn latch(
    view: &View,
    service: &Service,
    latches: &mut Vec<Latch>,
    judged: &[Judgement],
    warns: bool,
) {
    for judged in judged {
        let is_latched = |latch: &Latch| {
            latch.revision == service.revision && latch.dependency == judged.dependency
        };
        if latches.iter().any(is_latched) {
            continue;
        }
        let without = warns && !judged.is_met;
        latches.push(Latch {
            dependency: judged.dependency.clone(),
            revision: service.revision,
            dependency_revision: judged.revision,
            judged_at: view.version(),
            warning: match without {
                true => format!("let through without {}", judged.words),
                false => String::new(),
            },
        });
    }
}

fn judge_all(view: &View, service: &Service, since_ms: i64) -> Vec<Judgement> {
    let dependencies = service.spec.depends_on.iter();
    dependencies
        .map(|dependency| condition::judge(view, service, dependency, since_ms))
        .collect()
}

fn message(judged: &[Judgement], expired: bool) -> String {
    let closed = judged.iter().filter(|judged| !judged.opens(expired));
    let words: Vec<&str> = closed.map(|judged| judged.words.as_str()).collect();
    words.join(", ")
}

/// The wait as it is now. The time in which there was no leader to look is not counted.
fn count(service: &Service, now_ms: i64) -> GateWait {
    let known = service.waiting.as_ref();
    let Some(known) = known.filter(|wait| wait.revision == service.revision) else {
        let timeout_ms = match service.spec.gate.timeout_ms {
            0 => USUAL_TIMEOUT_MS,
            asked => i64::try_from(asked).unwrap_or(i64::MAX),
        };
        return GateWait {
            revision: service.revision,
            since_ms: now_ms,
            deadline_ms: now_ms.saturating_add(timeout_ms),
            counted_ms: now_ms,
            ..GateWait::default()
        };
    };
    let mut wait = known.clone();
    if wait.expired {
        return wait;
    }
    let gap_ms = now_ms.saturating_sub(wait.counted_ms);
    if gap_ms.saturating_abs() > UNCOUNTED_AFTER_MS {
        // Backwards too: another leader has another clock, and what is left of the time is as it was.
        wait.deadline_ms = wait.deadline_ms.saturating_add(gap_ms);
        wait.counted_ms = now_ms;
    } else if gap_ms >= COUNTED_EVERY_MS {
        wait.counted_ms = now_ms;
    }
    wait.expired = now_ms >= wait.deadline_ms;
    wait
}

/// Whether something waits: a task that would be started, or one that would be replaced.
fn is_held(view: &View, service: &Service) -> bool {
    if service.removing {
        return false;
    }
    let mut tasks = view.tasks_of(&service.id).peekable();
    if tasks.peek().is_none() {
        return wants_tasks(service);
    }
    let waits = |task: &Task| {
        is_meant(task)
            && !task.status.state().is_final()
            && (task.desired_state() < TaskState::Running || task.revision != service.revision)
    };
    let mut current = false;
    for task in tasks {
        current |= task.revision == service.revision;
        if waits(task) {
            return true;
        }
    }
    !current && wants_tasks(service)
}

fn wants_tasks(service: &Service) -> bool {
    match &service.spec.mode {
        Some(ServiceMode::Replicated(mode)) => mode.replicas > 0,
        Some(ServiceMode::ReplicatedJob(mode)) => {
            mode.completions > 0 && service.spec.schedule.is_empty()
        }
        Some(ServiceMode::GlobalJob(_)) => service.spec.schedule.is_empty(),
        Some(ServiceMode::Global(_)) => true,
        None => false,
    }
}
