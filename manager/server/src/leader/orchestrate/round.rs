//! One round: what has happened is taken in, and plans are made for what is dirty.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use orchestrator::scheduler::Scheduler;
use orchestrator::{Plan, allocator, autoscale, service, stack};
use store::change::Action;
use store::{Change, Event, Kind, Object, Transaction, View};

use super::dirty::Dirty;
use super::pack::{Pack, altered_tasks, pack, service_of, squash};
use super::timers::{Key, Timers};
use crate::dispatcher::Claim;
use crate::manager::Manager;

/// After so many changes the rest waits for the next round: commits begin, and what is urgent gets its turn.
const ENOUGH: usize = 10_000;
/// What asks to be looked at again at once gets this pause, in milliseconds.
const LEAST_PAUSE_MS: i64 = 10;

/// What a round comes to.
pub(super) struct Round {
    pub(super) packs: Vec<Pack>,
    /// Reports that have to be written before some services can be planned for.
    pub(super) quiet: Vec<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Whether something that is dirty is left.
    pub(super) more: bool,
}

/// What plans are made with; all of it follows from the view.
pub(super) struct Planner {
    manager: Manager,
    scheduler: Scheduler,
    dirty: Dirty,
    waiting: bool,
    timers: Timers,
    /// By service, the tasks that its plan changes; nodes' reports on them wait until it is committed.
    claims: BTreeMap<String, Claim>,
}

impl Planner {
    pub(super) fn new(manager: Manager) -> Self {
        Planner {
            manager,
            scheduler: Scheduler::default(),
            dirty: Dirty::default(),
            waiting: true,
            timers: Timers::default(),
            claims: BTreeMap::new(),
        }
    }

    /// It has to be looked at again.
    pub(super) fn look_again(&mut self, key: Key) {
        // What could not be committed may have given a task its node.
        self.waiting = true;
        match key {
            Key::Allocation => self.dirty.allocation = true,
            Key::Waiting => {}
            Key::Stack(id) => drop(self.dirty.stacks.insert(id)),
            Key::Service(id) => {
                self.claims.remove(&id);
                self.dirty.services.insert(id);
            }
        }
    }

    /// It has to be looked at again then.
    pub(super) fn look_again_at(&mut self, key: Key, at_ms: i64) {
        if let Key::Service(id) = &key {
            self.claims.remove(id);
        }
        self.timers.set(key, Some(at_ms));
    }

    /// When the next thing is due.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.timers.next()
    }

    /// Takes in what has happened, and plans for what is dirty. What was planned before has been committed, or given up.
    pub(super) fn round(
        &mut self,
        view: &View,
        happened: Option<Vec<Arc<[Event]>>>,
        now_ms: i64,
        scale: bool,
    ) -> Round {
        self.take_in(view, happened);
        for key in self.timers.take(now_ms) {
            self.look_again(key);
        }
        let joint = self.joint(view, now_ms);
        let mut work = speculate(view, &joint.changes, now_ms).unwrap_or_else(|| view.clone());
        let mut of_services = BTreeMap::<String, Vec<Change>>::new();
        let waiting = self.place_waiting(&work, now_ms);
        if let Some(placed) = speculate(&work, &waiting, now_ms) {
            work = placed;
            for change in waiting {
                if let Some(id) = service_of(&change).map(str::to_owned) {
                    of_services.entry(id).or_default().push(change);
                }
            }
        }
        let mut quiet: Vec<Pin<Box<dyn Future<Output = ()> + Send>>> = Vec::new();
        if scale {
            self.scale(&work, &mut of_services, now_ms);
        }
        let mut count = 0;
        let mut later = Vec::new();
        while count < ENOUGH
            && let Some(id) = self.dirty.services.pop_first()
        {
            match self.plan_service(view, &work, &id, now_ms) {
                Ok(changes) => {
                    count += changes.len();
                    of_services.entry(id).or_default().extend(changes);
                }
                Err(written) => {
                    quiet.push(written);
                    later.push(id);
                }
            }
        }
        self.dirty.services.extend(later);
        let more = !self.dirty.services.is_empty() && quiet.is_empty();
        Round {
            packs: gather(view, joint, of_services),
            quiet,
            more,
        }
    }

    fn take_in(&mut self, view: &View, happened: Option<Vec<Arc<[Event]>>>) {
        let Some(batches) = happened else {
            self.scheduler = Scheduler::new(view);
            self.dirty = Dirty::everything(view);
            self.waiting = true;
            self.timers = Timers::default();
            self.claims.clear();
            return;
        };
        // Even when nothing has happened: plans that came to nothing are to be forgotten.
        self.scheduler.observe(view, &[]);
        for batch in batches {
            self.waiting = true;
            self.scheduler.observe(view, &batch);
            for event in batch.iter() {
                self.dirty.note(view, event);
            }
        }
    }

    /// What concerns several services at once: what they are given, and what becomes of their stacks.
    fn joint(&mut self, view: &View, now_ms: i64) -> Joint {
        let mut joint = Joint::default();
        if std::mem::take(&mut self.dirty.allocation) {
            let plan = allocator::allocate(view, now_ms);
            self.timers.set(Key::Allocation, again(&plan, now_ms));
            if !plan.is_empty() {
                joint.keys.push(Key::Allocation);
                joint.changes.extend(plan.changes);
            }
        }
        for id in std::mem::take(&mut self.dirty.stacks) {
            let plan = stack::reconcile(view, &id, now_ms);
            let key = Key::Stack(id);
            self.timers.set(key.clone(), again(&plan, now_ms));
            if !plan.is_empty() {
                joint.keys.push(key);
                joint.changes.extend(plan.changes);
            }
        }
        if speculate(view, &joint.changes, now_ms).is_none() {
            // Both change one object: the stack's turn comes when the allocation is committed.
            let allocation = joint.keys.contains(&Key::Allocation);
            for key in std::mem::take(&mut joint.keys) {
                self.look_again(key);
            }
            joint.changes.clear();
            if allocation {
                self.dirty.allocation = false;
                joint.keys.push(Key::Allocation);
                joint.changes = allocator::allocate(view, now_ms).changes;
            }
        }
        joint
    }

    fn place_waiting(&mut self, work: &View, now_ms: i64) -> Vec<Change> {
        if !std::mem::take(&mut self.waiting) {
            return Vec::new();
        }
        let begun = Instant::now();
        let plan = self.scheduler.place_pending(work, now_ms);
        self.timers.set(Key::Waiting, again(&plan, now_ms));
        let placed = plan.changes.iter().filter(|change| is_placed(change));
        self.manager
            .counters()
            .placed(placed.count(), begun.elapsed());
        plan.changes
    }

    /// The changes that a service needs now; what has to be written before, when nodes are just telling of its tasks.
    fn plan_service(
        &mut self,
        view: &View,
        work: &View,
        id: &str,
        now_ms: i64,
    ) -> Result<Vec<Change>, Pin<Box<dyn Future<Output = ()> + Send>>> {
        let mut plan = service::reconcile(work, id, now_ms, &mut identity::new_id);
        let key = Key::Service(id.to_owned());
        // Held until the next claim is: reports must not slip in between.
        let _before = self.claims.remove(id);
        if plan.is_empty() {
            self.timers.set(key, again(&plan, now_ms));
            return Ok(Vec::new());
        }
        let altered: Vec<(String, u64)> = altered_tasks(view, &plan.changes)
            .map(|(task, version)| (task.to_owned(), version))
            .collect();
        if !altered.is_empty() {
            let tasks = altered.iter().map(|(task, _)| task.clone()).collect();
            let claim = self.manager.dispatching().statuses().claim(tasks);
            let quiet = claim.is_quiet();
            // What was written since the view was taken would overtake the plan.
            let newest = self.manager.replica().view();
            let same = altered.iter().all(|(task, _)| {
                let known = |view: &View| view.tasks().get(task).map(|task| task.meta.version);
                known(&newest) == known(view)
            });
            let written = claim.quiet();
            self.claims.insert(id.to_owned(), claim);
            if !quiet || !same {
                return Err(Box::pin(written));
            }
        }
        if plan.changes.iter().any(is_created_task) {
            let begun = Instant::now();
            self.scheduler.place(work, &mut plan, now_ms);
            let placed = plan.changes.iter().filter(|change| is_placed(change));
            self.manager
                .counters()
                .placed(placed.count(), begun.elapsed());
        } else {
            self.scheduler.place(work, &mut plan, now_ms);
        }
        self.timers.set(key, again(&plan, now_ms));
        Ok(plan.changes)
    }

    /// Services whose use says so get another number of replicas. They are looked at again when that is committed.
    fn scale(&mut self, work: &View, of_services: &mut BTreeMap<String, Vec<Change>>, now_ms: i64) {
        let ids: Vec<String> = self.dirty.scaled().cloned().collect();
        for id in ids {
            let Some(known) = work.services().get(&id) else {
                continue;
            };
            let usage = {
                let usages = self.manager.dispatching().usages();
                usages.of(work, &id, Instant::now())
            };
            let Some(decided) = autoscale::decide(work, known, &usage, now_ms) else {
                continue;
            };
            self.dirty.services.remove(&id);
            let scaled = autoscale::apply(known, decided);
            of_services.entry(id).or_default().push(scaled);
        }
    }
}

/// Changes that several services share.
#[derive(Default)]
struct Joint {
    keys: Vec<Key>,
    changes: Vec<Change>,
}

/// Joins the plans of services that the joint changes are about to those, and packs everything.
fn gather(
    view: &View,
    mut joint: Joint,
    mut of_services: BTreeMap<String, Vec<Change>>,
) -> Vec<Pack> {
    let touched: Vec<String> = joint
        .changes
        .iter()
        .filter_map(|change| service_of(change).map(str::to_owned))
        .collect();
    for id in touched {
        if let Some(changes) = of_services.remove(&id) {
            joint.changes.extend(changes);
            joint.keys.push(Key::Service(id));
        }
    }
    let mut plans = vec![(joint.keys, squash(view, joint.changes))];
    for (id, changes) in of_services {
        plans.push((vec![Key::Service(id)], squash(view, changes)));
    }
    plans.retain(|(_, changes)| !changes.is_empty());
    pack(plans)
}

/// The view as it will be when these changes are made; none when they contradict each other.
fn speculate(view: &View, changes: &[Change], now_ms: i64) -> Option<View> {
    let mut work = view.clone();
    if changes.is_empty() {
        return Some(work);
    }
    let applied = work.apply(Transaction {
        at_ms: now_ms,
        changes: changes.to_vec(),
        ..Transaction::default()
    });
    match applied.reply.refusal {
        None => Some(work),
        Some(refusal) => {
            tracing::debug!(%refusal, "plans contradict each other");
            None
        }
    }
}

fn again(plan: &Plan, now_ms: i64) -> Option<i64> {
    plan.again_ms
        .map(|at_ms| at_ms.max(now_ms + LEAST_PAUSE_MS))
}

fn is_created_task(change: &Change) -> bool {
    matches!(
        &change.action,
        Some(Action::Create(Object {
            kind: Some(Kind::Task(_)),
        }))
    )
}

/// Whether a change gives a task its node.
fn is_placed(change: &Change) -> bool {
    match &change.action {
        Some(
            Action::Create(Object {
                kind: Some(Kind::Task(task)),
            })
            | Action::Update(Object {
                kind: Some(Kind::Task(task)),
            }),
        ) => task.status.state() == model::TaskState::Assigned,
        _ => false,
    }
}
