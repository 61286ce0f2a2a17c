//! Whether a dependency is as it should be, at its current revision.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{
    Dependency, DependencyCondition, Health, NodeState, RestartCondition, RolloutState, Service,
    ServiceMode, Task, TaskState,
};
use store::View;

use crate::restart::{self, Verdict};
use crate::scheduler;
use crate::service::slots::{self, Line, Reach, Slots};

/// What is seen of a dependency.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judgement {
    /// Its full name.
    pub(crate) dependency: String,
    /// Its current revision; 0 when it is not there.
    pub(crate) revision: u64,
    /// Whether it is as it should be, and stays so: no rollout is under way.
    pub(crate) is_met: bool,
    /// The same, rollouts aside.
    pub(crate) is_enough: bool,
    /// Whether it will not come to that by itself.
    pub(crate) has_failed: bool,
    /// Whether its dependents start without it when it has failed.
    pub(crate) is_optional: bool,
    /// For people: `db service_healthy 1/2`.
    pub(crate) words: String,
}

impl Judgement {
    /// Whether it is nothing to wait for; `expired` when there was time enough.
    pub(super) fn opens(&self, expired: bool) -> bool {
        self.is_met || (self.is_optional && (self.has_failed || expired))
    }
}

/// Judges one dependency of a service that waits since then.
pub(super) fn judge(
    view: &View,
    service: &Service,
    dependency: &Dependency,
    since_ms: i64,
) -> Judgement {
    let condition = dependency.condition();
    let name = short_name(view, service, &dependency.service);
    let judgement = |revision, words| Judgement {
        dependency: dependency.service.clone(),
        revision,
        is_met: false,
        is_enough: false,
        has_failed: false,
        is_optional: dependency.optional,
        words,
    };
    let Some(on) = find(view, &dependency.service) else {
        return Judgement {
            has_failed: true,
            ..judgement(0, format!("{name} {} (no such service)", word(condition)))
        };
    };
    let tasks = Slots::of(view, &on.id);
    let count = match condition {
        DependencyCondition::Started => started(view, on, &tasks),
        DependencyCondition::Healthy => healthy(view, on, &tasks),
        DependencyCondition::CompletedSuccessfully => completed(view, on, &tasks),
    };
    let (moving, stands) = rollout(on, since_ms);
    let words = format!("{name} {} {}/{}", word(condition), count.have, count.want);
    Judgement {
        is_met: count.is_enough() && moving.is_none(),
        is_enough: count.is_enough(),
        has_failed: stands || (!count.is_enough() && has_failed(view, on, &tasks)),
        ..judgement(
            on.revision,
            match moving {
                Some(moving) => format!("{words} ({moving})"),
                None => words,
            },
        )
    }
}

/// The service of that full name, unless it is on its way out.
pub(crate) fn find<'a>(view: &'a View, name: &str) -> Option<&'a Arc<Service>> {
    view.services()
        .named(name)
        .filter(|service| !service.removing)
}

/// What another service is called within a stack: without the stack's name.
pub(crate) fn short_name<'a>(view: &View, service: &Service, other: &'a str) -> &'a str {
    view.stacks()
        .get(&service.stack_id)
        .and_then(|stack| other.strip_prefix(stack.name.as_str())?.strip_prefix('_'))
        .unwrap_or(other)
}

/// A task of the service that has ended and that nothing follows, though it did not do what it should.
pub(crate) fn has_given_up(view: &View, service: &Service, task: &Task) -> Option<String> {
    let ended = matches!(
        task.status.state(),
        TaskState::Failed | TaskState::Rejected | TaskState::Complete
    );
    if !ended || has_done(view, service, task) {
        return None;
    }
    match restart::next(&policy(view, service, task), task, i64::MAX) {
        Verdict::Never(reason) => Some(reason),
        Verdict::Now | Verdict::At(_) => None,
    }
}

/// Whether a task has ended as it was meant to: with 0, and is not started again for that.
pub(crate) fn has_done(view: &View, service: &Service, task: &Task) -> bool {
    task.status.state() == TaskState::Complete
        && policy(view, service, task).condition() != RestartCondition::Any
}

/// Whether a task does its work.
pub(crate) fn is_healthy(view: &View, task: &Task) -> bool {
    task.is_wanted()
        && task.desired_state() == TaskState::Running
        && task.status.state() == TaskState::Running
        && task.status.health() != Health::Unhealthy
        && slots::may_live(view, task)
}

/// The nodes that a service of one task per node has one on, or is to.
pub(crate) fn nodes_of(view: &View, service: &Service, tasks: &Slots<'_>) -> usize {
    let meant = tasks.tasks().iter().filter(|task| {
        slots::is_meant(task) && is_of_run(service, task) && is_reachable(view, task)
    });
    let mut nodes: BTreeSet<&str> = meant.map(|task| task.node_id.as_str()).collect();
    if let Some(revision) = view.revision(&service.id, service.revision) {
        let fitting = view.nodes().iter().filter(|node| {
            node.status.state() == NodeState::Ready
                && slots::reach_of(node) == Reach::Fine
                && scheduler::fits(view, revision, node).is_ok()
        });
        nodes.extend(fitting.map(|node| node.id.as_str()));
    }
    nodes.len()
}

/// Whether the task's node can be asked.
pub(crate) fn is_reachable(view: &View, task: &Task) -> bool {
    !matches!(slots::reach(view, &task.node_id), Reach::Down | Reach::Gone)
}

/// Whether a task belongs to the current run, where a service has runs.
pub(crate) fn is_of_run(service: &Service, task: &Task) -> bool {
    !is_job(service) || task.job_iteration == service.job_iteration
}

/// Whether the tasks of a service are to end by themselves.
pub(crate) fn is_job(service: &Service) -> bool {
    matches!(
        service.spec.mode,
        Some(ServiceMode::ReplicatedJob(_) | ServiceMode::GlobalJob(_))
    )
}

/// How many tasks a service wants.
pub(crate) fn wanted(view: &View, service: &Service, tasks: &Slots<'_>) -> u64 {
    match &service.spec.mode {
        Some(ServiceMode::Replicated(mode)) => mode.replicas,
        Some(ServiceMode::ReplicatedJob(mode)) => mode.completions,
        Some(ServiceMode::Global(_)) => nodes_of(view, service, tasks) as u64,
        // A job that could run nowhere has not been done.
        Some(ServiceMode::GlobalJob(_)) => nodes_of(view, service, tasks).max(1) as u64,
        None => 0,
    }
}

/// Of a job: the slots of its current run that have ended well.
pub(crate) fn job_done(service: &Service, tasks: &Slots<'_>) -> u64 {
    let done = tasks.tasks().iter().filter(|task| {
        task.job_iteration == service.job_iteration && task.status.state() == TaskState::Complete
    });
    done.map(|task| slots::key(task))
        .collect::<BTreeSet<_>>()
        .len() as u64
}

fn word(condition: DependencyCondition) -> &'static str {
    match condition {
        DependencyCondition::Started => "service_started",
        DependencyCondition::Healthy => "service_healthy",
        DependencyCondition::CompletedSuccessfully => "service_completed_successfully",
    }
}

struct Count {
    have: u64,
    want: u64,
}

impl Count {
    fn is_enough(&self) -> bool {
        self.have >= self.want
    }
}

fn started(view: &View, on: &Service, tasks: &Slots<'_>) -> Count {
    let want = wanted(view, on, tasks).min(1);
    // One that has ended as it was meant to has started too: nobody may have looked while it ran.
    let lives = |task: &&&Task| {
        is_current(on, task)
            && ((task.is_live() && slots::may_live(view, task)) || has_done(view, on, task))
    };
    let have = tasks.tasks().iter().any(|task| lives(&task));
    Count {
        have: u64::from(have),
        want,
    }
}

fn healthy(view: &View, on: &Service, tasks: &Slots<'_>) -> Count {
    let all = wanted(view, on, tasks);
    let want = match on.spec.gate.min_healthy {
        0 => all,
        enough => enough.min(all),
    };
    let is_good = |task: &&&Task| {
        is_current(on, task) && (is_healthy(view, task) || (is_job(on) && has_done(view, on, task)))
    };
    let good = tasks.tasks().iter().filter(is_good);
    let slots: BTreeSet<_> = good.map(|task| slots::key(task)).collect();
    Count {
        have: slots.len() as u64,
        want,
    }
}

fn completed(view: &View, on: &Service, tasks: &Slots<'_>) -> Count {
    let want = wanted(view, on, tasks);
    if is_job(on) {
        return Count {
            have: job_done(on, tasks),
            want,
        };
    }
    let done = tasks.iter().filter(|slot| {
        Line::of(slot)
            .newest
            .is_some_and(|task| is_current(on, task) && task.status.state() == TaskState::Complete)
    });
    Count {
        have: done.count() as u64,
        want,
    }
}

fn is_current(on: &Service, task: &Task) -> bool {
    task.revision == on.revision && is_of_run(on, task)
}

/// What a rollout does that dependents wait for, if it does, and whether it will not go on by itself.
fn rollout(on: &Service, since_ms: i64) -> (Option<&'static str>, bool) {
    let Some(rollout) = &on.rollout else {
        return (None, false);
    };
    match rollout.state() {
        RolloutState::Completed => (None, false),
        RolloutState::Updating => (Some("updating"), false),
        RolloutState::RollingBack => (Some("its update is rolled back"), false),
        RolloutState::Paused => (Some("its update is paused"), true),
        RolloutState::RollbackPaused => (Some("its rollback is paused"), true),
        RolloutState::RolledBack if rollout.completed_ms > since_ms => {
            (Some("its update was rolled back"), true)
        }
        RolloutState::RolledBack => (None, false),
    }
}

/// Whether a service will not come to anything by itself: a slot has been given up, or it gave up to wait itself.
fn has_failed(view: &View, on: &Service, tasks: &Slots<'_>) -> bool {
    on.waiting.as_ref().is_some_and(|wait| wait.expired)
        || tasks.iter().any(|slot| {
            Line::of(slot)
                .newest
                .is_some_and(|task| is_current(on, task) && has_given_up(view, on, task).is_some())
        })
}

fn policy(view: &View, service: &Service, task: &Task) -> model::RestartPolicy {
    let policy = view
        .revision(&service.id, task.revision)
        .map_or(service.spec.task.restart, |revision| revision.task.restart);
    match is_job(service) {
        true => restart::of_job(policy),
        false => policy,
    }
}
