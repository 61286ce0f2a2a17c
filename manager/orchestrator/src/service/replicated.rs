//! So many tasks, wherever there is room: one in each of the slots, and no slot more.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use model::{RolloutState, Task, TaskState};

use super::draft::Draft;
use super::keep::{entry, keep};
use super::rebalance::rebalance;
use super::rolling::{Kept, roll};
use super::rules::Rules;
use super::slots::{Line, Slots, is_meant};
use crate::rollout::Gate;

/// Keeps as many slots as there are to be replicas. `may_grow`: whether slots may be added.
pub(super) fn reconcile<'a>(
    draft: &mut Draft<'a, '_>,
    rules: &Rules<'a>,
    slots: &Slots<'a>,
    replicas: u64,
    gate: Gate<'_>,
    may_grow: bool,
) {
    let mut taken = Vec::new();
    let mut vacant = BTreeMap::new();
    for slot in slots.iter() {
        if slot[0].slot == 0 || slot[0].job_iteration > 0 {
            // What the service was before it had replicas.
            for task in slot {
                draft.end(
                    task,
                    TaskState::Remove,
                    "the mode of its service has changed",
                );
            }
        } else if Line::of(slot).newest.is_some() {
            taken.push(slot);
        } else {
            vacant.insert(slot[0].slot, slot);
        }
    }
    let surplus = taken
        .len()
        .saturating_sub(usize::try_from(replicas).unwrap_or(usize::MAX));
    let leaving = choose(&taken, surplus);
    let mut kept = Vec::new();
    for (place, slot) in taken.iter().enumerate() {
        if leaving.contains(&place) {
            for task in *slot {
                draft.end(task, TaskState::Remove, "scaled down");
            }
        } else {
            let stepped = keep(draft, rules, slot);
            kept.push(Kept { slot, stepped });
        }
    }
    if may_grow && (taken.len() as u64) < replicas {
        let used: BTreeSet<u64> = taken.iter().map(|slot| slot[0].slot).collect();
        let missing = replicas - taken.len() as u64;
        let free = (1..).filter(|number| !used.contains(number));
        let revision = revision_of_new(draft, rules, gate);
        for number in free.take(usize::try_from(missing).unwrap_or(usize::MAX)) {
            let tasks = vacant.get(&number).copied().unwrap_or_default();
            add(draft, rules, tasks, number, revision);
        }
    }
    roll(draft, rules, &kept, gate);
    if may_grow && taken.len() as u64 == replicas {
        rebalance(draft, rules, &kept);
    }
}

/// Which slots go: those that do not run, then those on the nodes with most of them, then those of the highest numbers.
fn choose(taken: &[&[&Task]], count: usize) -> BTreeSet<usize> {
    if count == 0 {
        return BTreeSet::new();
    }
    let mut on_node = BTreeMap::<&str, usize>::new();
    let mut ranked = Vec::with_capacity(taken.len());
    for (place, slot) in taken.iter().enumerate() {
        let live = slot.iter().find(|task| is_meant(task) && task.is_live());
        // The second on a node goes before the first on any.
        let crowd = live.map(|task| {
            let number = on_node.entry(task.node_id.as_str()).or_default();
            *number += 1;
            *number
        });
        ranked.push((
            crowd.is_some(),
            Reverse(crowd),
            Reverse(slot[0].slot),
            place,
        ));
    }
    ranked.sort_unstable();
    ranked
        .into_iter()
        .take(count)
        .map(|(.., place)| place)
        .collect()
}

/// The revision of tasks in new slots: the newest, unless that has proved bad, or may not start yet.
fn revision_of_new(draft: &Draft<'_, '_>, rules: &Rules<'_>, gate: Gate<'_>) -> u64 {
    let Some(rollout) = &draft.service.rollout else {
        return rules.goal;
    };
    let holds_back = match rollout.state() {
        RolloutState::Paused => true,
        RolloutState::Updating => gate != Gate::Open,
        _ => false,
    };
    match holds_back && rules.has_started(rollout.from) && rules.revision(rollout.from).is_some() {
        true => rollout.from,
        false => rules.goal,
    }
}

fn add<'a>(
    draft: &mut Draft<'a, '_>,
    rules: &Rules<'a>,
    tasks: &[&'a Task],
    number: u64,
    revision: u64,
) {
    let mut task = Task {
        slot: number,
        revision,
        ..Task::default()
    };
    let desired = entry(draft, rules, tasks, &task, None);
    task.set_desired_state(desired);
    draft.add(task);
}
