//! When another task is started in the place of one that has ended, and when none is.
//!
//! - The first restart waits for the policy's delay. A policy without one has 5 s, but a task that ran for 10 s is
//!   followed at once: it worked, and every second without it is one too many.
//! - A task that ended within 10 s of running, or never ran, is followed by pauses that double, up to 5 minutes. The pause that a
//!   task had is what lies between its making and its `not_before_ms`, so nothing else has to be remembered.
//! - Restarts are counted within the policy's window; the first after a window has passed opens the next.

#[cfg(test)]
mod tests;

use model::{RestartCondition, RestartPolicy, Task, TaskState};

/// The pause before a restart where the policy names none, in milliseconds.
pub const USUAL_DELAY_MS: u64 = 5_000;
/// A task that ran for so long is one that worked, in milliseconds.
pub const WORKED_MS: i64 = 10_000;
/// The longest pause, where the policy asks for no longer one, in milliseconds.
pub const LONGEST_PAUSE_MS: i64 = 300_000;

/// What follows a task that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Another one, at once.
    Now,
    /// Another one, at that time: milliseconds since 1970 (UTC).
    At(i64),
    /// None, and why.
    Never(String),
}

/// Decides what follows a task that has ended by itself.
pub fn next(policy: &RestartPolicy, task: &Task, now_ms: i64) -> Verdict {
    if let Some(reason) = refusal(policy, task) {
        return Verdict::Never(reason);
    }
    // One that could not even be prepared ends before its own pause is over.
    let ended_ms = task.meta.updated_ms.max(task.not_before_ms).min(now_ms);
    let due_ms = ended_ms + pause_ms(policy, task);
    match due_ms > now_ms {
        true => Verdict::At(due_ms),
        false => Verdict::Now,
    }
}

/// The policy of a job: what has ended well is not run again.
pub fn of_job(policy: RestartPolicy) -> RestartPolicy {
    match policy.condition() {
        RestartCondition::Any => RestartPolicy {
            condition: RestartCondition::OnFailure.into(),
            ..policy
        },
        _ => policy,
    }
}

/// `attempt` and `window_ms` of the task that follows one that has ended.
pub fn history(policy: &RestartPolicy, task: &Task, now_ms: i64) -> (u32, i64) {
    match counted(policy, task) {
        0 => (1, now_ms),
        attempts => (attempts.saturating_add(1), task.window_ms),
    }
}

fn refusal(policy: &RestartPolicy, task: &Task) -> Option<String> {
    match policy.condition() {
        RestartCondition::None => return Some("it is not to be restarted".to_owned()),
        RestartCondition::OnFailure if task.status.state() == TaskState::Complete => {
            return Some("it has ended well".to_owned());
        }
        RestartCondition::OnFailure | RestartCondition::Any => {}
    }
    let most = policy.max_attempts;
    (most != 0 && u64::from(counted(policy, task)) >= most)
        .then(|| format!("restarted {most} of {most} times"))
}

/// How many restarts of the slot count when this task ends.
fn counted(policy: &RestartPolicy, task: &Task) -> u32 {
    let window_ms = i64::try_from(policy.window_ms).unwrap_or(i64::MAX);
    let passed = task.meta.updated_ms.saturating_sub(task.window_ms);
    match window_ms != 0 && passed >= window_ms {
        true => 0,
        false => task.attempt,
    }
}

fn pause_ms(policy: &RestartPolicy, task: &Task) -> i64 {
    let delay_ms = match policy.delay_ms {
        0 => USUAL_DELAY_MS,
        delay_ms => delay_ms,
    };
    let delay_ms = i64::try_from(delay_ms)
        .unwrap_or(i64::MAX / 4)
        .min(i64::MAX / 4);
    if task.status.ran_ms() >= WORKED_MS {
        return if policy.delay_ms == 0 { 0 } else { delay_ms };
    }
    let before_ms = (task.not_before_ms - task.meta.created_ms).max(0);
    let mut pause_ms = delay_ms;
    // A task is made a moment after its pause was decided: what is left of the pause is a little less.
    while pause_ms <= before_ms.saturating_add(before_ms / 8) && pause_ms < LONGEST_PAUSE_MS {
        pause_ms *= 2;
    }
    pause_ms.min(LONGEST_PAUSE_MS.max(delay_ms))
}
