//! A service that asks for it is spread evenly again when a node has joined: while all is calm, one task after another is moved from the
//! node that has most of its tasks.

use std::collections::BTreeMap;

use model::{RolloutState, Task};

use super::draft::Draft;
use super::keep::replace;
use super::rolling::Kept;
use super::rules::Rules;
use super::slots::{Line, Reach, reach_of, serves};
use crate::scheduler;

/// So long nothing of the service was started before a task is moved, in milliseconds. As often it is looked for room while there is none.
pub(super) const CALM_MS: i64 = 60_000;
/// Why a task was moved.
pub(super) const REASON: &str = "rebalanced";

/// Moves a task, if the service asks for that and nothing else is going on. `kept` are all of its slots.
pub(super) fn rebalance<'a>(draft: &mut Draft<'a, '_>, rules: &Rules<'a>, kept: &[Kept<'_, 'a>]) {
    if !draft.service.spec.task.placement.rebalance
        || !draft.is_empty()
        || !is_still(draft)
        || !rules.may_start(rules.goal)
    {
        return;
    }
    let Some(tasks) = calm(draft, rules, kept) else {
        return;
    };
    let Some(revision) = rules.revision(rules.goal) else {
        return;
    };
    if !may_be_uneven(draft, rules, &tasks) {
        return;
    }
    let started_ms = tasks.iter().map(|task| task.meta.created_ms).max();
    let due_ms = started_ms.unwrap_or(0) + CALM_MS;
    if due_ms > draft.now_ms {
        draft.look_at(due_ms);
        return;
    }
    let Some(node) = scheduler::crowded(draft.view, revision, draft.now_ms) else {
        draft.look_at(draft.now_ms + CALM_MS);
        return;
    };
    let crowd = kept.iter().zip(&tasks).rev();
    let last = crowd.into_iter().find(|(_, task)| task.node_id == node);
    if let Some((kept, task)) = last {
        replace(draft, rules, kept.slot, task, rules.goal, REASON);
    }
}

/// Whether no rollout is under way, nor waits for a person.
fn is_still(draft: &Draft<'_, '_>) -> bool {
    let rollout = draft.service.rollout.as_ref();
    rollout.is_none_or(|rollout| {
        matches!(
            rollout.state(),
            RolloutState::Completed | RolloutState::RolledBack
        )
    })
}

/// The task of each slot, if every slot has one alone, of the newest revision, that does its work.
fn calm<'a>(
    draft: &Draft<'a, '_>,
    rules: &Rules<'a>,
    kept: &[Kept<'_, 'a>],
) -> Option<Vec<&'a Task>> {
    let only = |kept: &Kept<'_, 'a>| {
        let line = Line::of(kept.slot);
        let task = line.newest.filter(|_| line.older.is_none())?;
        (task.revision == rules.goal && serves(draft.view, task)).then_some(task)
    };
    kept.iter().map(only).collect()
}

/// Whether nodes differ by two tasks, or by values of labels; what else they carry is not looked at yet.
fn may_be_uneven(draft: &Draft<'_, '_>, rules: &Rules<'_>, tasks: &[&Task]) -> bool {
    let nodes = draft.view.nodes().iter();
    let fit = nodes.filter(|node| reach_of(node) == Reach::Fine && rules.suits(rules.goal, node));
    let mut on: BTreeMap<&str, usize> = fit.map(|node| (node.id.as_str(), 0)).collect();
    for task in tasks {
        if let Some(count) = on.get_mut(task.node_id.as_str()) {
            *count += 1;
        }
    }
    let (most, least) = (on.values().max(), on.values().min());
    let differ = most
        .zip(least)
        .is_some_and(|(most, least)| *most >= least + 2);
    differ || !draft.service.spec.task.placement.preferences.is_empty()
}
