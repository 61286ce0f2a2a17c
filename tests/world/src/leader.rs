//! What the leader does: it plans for what has changed or is due, commits, and does so again until nothing changes. All that it
//! remembers follows from the store; it can be lost at any commit.

use std::collections::{BTreeMap, BTreeSet};

use orchestrator::scheduler::Scheduler;
use orchestrator::{Plan, allocator, service, stack};
use store::{Change, Event, Kind, State, View, What};

use crate::dice::Dice;

/// What asks to be looked at again at once is looked at after this pause, in milliseconds.
const LEAST_PAUSE_MS: i64 = 10;
/// More rounds than any change needs.
const ROUNDS: usize = 2000;

/// What a leader remembers.
pub(crate) struct Leader {
    scheduler: Scheduler,
    services: BTreeSet<String>,
    stacks: BTreeSet<String>,
    due: BTreeMap<String, i64>,
    waiting_due_ms: Option<i64>,
}

/// What is planned next.
pub(crate) enum Next {
    /// To be committed.
    Commit(Vec<Change>),
    /// There is nothing to do at this time.
    Rest,
}

impl Leader {
    /// Knows what the store says, and looks at everything.
    pub(crate) fn new(view: &View) -> Self {
        Leader {
            scheduler: Scheduler::new(view),
            services: view
                .services()
                .iter()
                .map(|service| service.id.clone())
                .collect(),
            stacks: view.stacks().iter().map(|stack| stack.id.clone()).collect(),
            due: BTreeMap::new(),
            waiting_due_ms: None,
        }
    }

    /// Hears of what has changed.
    pub(crate) fn observe(&mut self, view: &View, events: &[Event]) {
        self.scheduler.observe(view, events);
        for event in events {
            match &event.object {
                Kind::Task(task) => {
                    self.touch(view, &task.service_id);
                    if event.what == What::Removed || task.status.state().is_final() {
                        self.touch_rebalanced(view);
                    }
                }
                Kind::Service(service) => {
                    self.touch(view, &service.id);
                    self.touch_dependents(view, &service.spec.name);
                    self.stacks.insert(service.stack_id.clone());
                }
                Kind::Stack(stack) => drop(self.stacks.insert(stack.id.clone())),
                Kind::Revision(_) | Kind::Deployment(_) => {}
                _ => {
                    let all = view.services().iter().map(|service| service.id.clone());
                    self.services.extend(all);
                    self.stacks
                        .extend(view.stacks().iter().map(|stack| stack.id.clone()));
                }
            }
        }
    }

    /// There is more room than before.
    fn touch_rebalanced(&mut self, view: &View) {
        let services = view.services().iter();
        let rebalanced = services.filter(|service| service.spec.task.placement.rebalance);
        self.services
            .extend(rebalanced.map(|service| service.id.clone()));
    }

    fn touch(&mut self, view: &View, id: &str) {
        self.services.insert(id.to_owned());
        if let Some(service) = view.services().get(id) {
            self.touch_dependents(view, &service.spec.name);
            self.stacks.insert(service.stack_id.clone());
        }
    }

    fn touch_dependents(&mut self, view: &View, name: &str) {
        let depends = |service: &model::Service| {
            service
                .spec
                .depends_on
                .iter()
                .any(|dependency| dependency.service == name)
        };
        let dependents = view.services().iter().filter(|service| depends(service));
        self.services
            .extend(dependents.map(|service| service.id.clone()));
    }

    /// When it has to look again though nothing has happened.
    pub(crate) fn next_ms(&self) -> Option<i64> {
        let services = self.due.values().copied();
        services.chain(self.waiting_due_ms).min()
    }

    /// The next plan that is not empty. What it gave before is committed, and was heard of, or is lost.
    pub(crate) fn next(&mut self, view: &View, now_ms: i64, dice: &mut Dice) -> Next {
        let plan = allocator::allocate(view, now_ms);
        if !plan.is_empty() {
            return Next::Commit(plan.changes);
        }
        while let Some(id) = self.stacks.pop_first() {
            let plan = stack::reconcile(view, &id, now_ms);
            if !plan.is_empty() {
                return Next::Commit(plan.changes);
            }
        }
        let plan = self.scheduler.place_pending(view, now_ms);
        self.waiting_due_ms = plan.again_ms.map(|at_ms| later(at_ms, now_ms));
        if !plan.is_empty() {
            return Next::Commit(plan.changes);
        }
        let due: Vec<_> = self
            .due
            .iter()
            .filter(|(_, at_ms)| **at_ms <= now_ms)
            .map(|(id, _)| id.clone())
            .collect();
        self.services.extend(due);
        while let Some(id) = self.services.pop_first() {
            let mut plan = service::reconcile(view, &id, now_ms, &mut || new_id(dice));
            self.due.remove(&id);
            if let Some(at_ms) = plan.again_ms {
                self.due.insert(id.clone(), later(at_ms, now_ms));
            }
            if !plan.is_empty() {
                self.services.insert(id);
                self.scheduler.place(view, &mut plan, now_ms);
                return Next::Commit(plan.changes);
            }
        }
        Next::Rest
    }

    /// What somebody who knows nothing but the store would still plan, when this one rests.
    pub(crate) fn left_over(view: &State, now_ms: i64, dice: &mut Dice) -> Vec<Change> {
        let mut plan = allocator::allocate(view, now_ms);
        for stack in view.stacks().iter() {
            plan.extend(stack::reconcile(view, &stack.id, now_ms));
        }
        for service in view.services().iter() {
            plan.extend(service::reconcile(view, &service.id, now_ms, &mut || {
                new_id(dice)
            }));
        }
        let waiting: Plan = Scheduler::new(view).place_pending(view, now_ms);
        plan.extend(waiting);
        plan.changes
    }

    /// How many plans may follow one another before somebody has gone mad.
    pub(crate) fn most_rounds(view: &View) -> usize {
        ROUNDS + 20 * (view.services().len() + view.tasks().len())
    }
}

/// The time, if it is still to come.
fn later(at_ms: i64, now_ms: i64) -> i64 {
    match at_ms > now_ms {
        true => at_ms,
        false => now_ms + LEAST_PAUSE_MS,
    }
}

/// Ids in no order, as drawn ones are.
pub(crate) fn new_id(dice: &mut Dice) -> String {
    format!("{:013x}", dice.roll() >> 12)
}
