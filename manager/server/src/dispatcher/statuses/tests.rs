use std::time::{Duration, Instant};

use model::{Health, Task, TaskState, TaskStatus};
use store::{Change, State, Transaction, View};
use tokio::sync::mpsc;

use super::report::{Verdict, judge};
use super::{Desk, IN_FLIGHT, LONGEST_WAIT, Statuses, TOGETHER, pause};

fn status(state: TaskState) -> TaskStatus {
    TaskStatus {
        state: state.into(),
        ..TaskStatus::default()
    }
}

/// A task `t` on node `n` in that state.
fn view(state: TaskState) -> View {
    let task = Task {
        id: "t".to_owned(),
        node_id: "n".to_owned(),
        status: status(state),
        ..Task::default()
    };
    let mut known = State::default();
    known.advance(1, 1);
    let applied = known.apply(Transaction {
        changes: vec![Change::create(task)],
        ..Transaction::default()
    });
    assert_eq!(applied.reply.refusal, None);
    known
}

#[test]
fn a_report_counts_when_it_leads_forward() {
    use TaskState::*;
    let table = [
        (Assigned, Accepted, "news"),
        (Assigned, Running, "news"),
        (Running, Starting, "old"),
        (Running, Running, "old"),
        (Running, Failed, "news"),
        (Shutdown, Failed, "old"),
        (Orphaned, Running, "old"),
        (Running, Orphaned, "old"),
        (Running, Remove, "old"),
        (Assigned, Pending, "old"),
        (Assigned, Assigned, "old"),
    ];
    for (known, told, expected) in table {
        let word = match judge(&view(known), "n", "t", &status(told)) {
            Verdict::Unknown => "unknown",
            Verdict::Old => "old",
            Verdict::News(_) => "news",
        };
        assert_eq!(word, expected, "{known} then {told}");
    }
    let told = status(Running);
    assert_eq!(
        judge(&view(Assigned), "other", "t", &told),
        Verdict::Unknown
    );
    assert_eq!(judge(&view(Assigned), "n", "none", &told), Verdict::Unknown);
    let garbled = TaskStatus {
        state: 513,
        ..TaskStatus::default()
    };
    assert_eq!(judge(&view(Assigned), "n", "t", &garbled), Verdict::Old);
}

#[test]
fn a_report_is_held_to_what_can_be() {
    let news = |told: TaskStatus| match judge(&view(TaskState::Assigned), "n", "t", &told) {
        Verdict::News(status) => status,
        other => panic!("{other:?}"),
    };
    let routable = |state, health: Health| {
        let told = TaskStatus {
            routable: true,
            health: health.into(),
            ..status(state)
        };
        news(told).routable
    };
    assert!(routable(TaskState::Running, Health::Unprobed));
    assert!(routable(TaskState::Running, Health::Healthy));
    assert!(!routable(TaskState::Running, Health::Unhealthy));
    assert!(!routable(TaskState::Starting, Health::Starting));
    let long = news(TaskStatus {
        error: "ä".repeat(5000),
        ..status(TaskState::Rejected)
    });
    assert_eq!(long.error.len(), 1024);
    let worse = TaskStatus {
        health: Health::Unhealthy.into(),
        ..status(TaskState::Running)
    };
    assert!(
        matches!(
            judge(&view(TaskState::Running), "n", "t", &worse),
            Verdict::News(_)
        ),
        "the same state, another health"
    );
}

#[test]
fn reports_wait_only_for_company_that_is_on_its_way() {
    let (no_time, half) = (Duration::ZERO, LONGEST_WAIT / 2);
    let table = [
        (0, no_time, 0, false),
        (1, no_time, 0, true),
        (1, no_time, 1, false),
        (1, half, 1, false),
        (1, LONGEST_WAIT, 1, true),
        (TOGETHER, no_time, 1, true),
        (TOGETHER, LONGEST_WAIT, IN_FLIGHT, false),
    ];
    for (reports, oldest, in_flight, at_once) in table {
        let wait = pause(reports, oldest, in_flight);
        assert_eq!(wait.is_none(), at_once, "{reports} {oldest:?} {in_flight}");
    }
    assert_eq!(pause(1, half, 1), Some(half));
}

#[test]
fn of_two_reports_on_a_task_the_further_one_is_written() {
    let now = Instant::now();
    let (tells, _hears) = mpsc::unbounded_channel();
    let mut desk = Desk::default();
    for (task, state) in [
        ("a", TaskState::Accepted),
        ("b", TaskState::Running),
        ("a", TaskState::Running),
        ("b", TaskState::Starting),
    ] {
        desk.put("n", task.to_owned(), status(state), &tells, now);
    }
    let batch = desk.take(0, now).expect("a batch");
    let seen: Vec<_> = batch
        .iter()
        .map(|(task, waiting)| (task.as_str(), waiting.status.state(), waiting.tells.len()))
        .collect();
    assert_eq!(
        seen,
        [("a", TaskState::Running, 2), ("b", TaskState::Running, 2)]
    );
    desk.put("n", "a".to_owned(), status(TaskState::Failed), &tells, now);
    assert!(desk.take(0, now).is_err(), "its last is on its way");
    desk.writing.clear();
    assert_eq!(desk.take(0, now).expect("a batch").len(), 1);
}

#[test]
fn claimed_tasks_are_left_to_the_leader() {
    let statuses = std::sync::Arc::new(Statuses::default());
    let claim = statuses.claim(vec!["a".to_owned()]);
    let reports = ["a", "b"].map(|task| (task.to_owned(), status(TaskState::Running)));
    let _receipt = statuses.report("n", reports.into());
    let taken = |statuses: &Statuses| -> Vec<String> {
        let batch = statuses.desk().take(0, Instant::now()).unwrap_or_default();
        batch.into_iter().map(|(task, _)| task).collect()
    };
    assert_eq!(taken(&statuses), ["b"]);
    let other = statuses.claim(vec!["b".to_owned()]);
    assert!(!other.is_quiet() && claim.is_quiet());
    statuses.done(&["b".to_owned()]);
    assert!(other.is_quiet());
    drop(claim);
    assert_eq!(taken(&statuses), ["a"]);
}

#[tokio::test]
async fn who_reports_is_told_only_of_what_is_written() {
    let statuses = std::sync::Arc::new(Statuses::default());
    let report = |tasks: &[&str]| {
        let running = |task: &&str| ((*task).to_owned(), status(TaskState::Running));
        statuses.report("n", tasks.iter().map(running).collect())
    };
    let (both, one) = (report(&["a", "b"]), report(&["a"]));
    let batch = statuses.desk().take(0, Instant::now()).expect("a batch");
    for (task, waiting) in batch {
        if task == "a" {
            waiting.confirm();
        }
    }
    assert!(one.written().await && !both.written().await);
    let waits = report(&["c"]);
    statuses.clear();
    assert!(!waits.written().await, "another leads");
}
