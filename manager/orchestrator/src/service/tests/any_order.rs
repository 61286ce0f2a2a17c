//! Whatever happens in whatever order, and wherever a leader stops: the rules hold, and in the end everything runs.

use model::{Availability, NodeState, ServiceSpec, Task, TaskState, UpdateConfig, UpdateOrder};
use proptest::prelude::*;

use super::world::{BAD, FLAKY, World, web};
use crate::Plan;

#[derive(Clone, Debug)]
enum Event {
    Update(&'static str, u64),
    Node(usize, NodeState),
    Available(usize, Availability),
    Fail(usize),
    /// A leader plans, commits the first so many changes, and is killed.
    Cut(usize),
    Step,
    Pass(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let image = prop::sample::select(vec!["v1", "v2", "v3", BAD, FLAKY]);
    let state = prop::sample::select(vec![NodeState::Ready, NodeState::Down, NodeState::Unknown]);
    let available = prop::sample::select(vec![
        Availability::Active,
        Availability::Pause,
        Availability::Drain,
    ]);
    prop_oneof![
        (image, 0..6_u64).prop_map(|(image, replicas)| Event::Update(image, replicas)),
        (1..4_usize, state).prop_map(|(node, state)| Event::Node(node, state)),
        (1..4_usize, available).prop_map(|(node, to)| Event::Available(node, to)),
        (0..6_usize).prop_map(Event::Fail),
        (0..8_usize).prop_map(Event::Cut),
        Just(Event::Step),
        (1..20_000_i64).prop_map(Event::Pass),
    ]
}

fn spec(image: &str, replicas: u64, order: UpdateOrder, global: bool) -> ServiceSpec {
    let mut spec = web(image, replicas);
    spec.update = Some(UpdateConfig {
        parallelism: 2,
        failure_action: model::FailureAction::Rollback.into(),
        order: order.into(),
        ..UpdateConfig::default()
    });
    if global {
        spec.mode = Some(model::ServiceMode::Global(model::Global {}));
    }
    spec
}

fn check(order: UpdateOrder, global: bool, events: &[Event]) {
    let mut world = World::new(3);
    let id = world.up(spec("v1", 3, order, global));
    for event in events {
        match event {
            Event::Update(image, replicas) => {
                world.up(spec(image, *replicas, order, global));
            }
            Event::Node(node, state) => world.seen(&format!("n{node}"), *state),
            Event::Available(node, to) => world.available(&format!("n{node}"), *to),
            Event::Fail(at) => {
                let live: Vec<Task> = world
                    .tasks(&id)
                    .into_iter()
                    .filter(|task| task.is_live())
                    .collect();
                if let Some(task) = live.get(*at) {
                    world.report(&task.id, TaskState::Failed);
                }
            }
            Event::Cut(most) => {
                let mut plan: Plan = world.plan(&id);
                let all = plan.changes.len() as u64;
                plan.changes.truncate(*most);
                world.take(plan);
                // Ids of what was not committed are not drawn again.
                world.skip(all);
            }
            Event::Step => {
                world.settle();
                world.step();
            }
            Event::Pass(ms) => world.pass(*ms),
        }
    }
    for node in 1..=3 {
        world.seen(&format!("n{node}"), NodeState::Ready);
        world.available(&format!("n{node}"), Availability::Active);
    }
    world.up(spec("last", 4, order, global));
    world.pass(900_000);
    let revision = world.service(&id).revision;
    let meant = world.meant(&id);
    let expected = if global { 3 } else { 4 };
    assert!(
        meant.len() == expected && world.running(&id, revision) == expected,
        "{meant:#?} {:#?}",
        world.service(&id)
    );
    assert!(world.plan(&id).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replicas_beside_each_other(events in prop::collection::vec(event(), 0..24)) {
        check(UpdateOrder::Auto, false, &events);
    }

    #[test]
    fn replicas_one_after_the_other(events in prop::collection::vec(event(), 0..24)) {
        check(UpdateOrder::StopFirst, false, &events);
    }

    #[test]
    fn on_each_node(events in prop::collection::vec(event(), 0..24)) {
        check(UpdateOrder::Auto, true, &events);
    }
}
