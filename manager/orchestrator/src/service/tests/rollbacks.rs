//! Services return to what they were.

use model::{FailureAction, RolloutState, ServiceSpec, UpdateConfig, UpdateOrder};

use super::world::{BAD, FLAKY, World, web};
use crate::service::roll_back;

const CONFIG: UpdateConfig = UpdateConfig {
    parallelism: 1,
    delay_ms: 0,
    failure_action: FailureAction::Rollback as i32,
    monitor_ms: 0,
    max_failure_ratio: 0.0,
    order: UpdateOrder::Auto as i32,
};

fn spec(image: &str, replicas: u64) -> ServiceSpec {
    ServiceSpec {
        update: Some(CONFIG),
        ..web(image, replicas)
    }
}

fn stands(world: &World, id: &str) -> (RolloutState, u64, String) {
    let service = world.service(id);
    let rollout = service.rollout.as_ref().expect("a rollout");
    (
        rollout.state(),
        service.revision,
        service.spec.task.container.image.clone(),
    )
}

fn running(replicas: u64) -> (World, String) {
    let mut world = World::new(2);
    let id = world.up(spec("v1", replicas));
    world.run();
    (world, id)
}

#[test]
fn a_failed_update_returns_to_the_revision_before() {
    for image in [BAD, FLAKY] {
        let (mut world, id) = running(3);
        let before = world.tasks(&id);
        let mut broken = spec(image, 3);
        broken.labels.insert("with".into(), "it".into());
        world.up(broken);
        world.pass(30_000);
        assert_eq!(
            stands(&world, &id),
            (RolloutState::RolledBack, 1, "v1".into())
        );
        let rollout = world.service(&id).rollout.clone();
        let rollout = rollout.expect("a rollout");
        assert_eq!(
            rollout.message,
            "returned from revision 2 to 1: 1 of 3 tasks failed"
        );
        assert_eq!(
            world.service(&id).spec,
            spec("v1", 3),
            "all that was wanted before"
        );
        assert_eq!(
            world.meant(&id),
            ["1.1 running", "2.1 running", "3.1 running"]
        );
        let untouched = before.iter().filter(|task| {
            world
                .state
                .tasks()
                .get(&task.id)
                .is_some_and(|now| now.is_wanted())
        });
        assert!(untouched.count() >= 2, "what was not updated stays");
        assert!(world.plan(&id).is_empty());
        world.up(spec("v3", 3));
        world.pass(30_000);
        assert_eq!(
            stands(&world, &id),
            (RolloutState::Completed, 3, "v3".into())
        );
    }
}

#[test]
fn scaling_meanwhile_is_not_undone() {
    let (mut world, id) = running(3);
    world.up(spec(BAD, 3));
    world.up(spec(BAD, 5));
    world.pass(60_000);
    assert_eq!(
        stands(&world, &id),
        (RolloutState::RolledBack, 1, "v1".into())
    );
    assert_eq!(world.running(&id, 1), 5);
}

#[test]
fn a_rollback_that_fails_stops() {
    let (mut world, id) = running(2);
    world.up(spec(BAD, 2));
    // What was there has become bad too, and stops in the middle.
    world.images.insert("v1".into(), BAD);
    let stop_first = UpdateConfig {
        order: UpdateOrder::StopFirst.into(),
        ..CONFIG
    };
    world.edit(&id, |service| {
        service.spec.update = Some(stop_first);
        service.spec.rollback = Some(stop_first);
        service.previous = None;
    });
    world.pass(60_000);
    assert_eq!(
        stands(&world, &id),
        (RolloutState::RollbackPaused, 1, "v1".into())
    );
    world.images.clear();
    let again = world.service(&id).spec.clone();
    world.up(again);
    world.pass(300_000);
    assert_eq!(
        stands(&world, &id),
        (RolloutState::RolledBack, 1, "v1".into())
    );
    assert_eq!(world.running(&id, 1), 2);
}

#[test]
fn people_return_there_and_back() {
    let (mut world, id) = running(2);
    let back = |world: &mut World| -> Result<(), String> {
        let changes = roll_back(&world.state, world.service(&id), world.now_ms)?;
        world.commit(changes);
        world.pass(30_000);
        Ok(())
    };
    let refusal = back(&mut world).expect_err("nothing to return to");
    assert!(
        refusal.contains("service `web` was not updated"),
        "{refusal}"
    );
    world.up(spec("v2", 2));
    world.pass(30_000);
    back(&mut world).expect("to v1");
    assert_eq!(
        stands(&world, &id),
        (RolloutState::RolledBack, 1, "v1".into())
    );
    assert_eq!(world.running(&id, 1), 2);
    back(&mut world).expect("to v2 again");
    assert_eq!(
        stands(&world, &id),
        (RolloutState::RolledBack, 2, "v2".into())
    );
    world.up(spec("v2", 4));
    back(&mut world).expect("to two replicas");
    assert_eq!((world.running(&id, 2), world.service(&id).revision), (2, 2));
    world.edit(&id, |service| service.removing = true);
    let removing = roll_back(&world.state, world.service(&id), world.now_ms);
    assert_eq!(removing, Err("service `web` is being removed".into()));
}

#[test]
fn people_return_in_the_middle_of_an_update() {
    let (mut world, id) = running(3);
    let before = world.tasks(&id);
    world.up(spec(super::world::SLOW, 3));
    world.run();
    let changes = roll_back(&world.state, world.service(&id), world.now_ms).expect("to v1");
    world.commit(changes);
    world.pass(30_000);
    assert_eq!(
        stands(&world, &id),
        (RolloutState::RolledBack, 1, "v1".into())
    );
    assert!(before.iter().all(|task| {
        world
            .state
            .tasks()
            .get(&task.id)
            .is_some_and(|now| now.is_wanted())
    }));
}

#[test]
fn a_revision_that_was_forgotten_is_made_anew() {
    let (mut world, id) = running(1);
    world.up(spec("v2", 1));
    world.pass(30_000);
    world.edit(&id, |service| {
        service.previous = Some(Box::new(spec("v0", 1)));
    });
    let changes = roll_back(&world.state, world.service(&id), world.now_ms).expect("to v0");
    world.commit(changes);
    world.pass(30_000);
    assert_eq!(
        stands(&world, &id),
        (RolloutState::RolledBack, 3, "v0".into())
    );
    assert_eq!(world.running(&id, 3), 1);
}
