//! Nodes come and go: drain, loss, labels.

use model::{Availability, NodeState, PortSpec, PublishMode, Task, TaskState};

use super::world::{World, web};
use crate::service::draft::LEASE_MS;

fn on(world: &World, id: &str, node: &str) -> Vec<Task> {
    let tasks = world.tasks(id).into_iter();
    tasks.filter(|task| task.node_id == node).collect()
}

#[test]
fn a_drained_node_is_left_when_others_have_taken_over() {
    let mut world = World::new(2);
    let id = world.up(web("v1", 2));
    world.run();
    let old = on(&world, &id, "n1")[0].clone();
    world.available("n1", Availability::Drain);
    world.settle();
    let slot = format!("{}.1", old.slot);
    let both = world
        .meant(&id)
        .into_iter()
        .filter(|told| told.starts_with(&slot));
    assert_eq!(
        both.collect::<Vec<_>>(),
        [format!("{slot} running"), format!("{slot} assigned")]
    );
    world.run();
    assert_eq!(world.running(&id, 1), 2);
    let [left] = on(&world, &id, "n1").try_into().expect("its old task");
    assert_eq!(
        (left.id, left.reason.as_str()),
        (old.id, "moved to another node")
    );
    assert_eq!(on(&world, &id, "n2").len(), 2);
}

#[test]
fn a_drained_node_is_not_left_for_nowhere() {
    let mut world = World::new(1);
    let id = world.up(web("v1", 1));
    world.run();
    world.available("n1", Availability::Drain);
    world.pass(600_000);
    assert_eq!(world.meant(&id), ["1.1 running", "1.1 pending"]);
    world.join("n2");
    world.run();
    assert_eq!(world.meant(&id), ["1.1 running"]);
    assert_eq!(on(&world, &id, "n2").len(), 1);
}

#[test]
fn what_cannot_be_twice_ends_before_it_moves() {
    let mut world = World::new(2);
    let mut spec = web("v1", 1);
    spec.endpoint.ports.push(PortSpec {
        target: 80,
        published: 8080,
        mode: PublishMode::Host.into(),
        ..PortSpec::default()
    });
    let id = world.up(spec);
    world.run();
    let old = world.tasks(&id)[0].clone();
    world.stubborn.insert(old.id.clone());
    world.available(&old.node_id, Availability::Drain);
    world.run();
    assert_eq!(
        world.meant(&id),
        ["1.1 ready waits"],
        "prepared, until the old one has ended"
    );
    world.stubborn.clear();
    world.run();
    assert_eq!(world.meant(&id), ["1.1 running"]);
    assert_ne!(
        world.tasks(&id).last().expect("a task").node_id,
        old.node_id
    );
}

#[test]
fn a_node_that_is_drained_while_its_task_takes_over() {
    let mut world = World::new(3);
    let id = world.up(web("v1", 1));
    world.run();
    let first = world.tasks(&id)[0].node_id.clone();
    world.available(&first, Availability::Drain);
    world.settle();
    let second = world.tasks(&id).last().expect("a task").node_id.clone();
    world.available(&second, Availability::Drain);
    world.run();
    assert_eq!(world.meant(&id), ["1.1 running"]);
    let third = world.tasks(&id).last().expect("a task").node_id.clone();
    assert!(third != first && third != second);
}

#[test]
fn a_paused_node_keeps_what_it_has() {
    let mut world = World::new(2);
    let id = world.up(web("v1", 2));
    world.run();
    world.available("n1", Availability::Pause);
    assert!(world.plan(&id).is_empty());
}

#[test]
fn a_lost_node_is_replaced_at_once_and_nothing_doubles_when_it_returns() {
    let mut world = World::new(3);
    let id = world.up(web("v1", 3));
    world.run();
    let lost = on(&world, &id, "n1")[0].clone();
    world.seen("n1", NodeState::Down);
    world.settle();
    let now = on(&world, &id, "n1")[0].clone();
    assert_eq!(
        (now.desired_state(), now.status.state(), now.reason.as_str()),
        (TaskState::Shutdown, TaskState::Running, "node n1 is down")
    );
    world.run();
    assert_eq!(world.meant(&id).len(), 3);
    assert_eq!(world.running(&id, 1), 4, "as far as its node has told");
    world.pass(60_000);
    world.seen("n1", NodeState::Ready);
    world.run();
    assert_eq!(world.running(&id, 1), 3);
    assert_eq!(
        world
            .state
            .tasks()
            .get(&lost.id)
            .expect("a task")
            .status
            .state(),
        TaskState::Shutdown
    );
    // What it says of it later is of no account.
    world.report(&lost.id, TaskState::Failed);
    assert!(world.plan(&id).is_empty());
}

#[test]
fn a_node_that_was_down_for_five_minutes_is_not_waited_for() {
    let mut world = World::new(2);
    let id = world.up(web("v1", 2));
    world.run();
    world.seen("n1", NodeState::Down);
    world.run();
    world.pass(LEASE_MS - 10_000);
    assert_eq!(on(&world, &id, "n1").len(), 1);
    let due_ms = world.run().expect("something is due");
    assert!(due_ms > world.now_ms && due_ms < world.now_ms + 20_000);
    world.now_ms = due_ms;
    let plan = world.plan(&id);
    world.take(plan);
    assert_eq!(on(&world, &id, "n1")[0].status.state(), TaskState::Orphaned);
    world.run();
    assert_eq!(on(&world, &id, "n1"), [], "and forgotten");
    assert_eq!(world.running(&id, 1), 2);
}

#[test]
fn the_tasks_of_a_removed_node_are_given_up() {
    let mut world = World::new(2);
    let id = world.up(web("v1", 2));
    world.run();
    world.leave("n1");
    let plan = world.plan(&id);
    world.take(plan);
    let lost = on(&world, &id, "n1")[0].clone();
    assert_eq!(
        (lost.status.state(), lost.reason.as_str()),
        (TaskState::Orphaned, "node n1 was removed from the cluster")
    );
    world.run();
    assert_eq!((world.tasks(&id).len(), world.running(&id, 1)), (2, 2));
}

#[test]
fn a_label_that_is_taken_away_moves_what_asked_for_it() {
    let mut world = World::new(2);
    let label = |world: &mut World, id: &str, disk: &str| {
        world.node(id, |node| {
            node.spec.labels = [("disk".to_owned(), disk.to_owned())].into();
        });
    };
    label(&mut world, "n1", "ssd");
    let mut spec = web("v1", 1);
    spec.task.placement.constraints = vec!["node.labels.disk == ssd".into()];
    let id = world.up(spec);
    world.run();
    assert_eq!(on(&world, &id, "n1").len(), 1);
    label(&mut world, "n2", "ssd");
    label(&mut world, "n1", "hdd");
    world.run();
    assert_eq!(world.meant(&id), ["1.1 running"]);
    assert_eq!(world.tasks(&id).last().expect("a task").node_id, "n2");
}

#[test]
fn a_pause_before_a_restart_moves_with_its_task() {
    let mut world = World::new(2);
    let id = world.up(web("v1", 1));
    world.run();
    world.end(&id, 1, TaskState::Failed);
    world.run();
    let waits = world.tasks(&id).pop().expect("a task");
    world.available(&waits.node_id, Availability::Drain);
    world.run();
    let moved = world.tasks(&id).pop().expect("a task");
    assert_eq!(moved.not_before_ms, waits.not_before_ms);
    assert_eq!((moved.attempt, moved.node_id != waits.node_id), (1, true));
    assert_eq!(world.meant(&id), ["1.1 ready waits"]);
}
