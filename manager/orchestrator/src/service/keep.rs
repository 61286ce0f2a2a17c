//! A slot is kept: what has ended is followed, what is lost is replaced, what waited is let start. One step at a time.
//!
//! Invariant: a task of a slot starts only when no other one of the slot may live, but for the one that it replaces start-first.

use model::{Task, TaskState};

use super::draft::Draft;
use super::rebalance::REASON;
use super::rules::Rules;
use super::slots::{Line, Reach, is_meant, is_over, may_live, node_name, reach, serves};
use crate::restart::{self, Verdict};

/// What a task has come to, its node considered.
enum Condition {
    /// It ran, or will.
    Well,
    /// It has ended.
    Over,
    /// Nothing is known of it.
    Lost,
    /// Its node is not for it any more: why.
    Leaves(String),
}

/// Takes the next step with the tasks of a slot, the oldest first. Whether there was one to take.
pub(super) fn keep<'a>(draft: &mut Draft<'a, '_>, rules: &Rules<'a>, slot: &[&'a Task]) -> bool {
    let line = Line::of(slot);
    for task in &line.surplus {
        draft.end(task, TaskState::Shutdown, "replaced by a newer task");
    }
    let stepped = match (line.older, line.newest) {
        (_, None) => false,
        (None, Some(task)) => keep_one(draft, rules, slot, task),
        (Some(older), Some(newest)) => keep_two(draft, rules, slot, older, newest),
    };
    stepped || !line.surplus.is_empty()
}

/// Puts a task of a revision in the place of one: beside it, and then in its place, if both may be; or after it.
pub(super) fn replace<'a>(
    draft: &mut Draft<'a, '_>,
    rules: &Rules<'a>,
    slot: &[&'a Task],
    task: &'a Task,
    revision: u64,
    reason: &str,
) {
    let beside = task.is_live()
        && may_live(draft.view, task)
        && rules.may_overlap(task.revision, revision)
        && rules.has_room(revision);
    let mut next = in_place_of(draft, rules, task, revision);
    let desired = entry(draft, rules, slot, &next, beside.then_some(task));
    next.set_desired_state(desired);
    draft.add(next);
    if !beside {
        draft.end(task, TaskState::Shutdown, reason);
    }
}

/// Follows a task that has ended as its policy says. Whether it is followed now. One that could not even be prepared while it waited for its time
/// is followed when that has come: not sooner than one that could.
pub(super) fn follow<'a>(
    draft: &mut Draft<'a, '_>,
    rules: &Rules<'a>,
    slot: &[&'a Task],
    task: &'a Task,
    beside: Option<&'a Task>,
) -> bool {
    if task.not_before_ms > draft.now_ms {
        draft.look_at(task.not_before_ms);
        return false;
    }
    let policy = rules.restart(task.revision);
    let not_before_ms = match restart::next(&policy, task, draft.now_ms) {
        Verdict::Never(_) => return false,
        Verdict::Now => 0,
        Verdict::At(at_ms) => at_ms,
    };
    let mut next = in_place_of(draft, rules, task, rules.kept(task));
    next.not_before_ms = not_before_ms;
    (next.attempt, next.window_ms) = restart::history(&policy, task, draft.now_ms);
    let desired = entry(draft, rules, slot, &next, beside);
    next.set_desired_state(desired);
    draft.add(next);
    draft.end(task, TaskState::Shutdown, "");
    true
}

/// Lets a task start that waits for it, if its time has come. Whether it has.
pub(super) fn release<'a>(
    draft: &mut Draft<'a, '_>,
    rules: &Rules<'a>,
    slot: &[&'a Task],
    task: &'a Task,
    beside: Option<&'a Task>,
) -> bool {
    let starts = task.desired_state() < TaskState::Running
        && entry(draft, rules, slot, task, beside) == TaskState::Running;
    if starts {
        draft.release(task);
    }
    starts
}

/// The state that a task shall reach at first: that of running, if it may start at once.
pub(super) fn entry<'a>(
    draft: &mut Draft<'a, '_>,
    rules: &Rules<'a>,
    slot: &[&'a Task],
    next: &Task,
    beside: Option<&'a Task>,
) -> TaskState {
    if next.not_before_ms > draft.now_ms {
        draft.look_at(next.not_before_ms);
        return TaskState::Ready;
    }
    let view = draft.view;
    let in_the_way = |task: &&Task| {
        task.id != next.id
            && beside.is_none_or(|beside| beside.id != task.id)
            && may_live(view, task)
    };
    match rules.may_start(next.revision) && !slot.iter().any(in_the_way) {
        true => TaskState::Running,
        false => TaskState::Ready,
    }
}

fn keep_one<'a>(
    draft: &mut Draft<'a, '_>,
    rules: &Rules<'a>,
    slot: &[&'a Task],
    task: &'a Task,
) -> bool {
    match condition(draft, rules, task) {
        Condition::Over => follow(draft, rules, slot, task, None),
        Condition::Lost => {
            move_on(draft, rules, slot, task, None);
            draft.lose(task);
            true
        }
        Condition::Leaves(reason) => {
            replace(draft, rules, slot, task, rules.kept(task), &reason);
            true
        }
        Condition::Well if never_started(rules, task) => {
            let reason = format!(
                "superseded by revision {} before it was started",
                rules.goal
            );
            replace(draft, rules, slot, task, rules.goal, &reason);
            true
        }
        Condition::Well => release(draft, rules, slot, task, None),
    }
}

fn keep_two<'a>(
    draft: &mut Draft<'a, '_>,
    rules: &Rules<'a>,
    slot: &[&'a Task],
    older: &'a Task,
    newest: &'a Task,
) -> bool {
    if matches!(condition(draft, rules, older), Condition::Over) {
        draft.end(older, TaskState::Shutdown, "");
        return true;
    }
    if matches!(condition(draft, rules, older), Condition::Lost) {
        draft.lose(older);
        return true;
    }
    let superseded = newest.revision != older.revision && newest.revision != rules.goal;
    if superseded && (older.revision == rules.goal || !serves(draft.view, newest)) {
        let reason = format!("superseded by revision {}", rules.goal);
        draft.end(newest, TaskState::Shutdown, &reason);
        return true;
    }
    match condition(draft, rules, newest) {
        Condition::Over => follow(draft, rules, slot, newest, Some(older)),
        Condition::Lost => {
            move_on(draft, rules, slot, newest, Some(older));
            draft.lose(newest);
            true
        }
        Condition::Leaves(reason) => {
            move_on(draft, rules, slot, newest, Some(older));
            draft.end(newest, TaskState::Shutdown, &reason);
            true
        }
        Condition::Well => {
            let overlap = rules.may_overlap(older.revision, newest.revision);
            if overlap && is_needless(draft, rules, older, newest) {
                draft.end(newest, TaskState::Shutdown, "the older task stays");
                return true;
            }
            if serves(draft.view, newest) || !overlap {
                let reason = match newest.revision == older.revision {
                    true if rules.rebalances() && is_well(draft, rules, older) => REASON.to_owned(),
                    true => "moved to another node".to_owned(),
                    false => format!("replaced by a task of revision {}", newest.revision),
                };
                draft.end(older, TaskState::Shutdown, &reason);
                return true;
            }
            release(draft, rules, slot, newest, Some(older))
        }
    }
}

/// Starts anew elsewhere what could not go on where it was, though it did nothing wrong.
fn move_on<'a>(
    draft: &mut Draft<'a, '_>,
    rules: &Rules<'a>,
    slot: &[&'a Task],
    task: &'a Task,
    beside: Option<&'a Task>,
) {
    let mut next = in_place_of(draft, rules, task, rules.kept(task));
    let desired = entry(draft, rules, slot, &next, beside);
    next.set_desired_state(desired);
    draft.add(next);
}

/// A task in the place of another. Of the same revision it has its history, and its pause if that is not over.
fn in_place_of(draft: &Draft<'_, '_>, rules: &Rules<'_>, task: &Task, revision: u64) -> Task {
    let mut next = Task {
        revision,
        slot: task.slot,
        job_iteration: task.job_iteration,
        ..Task::default()
    };
    if rules.per_node {
        next.node_id.clone_from(&task.node_id);
    }
    if revision == task.revision {
        (next.attempt, next.window_ms) = (task.attempt, task.window_ms);
        if task.not_before_ms > draft.now_ms {
            next.not_before_ms = task.not_before_ms;
        }
    }
    next
}

/// Whether a task waits at the gate of a revision that nobody wants any more.
fn never_started(rules: &Rules<'_>, task: &Task) -> bool {
    task.revision != rules.goal
        && task.desired_state() < TaskState::Running
        && !rules.may_start(task.revision)
        && !rules.has_started(task.revision)
}

/// Whether a task that waits is to take the place of one that could not stay, and now can.
fn is_needless(draft: &Draft<'_, '_>, rules: &Rules<'_>, older: &Task, newest: &Task) -> bool {
    newest.revision == older.revision
        && newest.desired_state() < TaskState::Running
        && !rules.rebalances()
        && is_well(draft, rules, older)
}

fn is_well(draft: &Draft<'_, '_>, rules: &Rules<'_>, task: &Task) -> bool {
    matches!(condition(draft, rules, task), Condition::Well)
}

fn condition(draft: &Draft<'_, '_>, rules: &Rules<'_>, task: &Task) -> Condition {
    let view = draft.view;
    if task.status.state() == TaskState::Orphaned {
        return Condition::Lost;
    }
    if is_over(task) {
        return Condition::Over;
    }
    debug_assert!(is_meant(task), "only those are asked about");
    match reach(view, &task.node_id) {
        Reach::Down | Reach::Gone => Condition::Lost,
        Reach::Draining => {
            let node = node_name(view, &task.node_id);
            Condition::Leaves(format!("node {node} is drained"))
        }
        Reach::Fine | Reach::Paused => match view.nodes().get(&task.node_id) {
            Some(node) if !rules.suits(task.revision, node) => {
                let node = node_name(view, &task.node_id);
                Condition::Leaves(format!(
                    "node {node} is not what the constraints ask for any more"
                ))
            }
            _ => Condition::Well,
        },
    }
}
