//! SwarmKit's cases of the updater: parallelism, delay, failure action, timeout, rollback.

use model::{FailureAction, Rollout, RolloutState, UpdateConfig};

use super::{Gate, Progress, SLOW_MS, Situation, Stage, Verdict, advance};

const OLD: Stage = Stage::Old { live: true };
const DEAD: Stage = Stage::Old { live: false };
const NOW: i64 = 100_000;

fn config(parallelism: u64, delay_ms: u64, action: FailureAction) -> UpdateConfig {
    UpdateConfig {
        parallelism,
        delay_ms,
        failure_action: action.into(),
        ..UpdateConfig::default()
    }
}

fn rollout(state: RolloutState, failed: usize) -> Rollout {
    Rollout {
        state: state.into(),
        to: 2,
        from: 1,
        failed: (0..failed).map(|task| task.to_string()).collect(),
        ..Rollout::default()
    }
}

fn verdict(rollout: &Rollout, config: UpdateConfig, gate: Gate<'_>, stages: &[Stage]) -> Verdict {
    let slots: Vec<_> = stages
        .iter()
        .enumerate()
        .map(|(place, stage)| Progress {
            stage: *stage,
            note: format!("slot {} is preparing", place + 1),
        })
        .collect();
    advance(&Situation {
        rollout,
        config,
        gate,
        slots: &slots,
        now_ms: NOW,
    })
}

fn wait(reason: &str, until_ms: Option<i64>) -> Verdict {
    Verdict::Wait {
        reason: reason.to_owned(),
        until_ms,
    }
}

#[test]
fn pace() {
    use Stage::{Begun, Running, Settled};
    let watched = Running(NOW - 5_000);
    let table: &[(&str, u64, u64, &[Stage], Verdict)] = &[
        (
            "one at once",
            1,
            0,
            &[OLD, OLD, OLD],
            Verdict::Start(vec![0]),
        ),
        (
            "two at once",
            2,
            0,
            &[OLD, OLD, OLD],
            Verdict::Start(vec![0, 1]),
        ),
        (
            "all at once",
            0,
            0,
            &[OLD, OLD, OLD],
            Verdict::Start(vec![0, 1, 2]),
        ),
        (
            "what doesn't run goes first",
            2,
            0,
            &[OLD, DEAD, OLD],
            Verdict::Start(vec![1, 0]),
        ),
        (
            "one is under way",
            1,
            0,
            &[Begun(NOW), OLD, OLD],
            wait("1 of 3 tasks are of revision 2", Some(NOW + SLOW_MS)),
        ),
        (
            "the next as one runs",
            2,
            0,
            &[Begun(NOW), Running(NOW), OLD],
            Verdict::Start(vec![2]),
        ),
        (
            "a pause",
            1,
            3_000,
            &[Running(NOW - 1_000), OLD],
            wait("1 of 2 tasks are of revision 2", Some(NOW + 2_000)),
        ),
        (
            "a pause that is over",
            1,
            3_000,
            &[Running(NOW - 3_000), OLD],
            Verdict::Start(vec![1]),
        ),
        (
            "watched to the end",
            1,
            0,
            &[watched, Running(NOW - 1_000)],
            wait("2 of 2 tasks are of revision 2", Some(NOW + 4_000)),
        ),
        (
            "no pause after the last",
            1,
            60_000,
            &[Settled, watched],
            Verdict::Done,
        ),
        ("nothing to do", 1, 0, &[], Verdict::Done),
        (
            "one that never gets to run is no failure",
            1,
            0,
            &[Begun(NOW - SLOW_MS), OLD],
            wait("slot 1 is preparing", None),
        ),
        (
            "one that never gets to run leaves room for others",
            2,
            0,
            &[Begun(NOW - SLOW_MS), OLD],
            Verdict::Start(vec![1]),
        ),
    ];
    for (what, parallelism, delay_ms, stages, expected) in table {
        let config = config(*parallelism, *delay_ms, FailureAction::Pause);
        let rollout = rollout(RolloutState::Updating, 0);
        assert_eq!(
            verdict(&rollout, config, Gate::Open, stages),
            *expected,
            "{what}"
        );
    }
}

#[test]
fn failures() {
    use FailureAction::{Continue, Pause, Rollback};
    use RolloutState::{RollingBack, Updating};
    let stages = [Stage::Settled, OLD, OLD, OLD];
    let reason = "1 of 4 tasks failed".to_owned();
    let table = [
        (Updating, Pause, 0.0, 1, Verdict::Pause(reason.clone())),
        (
            Updating,
            Rollback,
            0.0,
            1,
            Verdict::RollBack(reason.clone()),
        ),
        (Updating, Continue, 0.0, 1, Verdict::Start(vec![1])),
        (Updating, Rollback, 0.25, 1, Verdict::Start(vec![1])),
        (
            Updating,
            Pause,
            0.25,
            2,
            Verdict::Pause("2 of 4 tasks failed".into()),
        ),
        (Updating, Pause, 0.0, 0, Verdict::Start(vec![1])),
        (
            RollingBack,
            Rollback,
            0.0,
            1,
            Verdict::Pause(reason.clone()),
        ),
        (RollingBack, Pause, 0.0, 1, Verdict::Pause(reason)),
        (RollingBack, Continue, 0.0, 1, Verdict::Start(vec![1])),
    ];
    for (state, action, ratio, failed, expected) in table {
        let config = UpdateConfig {
            max_failure_ratio: ratio,
            ..config(1, 0, action)
        };
        let got = verdict(&rollout(state, failed), config, Gate::Open, &stages);
        assert_eq!(got, expected, "{state} {action:?} {ratio} {failed}");
    }
}

#[test]
fn gates() {
    use FailureAction::{Continue, Pause, Rollback};
    let db = "db service_healthy 1/2";
    let waits = wait(
        "0 of 2 tasks are of revision 2; waits for db service_healthy 1/2",
        None,
    );
    let gave_up = "gave up to wait for db service_healthy 1/2".to_owned();
    let table = [
        (Gate::Open, Pause, Verdict::Start(vec![0])),
        (Gate::Closed(db), Pause, waits.clone()),
        (Gate::Expired(db), Pause, Verdict::Pause(gave_up.clone())),
        (Gate::Expired(db), Rollback, Verdict::RollBack(gave_up)),
        (Gate::Expired(db), Continue, waits),
    ];
    for (gate, action, expected) in table {
        let rollout = rollout(RolloutState::Updating, 0);
        assert_eq!(
            verdict(&rollout, config(1, 0, action), gate, &[OLD, OLD]),
            expected,
            "{gate:?} {action:?}"
        );
    }
    let rollout = rollout(RolloutState::Updating, 0);
    let begun = verdict(
        &rollout,
        config(1, 0, Pause),
        Gate::Closed(db),
        &[Stage::Settled],
    );
    assert_eq!(begun, Verdict::Done, "a gate holds back what has not begun");
}
