//! Which node a task runs on, or why none.
//!
//! A [`Scheduler`] keeps what every node carries: built from a view, carried on by events, and again the same when it is built
//! anew. Nodes pass filters (`filter`), the best of those that pass is chosen (`chooser`); tasks of one revision are looked at
//! together, so that what is the same for all of them is asked once.
//!
//! A task of a slot whose revision mounts a named volume goes back to the node where that slot's task was before, if it still fits
//! there: its data is there. No preference comes before that.

mod balance;
mod chooser;
mod filter;
mod group;
mod ledger;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use model::{Node, Resources, Revision, Task, TaskState};
use store::change::Action;
use store::{Change, Event, Kind, Object, Stored, View};

use crate::Plan;
use crate::allocator;
pub(crate) use balance::crowded;
use chooser::Chooser;
use filter::{FILLING, STANDING, passes, refusal};
use group::Group;
use ledger::{Ledger, NodeUse};

/// How long a reason for waiting stays as it was told, though it has changed.
const RETELL_MS: i64 = 5000;

/// What every node carries, and which tasks wait for a node. Never asked for anything that the store doesn't say too.
#[derive(Default)]
pub struct Scheduler {
    ledger: Ledger,
    /// What revisions in the store ask of a node, by their ids.
    groups: HashMap<String, Arc<Group>>,
    /// Tasks in the store that are wanted and have no node that took them.
    waiting: BTreeSet<String>,
    /// Tasks that plans have changed since the last look at the store.
    planned: BTreeSet<String>,
    /// Nothing has changed since no waiting task found a node.
    settled: bool,
}

/// A task that asks for a node.
struct Asker<'a> {
    id: &'a str,
    slot: u64,
    /// The node that it must be on; empty for any.
    bound: &'a str,
}

/// What a task is told.
#[derive(Clone)]
enum Verdict {
    /// Its node, and what to say of that.
    On(String, String),
    /// Why it waits.
    Waits(Arc<str>),
}

impl Scheduler {
    /// Knows what a view says.
    pub fn new(view: &View) -> Self {
        let mut scheduler = Scheduler::default();
        for node in view.nodes().iter() {
            scheduler.ledger.set_node(&node.id, Some(node.clone()));
        }
        for task in view.tasks().iter() {
            scheduler.refresh(view, &task.id);
        }
        scheduler
    }

    /// Takes over what has changed. Hearing of a change twice does no harm. Plans that were made before and are not in the view
    /// are forgotten with it: commit a plan, or give it up, before this.
    pub fn observe(&mut self, view: &View, events: &[Event]) {
        for id in std::mem::take(&mut self.planned) {
            self.refresh(view, &id);
            self.settled &= !self.waiting.contains(&id);
        }
        for event in events {
            match &event.object {
                Kind::Task(task) => self.refresh(view, &task.id),
                Kind::Node(node) => {
                    let known = view.nodes().get(&node.id).cloned();
                    self.ledger.set_node(&node.id, known);
                    self.settled = false;
                }
                Kind::Service(_) | Kind::Network(_) => self.settled = false,
                Kind::Revision(revision) if view.revisions().get(&revision.id).is_none() => {
                    self.groups.remove(&revision.id);
                }
                _ => {}
            }
        }
    }

    /// Gives every task that the plan creates and that has no node yet a node, or the reason why it has none. A task that the plan
    /// has bound to a node, but not assigned to it, is assigned if it fits there.
    pub fn place(&mut self, view: &View, plan: &mut Plan, now_ms: i64) {
        let created = self.take_over(view, &plan.changes);
        let mut groups: Vec<(Arc<Group>, Vec<usize>)> = Vec::new();
        let mut known = HashMap::<String, usize>::new();
        for (at, change) in plan.changes.iter_mut().enumerate() {
            let Some(task) = created_task_mut(change) else {
                continue;
            };
            let id = Revision::id_of(&task.service_id, task.revision);
            let at_group = *known.entry(id).or_insert_with_key(|id| {
                let group = match created.get(id) {
                    Some(group) => group.clone(),
                    None => self.group(view, &task.service_id, task.revision),
                };
                groups.push((group, Vec::new()));
                groups.len() - 1
            });
            let (group, asking) = &mut groups[at_group];
            if !task.node_id.is_empty() && task.ports.is_empty() {
                task.ports.clone_from(&group.ports);
            }
            self.planned.insert(task.id.clone());
            self.ledger.put(task, group.clone());
            if asks(task) {
                asking.push(at);
            }
        }
        for (group, asking) in groups {
            let askers: Vec<_> = asking
                .iter()
                .filter_map(|at| created_task(&plan.changes[*at]))
                .map(Asker::of)
                .collect();
            let verdicts = self.decide(view, &group, &askers, now_ms);
            for (at, verdict) in asking.into_iter().zip(verdicts) {
                if let Some(task) = created_task_mut(&mut plan.changes[at]) {
                    verdict.write(task, &group, now_ms);
                }
            }
        }
    }

    /// The same for the tasks of the store that wait, those that were made first before others. Only what has changed is written; a
    /// reason that follows another soon is written later, so that a full cluster does not write without end.
    pub fn place_pending(&mut self, view: &View, now_ms: i64) -> Plan {
        let mut plan = Plan::default();
        if self.settled {
            return plan;
        }
        let mut groups = BTreeMap::<(&str, u64), Vec<&Arc<Task>>>::new();
        for id in &self.waiting {
            // What an earlier plan gave it, and nobody has committed.
            self.ledger.release(id);
            if let Some(task) = view.tasks().get(id).filter(|task| asks(task)) {
                let group = groups.entry((&task.service_id, task.revision)).or_default();
                group.push(task);
            }
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        for tasks in &mut groups {
            tasks.sort_by_key(|task| (task.meta.created_ms, task.slot));
        }
        groups.sort_by_key(|tasks| tasks.first().map(|task| task.meta.created_ms));
        for tasks in groups {
            let Some(first) = tasks.first() else {
                continue;
            };
            let group = self.group(view, &first.service_id, first.revision);
            let askers: Vec<_> = tasks.iter().map(|task| Asker::of(task)).collect();
            let verdicts = self.decide(view, &group, &askers, now_ms);
            for (task, verdict) in tasks.into_iter().zip(verdicts) {
                if verdict.is_told(task) {
                    continue;
                }
                if let Some(due_ms) = verdict.is_told_later(task, now_ms) {
                    plan.look_at(due_ms);
                    continue;
                }
                let mut task = Task::clone(task);
                verdict.write(&mut task, &group, now_ms);
                self.planned.insert(task.id.clone());
                plan.changes.push(Change::update(task));
            }
        }
        self.settled = plan == Plan::default();
        plan
    }

    /// Takes over what a plan does to tasks that are there, and gives the groups of the revisions that it makes.
    fn take_over(&mut self, view: &View, changes: &[Change]) -> HashMap<String, Arc<Group>> {
        let mut created = HashMap::new();
        for change in changes {
            match &change.action {
                Some(Action::Create(Object {
                    kind: Some(Kind::Revision(revision)),
                })) => {
                    created.insert(revision.id.clone(), Arc::new(Group::of(revision)));
                }
                Some(Action::Update(Object {
                    kind: Some(Kind::Task(task)),
                })) => {
                    let group = self.group(view, &task.service_id, task.revision);
                    self.ledger.put(task, group);
                    self.planned.insert(task.id.clone());
                }
                Some(Action::Remove(removal)) if removal.table == Task::TABLE => {
                    self.ledger.release(&removal.id);
                    self.planned.insert(removal.id.clone());
                }
                _ => {}
            }
        }
        created
    }

    fn decide(
        &mut self,
        view: &View,
        group: &Arc<Group>,
        askers: &[Asker<'_>],
        now_ms: i64,
    ) -> Vec<Verdict> {
        if let Some(reason) = unallocated(view, &group.service_id) {
            let reason = Arc::<str>::from(reason);
            return vec![Verdict::Waits(reason); askers.len()];
        }
        let homes = homes(view, group, askers);
        let mut verdicts: Vec<Option<Verdict>> = askers
            .iter()
            .map(|asker| match homes.get(&asker.slot) {
                _ if !asker.bound.is_empty() => Some(self.bound(group, asker)),
                Some(home) => self.home(group, asker, home),
                None => None,
            })
            .collect();
        if verdicts.iter().any(Option::is_none) {
            let mut chooser = Chooser::new(&self.ledger, group, now_ms);
            let mut reason: Option<Arc<str>> = None;
            for (asker, verdict) in askers.iter().zip(&mut verdicts) {
                if verdict.is_some() {
                    continue;
                }
                *verdict = Some(match chooser.next(&self.ledger, group) {
                    Some(place) => self.assign(group, asker, place, "assigned".to_owned()),
                    None => Verdict::Waits(
                        reason
                            .get_or_insert_with(|| Arc::from(self.explain(group)))
                            .clone(),
                    ),
                });
            }
        }
        verdicts.into_iter().flatten().collect()
    }

    /// Of a task that may run on one node only.
    fn bound(&mut self, group: &Arc<Group>, asker: &Asker<'_>) -> Verdict {
        let refused = match self.ledger.find(asker.bound) {
            None => Some("not available for scheduling (removed)".to_owned()),
            Some(place) => {
                let node = self.ledger.at(place);
                let refused =
                    refusal(STANDING, group, node).or_else(|| refusal(FILLING, group, node));
                match refused {
                    None => return self.assign(group, asker, place, "assigned".to_owned()),
                    Some((_, why)) => Some(why),
                }
            }
        };
        let why = refused.unwrap_or_default();
        Verdict::Waits(Arc::from(format!("its node is no suitable node ({why})")))
    }

    /// Of a task whose slot had a node before, and left data there.
    fn home(&mut self, group: &Arc<Group>, asker: &Asker<'_>, home: &str) -> Option<Verdict> {
        let place = self.ledger.find(home)?;
        let node = self.ledger.at(place);
        let fit = passes(STANDING, group, node)
            && passes(FILLING, group, node)
            && (group.hard().next().is_none() || chooser::keeps_even(&self.ledger, group, place));
        let volume = group.volume.as_deref().unwrap_or_default();
        fit.then(|| {
            let message = format!("assigned to the node that has its volume `{volume}`");
            self.assign(group, asker, place, message)
        })
    }

    fn assign(
        &mut self,
        group: &Arc<Group>,
        asker: &Asker<'_>,
        place: usize,
        message: String,
    ) -> Verdict {
        self.ledger.assign(asker.id, place, group);
        self.settled = false;
        let node = self.ledger.at(place).node.as_ref();
        Verdict::On(
            node.map(|node| node.id.clone()).unwrap_or_default(),
            message,
        )
    }

    /// Counts the nodes that failed each filter, the reason of most nodes first.
    fn explain(&self, group: &Group) -> String {
        let mut reasons = BTreeMap::<(usize, String), usize>::new();
        for (_, _, node) in self.ledger.nodes() {
            let reason = refusal(STANDING, group, node)
                .or_else(|| {
                    refusal(FILLING, group, node).map(|(at, why)| (STANDING.len() + at, why))
                })
                .unwrap_or_else(|| {
                    let over: Vec<_> = group.hard().map(|hard| hard.over.to_string()).collect();
                    let why = format!("would be spread unevenly over {}", over.join(", "));
                    (usize::MAX, why)
                });
            *reasons.entry(reason).or_default() += 1;
        }
        if reasons.is_empty() {
            return "no suitable node (the cluster has no nodes)".to_owned();
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, nodes)| std::cmp::Reverse(*nodes));
        let reasons: Vec<_> = reasons
            .into_iter()
            .map(|((_, why), nodes)| match nodes {
                1 => format!("1 node: {why}"),
                nodes => format!("{nodes} nodes: {why}"),
            })
            .collect();
        format!("no suitable node ({})", reasons.join(", "))
    }

    /// Takes over a task as the view has it.
    fn refresh(&mut self, view: &View, id: &str) {
        let Some(task) = view.tasks().get(id) else {
            self.settled &= !self.ledger.release(id);
            self.waiting.remove(id);
            return;
        };
        let group = self.group(view, &task.service_id, task.revision);
        self.settled &= !self.ledger.put(task, group);
        if !asks(task) {
            self.waiting.remove(id);
        } else if self.waiting.insert(id.to_owned()) {
            self.settled = false;
        }
    }

    fn group(&mut self, view: &View, service_id: &str, number: u64) -> Arc<Group> {
        let id = Revision::id_of(service_id, number);
        if let Some(known) = self.groups.get(&id) {
            return known.clone();
        }
        match view.revisions().get(&id) {
            Some(revision) => {
                let group = Arc::new(Group::of(revision));
                self.groups.insert(id, group.clone());
                group
            }
            None => Arc::new(Group::unknown(service_id, number)),
        }
    }
}

/// Whether a service of which every node has a task may have one on this node: whether the node is available, is what the
/// constraints want, runs the image, and has as much left as is to be set aside beside all other services. The error says why not.
pub fn fits(view: &View, revision: &Revision, node: &Node) -> Result<(), String> {
    let group = Group::of(revision);
    let mut reserved = Resources::default();
    if group.needs != Resources::default() {
        for task in view.tasks_on(&node.id) {
            if task.service_id == revision.service_id || task.status.state().is_final() {
                continue;
            }
            if let Some(other) = view.revision(&task.service_id, task.revision) {
                let needs = &other.task.resources.reservations;
                reserved.nano_cpus = reserved.nano_cpus.saturating_add(needs.nano_cpus);
                reserved.memory_bytes = reserved.memory_bytes.saturating_add(needs.memory_bytes);
            }
        }
    }
    let carried = NodeUse::with_reserved(Arc::new(node.clone()), reserved);
    // Nothing else is known to be on it here, so that only resources can be lacking.
    match refusal(STANDING, &group, &carried).or_else(|| refusal(FILLING, &group, &carried)) {
        None => Ok(()),
        Some((_, why)) => Err(why),
    }
}

impl<'a> Asker<'a> {
    fn of(task: &'a Task) -> Self {
        Asker {
            id: &task.id,
            slot: task.slot,
            bound: &task.node_id,
        }
    }
}

impl Verdict {
    fn is_told(&self, task: &Task) -> bool {
        match self {
            Verdict::On(..) => false,
            Verdict::Waits(reason) => {
                task.status.state() == TaskState::Pending && *task.status.message == **reason
            }
        }
    }

    /// When a task is told that was told something else not long ago.
    fn is_told_later(&self, task: &Task, now_ms: i64) -> Option<i64> {
        let told_before =
            task.status.state() == TaskState::Pending && !task.status.message.is_empty();
        let due_ms = task.status.at_ms.saturating_add(RETELL_MS);
        let waits = matches!(self, Verdict::Waits(_));
        (waits && told_before && (task.status.at_ms..due_ms).contains(&now_ms)).then_some(due_ms)
    }

    fn write(self, task: &mut Task, group: &Group, now_ms: i64) {
        let (state, message) = match self {
            Verdict::On(node_id, message) => {
                task.node_id = node_id;
                task.ports.clone_from(&group.ports);
                (TaskState::Assigned, message)
            }
            Verdict::Waits(reason) => (TaskState::Pending, reason.to_string()),
        };
        task.status.state = state.into();
        task.status.at_ms = now_ms;
        task.status.message = message;
    }
}

/// Whether a task asks for a node.
fn asks(task: &Task) -> bool {
    task.is_wanted() && task.status.state() < TaskState::Assigned
}

/// Why the tasks of a service cannot be given nodes yet.
fn unallocated(view: &View, service_id: &str) -> Option<String> {
    let service = view.services().get(service_id)?;
    if allocator::is_allocated(view, service) {
        return None;
    }
    Some(match service.trouble.as_str() {
        "" => "waits for the addresses and ports of its service".to_owned(),
        trouble => trouble.to_owned(),
    })
}

/// The node of the newest task of each slot that asks, where tasks leave data behind.
fn homes(view: &View, group: &Group, askers: &[Asker<'_>]) -> HashMap<u64, String> {
    let mut homes = HashMap::<u64, &Arc<Task>>::new();
    if group.volume.is_none() {
        return HashMap::new();
    }
    let slots: BTreeSet<u64> = askers.iter().map(|asker| asker.slot).collect();
    for task in view.tasks_of(&group.service_id) {
        if task.slot == 0 || task.node_id.is_empty() || !slots.contains(&task.slot) {
            continue;
        }
        let age = |task: &Task| (task.meta.created_ms, task.meta.version);
        let newest = homes.entry(task.slot).or_insert(task);
        if age(task) > age(newest) {
            *newest = task;
        }
    }
    homes
        .into_iter()
        .map(|(slot, task)| (slot, task.node_id.clone()))
        .collect()
}

fn created_task(change: &Change) -> Option<&Task> {
    match &change.action {
        Some(Action::Create(Object {
            kind: Some(Kind::Task(task)),
        })) => Some(task),
        _ => None,
    }
}

fn created_task_mut(change: &mut Change) -> Option<&mut Task> {
    match &mut change.action {
        Some(Action::Create(Object {
            kind: Some(Kind::Task(task)),
        })) => Some(task),
        _ => None,
    }
}
