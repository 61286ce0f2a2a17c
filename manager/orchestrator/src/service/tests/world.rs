//! The world that services are tested in. After every commit the rules hold that must hold always.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Availability, Node, NodeState, Replicated, Service, ServiceMode, ServiceSpec, Task, TaskState,
};
use store::{Change, State, Transaction};

use crate::scheduler::Scheduler;
use crate::service::slots::{Slots, may_live};
use crate::service::{reconcile, specify};
use crate::{Plan, allocator};

/// What becomes of containers of an image. Any other name: they run.
pub(super) const BAD: &str = "bad"; // ends with 1 before it runs
pub(super) const FLAKY: &str = "flaky"; // runs, and ends with 1
pub(super) const DONE: &str = "done"; // runs, and ends with 0
pub(super) const MISSING: &str = "missing"; // cannot be pulled
pub(super) const SLOW: &str = "slow"; // is pulled for ever
pub(super) const SICK: &str = "sick"; // never turns healthy

pub(super) struct World {
    pub(super) state: State,
    pub(super) now_ms: i64,
    /// Tasks that don't end though they are told to.
    pub(super) stubborn: BTreeSet<String>,
    /// What images do now, when it is not what their name says.
    pub(super) images: BTreeMap<String, &'static str>,
    /// Tasks that were on a node when that was down.
    cut_off: BTreeSet<String>,
    version: u64,
    drawn: u64,
}

/// A service of so many replicas.
pub(super) fn web(image: &str, replicas: u64) -> ServiceSpec {
    let mut spec = ServiceSpec {
        name: "web".to_owned(),
        mode: Some(ServiceMode::Replicated(Replicated { replicas })),
        ..ServiceSpec::default()
    };
    spec.task.container.image = image.to_owned();
    spec
}

impl World {
    /// One of so many nodes: n1, n2, ...
    pub(super) fn new(nodes: usize) -> Self {
        let mut world = World {
            state: State::default(),
            now_ms: 1_000_000,
            stubborn: BTreeSet::new(),
            images: BTreeMap::new(),
            cut_off: BTreeSet::new(),
            version: 0,
            drawn: 0,
        };
        for number in 1..=nodes {
            world.join(&format!("n{number}"));
        }
        world
    }

    pub(super) fn join(&mut self, id: &str) {
        let mut node = Node {
            id: id.to_owned(),
            ..Node::default()
        };
        node.status.state = NodeState::Ready.into();
        self.commit(vec![Change::create(node)]);
    }

    pub(super) fn node(&mut self, id: &str, change: impl FnOnce(&mut Node)) {
        let mut node = Node::clone(self.state.nodes().get(id).expect("a node"));
        change(&mut node);
        self.commit(vec![Change::update(node)]);
    }

    pub(super) fn seen(&mut self, id: &str, state: NodeState) {
        if state == NodeState::Down {
            let tasks = self.state.tasks_on(id).map(|task| task.id.clone());
            self.cut_off.extend(tasks);
        }
        self.node(id, |node| node.status.state = state.into());
    }

    pub(super) fn available(&mut self, id: &str, availability: Availability) {
        self.node(id, |node| node.spec.availability = availability.into());
    }

    pub(super) fn leave(&mut self, id: &str) {
        let node = self.state.nodes().get(id).expect("a node").clone();
        self.commit(vec![Change::remove(&*node)]);
    }

    /// Writes down what is wanted; gives the service's id.
    pub(super) fn up(&mut self, spec: ServiceSpec) -> String {
        let known = self.state.services().named(&spec.name).cloned();
        let (state, now_ms) = (self.state.clone(), self.now_ms);
        let specified = specify(&state, known.as_deref(), spec, "", now_ms, &mut || {
            self.draw()
        });
        self.commit(specified.changes);
        specified.service.id
    }

    pub(super) fn service(&self, id: &str) -> &Service {
        self.state.services().get(id).expect("a service")
    }

    pub(super) fn edit(&mut self, id: &str, change: impl FnOnce(&mut Service)) {
        let mut service = self.service(id).clone();
        change(&mut service);
        self.commit(vec![Change::update(service)]);
    }

    /// The tasks of a service, by slot and age.
    pub(super) fn tasks(&self, id: &str) -> Vec<Task> {
        let slots = Slots::of(&self.state, id);
        slots.tasks().iter().map(|task| (*task).clone()).collect()
    }

    /// Those that are meant to run, as `slot.revision state`, with the desired state where it is another than running.
    pub(super) fn meant(&self, id: &str) -> Vec<String> {
        let tasks = self.tasks(id).into_iter();
        tasks
            .filter(|task| task.desired_state() <= TaskState::Running)
            .map(|task| {
                let slot = match task.slot {
                    0 => task.node_id.clone(),
                    slot => slot.to_string(),
                };
                let waits = match task.desired_state() {
                    TaskState::Running => "",
                    _ => " waits",
                };
                format!("{slot}.{} {}{waits}", task.revision, task.status.state())
            })
            .collect()
    }

    /// How many tasks of a revision run.
    pub(super) fn running(&self, id: &str, revision: u64) -> usize {
        let tasks = self.tasks(id).into_iter();
        tasks
            .filter(|task| task.revision == revision && task.status.state() == TaskState::Running)
            .count()
    }

    /// A node says what has become of a task.
    pub(super) fn report(&mut self, id: &str, state: TaskState) {
        let mut task = Task::clone(self.state.tasks().get(id).expect("a task"));
        let mut status = task.status.clone();
        status.set_state(state);
        status.at_ms = self.now_ms;
        status.routable = state == TaskState::Running;
        task.status = status.after(&task.status);
        self.commit(vec![Change::update(task)]);
    }

    /// The same, of the task of a slot that runs.
    pub(super) fn end(&mut self, service: &str, slot: u64, state: TaskState) -> String {
        let is_it = |task: &&Task| task.slot == slot && task.is_live();
        let tasks = self.tasks(service);
        let id = tasks.iter().find(is_it).expect("it runs").id.clone();
        self.report(&id, state);
        id
    }

    pub(super) fn plan(&self, service: &str) -> Plan {
        let plan = |mut drawn: u64| {
            let mut ids = || {
                drawn += 1;
                format!("t{drawn:04}")
            };
            let mut plan = reconcile(&self.state, service, self.now_ms, &mut ids);
            Scheduler::new(&self.state).place(&self.state, &mut plan, self.now_ms);
            plan
        };
        let planned = plan(self.drawn);
        assert_eq!(planned, plan(self.drawn), "the same again");
        planned
    }

    /// Commits plans until there are none; gives the time at which something is due.
    pub(super) fn settle(&mut self) -> Option<i64> {
        for _ in 0..100 {
            let mut due = Plan::default();
            let mut planned = false;
            let services: Vec<String> = self
                .state
                .services()
                .iter()
                .map(|it| it.id.clone())
                .collect();
            for service in services {
                let plan = self.plan(&service);
                planned |= !plan.is_empty();
                if let Some(at_ms) = plan.again_ms {
                    due.look_at(at_ms);
                }
                self.take(plan);
            }
            let mut placed = Scheduler::new(&self.state).place_pending(&self.state, self.now_ms);
            placed.extend(allocator::allocate(&self.state, self.now_ms));
            planned |= !placed.is_empty();
            self.take(placed);
            if !planned {
                return due.again_ms;
            }
        }
        panic!("plans without end");
    }

    pub(super) fn take(&mut self, plan: Plan) {
        self.drawn += plan.changes.len() as u64;
        self.commit(plan.changes);
    }

    /// Every node takes one step with each of its tasks. Whether there was one.
    pub(super) fn step(&mut self) -> bool {
        let steps: Vec<(String, TaskState)> = self
            .state
            .tasks()
            .iter()
            .filter_map(|task| Some((task.id.clone(), self.next(task)?)))
            .collect();
        for (id, state) in &steps {
            self.report(id, *state);
        }
        !steps.is_empty()
    }

    /// Until nothing moves any more.
    pub(super) fn run(&mut self) -> Option<i64> {
        for _ in 0..200 {
            let due = self.settle();
            if !self.step() {
                return due;
            }
        }
        panic!("steps without end");
    }

    /// Time passes, and whatever is due in it happens.
    pub(super) fn pass(&mut self, ms: i64) {
        let end_ms = self.now_ms + ms;
        for _ in 0..10_000 {
            match self.run() {
                Some(due_ms) if due_ms <= end_ms => self.now_ms = due_ms.max(self.now_ms + 1),
                _ => {
                    self.now_ms = end_ms;
                    self.run();
                    return;
                }
            }
        }
        panic!("time without end");
    }

    pub(super) fn commit(&mut self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        self.version += 1;
        self.now_ms += 1;
        self.state.advance(1, self.version);
        let applied = self.state.apply(Transaction {
            at_ms: self.now_ms,
            changes: changes.clone(),
            ..Transaction::default()
        });
        assert_eq!(applied.reply.refusal, None, "{changes:#?}");
        self.check();
    }

    /// Never two tasks of a slot that are to run and can, but for one that takes the place of the other: and then of a service whose
    /// tasks may stand beside each other, and no third.
    fn check(&self) {
        for service in self.state.services().iter() {
            let slots = Slots::of(&self.state, &service.id);
            for slot in slots.iter() {
                let to_run: Vec<_> = slot
                    .iter()
                    .filter(|task| {
                        task.desired_state() == TaskState::Running
                            && may_live(&self.state, task)
                            && task.job_iteration == service.job_iteration
                    })
                    .collect();
                let alone = service
                    .spec
                    .update
                    .is_some_and(|update| update.order() == model::UpdateOrder::StopFirst);
                let most = if alone || service.job_iteration > 0 {
                    1
                } else {
                    2
                };
                assert!(to_run.len() <= most, "{to_run:#?}");
                // Who was cut off is told to end when it is back.
                let live = slot.iter().filter(|task| {
                    task.is_live()
                        && may_live(&self.state, task)
                        && !self.cut_off.contains(&task.id)
                });
                assert!(live.count() <= most, "{slot:#?}");
            }
        }
    }

    /// So many ids are not drawn any more.
    pub(super) fn skip(&mut self, ids: u64) {
        self.drawn += ids;
    }

    fn draw(&mut self) -> String {
        self.drawn += 1;
        format!("t{:04}", self.drawn)
    }

    fn next(&self, task: &Task) -> Option<TaskState> {
        let node = self.state.nodes().get(&task.node_id)?;
        if node.status.state() != NodeState::Ready || task.status.state().is_final() {
            return None;
        }
        if task.desired_state() > TaskState::Running {
            return (!self.stubborn.contains(&task.id)).then_some(TaskState::Shutdown);
        }
        let revision = self.state.revision(&task.service_id, task.revision)?;
        let image = revision.task.container.image.as_str();
        let image = self.images.get(image).copied().unwrap_or(image);
        let starts = task.desired_state() == TaskState::Running;
        match (task.status.state(), image) {
            (TaskState::Assigned, MISSING) => Some(TaskState::Rejected),
            (TaskState::Assigned, SLOW) => Some(TaskState::Preparing),
            (TaskState::Assigned, _) => Some(TaskState::Ready),
            (TaskState::Ready, BAD) if starts => Some(TaskState::Failed),
            (TaskState::Ready, SICK) if starts => Some(TaskState::Starting),
            (TaskState::Ready, _) if starts => Some(TaskState::Running),
            (TaskState::Starting, image) if image != SICK => Some(TaskState::Running),
            (TaskState::Preparing, image) if image != SLOW => Some(TaskState::Ready),
            (TaskState::Running, FLAKY) => Some(TaskState::Failed),
            (TaskState::Running, DONE) => Some(TaskState::Complete),
            _ => None,
        }
    }
}
