//! What is forgotten.

use model::{Cluster, ClusterSpec, ServiceMode, TaskState};
use store::Change;

use super::world::{World, web};
use crate::reaper;

fn remembering(history: u32) -> World {
    let mut world = World::new(2);
    world.commit(vec![Change::create(Cluster {
        id: "c".into(),
        spec: ClusterSpec {
            task_history: history,
            ..ClusterSpec::standard()
        },
        ..Cluster::default()
    })]);
    world
}

/// Ends the task of slot 1 so often, long after it started.
fn fail(world: &mut World, id: &str, times: usize) {
    for _ in 0..times {
        world.pass(20_000);
        world.end(id, 1, TaskState::Failed);
        world.run();
    }
}

#[test]
fn a_slot_remembers_so_many() {
    for history in [0, 1, 5] {
        let mut world = remembering(history);
        let id = world.up(web("v1", 2));
        world.run();
        fail(&mut world, &id, 8);
        let ended = world
            .tasks(&id)
            .into_iter()
            .filter(|task| task.status.state() == TaskState::Failed);
        assert_eq!(ended.count(), history as usize);
        assert_eq!(world.meant(&id), ["1.1 running", "2.1 running"]);
    }
}

#[test]
fn the_newest_are_remembered() {
    let mut world = remembering(2);
    let id = world.up(web("v1", 1));
    world.run();
    fail(&mut world, &id, 5);
    let mut ended: Vec<i64> = world
        .tasks(&id)
        .iter()
        .map(|task| task.meta.created_ms)
        .collect();
    let newest = ended.split_off(1);
    assert!(world.tasks(&id).len() == 3 && newest.iter().all(|made| *made > ended[0]));
}

#[test]
fn a_node_remembers_so_many() {
    let mut world = remembering(1);
    let mut spec = web("v1", 0);
    spec.mode = Some(ServiceMode::Global(model::Global {}));
    let id = world.up(spec);
    world.run();
    for _ in 0..4 {
        world.pass(20_000);
        let live = world.tasks(&id).into_iter().filter(|task| task.is_live());
        for task in live.collect::<Vec<_>>() {
            world.report(&task.id, TaskState::Failed);
        }
        world.run();
    }
    assert_eq!(world.tasks(&id).len(), 4);
}

#[test]
fn an_unused_slot_is_forgotten_after_a_while() {
    let mut world = remembering(5);
    let id = world.up(web("v1", 2));
    world.run();
    fail(&mut world, &id, 2);
    let mut spec = web("v1", 2);
    spec.mode = Some(ServiceMode::Replicated(model::Replicated { replicas: 0 }));
    world.up(spec);
    world.run();
    assert_eq!(
        world.tasks(&id).len(),
        0,
        "with the slot goes what it remembered"
    );
}

#[test]
fn a_node_that_has_no_task_any_more_remembers_for_a_while() {
    let mut world = remembering(5);
    let mut spec = web("v1", 0);
    spec.mode = Some(ServiceMode::Global(model::Global {}));
    let id = world.up(spec);
    world.run();
    world.available("n1", model::Availability::Drain);
    world.pass(500_000);
    assert_eq!(world.tasks(&id).len(), 2);
    world.pass(200_000);
    assert_eq!(world.tasks(&id).len(), 1);
}

#[test]
fn revisions_are_kept_while_something_needs_them() {
    let mut world = remembering(0);
    let id = world.up(web("v1", 1));
    world.run();
    for number in 2..=15 {
        world.up(web(&format!("v{number}"), 1));
        world.pass(10_000);
    }
    let numbers = |world: &World| {
        let mut numbers: Vec<u64> = world.state.revisions_of(&id).map(|it| it.number).collect();
        numbers.sort_unstable();
        numbers
    };
    assert_eq!(numbers(&world), (6..=15).collect::<Vec<_>>());
    world.edit(&id, |service| {
        service.previous = Some(Box::new(web("v6", 1)));
    });
    for number in 16..=18 {
        let mut spec = web(&format!("v{number}"), 1);
        spec.labels.insert("number".into(), number.to_string());
        world.up(spec);
        world.edit(&id, |service| {
            service.previous = Some(Box::new(web("v6", 1)));
        });
        world.pass(10_000);
    }
    let mut expected = vec![6];
    expected.extend(9..=18);
    assert_eq!(numbers(&world), expected);
    assert!(reaper::reap(&world.state, &id, world.now_ms).is_empty());
    assert!(reaper::reap(&world.state, "nobody", world.now_ms).is_empty());
}
