//! A node that only pretends to run tasks: it takes them through the states that a worker takes them through, in times of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Health, Revision, Task, TaskState, TaskStatus};
use store::View;

use crate::dice::Dice;

/// What containers of an image do. Times are in milliseconds; each task takes half of them to half as much again.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Until the node has taken a task on, and made its container.
    pub step_ms: u64,
    /// Until the image is pulled.
    pub pull_ms: u64,
    /// Whether there is such an image.
    pub exists: bool,
    /// With a health check: until it is healthy; none for never.
    pub healthy_ms: Option<u64>,
    /// With a health check that never passes: until it is given up.
    pub unhealthy_ms: u64,
    /// How long it lives, and with which code it ends; none for ever.
    pub ends: Option<(u64, i32)>,
    /// Until it has ended when it is told to.
    pub stop_ms: u64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Behaviour {
            step_ms: 5,
            pull_ms: 50,
            exists: true,
            healthy_ms: Some(500),
            unhealthy_ms: 5000,
            ends: None,
            stop_ms: 100,
        }
    }
}

impl Behaviour {
    /// It ends with that code, by itself, after so long.
    pub fn ending(after_ms: u64, code: i32) -> Self {
        Behaviour {
            ends: Some((after_ms, code)),
            ..Behaviour::default()
        }
    }

    /// Its health check never passes.
    pub fn ill() -> Self {
        Behaviour {
            healthy_ms: None,
            ..Behaviour::default()
        }
    }
}

/// Behaviours by image.
pub(crate) type Images = BTreeMap<String, Behaviour>;

/// A node.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    pub(crate) id: String,
    /// Its power is off.
    pub(crate) crashed: bool,
    /// Nobody reaches it, and it reaches nobody.
    pub(crate) cut: bool,
    /// Since when the leader has not heard of it.
    pub(crate) unheard_ms: Option<i64>,
    containers: BTreeMap<String, Container>,
}

#[derive(Debug)]
struct Container {
    status: TaskStatus,
    desired: TaskState,
    not_before_ms: i64,
    revision: Arc<Revision>,
    /// When it came to the state that it is in.
    since_ms: i64,
    /// When it was told to end.
    told_ms: Option<i64>,
    /// Its own share of chance.
    luck: u64,
    /// Its process was lost with the power.
    lost: bool,
}

impl Machine {
    pub(crate) fn new(id: &str) -> Self {
        Machine {
            id: id.to_owned(),
            ..Machine::default()
        }
    }

    pub(crate) fn reaches(&self) -> bool {
        !self.crashed && !self.cut
    }

    /// The power goes: no process is left.
    pub(crate) fn crash(&mut self) {
        self.crashed = true;
        for container in self.containers.values_mut() {
            container.lost |= is_live(&container.status);
        }
    }

    /// How many of its processes live.
    pub(crate) fn processes(&self) -> usize {
        if self.crashed {
            return 0;
        }
        self.containers
            .values()
            .filter(|container| is_live(&container.status) && !container.lost)
            .count()
    }

    /// Takes over what the managers want of it.
    pub(crate) fn listen(&mut self, view: &View, now_ms: i64, dice: &mut Dice) {
        let is_ours = |task: &&Arc<Task>| {
            task.status.state() >= TaskState::Assigned && !task.status.state().is_final()
        };
        let wanted: BTreeMap<&str, &Arc<Task>> = view
            .tasks_on(&self.id)
            .filter(is_ours)
            .map(|task| (task.id.as_str(), task))
            .collect();
        self.containers.retain(|id, container| {
            wanted.contains_key(id.as_str())
                || (container.status.state().is_final() && view.tasks().get(id).is_some())
        });
        for (id, task) in wanted {
            let Some(revision) = view.revision(&task.service_id, task.revision) else {
                continue;
            };
            let container = self
                .containers
                .entry(id.to_owned())
                .or_insert_with(|| Container {
                    status: task.status.clone(),
                    desired: task.desired_state(),
                    not_before_ms: task.not_before_ms,
                    revision: revision.clone(),
                    since_ms: now_ms,
                    told_ms: None,
                    luck: dice.roll(),
                    lost: false,
                });
            container.desired = task.desired_state();
            container.not_before_ms = task.not_before_ms;
            if container.desired > TaskState::Running {
                container.told_ms.get_or_insert(now_ms);
            }
        }
    }

    /// When the next of its containers is due.
    pub(crate) fn next_ms(&self, images: &Images) -> Option<i64> {
        if self.crashed {
            return None;
        }
        self.containers
            .values()
            .filter_map(|container| container.due_ms(images))
            .min()
    }

    /// Takes every container as far as it is due.
    pub(crate) fn advance(&mut self, images: &Images, now_ms: i64) {
        if self.crashed {
            return;
        }
        for container in self.containers.values_mut() {
            while container
                .due_ms(images)
                .is_some_and(|due_ms| due_ms <= now_ms)
            {
                container.step(images, now_ms);
            }
        }
    }

    /// What the managers don't know yet of its tasks.
    pub(crate) fn news(&self, view: &View) -> Vec<Task> {
        let mut news = Vec::new();
        for (id, container) in &self.containers {
            let Some(known) = view.tasks().get(id) else {
                continue;
            };
            let (told, state) = (known.status.state(), container.status.state());
            if told.is_final() || state < told || known.status == container.status {
                continue;
            }
            news.push(Task {
                status: container.status.clone(),
                ..Task::clone(known)
            });
        }
        news
    }
}

impl Container {
    fn behaviour<'a>(&self, images: &'a Images) -> Option<&'a Behaviour> {
        images.get(&self.revision.task.container.image)
    }

    fn probed(&self) -> bool {
        let health = &self.revision.task.container.healthcheck;
        health
            .as_ref()
            .is_some_and(|health| health.test.first().is_some_and(|word| word != "NONE"))
    }

    /// When it comes to its next state; none when it has to wait for somebody.
    fn due_ms(&self, images: &Images) -> Option<i64> {
        let usual = Behaviour::default();
        let behaviour = self.behaviour(images).unwrap_or(&usual);
        let mut dice = Dice::new(self.luck);
        let mut after = |from_ms: i64, mean_ms: u64| {
            from_ms.saturating_add(i64::try_from(dice.about(mean_ms)).unwrap_or(i64::MAX))
        };
        let state = self.status.state();
        if state.is_final() {
            return None;
        }
        if self.lost {
            return Some(self.since_ms);
        }
        if let Some(told_ms) = self.told_ms {
            let live = is_live(&self.status);
            return Some(if live {
                after(told_ms, behaviour.stop_ms)
            } else {
                told_ms
            });
        }
        match state {
            TaskState::Assigned | TaskState::Accepted => {
                Some(after(self.since_ms, behaviour.step_ms))
            }
            TaskState::Preparing => Some(after(self.since_ms, behaviour.pull_ms)),
            TaskState::Ready if self.desired == TaskState::Running => {
                Some(self.since_ms.max(self.not_before_ms))
            }
            TaskState::Starting if !self.probed() => Some(self.since_ms),
            TaskState::Starting => Some(match behaviour.healthy_ms {
                Some(healthy_ms) => after(self.since_ms, healthy_ms),
                None => after(self.since_ms, behaviour.unhealthy_ms),
            }),
            TaskState::Running => behaviour
                .ends
                .map(|(ends_ms, _)| after(self.since_ms, ends_ms)),
            _ => None,
        }
    }

    fn step(&mut self, images: &Images, now_ms: i64) {
        let usual = Behaviour::default();
        let behaviour = self.behaviour(images).unwrap_or(&usual);
        if self.lost {
            return self.end(TaskState::Failed, Some(137), "its node went down", now_ms);
        }
        if self.told_ms.is_some() {
            let code = is_live(&self.status).then_some(0);
            return self.end(TaskState::Shutdown, code, "", now_ms);
        }
        match self.status.state() {
            TaskState::Assigned => self.reach(TaskState::Accepted, now_ms),
            TaskState::Accepted => self.reach(TaskState::Preparing, now_ms),
            TaskState::Preparing if !behaviour.exists => {
                self.end(TaskState::Rejected, None, "no such image", now_ms);
            }
            TaskState::Preparing => self.reach(TaskState::Ready, now_ms),
            TaskState::Ready => {
                self.reach(TaskState::Starting, now_ms);
                if self.probed() {
                    self.status.health = Health::Starting.into();
                }
            }
            TaskState::Starting if !self.probed() => {
                self.status.routable = true;
                self.reach(TaskState::Running, now_ms);
            }
            TaskState::Starting if behaviour.healthy_ms.is_some() => {
                self.status.routable = true;
                self.status.health = Health::Healthy.into();
                self.reach(TaskState::Running, now_ms);
            }
            TaskState::Starting => {
                self.status.health = Health::Unhealthy.into();
                self.end(
                    TaskState::Failed,
                    Some(137),
                    "its health check failed",
                    now_ms,
                );
            }
            _ => match behaviour.ends {
                Some((_, 0)) => self.end(TaskState::Complete, Some(0), "", now_ms),
                Some((_, code)) => {
                    let error = format!("it ended with {code}");
                    self.end(TaskState::Failed, Some(code), &error, now_ms);
                }
                None => {}
            },
        }
    }

    fn reach(&mut self, state: TaskState, now_ms: i64) {
        self.status.set_state(state);
        self.status.at_ms = now_ms;
        self.status.message = state.to_string();
        self.since_ms = now_ms;
    }

    fn end(&mut self, state: TaskState, code: Option<i32>, error: &str, now_ms: i64) {
        self.reach(state, now_ms);
        self.status.routable = false;
        self.status.exit_code = code;
        error.clone_into(&mut self.status.error);
    }
}

fn is_live(status: &TaskStatus) -> bool {
    matches!(status.state(), TaskState::Starting | TaskState::Running)
}
