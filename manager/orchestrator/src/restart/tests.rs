//! SwarmKit's cases of the restart supervisor: any, on failure, none, delay, attempts, window; and the pauses that grow.

use model::{RestartCondition, RestartPolicy, Task, TaskState};

use super::{Verdict, history, next, of_job};

fn policy(condition: RestartCondition) -> RestartPolicy {
    RestartPolicy {
        condition: condition.into(),
        ..RestartPolicy::default()
    }
}

/// One that was made at 0, and ended at `ended_ms` after it ran for `ran_ms`.
fn ended(state: TaskState, ended_ms: i64, ran_ms: i64) -> Task {
    let mut task = Task::default();
    task.status.state = state.into();
    task.status.at_ms = ended_ms;
    if ran_ms > 0 {
        task.status.running_ms = ended_ms - ran_ms;
    }
    task.meta.updated_ms = ended_ms;
    task
}

#[test]
fn conditions() {
    use RestartCondition::{Any, None, OnFailure};
    use TaskState::{Complete, Failed, Rejected};
    let table = [
        (Any, Complete, true),
        (Any, Failed, true),
        (Any, Rejected, true),
        (OnFailure, Complete, false),
        (OnFailure, Failed, true),
        (OnFailure, Rejected, true),
        (None, Complete, false),
        (None, Failed, false),
    ];
    for (condition, state, again) in table {
        let verdict = next(&policy(condition), &ended(state, 1000, 500), 1000);
        let is_again = !matches!(verdict, Verdict::Never(_));
        assert_eq!(is_again, again, "{condition:?} {state}: {verdict:?}");
    }
    let job = of_job(policy(Any));
    let done = ended(Complete, 1000, 500);
    assert!(matches!(next(&job, &done, 1000), Verdict::Never(_)));
}

#[test]
fn delays() {
    let usual = policy(RestartCondition::Any);
    let own = RestartPolicy {
        delay_ms: 200,
        ..usual
    };
    let long = RestartPolicy {
        delay_ms: 600_000,
        ..usual
    };
    let table = [
        (
            "the usual pause",
            usual,
            1_000,
            500,
            1_000,
            Verdict::At(6_000),
        ),
        (
            "one that worked",
            usual,
            60_000,
            10_000,
            60_000,
            Verdict::Now,
        ),
        ("an own pause", own, 1_000, 500, 1_000, Verdict::At(1_200)),
        (
            "an own pause holds for one that worked",
            own,
            60_000,
            10_000,
            60_000,
            Verdict::At(60_200),
        ),
        (
            "a pause that is over",
            usual,
            1_000,
            500,
            6_000,
            Verdict::Now,
        ),
        (
            "a longer one than the longest",
            long,
            1_000,
            500,
            1_000,
            Verdict::At(601_000),
        ),
        (
            "a clock that was ahead",
            usual,
            9_000,
            500,
            1_000,
            Verdict::At(6_000),
        ),
    ];
    for (what, policy, ended_ms, ran_ms, now_ms, expected) in table {
        let task = ended(TaskState::Failed, ended_ms, ran_ms);
        assert_eq!(next(&policy, &task, now_ms), expected, "{what}");
    }
}

#[test]
fn pauses_grow_while_tasks_fail_quickly() {
    let policy = policy(RestartCondition::Any);
    let mut pauses = Vec::new();
    let mut task = ended(TaskState::Failed, 100, 50);
    let mut now_ms = 100;
    for _ in 0..9 {
        let Verdict::At(due_ms) = next(&policy, &task, now_ms) else {
            panic!("{task:?} is followed");
        };
        pauses.push((due_ms - now_ms) / 1000);
        task = ended(TaskState::Failed, due_ms + 100, 50);
        // Made 15 ms after it was decided on.
        task.meta.created_ms = now_ms + 15;
        task.not_before_ms = due_ms;
        now_ms = due_ms + 100;
    }
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    task.status.running_ms = task.status.at_ms - 20_000;
    assert_eq!(next(&policy, &task, now_ms), Verdict::Now, "it worked");
}

#[test]
fn attempts_within_the_window() {
    let policy = |max_attempts, window_ms| RestartPolicy {
        max_attempts,
        window_ms,
        ..policy(RestartCondition::Any)
    };
    // Policy, attempts before, when the first was made, when it ended; whether it is followed, and with which history.
    let table = [
        (policy(0, 0), 99, 1_000, 2_000, Some((100, 1_000))),
        (policy(2, 0), 0, 0, 2_000, Some((1, 2_000))),
        (policy(2, 0), 1, 1_000, 2_000, Some((2, 1_000))),
        (policy(2, 0), 2, 1_000, 9_000_000, None),
        (policy(2, 5_000), 2, 1_000, 5_999, None),
        (policy(2, 5_000), 2, 1_000, 6_000, Some((1, 6_000))),
        (policy(2, 5_000), 1, 1_000, 5_000, Some((2, 1_000))),
    ];
    for (row, (policy, attempt, window_ms, ended_ms, expected)) in table.into_iter().enumerate() {
        let mut task = ended(TaskState::Failed, ended_ms, 100);
        (task.attempt, task.window_ms) = (attempt, window_ms);
        let followed = match next(&policy, &task, ended_ms) {
            Verdict::Never(_) => None,
            _ => Some(history(&policy, &task, ended_ms)),
        };
        assert_eq!(followed, expected, "row {row}");
    }
}
