//! A small cluster for tests: three nodes, services and tasks as a test says.

use model::{
    Dependency, DependencyCondition, Health, Node, NodeState, Replicated, ReplicatedJob, Resources,
    Revision, Rollout, RolloutState, Service, ServiceMode, Stack, Task, TaskState,
};
use store::{Change, State, Transaction};

use super::{Look, look};
use crate::{Ids, Plan, service};

pub(crate) const START_MS: i64 = 1_000_000;

pub(crate) struct Scene {
    pub(crate) state: State,
    pub(crate) now_ms: i64,
    drawn: u64,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let mut scene = Scene {
            state: State::default(),
            now_ms: START_MS,
            drawn: 0,
        };
        for node in ["n1", "n2", "n3"] {
            scene.node(node);
        }
        scene.apply(vec![Change::create(Stack {
            id: "s-blog".into(),
            name: "blog".into(),
            deployment: 0,
            ..Stack::default()
        })]);
        scene
    }

    /// Commits changes.
    pub(crate) fn apply(&mut self, changes: Vec<Change>) {
        self.state.advance(1, self.state.version() + 1);
        let applied = self.state.apply(Transaction {
            at_ms: self.now_ms,
            changes,
            ..Transaction::default()
        });
        assert_eq!(applied.reply.refusal, None);
    }

    pub(crate) fn node(&mut self, id: &str) {
        let mut node = Node {
            id: id.into(),
            ..Node::default()
        };
        node.description.hostname = id.into();
        node.description.platform.os = "linux".into();
        node.description.platform.architecture = "amd64".into();
        node.description.resources = Resources {
            nano_cpus: 4_000_000_000,
            memory_bytes: 8 << 30,
        };
        node.status.set_state(NodeState::Ready);
        self.apply(vec![Change::create(node)]);
    }

    pub(crate) fn node_is(&mut self, id: &str, state: NodeState) {
        let mut node = (**self.state.nodes().get(id).expect("a node")).clone();
        node.status.set_state(state);
        self.apply(vec![Change::update(node)]);
    }

    /// A service of the stack `blog` with its first revision.
    pub(crate) fn service(&mut self, name: &str, edit: impl FnOnce(&mut Service)) {
        let mut service = Service {
            id: name.into(),
            revision: 1,
            stack_id: "s-blog".into(),
            ..Service::default()
        };
        service.spec.name = format!("blog_{name}");
        service.spec.task.container.image = format!("{name}:1");
        service.spec.mode = replicas(1);
        edit(&mut service);
        let revision = revision(&service, service.revision);
        self.apply(vec![Change::create(revision), Change::create(service)]);
    }

    pub(crate) fn service_of(&self, name: &str) -> Service {
        (**self.state.services().get(name).expect("a service")).clone()
    }

    pub(crate) fn edit(&mut self, name: &str, edit: impl FnOnce(&mut Service)) {
        let mut service = self.service_of(name);
        edit(&mut service);
        self.apply(vec![Change::update(service)]);
    }

    /// Gives a service its next revision, with a rollout that has begun.
    pub(crate) fn update(&mut self, name: &str) {
        let from = self.service_of(name).revision;
        let started_ms = self.now_ms;
        self.edit(name, |service| {
            service.spec.task.container.image = format!("{name}:{}", from + 1);
            service.revision = from + 1;
            service.rollout = Some(Rollout {
                state: RolloutState::Updating.into(),
                from,
                to: from + 1,
                started_ms,
                ..Rollout::default()
            });
        });
        let revision = revision(&self.service_of(name), from + 1);
        self.apply(vec![Change::create(revision)]);
    }

    pub(crate) fn rollout_is(&mut self, name: &str, state: RolloutState) {
        let now_ms = self.now_ms;
        self.edit(name, |service| {
            let rollout = service.rollout.as_mut().expect("a rollout");
            rollout.set_state(state);
            if state == RolloutState::RolledBack {
                service.revision = rollout.from;
            }
            rollout.completed_ms = now_ms;
        });
    }

    /// A task of the service's newest revision that runs and is healthy.
    pub(crate) fn task(&mut self, service: &str, slot: u64, edit: impl FnOnce(&mut Task)) {
        self.drawn += 1;
        let known = self.service_of(service);
        let mut task = Task {
            id: format!("{service}.{slot}.{}", self.drawn),
            service_id: service.into(),
            slot,
            revision: known.revision,
            node_id: format!("n{}", (slot + 2) % 3 + 1),
            job_iteration: known.job_iteration,
            desired_state: TaskState::Running.into(),
            ..Task::default()
        };
        task.status.set_state(TaskState::Running);
        task.status.set_health(Health::Healthy);
        task.status.routable = true;
        edit(&mut task);
        self.apply(vec![Change::create(task)]);
    }

    /// Changes all tasks of a service.
    pub(crate) fn tasks(&mut self, service: &str, edit: impl Fn(&mut Task)) {
        let tasks: Vec<Task> = self
            .state
            .tasks_of(service)
            .map(|task| (**task).clone())
            .collect();
        for mut task in tasks {
            edit(&mut task);
            self.apply(vec![Change::update(task)]);
        }
    }

    pub(crate) fn forget_tasks(&mut self, service: &str) {
        let changes = self.state.tasks_of(service);
        let changes = changes.map(|task| Change::remove(&**task)).collect();
        self.apply(changes);
    }

    /// Looks at a gate.
    pub(crate) fn look(&self, name: &str) -> Look {
        look(&self.state, &self.service_of(name), self.now_ms)
    }

    /// Looks at a gate and remembers what was seen, as [`service::reconcile`] does.
    pub(crate) fn look_and_keep(&mut self, name: &str) -> Look {
        let look = self.look(name);
        let known = self.service_of(name);
        if known.latches != look.latches || known.waiting != look.waiting {
            let (latches, waiting) = (look.latches.clone(), look.waiting.clone());
            self.edit(name, |service| {
                service.latches = latches;
                service.waiting = waiting;
            });
        }
        look
    }

    /// Lets the managers work on a service until there is nothing more to do.
    pub(crate) fn reconcile(&mut self, name: &str) {
        for _ in 0..20 {
            let Plan { changes, .. } =
                self.ask(|state, now_ms, ids| service::reconcile(state, name, now_ms, ids));
            if changes.is_empty() {
                return;
            }
            self.apply(changes);
        }
        panic!("{name} comes to no rest");
    }

    /// Asks something that draws ids.
    pub(crate) fn ask<R>(&mut self, question: impl FnOnce(&State, i64, Ids<'_>) -> R) -> R {
        let drawn = &mut self.drawn;
        let mut ids = || {
            *drawn += 1;
            format!("id{drawn:04}")
        };
        question(&self.state, self.now_ms, &mut ids)
    }

    /// What the tasks of a service are to be, by slot and revision.
    pub(crate) fn desired(&self, service: &str) -> Vec<(u64, u64, TaskState)> {
        let tasks = self.state.tasks_of(service);
        let mut desired: Vec<_> = tasks
            .map(|task| (task.slot, task.revision, task.desired_state()))
            .collect();
        desired.sort();
        desired
    }
}

pub(crate) fn replicas(replicas: u64) -> Option<ServiceMode> {
    Some(ServiceMode::Replicated(Replicated { replicas }))
}

pub(crate) fn job(completions: u64) -> Option<ServiceMode> {
    Some(ServiceMode::ReplicatedJob(ReplicatedJob {
        completions,
        concurrent: 0,
    }))
}

/// A dependency within the stack `blog`.
pub(crate) fn on(name: &str, condition: DependencyCondition) -> Dependency {
    Dependency {
        service: format!("blog_{name}"),
        condition: condition.into(),
        ..Dependency::default()
    }
}

pub(crate) fn state(state: TaskState) -> impl Fn(&mut Task) {
    move |task| {
        task.status.set_state(state);
        if state < TaskState::Running {
            task.status.set_health(Health::Starting);
        }
        task.status.routable = state == TaskState::Running;
    }
}

fn revision(service: &Service, number: u64) -> Revision {
    Revision {
        id: Revision::id_of(&service.id, number),
        service_id: service.id.clone(),
        number,
        task: service.spec.task.clone(),
        service_name: service.spec.name.clone(),
        ..Revision::default()
    }
}
