//! The tasks of this node: what is wanted of each, how far it has come, and what is being done about it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::v1::{AssignmentsMessage, TaskUsage};
use model::{Task, TaskState, TaskStatus};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::assignments::Assignments;
use crate::executor::{Container, Executor, Pulled};
use crate::failure::Failure;
use crate::serve::Shared;
use crate::step::{Action, Seen, Step, Wanted, step};
use crate::usage::Meter;

/// The pause before something that failed is tried again: doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long tasks may take to be counted.
const COUNTING: Duration = Duration::from_secs(1);
/// How long others may take to hear that a task is not routable, before it is told to end.
const DEROUTE: Duration = Duration::from_millis(500);

/// A worker; clones are the same one. When the last one is dropped nothing is done any more: containers go on.
#[derive(Clone)]
pub struct Worker(Arc<Inner>);

struct Inner {
    executor: Arc<dyn Executor>,
    shared: Arc<Shared>,
    events: mpsc::UnboundedSender<Event>,
    /// Held while it is measured.
    meter: Arc<Mutex<Meter>>,
    actor: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.actor.abort();
    }
}

impl Worker {
    /// Looks which containers of tasks there are; ends none before the managers have said which are wanted.
    pub fn start(executor: Arc<dyn Executor>) -> Worker {
        let (events, heard) = mpsc::unbounded_channel();
        let shared = Arc::<Shared>::default();
        let actor = Actor {
            executor: executor.clone(),
            shared: shared.clone(),
            assignments: Assignments::default(),
            entries: BTreeMap::new(),
            found: BTreeMap::new(),
            jobs: JoinSet::new(),
            leaving: None,
        };
        Worker(Arc::new(Inner {
            executor,
            shared,
            events,
            meter: Arc::default(),
            actor: tokio::spawn(actor.run(heard)),
        }))
    }

    /// Takes in what a manager says that this node is to run.
    pub fn assign(&self, message: AssignmentsMessage) {
        self.tell(Event::Assigned(message));
    }

    /// What the tasks that run have used, as it was measured last; begins to measure anew. Never waits.
    pub fn usage(&self) -> Vec<TaskUsage> {
        let (executor, shared) = (self.0.executor.clone(), self.0.shared.clone());
        if let Ok(mut meter) = self.0.meter.clone().try_lock_owned() {
            tokio::spawn(async move {
                let living = shared.living();
                let containers = living.values().cloned().collect();
                let readings = executor.usage(containers).await;
                let by_task = living
                    .into_iter()
                    .filter_map(|(task, container)| Some((task, *readings.get(&container)?)));
                shared.measured(meter.read(&by_task.collect()));
            });
        }
        self.0.shared.take_measured()
    }

    /// What is going on here, counted. Of a worker that does not know yet which containers there are: no tasks.
    pub async fn figures(&self) -> Figures {
        let (answer, counted) = oneshot::channel();
        self.tell(Event::Count(answer));
        let counted = tokio::time::timeout(COUNTING, counted).await;
        let (acknowledged, unacknowledged) = self.0.shared.reports();
        Figures {
            tasks: counted.ok().and_then(Result::ok).unwrap_or_default(),
            containers: self.0.shared.living().len() as u64,
            reports_acknowledged: acknowledged,
            reports_waiting: unacknowledged,
            pulled: self.0.executor.pulled(),
        }
    }

    /// The node leaves its cluster: ends and removes all tasks that are here. Returns when that is done.
    pub async fn leave(&self) {
        let (done, all) = oneshot::channel();
        self.tell(Event::Leave(done));
        // An actor that has ended has nothing left to do.
        let _ = all.await;
    }

    pub(crate) fn executor(&self) -> &Arc<dyn Executor> {
        &self.0.executor
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    pub(crate) fn tell(&self, event: Event) {
        // The actor ends with the last handle, so somebody listens.
        let _ = self.0.events.send(event);
    }
}

/// What is going on at a worker, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Tasks by the state that they have reached.
    pub tasks: BTreeMap<TaskState, u64>,
    /// Containers that live.
    pub containers: u64,
    /// Statuses that the managers have acknowledged since it began.
    pub reports_acknowledged: u64,
    /// Statuses that they have not.
    pub reports_waiting: u64,
    /// Images that were pulled since it began.
    pub pulled: Pulled,
}

/// What a worker hears.
#[derive(Debug)]
pub(crate) enum Event {
    /// From the managers: what is to run.
    Assigned(AssignmentsMessage),
    /// From the managers: they don't know these tasks, or not here.
    Unknown(Vec<String>),
    /// The node leaves its cluster.
    Leave(oneshot::Sender<()>),
    /// Somebody wants to know how many tasks are in which state.
    Count(oneshot::Sender<BTreeMap<TaskState, u64>>),
    /// Something was done for a task.
    Done(String, Action, Result<Option<Container>, Failure>),
    /// A container is seen otherwise than before.
    Seen(String, Container),
}

/// A task of this node.
struct Entry {
    wanted: Wanted,
    status: TaskStatus,
    /// How long it may take to end; none for what its container says.
    grace: Option<Duration>,
    container: Option<String>,
    seen: Seen,
    /// What is being done.
    busy: Option<Action>,
    /// Whether something may have been made for it.
    touched: bool,
    watched: bool,
}

impl Entry {
    fn new(wanted: Wanted, status: TaskStatus, found: Option<Container>) -> Self {
        let mut entry = Entry {
            wanted,
            status,
            grace: None,
            container: None,
            seen: Seen::Nothing,
            busy: None,
            touched: false,
            watched: false,
        };
        if let Some(container) = found {
            entry.sight(container);
        }
        entry
    }

    fn sight(&mut self, container: Container) {
        self.seen = container.seen;
        self.touched = true;
        if !self.status.state().is_final() {
            self.status.container_id.clone_from(&container.id);
            if !container.addresses.is_empty() {
                self.status.addresses = container.addresses;
            }
        }
        self.container = Some(container.id);
    }
}

struct Actor {
    executor: Arc<dyn Executor>,
    shared: Arc<Shared>,
    assignments: Assignments,
    entries: BTreeMap<String, Entry>,
    /// Containers that were there before, of tasks that the managers have not spoken of yet.
    found: BTreeMap<String, Container>,
    jobs: JoinSet<Event>,
    leaving: Option<oneshot::Sender<()>>,
}

impl Actor {
    async fn run(mut self, mut heard: mpsc::UnboundedReceiver<Event>) {
        let executor = self.executor.clone();
        self.found = persist("find the containers of tasks", || executor.find()).await;
        loop {
            let event = tokio::select! {
                event = heard.recv() => event,
                Some(done) = self.jobs.join_next() => done.ok(),
            };
            if let Some(event) = event {
                self.take(event);
            }
            if self.entries.is_empty()
                && let Some(done) = self.leaving.take()
            {
                // Who asked may have lost patience.
                let _ = done.send(());
                return;
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Assigned(message) if self.leaving.is_none() => self.assigned(message),
            Event::Assigned(_) => {}
            Event::Unknown(tasks) => {
                for task in tasks {
                    self.assignments.forget(&task);
                    self.unassign(&task);
                    self.drive(&task);
                }
            }
            Event::Leave(done) => {
                self.leaving = Some(done);
                let nothing = AssignmentsMessage {
                    complete: true,
                    ..AssignmentsMessage::default()
                };
                self.assigned(nothing);
            }
            Event::Count(answer) => {
                let mut tasks = BTreeMap::new();
                for entry in self.entries.values() {
                    *tasks.entry(entry.status.state()).or_default() += 1;
                }
                // Who asked may have lost patience.
                let _ = answer.send(tasks);
            }
            Event::Done(task, action, result) => self.done(&task, action, result),
            Event::Seen(task, container) => {
                if let Some(entry) = self.entries.get_mut(&task) {
                    entry.watched = false;
                    entry.sight(container);
                }
                self.drive(&task);
            }
        }
    }

    fn assigned(&mut self, message: AssignmentsMessage) {
        let complete = message.complete;
        self.assignments
            .apply(complete, message.put, message.remove);
        let tasks: Vec<Task> = self.assignments.tasks().values().cloned().collect();
        for task in &tasks {
            self.assign(task, complete);
        }
        if complete {
            for (task, container) in std::mem::take(&mut self.found) {
                let wanted = Wanted {
                    desired: TaskState::Remove,
                    assigned: false,
                };
                let entry = Entry::new(wanted, TaskStatus::default(), Some(container));
                self.entries.insert(task, entry);
            }
        }
        let known: Vec<String> = self.entries.keys().cloned().collect();
        for task in known {
            if !self.assignments.tasks().contains_key(&task) {
                self.unassign(&task);
            }
            self.drive(&task);
        }
    }

    fn assign(&mut self, task: &Task, complete: bool) {
        let wanted = Wanted {
            desired: task.desired_state(),
            assigned: true,
        };
        let found = self.found.remove(&task.id);
        let entry = self
            .entries
            .entry(task.id.clone())
            .or_insert_with(|| Entry::new(wanted, task.status.clone(), found));
        entry.wanted = wanted;
        entry.grace = self.assignments.grace(task).or(entry.grace);
        let (told, now) = (task.status.state(), entry.status.state());
        if told.is_final() && !now.is_final() {
            // Given up by the managers, who have replaced it.
            entry.status.set_state(told);
        } else if complete && told != now && self.shared.is_told(&task.id) {
            self.shared.report(&task.id, &entry.status);
        }
    }

    fn unassign(&mut self, task: &str) {
        if let Some(entry) = self.entries.get_mut(task) {
            entry.wanted.assigned = false;
            self.shared.forget(task);
        }
    }

    fn done(&mut self, task: &str, action: Action, result: Result<Option<Container>, Failure>) {
        let Some(entry) = self.entries.get_mut(task) else {
            return;
        };
        entry.busy = None;
        match result {
            Ok(Some(container)) => entry.sight(container),
            Ok(None) => {
                self.entries.remove(task);
                self.shared.see(task, None);
                return;
            }
            Err(failure) => {
                tracing::warn!(task, ?action, %failure, "a task cannot go on");
                entry.seen = Seen::Refused(failure.to_string());
            }
        }
        self.drive(task);
    }

    /// Does what is to be done for a task now.
    fn drive(&mut self, task: &str) {
        loop {
            let Some(entry) = self.entries.get_mut(task) else {
                return;
            };
            if matches!(entry.busy, Some(busy) if busy != Action::Prepare) {
                break;
            }
            match step(entry.wanted, &entry.status, &entry.seen) {
                Step::Become(mut status) => {
                    tracing::debug!(task, from = %entry.status.state(), to = %status.state(), error = status.error, "task");
                    status.at_ms = jiff::Timestamp::now().as_millisecond();
                    entry.status = status.after(&entry.status);
                    if entry.wanted.assigned {
                        self.shared.report(task, &entry.status);
                    }
                }
                Step::Do(_) if entry.busy.is_some() => break,
                Step::Do(action) => {
                    self.begin(task, action);
                    break;
                }
                Step::Rest => break,
            }
        }
        self.watch(task);
    }

    fn begin(&mut self, task: &str, action: Action) {
        let Some(entry) = self.entries.get_mut(task) else {
            return;
        };
        let executor = self.executor.clone();
        let container = entry.container.clone();
        let id = task.to_owned();
        match action {
            Action::Prepare | Action::Start => {
                let Some(assigned) = self.assignments.tasks().get(task) else {
                    return;
                };
                let work = match self.assignments.work(assigned) {
                    Ok(work) => work,
                    Err(missing) => {
                        let message = missing.to_string();
                        if entry.status.message != message {
                            entry.status.message = message;
                            self.shared.report(task, &entry.status);
                        }
                        return;
                    }
                };
                entry.touched = true;
                self.jobs.spawn(async move {
                    let done = match (action, &container) {
                        (Action::Start, Some(container)) => executor.start(&work, container).await,
                        _ => executor.prepare(&work).await,
                    };
                    Event::Done(id, action, done.map(Some))
                });
            }
            Action::Stop => {
                let Some(container) = container else {
                    return;
                };
                let (grace, shared) = (entry.grace, self.shared.clone());
                self.jobs.spawn(async move {
                    shared.wait_told(&id, DEROUTE).await;
                    let stop = || executor.stop(&container, grace);
                    let stopped = persist("stop a container", stop).await;
                    Event::Done(id, action, Ok(Some(stopped)))
                });
            }
            Action::Remove if !entry.touched => {
                self.entries.remove(task);
                return;
            }
            Action::Remove => {
                self.jobs.spawn(async move {
                    let remove = || executor.remove(&id, container.as_deref());
                    persist("remove a container", remove).await;
                    Event::Done(id, action, Ok(None))
                });
            }
        }
        entry.busy = Some(action);
    }

    /// Sees to it that a living container is watched.
    fn watch(&mut self, task: &str) {
        let Some(entry) = self.entries.get_mut(task) else {
            return;
        };
        let lives = matches!(entry.seen, Seen::Live(_));
        self.shared
            .see(task, entry.container.as_ref().map(|id| (id.clone(), lives)));
        if let Some(container) = entry.container.clone()
            && lives
            && !entry.watched
        {
            entry.watched = true;
            let (executor, seen, id) = (self.executor.clone(), entry.seen.clone(), task.to_owned());
            self.jobs.spawn(async move {
                let next = || executor.next(&container, &seen);
                Event::Seen(id, persist("watch a container", next).await)
            });
        }
    }
}

/// Tries until it succeeds.
async fn persist<T, F: Future<Output = Result<T, Failure>>>(
    what: &'static str,
    attempt: impl Fn() -> F,
) -> T {
    let mut pause = FIRST_PAUSE;
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(failure) => tracing::warn!(%failure, "cannot {what}; it is tried again"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
