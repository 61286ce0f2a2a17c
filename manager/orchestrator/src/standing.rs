//! How far a service has come, for people.

use std::collections::{BTreeMap, BTreeSet};

use model::{Health, RolloutState, Service, Task, TaskState};
use store::View;

use crate::gate::condition;
use crate::gate::{self, clock};
use crate::service::slots::{self, Line, Slots};

#[cfg(test)]
mod tests;

/// How far a service has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Tasks that run.
    pub running: u64,
    /// Tasks that are to; of a job, those that are to end well.
    pub wanted: u64,
    /// Tasks that have ended as they were meant to.
    pub completed: u64,
    /// Tasks of the newest revision that run.
    pub current: u64,
    /// Whether everything is as it is wanted.
    pub converged: bool,
    /// Whether it will not come to that by itself.
    pub failed: bool,
    /// Why not, one line for each reason; of one that has converged, what should be known nevertheless.
    pub reasons: Vec<String>,
}

/// How far a service has come.
pub fn of(view: &View, service: &Service, now_ms: i64) -> Standing {
    let tasks = Slots::of(view, &service.id);
    let is_job = condition::is_job(service);
    let lines = newest(view, service, &tasks);
    let running = lines.iter().filter(|task| runs(view, task)).count() as u64;
    let is_current = |task: &&&Task| task.revision == service.revision;
    let current = lines
        .iter()
        .filter(is_current)
        .filter(|task| runs(view, task));
    let current = current.count() as u64;
    let completed = match is_job {
        true => condition::job_done(service, &tasks),
        false => {
            let done = lines.iter().filter(is_current);
            done.filter(|task| condition::has_done(view, service, task))
                .count() as u64
        }
    };
    let mut standing = Standing {
        running,
        wanted: condition::wanted(view, service, &tasks),
        completed,
        current,
        ..Standing::default()
    };
    let is_left = |task: &&&Task| !moves(service) || task.revision == service.revision;
    let given_up: Vec<String> = lines
        .iter()
        // A rollout puts others in their place.
        .filter(is_left)
        .filter_map(|task| condition::has_given_up(view, service, task))
        .collect();
    let meant = lines.iter().filter(|task| task.is_wanted()).count() as u64;
    standing.failed = has_stopped(service) || (!is_scheduled(service) && !given_up.is_empty());
    standing.converged = !service.removing
        && !standing.failed
        && !moves(service)
        && service.trouble.is_empty()
        && match is_job {
            // What it is to do is to run when its time comes.
            true if is_scheduled(service) => true,
            true => completed >= standing.wanted,
            false => {
                let healthy = lines
                    .iter()
                    .filter(|task| condition::is_healthy(view, task));
                let healthy = healthy.filter(is_current).count() as u64;
                healthy + completed == standing.wanted && meant + completed == standing.wanted
            }
        };
    standing.reasons = reasons(view, service, &tasks, &lines, &standing, now_ms);
    for reason in given_up.into_iter().collect::<BTreeSet<_>>() {
        standing.reasons.push(format!("given up: {reason}"));
    }
    if !standing.converged && standing.reasons.is_empty() {
        let wanted = if service.removing { 0 } else { standing.wanted };
        standing.reasons.push(progress(&lines, wanted));
    }
    standing
}

/// What a task waits for, for people; empty when it waits for nothing: `waiting: db service_healthy 1/2, 00:12, deadline 04:48`.
pub fn waiting(view: &View, task: &Task, now_ms: i64) -> String {
    if !task.is_wanted() || task.is_live() {
        return String::new();
    }
    if task.not_before_ms > now_ms {
        return format!("starts in {}", clock(task.not_before_ms - now_ms + 999));
    }
    if task.status.state() <= TaskState::Pending {
        return task.status.message.clone();
    }
    let wait = view
        .services()
        .get(&task.service_id)
        .filter(|service| service.revision == task.revision || service.spec.gate.always)
        .and_then(|service| service.waiting.as_ref());
    match wait {
        Some(wait) if task.desired_state() < TaskState::Running => gate_line(wait, now_ms),
        _ => String::new(),
    }
}

/// The newest task of each slot that is meant to run, or has ended with nothing in its place. Of a job, those of its current run; of
/// one task per node, those of nodes that can be asked.
fn newest<'a>(view: &View, service: &Service, tasks: &Slots<'a>) -> Vec<&'a Task> {
    let lines = tasks.iter().filter_map(|slot| {
        let line = Line::of(slot);
        // While two of a slot overlap, the older one is the one that runs.
        match (line.newest, line.older) {
            (Some(newest), Some(older)) if !newest.is_live() && older.is_live() => Some(older),
            (newest, _) => newest,
        }
    });
    lines
        .filter(|task| {
            let is_asked = task.slot != 0 || condition::is_reachable(view, task);
            is_asked && condition::is_of_run(service, task)
        })
        .collect()
}

fn runs(view: &View, task: &Task) -> bool {
    task.status.state() == TaskState::Running && slots::may_live(view, task)
}

fn is_scheduled(service: &Service) -> bool {
    !service.spec.schedule.is_empty()
}

fn moves(service: &Service) -> bool {
    service
        .rollout
        .as_ref()
        .is_some_and(|rollout| rollout.state().moves())
}

/// Whether a rollout or a gate has come to where only a person can go on.
fn has_stopped(service: &Service) -> bool {
    let stopped = service.rollout.as_ref().is_some_and(|rollout| {
        matches!(
            rollout.state(),
            RolloutState::Paused | RolloutState::RollbackPaused | RolloutState::RolledBack
        )
    });
    // An update whose gate gave up does what its failure action says.
    stopped || (service.waiting.as_ref().is_some_and(|wait| wait.expired) && !moves(service))
}

fn reasons(
    view: &View,
    service: &Service,
    tasks: &Slots<'_>,
    lines: &[&Task],
    standing: &Standing,
    now_ms: i64,
) -> Vec<String> {
    let mut reasons = Vec::new();
    if !service.trouble.is_empty() {
        reasons.push(service.trouble.clone());
    }
    if let Some(rollout) = &service.rollout
        && rollout.state() != RolloutState::Completed
    {
        let what = progress_of(rollout.state());
        reasons.push(match rollout.message.as_str() {
            "" => what.to_owned(),
            message => format!("{what}: {message}"),
        });
    }
    if let Some(wait) = &service.waiting {
        reasons.push(gate_line(wait, now_ms));
    }
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for task in lines {
        if let Some(what) = what_is_wrong(task) {
            *told.entry(what).or_default() += 1;
        }
    }
    // What failed before is told as long as the slot is not as it should be.
    if !standing.converged {
        for task in before(tasks, lines) {
            if let Some(what) = failure(task) {
                *told.entry(what).or_default() += 1;
            }
        }
    }
    reasons.extend(told.into_iter().map(|(what, count)| match count {
        1 => what,
        count => format!("{count} tasks: {what}"),
    }));
    let current = service
        .latches
        .iter()
        .filter(|latch| latch.revision == service.revision && !latch.warning.is_empty());
    reasons.extend(current.map(|latch| latch.warning.clone()));
    reasons.extend(
        gate::degraded(view, service)
            .into_iter()
            .map(|words| format!("dependency degraded: {words}")),
    );
    reasons
}

fn progress_of(state: RolloutState) -> &'static str {
    match state {
        RolloutState::Updating => "updating",
        RolloutState::Paused => "update paused",
        RolloutState::Completed => "updated",
        RolloutState::RollingBack => "rolling back",
        RolloutState::RollbackPaused => "rollback paused",
        RolloutState::RolledBack => "rolled back",
    }
}

/// What a task that is to run waits for, or suffers from.
fn what_is_wrong(task: &Task) -> Option<String> {
    let status = &task.status;
    match status.state() {
        TaskState::New | TaskState::Pending if !status.message.is_empty() => {
            Some(status.message.clone())
        }
        TaskState::Starting | TaskState::Running if status.health() == Health::Unhealthy => {
            Some("unhealthy".to_owned())
        }
        TaskState::Failed | TaskState::Rejected | TaskState::Orphaned => failure(task),
        _ => None,
    }
}

/// The task before, of each slot whose task does not run yet.
fn before<'a>(tasks: &Slots<'a>, lines: &[&Task]) -> Vec<&'a Task> {
    let mut found = Vec::new();
    for slot in tasks.iter() {
        let is_line = |task: &&Task| lines.iter().any(|line| line.id == task.id);
        if let Some(at) = slot.iter().position(is_line)
            && slot[at].status.state() < TaskState::Running
        {
            found.extend(slot[..at].last().copied());
        }
    }
    found
}

/// How a task has failed, if it has: `rejected: image x not found`.
pub(crate) fn failure(task: &Task) -> Option<String> {
    let status = &task.status;
    match status.state() {
        TaskState::Failed | TaskState::Rejected | TaskState::Orphaned => {}
        _ => return None,
    }
    Some(match (status.error.as_str(), status.exit_code) {
        ("", Some(code)) => format!("{}: exit code {code}", status.state()),
        ("", None) => status.state().to_string(),
        (error, _) => format!("{}: {error}", status.state()),
    })
}

fn gate_line(wait: &model::GateWait, now_ms: i64) -> String {
    let (message, waited) = (&wait.message, now_ms - wait.since_ms);
    match wait.expired {
        true => format!(
            "gave up to wait after {}: {message}",
            clock(wait.deadline_ms - wait.since_ms)
        ),
        false => format!(
            "waiting: {message}, {}, deadline {}",
            clock(waited),
            clock(wait.deadline_ms - now_ms)
        ),
    }
}

/// Where tasks that are not done yet are: `1 preparing, 2 starting`.
fn progress(lines: &[&Task], wanted: u64) -> String {
    let mut states: BTreeMap<TaskState, usize> = BTreeMap::new();
    for task in lines {
        *states.entry(task.status.state()).or_default() += 1;
    }
    let missing = wanted.saturating_sub(lines.len() as u64);
    let mut words: Vec<String> = states
        .into_iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    if missing > 0 {
        words.push(format!("{missing} to be made"));
    }
    words.join(", ")
}
