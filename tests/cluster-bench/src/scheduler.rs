//! How many tasks a second the scheduler alone gives a node: 1,000 nodes, 100,000 tasks of 100 services, without and with constraints
//! and spread. What is counted is the scheduler's own time: to place, and to take over what was committed.

use std::time::{Duration, Instant};

use model::{Node, NodeState, Resources, Revision, SpreadPreference, Task, TaskState};
use orchestrator::Plan;
use orchestrator::scheduler::Scheduler;
use store::{Change, Event, State, Transaction};

use crate::table::{Bar, Row};

const NODES: usize = 1000;
const SERVICES: usize = 100;
const REPLICAS: u64 = 1000;

pub(crate) fn rows() -> Vec<Row> {
    let plain = measure(|_| {});
    let choosy = measure(|revision| {
        let placement = &mut revision.task.placement;
        placement.constraints = vec![
            "node.labels.disk == ssd".to_owned(),
            "node.role != manager".to_owned(),
        ];
        placement.preferences = ["node.labels.zone", "node.labels.rack"]
            .into_iter()
            .map(|over| SpreadPreference {
                over: over.to_owned(),
                max_skew: 0,
            })
            .collect();
    });
    let row = |what: &str, ours, least| Row {
        work: format!(
            "scheduler alone, 1,000 nodes x 100,000 tasks, {what} constraints and spread (SwarmKit's: 3,360 and 1,930)"
        ),
        rounds: "once".to_owned(),
        ours,
        peer: None,
        unit: "/s",
        bar: Bar::Above(least),
    };
    vec![
        row("without", plain, 50_000.0),
        row("with", choosy, 20_000.0),
    ]
}

/// Placements in a second.
fn measure(change: impl Fn(&mut Revision)) -> f64 {
    let mut state = State::default();
    let nodes = (0..NODES).map(|number| Change::create(node(number)));
    let revisions = (0..SERVICES).map(|number| {
        let service_id = format!("service-{number:08}");
        let mut revision = Revision {
            id: Revision::id_of(&service_id, 1),
            service_id,
            number: 1,
            ..Revision::default()
        };
        revision.task.resources.reservations = Resources {
            nano_cpus: 10_000_000,
            memory_bytes: 64 << 20,
        };
        change(&mut revision);
        Change::create(revision)
    });
    commit(&mut state, nodes.chain(revisions).collect());
    let mut scheduler = Scheduler::new(&state);
    let mut took = Duration::ZERO;
    for number in 0..SERVICES {
        let tasks = (1..=REPLICAS).map(|slot| {
            Change::create(Task {
                id: format!("task-{number:08}-{slot:08}"),
                service_id: format!("service-{number:08}"),
                revision: 1,
                slot,
                desired_state: TaskState::Running.into(),
                ..Task::default()
            })
        });
        let mut plan = Plan {
            changes: tasks.collect(),
            again_ms: None,
        };
        let begun = Instant::now();
        scheduler.place(&state, &mut plan, 1000);
        took += begun.elapsed();
        let events = commit(&mut state, plan.changes);
        let begun = Instant::now();
        scheduler.observe(&state, &events);
        took += begun.elapsed();
    }
    let placed = state.tasks().iter().filter(|task| !task.node_id.is_empty());
    let placed = placed.count() as f64;
    placed / took.as_secs_f64()
}

fn node(number: usize) -> Node {
    let disk = if number.is_multiple_of(2) {
        "ssd"
    } else {
        "hdd"
    };
    let labels = [
        ("disk", disk.to_owned()),
        ("zone", format!("z{}", number % 7)),
        ("rack", format!("r{}", number % 50)),
    ];
    let mut node = Node {
        id: format!("node-{number:08}"),
        ..Node::default()
    };
    for (label, value) in labels {
        node.spec.labels.insert(label.to_owned(), value);
    }
    node.status.state = NodeState::Ready.into();
    node.description.resources = Resources {
        nano_cpus: 64_000_000_000,
        memory_bytes: 512 << 30,
    };
    node
}

fn commit(state: &mut State, changes: Vec<Change>) -> Vec<Event> {
    state.advance(1, state.version() + 1);
    let applied = state.apply(Transaction {
        changes,
        ..Transaction::default()
    });
    assert_eq!(applied.reply.refusal, None, "it is committed");
    applied.events
}
