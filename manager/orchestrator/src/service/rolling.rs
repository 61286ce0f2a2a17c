//! A rollout is carried on: what [`crate::rollout`] decides is done to the slots of the service.

use std::collections::BTreeSet;

use model::{RestartCondition, Rollout, RolloutState, Task, TaskState};

use super::draft::Draft;
use super::keep::replace;
use super::revision::differ_in_placement_alone;
use super::rollback;
use super::rules::{Rules, pacing};
use super::slots::{Line, is_meant, is_over, name, serves};
use crate::rollout::{self, Gate, Progress, SLOW_MS, Situation, Stage, Verdict};
use crate::standing::failure;

/// A slot after it was kept.
#[derive(Clone, Copy)]
pub(super) struct Kept<'s, 'a> {
    /// Its tasks, the oldest first.
    pub(super) slot: &'s [&'a Task],
    /// Whether the plan takes a step with it already.
    pub(super) stepped: bool,
}

/// Carries the service's rollout on, or begins one for tasks that are left of another revision.
pub(super) fn roll<'a>(
    draft: &mut Draft<'a, '_>,
    rules: &Rules<'a>,
    kept: &[Kept<'_, 'a>],
    gate: Gate<'_>,
) {
    let Some(mut rollout) = moving(draft, rules, kept) else {
        return;
    };
    let config = pacing(&draft.service);
    let monitor_ms = rollout::monitor_ms(&config);
    for task in kept.iter().flat_map(|kept| kept.slot) {
        if has_failed(rules, &rollout, monitor_ms, task) && !rollout.failed.contains(&task.id) {
            rollout.failed.push(task.id.clone());
        }
    }
    let mut slots: Vec<Progress> = Vec::with_capacity(kept.len());
    for kept in kept {
        let mut stage = stage(draft, rules, &rollout, kept);
        if matches!(stage, Stage::Old { .. }) && gate == Gate::Open && adopt(draft, rules, kept) {
            stage = Stage::Settled;
        }
        let note = match stage {
            Stage::Begun(since_ms) if since_ms + SLOW_MS <= draft.now_ms => note(kept),
            _ => String::new(),
        };
        slots.push(Progress { stage, note });
    }
    let now_ms = draft.now_ms;
    let at = Situation {
        rollout: &rollout,
        config,
        gate: match rollout.state() {
            RolloutState::RollingBack => Gate::Open,
            _ => gate,
        },
        slots: &slots,
        now_ms,
    };
    let verdict = rollout::advance(&at);
    let progress = rollout::progress(&at);
    match verdict {
        Verdict::Start(batch) => {
            for place in &batch {
                begin(draft, rules, kept[*place].slot);
            }
            let is_old = |slot: &&Progress| matches!(slot.stage, Stage::Old { .. });
            let old = slots.iter().filter(is_old).count() - batch.len();
            rollout.message = rollout::told(slots.len() - old, slots.len(), rollout.to);
            rollout.last_batch_ms = now_ms;
        }
        Verdict::Wait { reason, until_ms } => {
            rollout.message = reason;
            if let Some(until_ms) = until_ms {
                draft.look_at(until_ms);
            }
        }
        Verdict::Pause(reason) => {
            rollout.set_state(match rollout.state() {
                RolloutState::RollingBack => RolloutState::RollbackPaused,
                _ => RolloutState::Paused,
            });
            let because = because(draft, &rollout);
            rollout.message = match rollout.reason.as_str() {
                "" => format!("{reason}{because}; {progress}"),
                first => format!("{reason}{because}; {progress}; it was to return because {first}"),
            };
        }
        Verdict::RollBack(reason) => {
            let failed = rollout.clone();
            let reason = format!("{reason}{}", because(draft, &rollout));
            draft.service.rollout = Some(rollout);
            rollback::by_itself(draft, &failed, &reason);
            return;
        }
        Verdict::Done => {
            let returned = rollout.state() == RolloutState::RollingBack;
            rollout.set_state(match returned {
                true => RolloutState::RolledBack,
                false => RolloutState::Completed,
            });
            rollout.completed_ms = now_ms;
            rollout.message = match (returned, rollout.reason.as_str()) {
                (false, _) => String::new(),
                (true, "") => format!("returned from revision {} to {}", rollout.from, rollout.to),
                (true, reason) => format!(
                    "returned from revision {} to {}: {reason}",
                    rollout.from, rollout.to
                ),
            };
        }
    }
    draft.service.rollout = Some(rollout);
}

/// What is known of its failures, each thing once: ` (rejected: image x not found)`.
fn because(draft: &Draft<'_, '_>, rollout: &Rollout) -> String {
    let tasks = rollout.failed.iter();
    let tasks = tasks.filter_map(|id| draft.view.tasks().get(id));
    let known = tasks.filter_map(|task| failure(task));
    let known: BTreeSet<String> = known.filter(|what| what.contains(": ")).collect();
    match known.is_empty() {
        true => String::new(),
        false => format!(" ({})", known.into_iter().collect::<Vec<_>>().join("; ")),
    }
}

/// The rollout, if it moves.
fn moving<'a>(
    draft: &mut Draft<'a, '_>,
    rules: &Rules<'a>,
    kept: &[Kept<'_, 'a>],
) -> Option<Rollout> {
    let rollout = draft.service.rollout.clone();
    match rollout.as_ref().map(Rollout::state) {
        Some(state) if state.moves() => return rollout,
        Some(RolloutState::Paused | RolloutState::RollbackPaused) => return None,
        _ => {}
    }
    let is_old = |kept: &Kept<'_, 'a>| {
        let newest = Line::of(kept.slot).newest?;
        (!kept.stepped && newest.revision != rules.goal).then_some(newest.revision)
    };
    let from = kept.iter().find_map(is_old)?;
    draft.service.rollout = Some(begun(from, rules.goal, draft.now_ms));
    None
}

/// A rollout that begins.
pub(super) fn begun(from: u64, to: u64, now_ms: i64) -> Rollout {
    Rollout {
        state: RolloutState::Updating.into(),
        to,
        from,
        started_ms: now_ms,
        ..Rollout::default()
    }
}

/// Whether a task of the rollout has failed while it was watched. What followed a failed one in its slot is not counted again.
fn has_failed(rules: &Rules<'_>, rollout: &Rollout, monitor_ms: i64, task: &Task) -> bool {
    if task.revision != rules.goal
        || !is_meant(task)
        || task.attempt > 0
        || task.meta.created_ms < rollout.started_ms
    {
        return false;
    }
    let failed = match task.status.state() {
        TaskState::Failed | TaskState::Rejected => true,
        // One that is to run always has no business to end.
        TaskState::Complete => rules.restart(task.revision).condition() == RestartCondition::Any,
        _ => false,
    };
    failed && task.status.ran_ms() < monitor_ms
}

fn stage<'a>(
    draft: &Draft<'a, '_>,
    rules: &Rules<'a>,
    rollout: &Rollout,
    kept: &Kept<'_, 'a>,
) -> Stage {
    let line = Line::of(kept.slot);
    let Some(newest) = line.newest else {
        return Stage::Settled;
    };
    let is_new = newest.meta.created_ms >= rollout.started_ms;
    if newest.revision == rules.goal && (!is_new || newest.attempt > 0 || is_over(newest)) {
        return Stage::Settled;
    }
    if kept.stepped {
        return Stage::Begun(draft.now_ms);
    }
    if newest.revision != rules.goal {
        return Stage::Old {
            live: newest.is_live(),
        };
    }
    match serves(draft.view, newest) && line.older.is_none() {
        true => Stage::Running(newest.meta.updated_ms.min(draft.now_ms)),
        false => Stage::Begun(newest.meta.created_ms.max(newest.not_before_ms)),
    }
}

/// Makes a task one of the newest revision as it stands, when nothing but the placement has changed and its node fits still.
fn adopt<'a>(draft: &mut Draft<'a, '_>, rules: &Rules<'a>, kept: &Kept<'_, 'a>) -> bool {
    let line = Line::of(kept.slot);
    let (Some(task), None) = (line.newest, line.older) else {
        return false;
    };
    let (Some(old), Some(goal)) = (rules.revision(task.revision), rules.revision(rules.goal))
    else {
        return false;
    };
    let Some(node) = draft.view.nodes().get(&task.node_id) else {
        return false;
    };
    let stays =
        !is_over(task) && differ_in_placement_alone(old, goal) && rules.suits(rules.goal, node);
    if stays {
        draft.change(task).revision = rules.goal;
    }
    stays
}

fn begin<'a>(draft: &mut Draft<'a, '_>, rules: &Rules<'a>, slot: &[&'a Task]) {
    let line = Line::of(slot);
    let reason = format!("replaced by a task of revision {}", rules.goal);
    if let (Some(_), Some(newest)) = (line.older, line.newest) {
        draft.end(newest, TaskState::Shutdown, &reason);
    }
    if let Some(task) = line.older.or(line.newest) {
        replace(draft, rules, slot, task, rules.goal, &reason);
    }
}

/// What holds a slot up.
fn note(kept: &Kept<'_, '_>) -> String {
    let Some(newest) = Line::of(kept.slot).newest else {
        return String::new();
    };
    let (slot, status) = (name(newest), &newest.status);
    match status.state() {
        TaskState::New | TaskState::Pending if !status.message.is_empty() => {
            format!("{slot} waits: {}", status.message)
        }
        state => format!("{slot} does not run yet: it is {state}"),
    }
}
