//! As SwarmKit's replicated orchestrator is tested: slots, scaling, restarts.

use model::{NodeState, RestartCondition, ServiceMode, ServiceSpec, TaskState};

use super::world::{BAD, DONE, MISSING, World, web};
use crate::service::remove;

fn states(world: &World, id: &str) -> Vec<String> {
    let tasks = world.tasks(id).into_iter();
    tasks
        .map(|task| {
            format!(
                "{} {}/{}",
                task.slot,
                task.status.state(),
                task.desired_state()
            )
        })
        .collect()
}

fn scale(world: &mut World, id: &str, replicas: u64) {
    let mut spec = world.service(id).spec.clone();
    spec.mode = Some(ServiceMode::Replicated(model::Replicated { replicas }));
    world.up(spec);
}

#[test]
fn as_many_as_are_wanted() {
    let mut world = World::new(3);
    let id = world.up(web("v1", 3));
    world.run();
    assert_eq!(
        world.meant(&id),
        ["1.1 running", "2.1 running", "3.1 running"]
    );
    let nodes = world.tasks(&id).into_iter().map(|task| task.node_id);
    assert_eq!(nodes.collect::<Vec<_>>().len(), 3);
    scale(&mut world, &id, 5);
    world.run();
    assert_eq!(world.running(&id, 1), 5);
    scale(&mut world, &id, 0);
    world.run();
    assert_eq!(world.tasks(&id), [], "scaled away, ended and forgotten");
    assert_eq!(
        (world.service(&id).revision, &world.service(&id).rollout),
        (1, &None)
    );
}

#[test]
fn scaling_down_spares_what_runs_and_what_is_spread() {
    let check = |what: &str, replicas: u64, arrange: fn(&mut World, &str), left: &[u64]| {
        let mut world = World::new(2);
        let id = world.up(web("v1", 5));
        world.run();
        arrange(&mut world, &id);
        scale(&mut world, &id, replicas);
        world.settle();
        let tasks = world.tasks(&id).into_iter();
        let meant = tasks.filter(|task| task.desired_state() <= TaskState::Running);
        assert_eq!(
            meant.map(|task| task.slot).collect::<Vec<_>>(),
            left,
            "{what}"
        );
    };
    // The nodes have slots 1, 3, 5 and 2, 4.
    check(
        "the node with most, then the highest",
        3,
        |_, _| {},
        &[1, 2, 3],
    );
    check("the crowded node", 4, |_, _| {}, &[1, 2, 3, 4]);
    check(
        "what does not run goes first",
        4,
        |world, id| {
            world.end(id, 2, TaskState::Failed);
            world.settle();
        },
        &[1, 3, 4, 5],
    );
}

#[test]
fn a_task_that_ends_is_followed_after_a_pause() {
    for state in [TaskState::Failed, TaskState::Complete, TaskState::Rejected] {
        let mut world = World::new(1);
        let id = world.up(web("v1", 1));
        world.run();
        let first = world.end(&id, 1, state);
        let ended_ms = world.now_ms;
        let due_ms = world.run();
        assert_eq!(
            states(&world, &id),
            [format!("1 {state}/shutdown"), "1 ready/ready".into()],
            "its image is there before its time has come"
        );
        let next = world.tasks(&id).pop().expect("a task");
        assert_eq!(
            (next.not_before_ms, due_ms),
            (ended_ms + 5_000, Some(ended_ms + 5_000))
        );
        assert_eq!((next.attempt, next.id != first), (1, true));
        world.pass(5_000);
        assert_eq!(world.meant(&id), ["1.1 running"]);
        assert_eq!(world.tasks(&id).len(), 2);
    }
}

#[test]
fn one_that_worked_is_followed_at_once() {
    let mut world = World::new(1);
    let id = world.up(web("v1", 1));
    world.run();
    world.pass(20_000);
    world.end(&id, 1, TaskState::Failed);
    world.settle();
    assert_eq!(world.meant(&id), ["1.1 assigned"], "and is to run");
}

#[test]
fn crash_loops_slow_down_and_stop_where_attempts_are_limited() {
    let mut world = World::new(1);
    let id = world.up(web(BAD, 1));
    world.pass(76_000);
    // At 0, 5, 15, 35 and 75 s.
    assert_eq!(world.tasks(&id).last().expect("a task").attempt, 5);
    let mut spec = web(MISSING, 1);
    spec.name = "missing".into();
    let id = world.up(spec.clone());
    world.pass(600_000);
    let attempt = world.tasks(&id).last().expect("a task").attempt;
    assert!(
        (5..10).contains(&attempt),
        "{attempt}: what is missing is not asked for all the time"
    );
    spec.name = "limited".into();
    spec.task.restart.max_attempts = 2;
    let id = world.up(spec);
    world.pass(600_000);
    let expected = [
        "1 rejected/shutdown",
        "1 rejected/shutdown",
        "1 rejected/ready",
    ];
    assert_eq!(
        states(&world, &id),
        expected,
        "given up, and nothing in its place"
    );
    world.pass(600_000);
    assert_eq!(states(&world, &id), expected);
}

#[test]
fn what_is_not_restarted_keeps_its_slot() {
    let table = [
        (RestartCondition::None, BAD, "1 failed/running"),
        (RestartCondition::None, DONE, "1 complete/running"),
        (RestartCondition::OnFailure, DONE, "1 complete/running"),
    ];
    for (condition, image, expected) in table {
        let mut world = World::new(1);
        let mut spec = web(image, 1);
        spec.task.restart.condition = condition.into();
        let id = world.up(spec);
        world.pass(600_000);
        assert_eq!(states(&world, &id), [expected]);
        scale(&mut world, &id, 0);
        world.run();
        scale(&mut world, &id, 1);
        world.settle();
        assert_eq!(
            world.meant(&id),
            ["1.1 assigned"],
            "a slot that is made anew"
        );
    }
}

#[test]
fn a_slot_waits_for_the_end_of_its_last_task() {
    let mut world = World::new(2);
    let id = world.up(web("v1", 1));
    world.run();
    let old = world.tasks(&id)[0].id.clone();
    world.stubborn.insert(old.clone());
    scale(&mut world, &id, 0);
    world.run();
    scale(&mut world, &id, 1);
    world.run();
    assert_eq!(states(&world, &id), ["1 running/remove", "1 ready/ready"]);
    world.stubborn.clear();
    world.run();
    assert_eq!(states(&world, &id), ["1 running/running"]);
    assert_ne!(world.tasks(&id)[0].id, old);
}

#[test]
fn what_is_not_allocated_is_not_started() {
    let mut world = World::new(1);
    let mut spec = web("v1", 1);
    spec.task.networks.push(model::NetworkAttachment {
        network: "nowhere".into(),
        ..Default::default()
    });
    let id = world.up(spec);
    world.run();
    assert_eq!(world.tasks(&id), []);
}

#[test]
fn a_removed_service_goes_when_its_tasks_have_ended() {
    let check = |what: &str, arrange: fn(&mut World), gone: bool| {
        let mut world = World::new(2);
        let id = world.up(web("v1", 4));
        world.run();
        world.stubborn = world
            .tasks(&id)
            .iter()
            .map(|task| task.id.clone())
            .collect();
        world.stubborn.retain(|id| {
            world
                .state
                .tasks()
                .get(id)
                .is_some_and(|task| task.node_id == "n1")
        });
        let removing = remove(world.service(&id));
        world.commit(removing);
        arrange(&mut world);
        world.run();
        let left = (
            world.state.services().len(),
            world.state.tasks().len(),
            world.state.revisions().len(),
        );
        assert_eq!(left, if gone { (0, 0, 0) } else { (1, 4, 1) }, "{what}");
    };
    check("two don't end", |_| {}, false);
    check("all end", |world| world.stubborn.clear(), true);
    check(
        "their node is down",
        |world| world.seen("n1", NodeState::Down),
        true,
    );
    check("their node is gone", |world| world.leave("n1"), true);
    let mut world = World::new(0);
    let id = world.up(web("v1", 1));
    world.run();
    assert_eq!(world.meant(&id), ["1.1 pending"]);
    let removing = remove(world.service(&id));
    world.commit(removing);
    world.run();
    assert_eq!(world.state.services().len(), 0, "what was never on a node");
    assert_eq!(
        remove(&model::Service {
            removing: true,
            ..Default::default()
        }),
        []
    );
}

#[test]
fn another_mode_ends_the_tasks_of_the_one_before() {
    let mut world = World::new(2);
    let id = world.up(web("v1", 3));
    world.run();
    let spec = ServiceSpec {
        mode: Some(ServiceMode::Global(model::Global {})),
        ..web("v1", 0)
    };
    world.up(spec);
    world.run();
    assert_eq!(world.meant(&id), ["n1.1 running", "n2.1 running"]);
    world.up(web("v1", 1));
    world.run();
    assert_eq!(world.meant(&id), ["1.1 running"]);
}
