//! What the gates mean for slots, restarts and rollouts.

use model::{
    Availability, Dependency, DependencyCondition, FailureAction, RolloutState, ServiceSpec,
    TaskState, UpdateConfig,
};

use super::world::{BAD, SICK, World, web};

const GATE_MS: i64 = 300_000;

fn db(image: &str) -> ServiceSpec {
    ServiceSpec {
        name: "db".into(),
        ..web(image, 1)
    }
}

fn behind(image: &str, restart: bool) -> ServiceSpec {
    ServiceSpec {
        depends_on: vec![Dependency {
            service: "db".into(),
            condition: DependencyCondition::Healthy.into(),
            restart,
            ..Dependency::default()
        }],
        update: Some(UpdateConfig::default()),
        ..web(image, 2)
    }
}

fn state(world: &World, id: &str) -> RolloutState {
    let rollout = world.service(id).rollout.as_ref();
    rollout.expect("a rollout").state()
}

#[test]
fn tasks_are_prepared_and_start_when_it_opens() {
    let mut world = World::new(2);
    let on = world.up(db(SICK));
    let id = world.up(behind("v1", false));
    world.run();
    assert_eq!(world.meant(&id), ["1.1 ready waits", "2.1 ready waits"]);
    world.images.insert(SICK.into(), "v1");
    world.run();
    assert_eq!(world.meant(&id), ["1.1 running", "2.1 running"]);
    let latches = &world.service(&id).latches;
    assert_eq!((latches.len(), latches[0].dependency_revision), (1, 1));
    // What becomes of it later holds nothing back.
    world.images.insert(SICK.into(), SICK);
    world.end(&on, 1, TaskState::Failed);
    world.end(&id, 1, TaskState::Failed);
    world.pass(10_000);
    assert_eq!(world.meant(&id), ["1.1 running", "2.1 running"]);
    let mut spec = behind("v1", false);
    spec.mode = web("", 3).mode;
    world.up(spec);
    world.run();
    assert_eq!(world.running(&id, 1), 3);
}

#[test]
fn who_asked_for_it_waits_always() {
    let mut world = World::new(2);
    let on = world.up(db("v1"));
    let mut spec = behind("v1", false);
    spec.gate.always = true;
    let id = world.up(spec);
    world.run();
    assert_eq!(world.running(&id, 1), 2);
    world.images.insert("v1".into(), SICK);
    world.end(&on, 1, TaskState::Failed);
    world.end(&id, 1, TaskState::Failed);
    world.pass(30_000);
    assert_eq!(world.meant(&id), ["1.1 ready waits", "2.1 running"]);
    world.images.clear();
    world.run();
    assert_eq!(world.running(&id, 1), 2);
}

#[test]
fn an_update_starts_no_slot_before_its_gate_opens() {
    let mut world = World::new(2);
    world.up(db("v1"));
    let id = world.up(behind("v1", false));
    world.pass(10_000);
    world.up(db(SICK));
    world.up(behind("v2", false));
    world.pass(30_000);
    assert_eq!(world.meant(&id), ["1.1 running", "2.1 running"]);
    let message = world
        .service(&id)
        .rollout
        .clone()
        .expect("a rollout")
        .message;
    assert!(
        message.starts_with("0 of 2 tasks are of revision 2; waits for db"),
        "{message}"
    );
    // Who is lost meanwhile comes back as it was; what is added is of what may start.
    world.end(&id, 1, TaskState::Failed);
    let mut spec = behind("v2", false);
    spec.mode = web("", 3).mode;
    world.up(spec);
    world.pass(1_000);
    assert_eq!(
        world.meant(&id),
        ["1.1 running", "2.1 running", "3.1 running"]
    );
    world.images.insert(SICK.into(), "v2");
    world.pass(60_000);
    assert_eq!(
        (world.running(&id, 2), state(&world, &id)),
        (3, RolloutState::Completed)
    );
}

#[test]
fn what_never_started_makes_room_at_once() {
    let mut world = World::new(2);
    world.up(db(SICK));
    let id = world.up(behind(BAD, false));
    world.run();
    world.up(behind("v2", false));
    world.run();
    assert_eq!(world.meant(&id), ["1.2 ready waits", "2.2 ready waits"]);
    world.images.insert(SICK.into(), "v1");
    world.pass(30_000);
    assert_eq!(world.running(&id, 2), 2);
    assert_eq!(state(&world, &id), RolloutState::Completed);
}

#[test]
fn what_waits_to_take_over_gives_up_when_the_old_task_can_stay() {
    let mut world = World::new(2);
    let on = world.up(db("v1"));
    let mut spec = behind("v1", false);
    spec.gate.always = true;
    let id = world.up(spec);
    world.run();
    world.images.insert("v1".into(), SICK);
    world.end(&on, 1, TaskState::Failed);
    let old = world.tasks(&id)[0].clone();
    world.available(&old.node_id, Availability::Drain);
    world.pass(10_000);
    let told = ["1.1 running", "1.1 ready waits", "2.1 running"];
    assert_eq!(world.meant(&id), told);
    world.available(&old.node_id, Availability::Active);
    world.run();
    assert_eq!(world.meant(&id), ["1.1 running", "2.1 running"]);
    world.images.clear();
    world.pass(10_000);
    assert_eq!(world.tasks(&id)[0].id, old.id);
    assert_eq!(world.meant(&id), ["1.1 running", "2.1 running"]);
}

#[test]
fn a_gate_that_gives_up_takes_the_failure_action() {
    use FailureAction::{Continue, Pause, Rollback};
    let table = [
        (Pause, RolloutState::Paused, 2),
        (Rollback, RolloutState::RolledBack, 1),
        (Continue, RolloutState::Updating, 2),
    ];
    for (action, expected, revision) in table {
        let mut world = World::new(2);
        world.up(db("v1"));
        let acting = |image| ServiceSpec {
            update: Some(UpdateConfig {
                failure_action: action.into(),
                ..UpdateConfig::default()
            }),
            ..behind(image, false)
        };
        let id = world.up(acting("v1"));
        world.pass(10_000);
        world.up(db(SICK));
        world.up(acting("v2"));
        world.pass(GATE_MS + 30_000);
        assert_eq!(
            (state(&world, &id), world.service(&id).revision),
            (expected, revision)
        );
        assert_eq!(world.running(&id, 1), 2, "what runs goes on");
        world.images.insert(SICK.into(), "v2");
        if action == Pause {
            world.up(acting("v2"));
        }
        world.pass(30_000);
        let done = if action == Rollback { 1 } else { 2 };
        assert_eq!(world.running(&id, done), 2, "{action:?}");
    }
}

#[test]
fn a_first_deployment_waits_anew_when_it_is_asked_for_again() {
    let mut world = World::new(2);
    world.up(db(SICK));
    let id = world.up(behind("v1", false));
    world.pass(GATE_MS + 30_000);
    assert!(
        world
            .service(&id)
            .waiting
            .as_ref()
            .is_some_and(|wait| wait.expired)
    );
    world.up(behind("v1", false));
    world.run();
    assert!(
        world
            .service(&id)
            .waiting
            .as_ref()
            .is_some_and(|wait| !wait.expired)
    );
}

#[test]
fn who_asked_for_it_restarts_with_its_dependency() {
    for restart in [true, false] {
        let mut world = World::new(2);
        let on = world.up(db("v1"));
        let id = world.up(behind("v1", restart));
        world.pass(10_000);
        world.end(&on, 1, TaskState::Failed);
        world.pass(10_000);
        assert_eq!(world.service(&id).revision, 1, "not for a crash");
        world.up(db("v2"));
        world.pass(60_000);
        let revision = 1 + u64::from(restart);
        assert_eq!(world.service(&id).revision, revision);
        assert_eq!(world.running(&id, revision), 2);
        world.pass(600_000);
        assert_eq!(world.service(&id).revision, revision, "and once");
        world.up(behind("v1", restart));
        assert_eq!(
            world.service(&id).revision,
            revision,
            "the same is the same still"
        );
    }
}
