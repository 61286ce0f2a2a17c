//! How services stand, as it is shown and judged. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::v1::{ServiceView, StackView, TaskView};
use model::{Health, RolloutState, ServiceMode, Task, TaskState};

/// How long a process that nobody asks for its health must run before it counts as one that works.
const FIRST_PROBATION: Duration = Duration::from_secs(1);
/// The same of one that has ended before.
const NEXT_PROBATION: Duration = Duration::from_secs(5);

/// Everything that is shown at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Picture {
    pub(super) title: String,
    pub(super) services: Vec<ServicePicture>,
    /// Whether the managers say that all is as it is wanted.
    pub(super) converged: bool,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ServicePicture {
    /// Without the name of its stack.
    pub(super) name: String,
    pub(super) job: bool,
    pub(super) running: u64,
    pub(super) wanted: u64,
    pub(super) completed: u64,
    pub(super) converged: bool,
    pub(super) failed: bool,
    /// Whether its rollout is one of the change that is waited for.
    pub(super) concerned: bool,
    pub(super) leaving: bool,
    pub(super) rollout: Option<RolloutState>,
    /// Why the rollout stands as it does.
    pub(super) message: String,
    pub(super) reasons: Vec<String>,
    pub(super) slots: Vec<SlotPicture>,
}

/// The task that matters in one slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlotPicture {
    pub(super) name: String,
    pub(super) state: TaskState,
    /// Whether nothing is expected of it any more.
    pub(super) settled: bool,
    pub(super) node: String,
    /// How often it was started again.
    pub(super) restarts: u32,
    /// Whether it is asked for its health.
    pub(super) probed: bool,
    /// Why it does not go on, or what went wrong.
    pub(super) text: String,
}

/// A stack; `changed` are the services that a deployment changed, by full name.
pub(super) fn of_stack(
    view: &StackView,
    tasks: &[TaskView],
    changed: Option<&BTreeSet<String>>,
) -> Picture {
    let stack = view.stack.clone().unwrap_or_default();
    let prefix = format!("{}_", stack.name);
    let mut services: Vec<ServicePicture> = view
        .services
        .iter()
        .map(|service| {
            let mut picture = of_view(service, tasks, &prefix);
            let full = service.service.as_ref().map(|service| &service.spec.name);
            picture.concerned =
                changed.is_none_or(|changed| full.is_some_and(|name| changed.contains(name)));
            picture
        })
        .collect();
    services.sort_by(|one, other| one.name.cmp(&other.name));
    Picture {
        title: format!("{}  deployment {}", stack.name, stack.deployment),
        services,
        converged: view.converged,
    }
}

/// A service alone. A rollout that began at `before` is none of the change that is waited for.
pub(super) fn of_service(view: &ServiceView, tasks: &[TaskView], before: Option<i64>) -> Picture {
    let picture = of_view(view, tasks, "");
    let rollout = view
        .service
        .as_ref()
        .and_then(|service| service.rollout.as_ref());
    let concerned = match (rollout, before) {
        (Some(rollout), Some(before)) => rollout.started_ms != before,
        _ => true,
    };
    Picture {
        title: String::new(),
        converged: picture.converged,
        services: vec![ServicePicture {
            concerned,
            ..picture
        }],
    }
}

fn of_view(view: &ServiceView, tasks: &[TaskView], prefix: &str) -> ServicePicture {
    let service = view.service.clone().unwrap_or_default();
    let job = matches!(
        service.spec.mode,
        Some(ServiceMode::ReplicatedJob(_) | ServiceMode::GlobalJob(_))
    );
    let own = tasks
        .iter()
        .filter(|task| of(task).is_some_and(|task| task.service_id == service.id));
    let short = |name: &str| name.strip_prefix(prefix).unwrap_or(name).to_owned();
    let rollout = service.rollout.clone();
    ServicePicture {
        name: short(&service.spec.name),
        job,
        running: view.running,
        wanted: view.wanted,
        completed: view.completed,
        converged: view.converged,
        failed: view.failed,
        concerned: false,
        leaving: service.removing,
        rollout: rollout.as_ref().map(model::Rollout::state),
        message: rollout.map_or_else(String::new, |rollout| rollout.message),
        reasons: reasons(view, &service.trouble),
        slots: slots(own, &short),
    }
}

fn reasons(view: &ServiceView, trouble: &str) -> Vec<String> {
    let mut reasons = view.reasons.clone();
    if !trouble.is_empty() && !reasons.iter().any(|reason| reason.contains(trouble)) {
        reasons.push(trouble.to_owned());
    }
    reasons
}

fn of(view: &TaskView) -> Option<&Task> {
    view.task.as_ref()
}

/// One task for each slot: the newest that is wanted, else the newest.
fn slots<'a>(
    tasks: impl Iterator<Item = &'a TaskView>,
    short: &dyn Fn(&str) -> String,
) -> Vec<SlotPicture> {
    let mut best: BTreeMap<(u64, &str), (&TaskView, &Task)> = BTreeMap::new();
    for view in tasks {
        let Some(task) = of(view) else { continue };
        let place = (
            task.slot,
            if task.slot == 0 {
                task.node_id.as_str()
            } else {
                ""
            },
        );
        let rank = |task: &Task| (task.is_wanted(), task.meta.created_ms, task.meta.version);
        let known = best.entry(place).or_insert((view, task));
        if rank(task) > rank(known.1) {
            *known = (view, task);
        }
    }
    let picture = |(view, task): &(&TaskView, &Task)| {
        let state = task.status.state();
        let why = [&view.waiting, &task.status.error];
        let text = why.into_iter().find(|text| !text.is_empty());
        SlotPicture {
            name: short(&view.name),
            state,
            settled: matches!(state, TaskState::Running | TaskState::Complete),
            node: view.node_name.clone(),
            restarts: task.attempt,
            probed: task.status.health() != Health::Unprobed,
            text: text.cloned().unwrap_or_default(),
        }
    };
    best.values().map(picture).collect()
}

impl Picture {
    /// How often its tasks were started again.
    pub(super) fn restarts(&self) -> u64 {
        let slots = self.services.iter().flat_map(|service| &service.slots);
        slots.map(|slot| u64::from(slot.restarts)).sum()
    }

    /// How long all must be as it is wanted before that is believed. Health checks and rollouts have waited already.
    pub(super) fn probation(&self) -> Duration {
        let fresh = self
            .services
            .iter()
            .filter(|service| service.concerned && !service.job && service.rollout.is_none());
        let slots = fresh.flat_map(|service| &service.slots);
        let unproved = slots.filter(|slot| slot.state == TaskState::Running && !slot.probed);
        match unproved.map(|slot| slot.restarts).max() {
            None => Duration::ZERO,
            Some(0) => FIRST_PROBATION,
            Some(_) => NEXT_PROBATION,
        }
    }
}

impl ServicePicture {
    /// `2/3`, of a job those that have ended well.
    pub(super) fn count(&self) -> String {
        let done = if self.job {
            self.completed
        } else {
            self.running
        };
        format!("{done}/{}", self.wanted)
    }

    /// In a word or two what it does.
    pub(super) fn state(&self) -> &'static str {
        match self.rollout {
            _ if self.leaving => "leaving",
            Some(RolloutState::Paused) => "update paused",
            Some(RolloutState::RollingBack) => "rolling back",
            Some(RolloutState::RollbackPaused) => "rollback paused",
            Some(RolloutState::RolledBack) if self.failed => "rolled back",
            _ if self.failed => "failed",
            _ if self.converged && self.job => "complete",
            _ if self.converged => "running",
            Some(RolloutState::Updating) => "updating",
            _ if self
                .slots
                .iter()
                .any(|slot| slot.state == TaskState::Ready && !slot.text.is_empty()) =>
            {
                "waiting"
            }
            _ => "starting",
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use model::{Meta, Rollout, Service, ServiceSpec, Stack, TaskStatus};

    use super::*;

    pub(in super::super) fn slot(
        name: &str,
        state: TaskState,
        node: &str,
        text: &str,
    ) -> SlotPicture {
        SlotPicture {
            name: name.to_owned(),
            state,
            settled: matches!(state, TaskState::Running | TaskState::Complete),
            node: node.to_owned(),
            restarts: 0,
            probed: false,
            text: text.to_owned(),
        }
    }

    fn task(id: &str, slot: u64, state: TaskState, created_ms: i64) -> TaskView {
        TaskView {
            task: Some(Task {
                id: id.to_owned(),
                service_id: "s1".to_owned(),
                slot,
                desired_state: TaskState::Running.into(),
                status: TaskStatus {
                    state: state.into(),
                    error: if state == TaskState::Failed {
                        "exit 1"
                    } else {
                        ""
                    }
                    .to_owned(),
                    ..TaskStatus::default()
                },
                meta: Meta {
                    created_ms,
                    ..Meta::default()
                },
                ..Task::default()
            }),
            name: format!("blog_web.{slot}"),
            node_name: "node1".to_owned(),
            ..TaskView::default()
        }
    }

    #[test]
    fn a_slot_shows_the_task_that_matters() {
        fn check(tasks: &[TaskView], expected: &[(&str, TaskState, &str)]) {
            let service = Service {
                id: "s1".to_owned(),
                spec: ServiceSpec {
                    name: "blog_web".to_owned(),
                    ..ServiceSpec::default()
                },
                rollout: Some(Rollout::default()),
                ..Service::default()
            };
            let view = StackView {
                stack: Some(Stack {
                    name: "blog".to_owned(),
                    deployment: 3,
                    ..Stack::default()
                }),
                services: vec![ServiceView {
                    service: Some(service),
                    ..ServiceView::default()
                }],
                ..StackView::default()
            };
            let picture = of_stack(&view, tasks, None);
            assert_eq!(picture.title, "blog  deployment 3");
            let shown: Vec<(&str, TaskState, &str)> = picture.services[0]
                .slots
                .iter()
                .map(|slot| (slot.name.as_str(), slot.state, slot.text.as_str()))
                .collect();
            assert_eq!(shown, expected);
        }
        use TaskState::{Failed, Preparing, Running};
        check(&[], &[]);
        check(
            &[
                task("a", 1, Failed, 5),
                task("b", 1, Preparing, 4),
                task("c", 2, Failed, 3),
            ],
            &[("web.1", Preparing, ""), ("web.2", Failed, "exit 1")],
        );
        check(
            &[task("a", 1, Running, 1), task("b", 1, Preparing, 2)],
            &[("web.1", Preparing, "")],
        );
    }

    #[test]
    fn what_only_runs_is_believed_later() {
        fn check(service: ServicePicture, slots: &[SlotPicture], expected: Duration) {
            let picture = Picture {
                services: vec![ServicePicture {
                    slots: slots.to_vec(),
                    ..service
                }],
                ..Picture::default()
            };
            assert_eq!(picture.probation(), expected, "{slots:?}");
        }
        let runs = slot("web.1", TaskState::Running, "node1", "");
        let again = SlotPicture {
            restarts: 2,
            ..runs.clone()
        };
        let probed = SlotPicture {
            probed: true,
            ..again.clone()
        };
        let done = slot("web.2", TaskState::Complete, "node1", "");
        let concerned = || ServicePicture {
            concerned: true,
            ..ServicePicture::default()
        };
        check(concerned(), &[], Duration::ZERO);
        check(concerned(), &[probed, done], Duration::ZERO);
        check(concerned(), std::slice::from_ref(&runs), FIRST_PROBATION);
        check(concerned(), &[runs.clone(), again], NEXT_PROBATION);
        let (rolled, job) = (
            ServicePicture {
                rollout: Some(RolloutState::Completed),
                ..concerned()
            },
            ServicePicture {
                job: true,
                ..concerned()
            },
        );
        for service in [rolled, job, ServicePicture::default()] {
            check(service, std::slice::from_ref(&runs), Duration::ZERO);
        }
    }
}
