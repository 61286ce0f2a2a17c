//! As SwarmKit's updater is tested: placement, parallelism, delay, order, timeout, failure action.

use model::{
    FailureAction, MountKind, MountSpec, RolloutState, ServiceSpec, TaskState, UpdateConfig,
    UpdateOrder,
};

use super::world::{BAD, FLAKY, MISSING, SICK, SLOW, World, web};

fn update(image: &str, replicas: u64, config: UpdateConfig) -> ServiceSpec {
    ServiceSpec {
        update: Some(config),
        ..web(image, replicas)
    }
}

fn config(parallelism: u64, order: UpdateOrder) -> UpdateConfig {
    UpdateConfig {
        parallelism,
        order: order.into(),
        ..UpdateConfig::default()
    }
}

fn state(world: &World, id: &str) -> RolloutState {
    let rollout = world.service(id).rollout.as_ref();
    rollout.expect("a rollout").state()
}

fn message(world: &World, id: &str) -> String {
    let rollout = world.service(id).rollout.as_ref();
    rollout.expect("a rollout").message.clone()
}

/// A world where revision 1 runs; the service.
fn running(nodes: usize, replicas: u64, config: UpdateConfig) -> (World, String) {
    let mut world = World::new(nodes);
    let id = world.up(update("v1", replicas, config));
    world.run();
    world.pass(60_000);
    (world, id)
}

#[test]
fn everything_becomes_the_newest_revision() {
    let orders = [
        UpdateOrder::Auto,
        UpdateOrder::StartFirst,
        UpdateOrder::StopFirst,
    ];
    for (order, parallelism) in orders
        .into_iter()
        .flat_map(|order| [(order, 1), (order, 2), (order, 0)])
    {
        let config = config(parallelism, order);
        let (mut world, id) = running(3, 5, config);
        world.up(update("v2", 5, config));
        world.run();
        assert_eq!(
            (world.running(&id, 2), world.running(&id, 1)),
            (5, 0),
            "{order:?} {parallelism}"
        );
        assert_eq!(
            state(&world, &id),
            RolloutState::Updating,
            "it is watched yet"
        );
        world.pass(5_000);
        assert_eq!(state(&world, &id), RolloutState::Completed);
        assert!(world.plan(&id).is_empty());
    }
}

#[test]
fn no_more_slots_at_once_than_asked_for() {
    for (parallelism, most) in [(1, 1), (2, 2), (0, 4)] {
        let config = config(parallelism, UpdateOrder::StopFirst);
        let (mut world, id) = running(2, 4, config);
        world.up(update("v2", 4, config));
        let mut fewest = 4;
        for _ in 0..100 {
            world.settle();
            let running = world.running(&id, 1) + world.running(&id, 2);
            fewest = fewest.min(running);
            if !world.step() {
                break;
            }
        }
        assert_eq!(
            (4 - fewest, world.running(&id, 2)),
            (most, 4),
            "{parallelism}"
        );
    }
}

#[test]
fn batches_wait_for_each_other() {
    let config = UpdateConfig {
        delay_ms: 30_000,
        ..config(1, UpdateOrder::Auto)
    };
    let (mut world, id) = running(1, 3, config);
    world.up(update("v2", 3, config));
    for (passed_ms, done) in [(0, 1), (29_000, 1), (2_000, 2), (29_000, 2), (2_000, 3)] {
        world.pass(passed_ms);
        assert_eq!(world.running(&id, 2), done);
    }
    world.pass(5_000);
    assert_eq!(
        state(&world, &id),
        RolloutState::Completed,
        "no pause after the last"
    );
}

#[test]
fn the_order_is_what_the_service_can_bear() {
    let volume = |spec: &mut ServiceSpec, read_only| {
        spec.task.container.mounts.push(MountSpec {
            kind: MountKind::Volume.into(),
            source: "data".into(),
            target: "/data".into(),
            read_only,
            ..MountSpec::default()
        });
    };
    let plain = |_: &mut ServiceSpec| {};
    let writes = move |spec: &mut ServiceSpec| volume(spec, false);
    let reads = move |spec: &mut ServiceSpec| volume(spec, true);
    let full = |spec: &mut ServiceSpec| spec.task.placement.max_replicas_per_node = 1;
    let beside: &[&str] = &["1.1 running", "1.2 assigned"];
    let after: &[&str] = &["1.2 ready waits"];
    let on_hold: &[&str] = &["1.2 pending waits"];
    type Shape<'a> = &'a dyn Fn(&mut ServiceSpec);
    let table: [(UpdateOrder, Shape<'_>, &[&str]); 7] = [
        (UpdateOrder::Auto, &plain, beside),
        (UpdateOrder::Auto, &writes, after),
        (UpdateOrder::Auto, &reads, beside),
        (UpdateOrder::Auto, &full, on_hold),
        (UpdateOrder::StartFirst, &writes, beside),
        (UpdateOrder::StopFirst, &plain, after),
        (UpdateOrder::StopFirst, &reads, after),
    ];
    for (row, (order, shape, expected)) in table.into_iter().enumerate() {
        let config = config(1, order);
        let mut world = World::new(1);
        let mut spec = update("v1", 1, config);
        shape(&mut spec);
        let id = world.up(spec.clone());
        world.run();
        world
            .stubborn
            .extend(world.tasks(&id).into_iter().map(|task| task.id));
        spec.task.container.image = "v2".into();
        world.up(spec);
        world.settle();
        if expected == after {
            world.step();
        }
        assert_eq!(world.meant(&id), expected, "row {row}");
        world.stubborn.clear();
        world.run();
        assert_eq!(world.meant(&id), ["1.2 running"], "row {row}");
    }
}

#[test]
fn a_new_task_that_is_not_healthy_replaces_nothing() {
    for image in [SICK, SLOW] {
        let config = config(1, UpdateOrder::Auto);
        let (mut world, id) = running(2, 2, config);
        world.up(update(image, 2, config));
        world.pass(3_600_000);
        assert_eq!(
            (world.running(&id, 1), state(&world, &id)),
            (2, RolloutState::Updating)
        );
        let what = if image == SICK {
            "starting"
        } else {
            "preparing"
        };
        assert_eq!(
            message(&world, &id),
            format!("slot 1 does not run yet: it is {what}")
        );
        assert!(world.plan(&id).is_empty());
        world.images.insert(image.to_owned(), "v2");
        world.pass(10_000);
        assert_eq!(
            (world.running(&id, 2), state(&world, &id)),
            (2, RolloutState::Completed)
        );
    }
}

#[test]
fn too_many_failures_stop_it() {
    let failing = |action: FailureAction, ratio| UpdateConfig {
        failure_action: action.into(),
        max_failure_ratio: ratio,
        ..config(1, UpdateOrder::StopFirst)
    };
    use FailureAction::{Continue, Pause};
    let table = [
        (BAD, failing(Pause, 0.0), RolloutState::Paused, 1, 3),
        (MISSING, failing(Pause, 0.0), RolloutState::Paused, 1, 3),
        // The second slot was begun while the new task of the first ran.
        (FLAKY, failing(Pause, 0.0), RolloutState::Paused, 1, 2),
        (BAD, failing(Pause, 0.25), RolloutState::Paused, 2, 2),
        (BAD, failing(Pause, 1.0), RolloutState::Completed, 4, 0),
        (BAD, failing(Continue, 0.0), RolloutState::Completed, 4, 0),
    ];
    for (row, (image, config, expected, failed, left)) in table.into_iter().enumerate() {
        let (mut world, id) = running(2, 4, config);
        world.up(update(image, 4, config));
        world.pass(120_000);
        let rollout = world.service(&id).rollout.clone().expect("a rollout");
        assert_eq!(
            (rollout.state(), rollout.failed.len()),
            (expected, failed),
            "row {row}: {rollout:?}"
        );
        assert_eq!(world.running(&id, 1), left, "row {row}");
    }
}

#[test]
fn beside_the_old_one_a_failure_costs_nothing() {
    let config = UpdateConfig {
        failure_action: FailureAction::Continue.into(),
        ..config(1, UpdateOrder::StartFirst)
    };
    let (mut world, id) = running(2, 3, config);
    let mut spec = update(BAD, 3, config);
    spec.task.restart.max_attempts = 2;
    world.up(spec);
    world.pass(600_000);
    assert_eq!(
        (world.running(&id, 1), state(&world, &id)),
        (3, RolloutState::Completed)
    );
    let given_up = world.meant(&id);
    assert_eq!(given_up.len(), 6, "{given_up:?}");
    assert!(world.plan(&id).is_empty());
    world.up(update("v3", 3, config));
    world.pass(10_000);
    assert_eq!(
        world.meant(&id),
        ["1.3 running", "2.3 running", "3.3 running"]
    );
}

#[test]
fn what_fails_after_it_was_watched_is_no_failure_of_the_update() {
    let config = UpdateConfig {
        delay_ms: 60_000,
        ..config(1, UpdateOrder::Auto)
    };
    let (mut world, id) = running(2, 2, config);
    world.up(update("v2", 2, config));
    world.pass(6_000);
    world.end(&id, 1, TaskState::Failed);
    world.pass(120_000);
    assert_eq!(
        (world.running(&id, 2), state(&world, &id)),
        (2, RolloutState::Completed)
    );
}

#[test]
fn broken_then_fixed() {
    for paused in [true, false] {
        let config = config(1, UpdateOrder::Auto);
        let (mut world, id) = running(2, 3, config);
        world.up(update(if paused { BAD } else { SLOW }, 3, config));
        world.pass(10_000);
        let expected = if paused {
            RolloutState::Paused
        } else {
            RolloutState::Updating
        };
        assert_eq!(state(&world, &id), expected);
        world.up(update("v3", 3, config));
        assert_eq!(
            world
                .service(&id)
                .rollout
                .as_ref()
                .map(|it| (it.from, it.to)),
            Some((1, 3))
        );
        world.pass(20_000);
        assert_eq!(
            (
                world.running(&id, 3),
                world
                    .tasks(&id)
                    .iter()
                    .filter(|task| task.is_wanted())
                    .count()
            ),
            (3, 3)
        );
        assert_eq!(state(&world, &id), RolloutState::Completed);
    }
}

#[test]
fn a_paused_rollout_goes_on_when_it_is_asked_for_again() {
    let config = config(1, UpdateOrder::Auto);
    let (mut world, id) = running(2, 3, config);
    world.up(update(BAD, 3, config));
    world.pass(10_000);
    assert_eq!(state(&world, &id), RolloutState::Paused);
    assert_eq!(
        message(&world, &id),
        "1 of 3 tasks failed; 1 of 3 tasks are of revision 2"
    );
    world.images.insert(BAD.to_owned(), "v2");
    world.up(update(BAD, 3, config));
    assert_eq!(world.service(&id).revision, 2);
    world.pass(60_000);
    assert_eq!(
        (world.running(&id, 2), state(&world, &id)),
        (3, RolloutState::Completed)
    );
}

#[test]
fn slots_keep_their_revision_until_they_are_picked() {
    let config = config(1, UpdateOrder::Auto);
    let (mut world, id) = running(2, 3, config);
    world.up(update(SLOW, 3, config));
    world.run();
    world.end(&id, 3, TaskState::Failed);
    world.run();
    assert_eq!(
        world.meant(&id),
        ["1.1 running", "1.2 preparing", "2.1 running", "3.1 running"]
    );
    world.up(update(SLOW, 4, config));
    world.run();
    assert_eq!(
        world.meant(&id)[4..],
        ["4.2 preparing"],
        "a new slot is of the newest"
    );
}

#[test]
fn new_slots_of_a_paused_rollout_are_of_what_worked() {
    let config = config(1, UpdateOrder::Auto);
    let (mut world, id) = running(2, 2, config);
    world.up(update(BAD, 2, config));
    world.pass(10_000);
    world.up(update(BAD, 3, config));
    world.run();
    assert_eq!(world.meant(&id).last().expect("a task"), "3.1 running");
    assert_eq!(state(&world, &id), RolloutState::Paused);
}

#[test]
fn another_placement_moves_only_what_it_does_not_suit() {
    let config = config(0, UpdateOrder::Auto);
    let (mut world, id) = running(2, 2, config);
    world.node("n1", |node| {
        node.spec.labels = [("a".to_owned(), "b".to_owned())].into()
    });
    let before = world.tasks(&id);
    let mut spec = update("v1", 2, config);
    spec.task.placement.constraints = vec!["node.labels.a == b".into()];
    world.up(spec);
    world.pass(10_000);
    assert_eq!(world.meant(&id), ["1.2 running", "2.2 running"]);
    let stays = before
        .iter()
        .find(|task| task.node_id == "n1")
        .expect("a task");
    let stayed = world.state.tasks().get(&stays.id).expect("a task");
    assert_eq!(
        (stayed.revision, stayed.status.state()),
        (2, TaskState::Running)
    );
    assert_eq!(state(&world, &id), RolloutState::Completed);
}

#[test]
fn to_force_an_update_replaces_everything() {
    let config = config(0, UpdateOrder::Auto);
    let (mut world, id) = running(2, 2, config);
    let mut spec = update("v1", 2, config);
    spec.task.force = 1;
    world.up(spec);
    world.pass(10_000);
    assert_eq!(world.meant(&id), ["1.2 running", "2.2 running"]);
}

#[test]
fn tasks_that_are_left_of_another_revision_begin_a_rollout() {
    let (mut world, id) = running(1, 2, config(0, UpdateOrder::Auto));
    world.up(update("v2", 2, config(0, UpdateOrder::Auto)));
    world.edit(&id, |service| service.rollout = None);
    world.pass(10_000);
    assert_eq!(
        (world.running(&id, 2), state(&world, &id)),
        (2, RolloutState::Completed)
    );
}

#[test]
fn a_node_is_lost_in_the_middle() {
    let config = config(1, UpdateOrder::Auto);
    let (mut world, id) = running(3, 6, config);
    world.up(update("v2", 6, config));
    for _ in 0..4 {
        world.settle();
        world.step();
    }
    world.seen("n1", model::NodeState::Down);
    world.pass(30_000);
    let meant = world.meant(&id);
    assert!(
        meant.len() == 6 && meant.iter().all(|told| told.ends_with(".2 running")),
        "{meant:?}"
    );
    assert_eq!(state(&world, &id), RolloutState::Completed);
}
