//! What is kept from one plan to the next, and what one plan has to know of another.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::fits;
use super::*;

#[test]
fn a_bound_task_is_assigned_when_its_node_fits() {
    let view = view(
        vec![node("a", &[])],
        vec![revision("s", publish(80))],
        vec![],
    );
    let bound = |id: &str, node: &str| Task {
        id: id.to_owned(),
        node_id: node.to_owned(),
        ..task("s", 0)
    };
    let mut asked = plan(vec![bound("1", "a"), bound("2", "a"), bound("3", "z")]);
    Scheduler::new(&view).place(&view, &mut asked, NOW_MS);
    let told: Vec<_> = tasks_in(&asked)
        .into_iter()
        .map(|task| {
            (
                task.status.state(),
                task.status.message.as_str(),
                task.node_id.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (TaskState::Assigned, "assigned", "a"),
            (
                TaskState::Pending,
                "its node is no suitable node (host port 80/tcp in use)",
                "a"
            ),
            (
                TaskState::Pending,
                "its node is no suitable node (not available for scheduling (removed))",
                "z"
            ),
        ]
    );
}

#[test]
fn waiting_tasks_are_placed_when_something_is_freed() {
    let mut state = view(
        vec![node("a", &[])],
        vec![revision("s", reserve(3000)), revision("t", reserve(3000))],
        vec![on("a", task("t", 1)), task("s", 1), task("s", 2)],
    );
    let mut scheduler = Scheduler::new(&state);
    let waits = scheduler.place_pending(&state, NOW_MS);
    assert_eq!(
        told(&waits),
        ["no suitable node (1 node: insufficient memory)"; 2]
    );
    assert_eq!(
        scheduler.place_pending(&state, NOW_MS),
        waits,
        "nobody has committed it"
    );
    let events = commit(&mut state, waits.changes);
    scheduler.observe(&state, &events);
    assert!(
        scheduler.place_pending(&state, NOW_MS).is_empty(),
        "nothing is new"
    );
    let mut ended = Task::clone(state.tasks().get("t-1").expect("it is there"));
    ended.status.state = TaskState::Complete.into();
    let events = commit(&mut state, vec![Change::update(ended)]);
    scheduler.observe(&state, &events);
    let placed = scheduler.place_pending(&state, NOW_MS);
    assert_eq!(told(&placed), ["a"]);
    // Given up: it is placed again, and not counted twice.
    scheduler.observe(&state, &[]);
    assert_eq!(scheduler.place_pending(&state, NOW_MS), placed);
    let events = commit(&mut state, placed.changes);
    scheduler.observe(&state, &events);
    assert!(scheduler.place_pending(&state, NOW_MS).is_empty());
}

#[test]
fn a_reason_that_changes_soon_is_told_later() {
    let mut state = view(
        vec![node("a", &[])],
        vec![revision("s", reserve(5000))],
        vec![task("s", 1)],
    );
    let mut scheduler = Scheduler::new(&state);
    let waits = scheduler.place_pending(&state, NOW_MS);
    let events = commit(&mut state, waits.changes);
    scheduler.observe(&state, &events);
    let events = commit(&mut state, vec![Change::create(node("b", &[]))]);
    scheduler.observe(&state, &events);
    let soon = scheduler.place_pending(&state, NOW_MS + 1);
    assert_eq!((soon.changes, soon.again_ms), (vec![], Some(NOW_MS + 5000)));
    let later = scheduler.place_pending(&state, NOW_MS + 5000);
    assert_eq!(
        told(&later),
        ["no suitable node (2 nodes: insufficient memory)"]
    );
}

#[test]
fn a_plan_that_is_given_up_takes_no_room() {
    let state = view(
        vec![node("a", &[])],
        vec![revision("s", reserve(3000))],
        vec![],
    );
    let mut scheduler = Scheduler::new(&state);
    for _ in 0..2 {
        let mut asked = plan(vec![task("s", 1)]);
        scheduler.place(&state, &mut asked, NOW_MS);
        assert_eq!(told(&asked), ["a"]);
        let mut second = plan(vec![task("s", 2)]);
        scheduler.place(&state, &mut second, NOW_MS);
        assert_eq!(
            told(&second),
            ["no suitable node (1 node: insufficient memory)"]
        );
        scheduler.observe(&state, &[]);
    }
}

#[test]
fn tasks_of_a_service_without_its_ports_wait() {
    let mut service = Service {
        id: "s".to_owned(),
        ..Service::default()
    };
    service.spec.endpoint.ports = vec![PortSpec {
        published: 80,
        target: 80,
        ..PortSpec::default()
    }];
    service.trouble = "port 80/tcp is published by service `t`".to_owned();
    let mut state = view(vec![node("a", &[])], vec![revision("s", |_| {})], vec![]);
    commit(&mut state, vec![Change::create(service)]);
    check(&state, 1, &["port 80/tcp is published by service `t`"]);
}

#[test]
fn a_global_service_fits_beside_others_not_beside_itself() {
    let own = revision("s", reserve(3000));
    let state = view(
        vec![node("a", &[]), node("b", &[])],
        vec![own.clone(), revision("t", reserve(2000))],
        vec![on("a", task("s", 1)), on("b", task("t", 1))],
    );
    let told = |id: &str| {
        let node = state.nodes().get(id).expect("it is there");
        fits(&state, &own, node)
    };
    assert_eq!(told("a"), Ok(()));
    assert_eq!(told("b"), Err("insufficient memory".to_owned()));
    let mut drained = node("c", &[]);
    drained.spec.availability = Availability::Drain.into();
    assert_eq!(
        fits(&state, &own, &drained),
        Err("not available for scheduling (drain)".to_owned())
    );
}

/// What may befall a store, in numbers.
fn events() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    proptest::collection::vec((0..6_u8, 0..12_u8, 0..4_u8), 1..60)
}

proptest! {
    /// Whatever happens, what is kept by events is what a new leader finds; nothing is set aside twice, no port given twice.
    #[test]
    fn a_scheduler_that_was_carried_on_is_one_that_is_built_anew(steps in events()) {
        let nodes = (0..4).map(|id| node(&format!("n{id}"), &[])).collect();
        let wanted = |service: &str, port| revision(service, |revision: &mut Revision| {
            reserve(900)(revision);
            publish(port)(revision);
        });
        let mut state = view(nodes, vec![wanted("s", 0), wanted("t", 80)], vec![]);
        let mut scheduler = Scheduler::new(&state);
        for (what, which, node) in steps {
            let service = if which % 2 == 0 { "s" } else { "t" };
            let id = format!("{service}-{which}");
            let node = format!("n{node}");
            let known = state.tasks().get(&id).map(|task| Task::clone(task));
            let changes = match (what, known) {
                (0 | 1, None) => {
                    let mut asked = plan(vec![task(service, which.into())]);
                    scheduler.place(&state, &mut asked, NOW_MS);
                    asked.changes
                }
                (2, Some(mut task)) => {
                    let failed = node.ends_with('1');
                    task.status.state = if failed { TaskState::Failed } else { TaskState::Complete }.into();
                    vec![Change::update(task)]
                }
                (3, Some(task)) => vec![Change::remove(&task)],
                (4, Some(mut task)) => {
                    task.desired_state = TaskState::Shutdown.into();
                    vec![Change::update(task)]
                }
                (5, _) => match state.nodes().get(&node) {
                    Some(known) => vec![Change::remove(&**known)],
                    None => vec![Change::create(self::node(&node, &[]))],
                },
                _ => scheduler.place_pending(&state, NOW_MS).changes,
            };
            let events = commit(&mut state, changes);
            scheduler.observe(&state, &events);
            scheduler.observe(&state, &events);
            prop_assert_eq!(scheduler.ledger.told(), Scheduler::new(&state).ledger.told());
            let mut carried = BTreeMap::<&str, (i64, u32)>::new();
            for task in state.tasks().iter().filter(|task| !task.node_id.is_empty() && !task.status.state().is_final()) {
                let (memory, ports) = carried.entry(&task.node_id).or_default();
                *memory += 900;
                *ports += u32::from(task.service_id == "t");
            }
            prop_assert!(carried.values().all(|(memory, ports)| *memory <= 4000 && *ports <= 1), "{:?}", carried);
        }
    }
}
