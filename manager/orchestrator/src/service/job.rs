//! Tasks that end: so many of them, or one on each node that fits. A job is a run after another, each with a number; a slot is done when
//! a task of this run has ended well in it.
//!
//! When a task has ended badly and is not followed any more the job has failed: what runs goes on, nothing else is started.

use std::collections::{BTreeMap, BTreeSet};

use model::{ReplicatedJob, Task, TaskState};

use super::draft::Draft;
use super::global::{self, Footing, footing};
use super::keep::{entry, keep};
use super::rules::Rules;
use super::slots::{Slots, is_meant, is_over};
use crate::restart::{self, Verdict};

/// What a slot has come to in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// A task has ended well.
    Done,
    /// A task has ended badly, and none follows.
    Failed,
    /// A task is to run, or to follow one.
    Active,
    /// There is none.
    Missing,
}

/// Carries a replicated job on.
pub(super) fn replicated<'a>(
    draft: &mut Draft<'a, '_>,
    rules: &Rules<'a>,
    slots: &Slots<'a>,
    job: ReplicatedJob,
    may_grow: bool,
) {
    let run = draft.service.job_iteration;
    let mut known = BTreeMap::<u64, &[&'a Task]>::new();
    let (mut used, mut active, mut failed) = (BTreeSet::new(), 0, false);
    for slot in slots.iter() {
        let is_cleared = !end_earlier_runs(draft, slot, run);
        let number = slot[0].slot;
        if number == 0 || number > job.completions {
            for task in slot {
                draft.end(task, TaskState::Remove, "its job has fewer tasks now");
            }
            continue;
        }
        known.insert(number, slot);
        let stand = look(rules, slot, run, draft.now_ms);
        if stand != Slot::Missing {
            used.insert(number);
        }
        match stand {
            Slot::Active => {
                active += 1;
                if is_cleared {
                    keep(draft, rules, slot);
                }
            }
            Slot::Failed => failed = true,
            Slot::Done | Slot::Missing => {}
        }
    }
    if !may_grow || failed || run == 0 {
        return;
    }
    let at_once = match job.concurrent {
        0 => u64::MAX,
        most => most,
    };
    let room = usize::try_from(at_once.saturating_sub(active)).unwrap_or(usize::MAX);
    let free = (1..=job.completions).filter(|number| !used.contains(number));
    for number in free.take(room) {
        let tasks = known.get(&number).copied().unwrap_or_default();
        let mut task = Task {
            slot: number,
            revision: rules.goal,
            job_iteration: run,
            ..Task::default()
        };
        let desired = entry(draft, rules, tasks, &task, None);
        task.set_desired_state(desired);
        draft.add(task);
    }
}

/// Carries a job of one task per node on.
pub(super) fn per_node<'a>(
    draft: &mut Draft<'a, '_>,
    rules: &Rules<'a>,
    slots: &Slots<'a>,
    may_grow: bool,
) {
    let run = draft.service.job_iteration;
    let mut known = BTreeMap::<&str, &[&'a Task]>::new();
    let mut used = BTreeSet::new();
    for slot in slots.iter() {
        let is_cleared = !end_earlier_runs(draft, slot, run);
        if slot[0].slot > 0 {
            for task in slot {
                draft.end(
                    task,
                    TaskState::Remove,
                    "the mode of its service has changed",
                );
            }
            continue;
        }
        let node_id = slot[0].node_id.as_str();
        known.insert(node_id, slot);
        let stand = look(rules, slot, run, draft.now_ms);
        if stand != Slot::Missing {
            used.insert(node_id);
        }
        if stand == Slot::Active && is_cleared && footing(draft, rules, slot) == Footing::Keeps {
            keep(draft, rules, slot);
        }
    }
    if !may_grow || run == 0 {
        return;
    }
    for node_id in global::missing(draft, rules, |node| !used.contains(node.id.as_str())) {
        let tasks = known.get(node_id).copied().unwrap_or_default();
        global::add(draft, rules, tasks, node_id, run);
    }
}

/// Whether a run of a job is going on: something of it is to run still.
pub(super) fn is_going(
    rules: &Rules<'_>,
    slots: &Slots<'_>,
    job: Option<ReplicatedJob>,
    run: u64,
    now_ms: i64,
) -> bool {
    if run == 0 {
        return false;
    }
    let (mut active, mut failed, mut done) = (false, false, 0);
    for slot in slots.iter() {
        match look(rules, slot, run, now_ms) {
            Slot::Active => active = true,
            Slot::Failed => failed = true,
            Slot::Done => done += 1,
            Slot::Missing => {}
        }
    }
    let is_to_start = job.is_some_and(|job| !failed && done < job.completions);
    active || is_to_start
}

/// What a slot has come to in a run.
fn look(rules: &Rules<'_>, slot: &[&Task], run: u64, now_ms: i64) -> Slot {
    let of_run = || slot.iter().filter(|task| task.job_iteration == run);
    if of_run().any(|task| task.status.state() == TaskState::Complete) {
        return Slot::Done;
    }
    match of_run().rfind(|task| is_meant(task)) {
        None => Slot::Missing,
        Some(task) if is_over(task) && task.status.state() != TaskState::Orphaned => {
            let policy = rules.restart(task.revision);
            match restart::next(&policy, task, now_ms) {
                Verdict::Never(_) => Slot::Failed,
                Verdict::Now | Verdict::At(_) => Slot::Active,
            }
        }
        Some(_) => Slot::Active,
    }
}

/// Ends what is left of other runs in a slot. Whether there was something.
fn end_earlier_runs<'a>(draft: &mut Draft<'a, '_>, slot: &[&'a Task], run: u64) -> bool {
    let earlier = slot
        .iter()
        .filter(|task| task.job_iteration != run && task.desired_state() < TaskState::Remove);
    let mut ended = false;
    for task in earlier {
        draft.end(task, TaskState::Remove, "another run of its job has begun");
        ended = true;
    }
    ended
}
