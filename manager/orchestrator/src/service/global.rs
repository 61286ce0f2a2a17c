//! One task on each node that fits.

use std::collections::BTreeMap;

use model::{Node, Task, TaskState};

use super::draft::Draft;
use super::keep::{entry, keep};
use super::rolling::{Kept, roll};
use super::rules::Rules;
use super::slots::{Line, Reach, Slots, node_name, reach, reach_of};
use crate::rollout::Gate;
use crate::scheduler;

/// How soon a node that had no room for a task is asked again, in milliseconds.
pub(super) const ASK_AGAIN_MS: i64 = 15_000;

/// What may be done with the tasks of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Footing {
    /// What its slot needs.
    Keeps,
    /// Nothing: it takes no new tasks, or cannot be asked.
    Stands,
    /// They have been told to end.
    Ends,
}

/// Keeps a task on each node that fits. `may_grow`: whether nodes may be given one that have none.
pub(super) fn reconcile<'a>(
    draft: &mut Draft<'a, '_>,
    rules: &Rules<'a>,
    slots: &Slots<'a>,
    gate: Gate<'_>,
    may_grow: bool,
) {
    let mut kept = Vec::new();
    let mut known = BTreeMap::<&str, &[&'a Task]>::new();
    for slot in slots.iter() {
        if slot[0].slot > 0 || slot[0].job_iteration > 0 {
            // What the service was before it was one task per node.
            for task in slot {
                draft.end(
                    task,
                    TaskState::Remove,
                    "the mode of its service has changed",
                );
            }
            continue;
        }
        known.insert(&slot[0].node_id, slot);
        if Line::of(slot).newest.is_some() && footing(draft, rules, slot) == Footing::Keeps {
            let stepped = keep(draft, rules, slot);
            kept.push(Kept { slot, stepped });
        }
    }
    if may_grow {
        let is_missing = |node: &Node| {
            let slot = known.get(node.id.as_str());
            slot.is_none_or(|slot| Line::of(slot).newest.is_none())
        };
        for node in missing(draft, rules, is_missing) {
            let tasks = known.get(node).copied().unwrap_or_default();
            add(draft, rules, tasks, node, 0);
        }
    }
    roll(draft, rules, &kept, gate);
}

/// What may be done with the tasks of a node. Those of one that is drained, gone or not asked for any more are told to end.
pub(super) fn footing<'a>(
    draft: &mut Draft<'a, '_>,
    rules: &Rules<'a>,
    slot: &[&'a Task],
) -> Footing {
    let node_id = &slot[0].node_id;
    let line = Line::of(slot);
    let reason = match reach(draft.view, node_id) {
        Reach::Down | Reach::Paused => return Footing::Stands,
        Reach::Gone => {
            for task in line.tasks() {
                draft.lose(task);
            }
            return Footing::Ends;
        }
        Reach::Draining => "is drained",
        Reach::Fine => {
            let node = draft.view.nodes().get(node_id);
            let suits = |task: &&'a Task| node.is_none_or(|node| rules.suits(task.revision, node));
            if line.newest.is_none_or(|task| suits(&task)) {
                return Footing::Keeps;
            }
            "is not what the constraints ask for any more"
        }
    };
    let reason = format!("node {} {reason}", node_name(draft.view, node_id));
    for task in line.tasks() {
        draft.end(task, TaskState::Shutdown, &reason);
    }
    Footing::Ends
}

/// Nodes that have no task and are to have one, by id.
pub(super) fn missing<'a>(
    draft: &mut Draft<'a, '_>,
    rules: &Rules<'a>,
    is_missing: impl Fn(&Node) -> bool,
) -> Vec<&'a str> {
    let Some(revision) = rules.revision(rules.goal) else {
        return Vec::new();
    };
    let view = draft.view;
    let mut nodes = Vec::new();
    let mut is_full = false;
    for node in view.nodes().iter() {
        let is_ready =
            node.status.state() == model::NodeState::Ready && reach_of(node) == Reach::Fine;
        if !is_ready || !is_missing(node) || !rules.suits(rules.goal, node) {
            continue;
        }
        match scheduler::fits(view, revision, node) {
            Ok(()) => nodes.push(node.id.as_str()),
            Err(_) => is_full = true,
        }
    }
    if is_full {
        draft.look_at(draft.now_ms + ASK_AGAIN_MS);
    }
    nodes
}

/// Gives a node a task.
pub(super) fn add<'a>(
    draft: &mut Draft<'a, '_>,
    rules: &Rules<'a>,
    tasks: &[&'a Task],
    node_id: &str,
    job_iteration: u64,
) {
    let mut task = Task {
        node_id: node_id.to_owned(),
        revision: rules.goal,
        job_iteration,
        ..Task::default()
    };
    let desired = entry(draft, rules, tasks, &task, None);
    task.set_desired_state(desired);
    draft.add(task);
}
