use model::{Health, TaskState, TaskStatus};
use proptest::prelude::*;

use super::{Action, Seen, Step, Wanted, step};
use Health::{Healthy, Unhealthy, Unprobed};
use TaskState::*;

const RUN: Wanted = Wanted {
    desired: Running,
    assigned: true,
};
const HOLD: Wanted = Wanted {
    desired: Ready,
    assigned: true,
};
const END: Wanted = Wanted {
    desired: Shutdown,
    assigned: true,
};
const GONE: Wanted = Wanted {
    desired: Running,
    assigned: false,
};

fn at(state: TaskState) -> TaskStatus {
    let mut status = TaskStatus::default();
    status.set_state(state);
    status
}

fn ended(exit_code: i32) -> Seen {
    Seen::Ended {
        exit_code,
        out_of_memory: false,
        error: String::new(),
    }
}

/// A status without what is said of it, or what is done.
fn told(step: Step) -> String {
    match step {
        Step::Become(status) => {
            let routable = if status.routable { " routable" } else { "" };
            let code = status
                .exit_code
                .map_or(String::new(), |code| format!(" exit {code}"));
            let error = match status.error.as_str() {
                "" => String::new(),
                error => format!(" [{error}]"),
            };
            format!("{}{routable}{code}{error}", status.state())
        }
        Step::Do(action) => format!("{action:?}"),
        Step::Rest => "rest".to_owned(),
    }
}

#[test]
fn one_step_follows_another() {
    fn check(wanted: Wanted, state: TaskState, seen: &Seen, expected: &str) {
        let mut status = at(state);
        if matches!(seen, Seen::Live(_)) {
            status.routable = state == Running && wanted == RUN;
        }
        let found = told(step(wanted, &status, seen));
        assert_eq!(found, expected, "{wanted:?} {state} {seen:?}");
    }
    let live = |health| Seen::Live(health);
    let refused = Seen::Refused("no such image: app".to_owned());
    check(HOLD, Assigned, &Seen::Nothing, "accepted");
    check(HOLD, Accepted, &Seen::Nothing, "preparing");
    check(HOLD, Preparing, &Seen::Nothing, "Prepare");
    check(HOLD, Preparing, &Seen::Made, "ready");
    check(HOLD, Preparing, &refused, "rejected [no such image: app]");
    check(HOLD, Ready, &Seen::Made, "rest");
    check(RUN, Ready, &Seen::Made, "Start");
    check(RUN, Ready, &refused, "failed [no such image: app]");
    check(
        RUN,
        Ready,
        &Seen::Nothing,
        "failed [its container was removed]",
    );
    check(RUN, Ready, &live(Unprobed), "starting");
    check(RUN, Starting, &live(Unprobed), "running routable");
    check(RUN, Running, &live(Unprobed), "rest");
    check(RUN, Running, &ended(0), "complete exit 0");
    check(
        RUN,
        Running,
        &ended(1),
        "failed exit 1 [task: non-zero exit (1)]",
    );
    check(
        RUN,
        Starting,
        &ended(3),
        "failed exit 3 [task: non-zero exit (3)]",
    );
    check(
        RUN,
        Running,
        &Seen::Nothing,
        "failed [its container was removed]",
    );
    check(RUN, Ready, &ended(0), "starting");
    // Told to end.
    check(END, Assigned, &Seen::Nothing, "shutdown");
    check(END, Preparing, &Seen::Nothing, "shutdown");
    check(END, Ready, &Seen::Made, "shutdown");
    check(END, Running, &ended(143), "shutdown exit 143");
    check(END, Shutdown, &Seen::Made, "rest");
    check(END, Shutdown, &ended(143), "rest");
    check(END, Failed, &live(Unprobed), "Stop");
    check(GONE, Failed, &live(Unprobed), "Stop");
    check(GONE, Shutdown, &ended(143), "Remove");
    check(GONE, Rejected, &refused, "Remove");
    check(GONE, Complete, &Seen::Nothing, "Remove");
    // What has ended stays ended.
    check(RUN, Complete, &ended(0), "rest");
    check(RUN, Failed, &ended(1), "rest");
    check(RUN, Orphaned, &Seen::Nothing, "rest");
    check(RUN, Orphaned, &live(Healthy), "Stop");
}

#[test]
fn what_the_kernel_killed_and_what_was_lost_is_told() {
    fn check(seen: &Seen, expected: &str) {
        assert_eq!(told(step(RUN, &at(Running), seen)), expected);
    }
    check(
        &Seen::Ended {
            exit_code: 137,
            out_of_memory: true,
            error: String::new(),
        },
        "failed exit 137 [task: non-zero exit (137): out of memory]",
    );
    check(
        &Seen::Ended {
            exit_code: 255,
            out_of_memory: false,
            error: "the host went down while the container was running".to_owned(),
        },
        "failed exit 255 [the host went down while the container was running]",
    );
}

/// All steps until it rests or something has to be done.
fn settle(wanted: Wanted, status: &mut TaskStatus, seen: &Seen) -> (Vec<String>, Option<Action>) {
    let mut states = Vec::new();
    for _ in 0..20 {
        match step(wanted, status, seen) {
            Step::Become(next) => {
                states.push(told(Step::Become(next.clone())));
                *status = next;
            }
            Step::Do(action) => return (states, Some(action)),
            Step::Rest => return (states, None),
        }
    }
    panic!("{wanted:?} {seen:?} never rests: {states:?}");
}

#[test]
fn a_task_is_not_routable_before_it_is_told_to_end() {
    let mut status = at(Starting);
    let (states, action) = settle(RUN, &mut status, &Seen::Live(Healthy));
    assert_eq!((states, action), (vec!["running routable".into()], None));
    let (states, action) = settle(END, &mut status, &Seen::Live(Healthy));
    assert_eq!(
        (states, action),
        (vec!["running".into()], Some(Action::Stop))
    );
    let (states, action) = settle(END, &mut status, &ended(143));
    assert_eq!((states, action), (vec!["shutdown exit 143".into()], None));
}

#[test]
fn health_decides() {
    let mut status = at(Ready);
    let (states, action) = settle(RUN, &mut status, &Seen::Live(Health::Starting));
    // It says "starting" with and without its health.
    assert_eq!(states, ["starting"]);
    assert_eq!((status.health(), action), (Health::Starting, None));
    let (states, _) = settle(RUN, &mut status, &Seen::Live(Healthy));
    assert_eq!(states, ["running routable"]);
    let (states, action) = settle(RUN, &mut status, &Seen::Live(Unhealthy));
    assert_eq!(
        (states, action),
        (vec!["running".into()], Some(Action::Stop))
    );
    let (states, action) = settle(RUN, &mut status, &Seen::Live(Healthy));
    assert_eq!(
        (states, action),
        (vec![], Some(Action::Stop)),
        "it recovers too late"
    );
    let (states, action) = settle(RUN, &mut status, &ended(143));
    assert_eq!(
        (states, action),
        (vec!["failed exit 143 [unhealthy container]".into()], None)
    );
    let mut young = at(Starting);
    let (_, action) = settle(RUN, &mut young, &Seen::Live(Unhealthy));
    assert_eq!((young.state(), action), (Starting, Some(Action::Stop)));
}

#[test]
fn what_happened_while_nobody_looked_is_caught_up_with() {
    let mut status = at(Assigned);
    let (states, action) = settle(RUN, &mut status, &ended(7));
    let expected = [
        "accepted",
        "preparing",
        "ready",
        "starting",
        "failed exit 7 [task: non-zero exit (7)]",
    ];
    assert_eq!(
        (states, action),
        (expected.map(String::from).to_vec(), None)
    );
}

const LADDER: [TaskState; 9] = [
    New, Pending, Assigned, Accepted, Preparing, Ready, Starting, Running, Complete,
];

fn rung(state: TaskState) -> usize {
    LADDER
        .iter()
        .position(|rung| *rung == state)
        .unwrap_or(LADDER.len() - 1)
}

fn any_state() -> impl Strategy<Value = TaskState> {
    proptest::sample::select(vec![
        New, Pending, Assigned, Accepted, Preparing, Ready, Starting, Running, Complete, Shutdown,
        Failed, Rejected, Remove, Orphaned,
    ])
}

fn any_seen() -> impl Strategy<Value = Seen> {
    let health = proptest::sample::select(vec![Unprobed, Health::Starting, Healthy, Unhealthy]);
    prop_oneof![
        Just(Seen::Nothing),
        Just(Seen::Made),
        health.prop_map(Seen::Live),
        (0..3).prop_map(ended),
        Just(Seen::Refused("no".to_owned())),
    ]
}

proptest! {
    #[test]
    fn states_only_go_forward(
        begin in any_state(),
        events in proptest::collection::vec((any_state(), any::<bool>(), any_seen()), 1..12),
    ) {
        let mut status = at(begin);
        for (desired, assigned, seen) in events {
            let wanted = Wanted { desired, assigned };
            for turn in 0.. {
                prop_assert!(turn < 12, "never rests");
                match step(wanted, &status, &seen) {
                    Step::Become(next) => {
                        let (before, after) = (status.state(), next.state());
                        prop_assert!(after >= before, "{before} became {after}");
                        prop_assert!(!before.is_final() || after == before);
                        prop_assert!(after.is_final() || rung(after) <= rung(before).max(2) + 1);
                        prop_assert!(!next.routable || (after == Running && desired == Running && assigned));
                        status = next;
                    }
                    Step::Do(action) => {
                        match action {
                            Action::Prepare => prop_assert!(assigned && seen == Seen::Nothing && status.state() == Preparing),
                            Action::Start => prop_assert!(assigned && seen == Seen::Made && desired == Running && status.state() == Ready),
                            Action::Stop => prop_assert!(matches!(seen, Seen::Live(_)) && !status.routable),
                            Action::Remove => prop_assert!(!assigned && !matches!(seen, Seen::Live(_))),
                        }
                        break;
                    }
                    Step::Rest => break,
                }
            }
        }
    }
}
