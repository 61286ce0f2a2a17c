//! How fast the tasks of a service become tasks of its newest revision, and what is done when they fail.
//!
//! At most `parallelism` slots are under way: a slot is until its new task has been running for `delay`. A new task that
//! fails before it has been running for `monitor` counts against the rollout, as in Docker; one that never gets to run does not by
//! itself, the rollout waits and says for what. When every slot is done and watched, the rollout has ended.

#[cfg(test)]
mod tests;

use model::{FailureAction, Rollout, RolloutState, UpdateConfig};

/// How long a new task is watched where the service says nothing, in milliseconds.
pub const USUAL_MONITOR_MS: i64 = 5_000;
/// A new task that doesn't run after so long is named, in milliseconds.
pub const SLOW_MS: i64 = 60_000;

/// What a rollout looks at.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// What is known of it; `failed` names every failure up to now.
    pub rollout: &'a Rollout,
    /// How it is to go.
    pub config: UpdateConfig,
    /// Whether tasks of the new revision may start.
    pub gate: Gate<'a>,
    /// Every slot of the service.
    pub slots: &'a [Progress],
    /// Milliseconds since 1970 (UTC).
    pub now_ms: i64,
}

/// Whether tasks of the new revision may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate<'a> {
    /// They may.
    Open,
    /// Not yet; what is waited for.
    Closed(&'a str),
    /// Not within the time that there was for it; what was waited for.
    Expired(&'a str),
}

/// How far a slot has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How far.
    pub stage: Stage,
    /// What people call the slot, and what holds it up: `slot 3 is preparing`. Read when it is slow.
    pub note: String,
}

/// How far a slot has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its task is of another revision.
    Old {
        /// Whether that one runs: slots that don't are taken first.
        live: bool,
    },
    /// Its new task does not run yet, since then: milliseconds since 1970 (UTC).
    Begun(i64),
    /// Its new task runs, since then: milliseconds since 1970 (UTC).
    Running(i64),
    /// Nothing is waited for: its task was of the revision before, or has failed and is counted.
    Settled,
}

/// What a rollout does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// These slots, by their place in [`Situation::slots`], are given a new task.
    Start(Vec<usize>),
    /// Nothing yet.
    Wait {
        /// For what, for people.
        reason: String,
        /// When to look again though nothing has changed: milliseconds since 1970 (UTC).
        until_ms: Option<i64>,
    },
    /// It stops, for that reason, until a person says how to go on.
    Pause(String),
    /// The service returns to what it was before, for that reason.
    RollBack(String),
    /// Everything is of the new revision.
    Done,
}

/// Decides what a rollout that moves does next.
pub fn advance(at: &Situation<'_>) -> Verdict {
    if let Some(reason) = failure(at) {
        match at.config.failure_action() {
            FailureAction::Continue => {}
            FailureAction::Rollback if at.rollout.state() == RolloutState::Updating => {
                return Verdict::RollBack(reason);
            }
            FailureAction::Pause | FailureAction::Rollback => return Verdict::Pause(reason),
        }
    }
    let tally = Tally::of(at);
    if tally.old.is_empty() && tally.under_way == 0 && tally.watched_until_ms.is_none() {
        return Verdict::Done;
    }
    let wait = |reason: String| Verdict::Wait {
        reason,
        until_ms: tally.until_ms,
    };
    if let Some(slow) = tally.slow {
        return match tally.free(at) {
            0 => wait(slow.to_owned()),
            free => start(at, &tally, free).unwrap_or_else(|| wait(slow.to_owned())),
        };
    }
    start(at, &tally, tally.free(at)).unwrap_or_else(|| match at.gate {
        Gate::Closed(what) | Gate::Expired(what) if !tally.old.is_empty() => {
            wait(format!("{}; waits for {what}", progress(at)))
        }
        _ => wait(progress(at)),
    })
}

/// How far a rollout is, for people: `2 of 5 tasks are of revision 3`. Changes only when slots are begun.
pub fn progress(at: &Situation<'_>) -> String {
    let is_old = |slot: &&Progress| matches!(slot.stage, Stage::Old { .. });
    let old = at.slots.iter().filter(is_old).count();
    told(at.slots.len() - old, at.slots.len(), at.rollout.to)
}

/// The same in numbers.
pub fn told(done: usize, all: usize, revision: u64) -> String {
    format!("{done} of {all} tasks are of revision {revision}")
}

/// The time for which a new task is watched, in milliseconds.
pub fn monitor_ms(config: &UpdateConfig) -> i64 {
    match config.monitor_ms {
        0 => USUAL_MONITOR_MS,
        own => i64::try_from(own).unwrap_or(i64::MAX / 4).min(i64::MAX / 4),
    }
}

/// What is too much for the rollout, if something is.
fn failure(at: &Situation<'_>) -> Option<String> {
    let (failed, all) = (at.rollout.failed.len(), at.slots.len());
    if failed > 0 && failed as f64 > at.config.max_failure_ratio * all as f64 {
        return Some(format!("{failed} of {all} tasks failed"));
    }
    match at.gate {
        Gate::Expired(what) if at.rollout.state() == RolloutState::Updating => {
            Some(format!("gave up to wait for {what}"))
        }
        _ => None,
    }
}

/// What the slots come to.
#[derive(Default)]
struct Tally<'a> {
    /// Slots that are to be begun, in that order.
    old: Vec<usize>,
    under_way: usize,
    watched_until_ms: Option<i64>,
    until_ms: Option<i64>,
    slow: Option<&'a str>,
}

impl<'a> Tally<'a> {
    fn of(at: &Situation<'a>) -> Self {
        let delay_ms = i64::try_from(at.config.delay_ms).unwrap_or(i64::MAX / 4);
        let monitor_ms = monitor_ms(&at.config);
        let mut tally = Tally::default();
        for (place, slot) in at.slots.iter().enumerate() {
            match slot.stage {
                Stage::Settled => {}
                Stage::Old { .. } => tally.old.push(place),
                Stage::Begun(since_ms) => {
                    tally.under_way += 1;
                    match since_ms.saturating_add(SLOW_MS) {
                        due_ms if due_ms > at.now_ms => tally.look_at(due_ms),
                        _ => tally.slow = tally.slow.or(Some(&slot.note)),
                    }
                }
                Stage::Running(since_ms) => {
                    let rested_ms = since_ms.saturating_add(delay_ms.min(i64::MAX / 4));
                    let watched_ms = since_ms.saturating_add(monitor_ms);
                    if rested_ms > at.now_ms {
                        tally.under_way += 1;
                        tally.look_at(rested_ms);
                    }
                    if watched_ms > at.now_ms {
                        tally.watched_until_ms = tally.watched_until_ms.max(Some(watched_ms));
                    }
                }
            }
        }
        let is_live = |place: &usize| matches!(at.slots[*place].stage, Stage::Old { live: true });
        tally.old.sort_by_key(is_live);
        if tally.old.is_empty() {
            // The pause after the last slot is nothing to wait for.
            tally.under_way = at
                .slots
                .iter()
                .filter(|slot| matches!(slot.stage, Stage::Begun(_)))
                .count();
        }
        if let Some(watched_ms) = tally.watched_until_ms {
            tally.look_at(watched_ms);
        }
        tally
    }

    fn look_at(&mut self, at_ms: i64) {
        self.until_ms = Some(self.until_ms.map_or(at_ms, |known| known.min(at_ms)));
    }

    /// How many slots may be begun.
    fn free(&self, at: &Situation<'_>) -> usize {
        match at.config.parallelism {
            0 => self.old.len(),
            most => usize::try_from(most)
                .unwrap_or(usize::MAX)
                .saturating_sub(self.under_way),
        }
    }
}

fn start(at: &Situation<'_>, tally: &Tally<'_>, free: usize) -> Option<Verdict> {
    let batch: Vec<usize> = tally.old.iter().copied().take(free).collect();
    (at.gate == Gate::Open && !batch.is_empty()).then_some(Verdict::Start(batch))
}
