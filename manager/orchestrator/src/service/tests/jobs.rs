//! Jobs: so many completions, one per node, by the clock.

use model::{
    Availability, GlobalJob, NodeState, ReplicatedJob, ServiceMode, ServiceSpec, Task, TaskState,
};

use super::world::{BAD, DONE, World, web};

fn job(image: &str, completions: u64, concurrent: u64) -> ServiceSpec {
    ServiceSpec {
        mode: Some(ServiceMode::ReplicatedJob(ReplicatedJob {
            completions,
            concurrent,
        })),
        ..web(image, 0)
    }
}

fn on_each_node(image: &str) -> ServiceSpec {
    ServiceSpec {
        mode: Some(ServiceMode::GlobalJob(GlobalJob {})),
        ..web(image, 0)
    }
}

fn hourly(mut spec: ServiceSpec) -> ServiceSpec {
    spec.schedule = "0 * * * *".into();
    spec
}

fn in_state(world: &World, id: &str, state: TaskState) -> Vec<Task> {
    let tasks = world.tasks(id).into_iter();
    tasks.filter(|task| task.status.state() == state).collect()
}

fn run_of(world: &World, id: &str) -> u64 {
    world.service(id).job_iteration
}

#[test]
fn so_many_completions_so_many_at_once() {
    for (concurrent, most) in [(0, 5), (2, 2), (1, 1), (9, 5)] {
        let mut world = World::new(2);
        let id = world.up(job(DONE, 5, concurrent));
        let mut seen = 0;
        for _ in 0..100 {
            world.settle();
            let meant = world.tasks(&id).into_iter().filter(|task| task.is_wanted());
            seen = seen.max(meant.count());
            if !world.step() {
                break;
            }
        }
        assert_eq!(seen, most, "{concurrent}");
        assert_eq!(in_state(&world, &id, TaskState::Complete).len(), 5);
        assert_eq!(world.tasks(&id).len(), 5);
        assert!(world.plan(&id).is_empty());
    }
}

#[test]
fn a_failure_is_tried_again_and_then_given_up() {
    let mut world = World::new(2);
    let mut spec = job(BAD, 3, 1);
    spec.task.restart.max_attempts = 2;
    let id = world.up(spec.clone());
    world.pass(600_000);
    let tasks = world.tasks(&id);
    assert_eq!(
        (tasks.len(), in_state(&world, &id, TaskState::Failed).len()),
        (3, 3)
    );
    assert!(
        tasks.iter().all(|task| task.slot == 1),
        "nothing else is started"
    );
    assert!(world.plan(&id).is_empty());
    spec.task.container.image = DONE.into();
    world.up(spec);
    world.run();
    assert_eq!(
        (
            run_of(&world, &id),
            in_state(&world, &id, TaskState::Complete).len()
        ),
        (2, 3)
    );
    assert_eq!(world.tasks(&id).len(), 3, "the run before is forgotten");
    assert!(
        world
            .tasks(&id)
            .iter()
            .all(|task| task.revision == 2 && task.job_iteration == 2)
    );
}

#[test]
fn a_change_runs_it_again_and_the_same_does_not() {
    let mut world = World::new(1);
    let id = world.up(job(DONE, 1, 0));
    world.run();
    world.up(job(DONE, 1, 0));
    assert_eq!(run_of(&world, &id), 1);
    let mut spec = job(DONE, 1, 0);
    spec.labels.insert("a".into(), "b".into());
    world.up(spec);
    assert_eq!(run_of(&world, &id), 1, "a label is no matter of the job");
    world.up(job(DONE, 2, 0));
    world.run();
    assert_eq!(
        (
            run_of(&world, &id),
            in_state(&world, &id, TaskState::Complete).len()
        ),
        (2, 2)
    );
}

#[test]
fn a_change_waits_for_the_end_of_the_run_before() {
    let mut world = World::new(1);
    let id = world.up(job("v1", 1, 0));
    world.run();
    world.stubborn.insert(world.tasks(&id)[0].id.clone());
    world.up(job(DONE, 1, 0));
    world.run();
    assert_eq!(world.meant(&id), ["1.2 ready waits"]);
    world.stubborn.clear();
    world.run();
    assert_eq!(in_state(&world, &id, TaskState::Complete).len(), 1);
}

#[test]
fn jobs_move_with_their_nodes() {
    let mut world = World::new(2);
    let id = world.up(job("v1", 1, 0));
    world.run();
    let first = world.tasks(&id)[0].node_id.clone();
    world.available(&first, Availability::Drain);
    world.run();
    assert_eq!((world.running(&id, 1), world.tasks(&id).len()), (1, 2));
    world.available(&first, Availability::Active);
    let second = world.tasks(&id)[1].node_id.clone();
    world.seen(&second, NodeState::Down);
    world.run();
    assert_eq!(world.meant(&id), ["1.1 running"]);
    let task = world.tasks(&id).pop().expect("a task");
    assert_eq!(task.node_id, first);
    world.report(&task.id, TaskState::Complete);
    world.pass(600_000);
    assert_eq!(in_state(&world, &id, TaskState::Complete).len(), 1);
    assert_eq!(world.meant(&id), ["1.1 complete"]);
}

#[test]
fn once_on_each_node() {
    let mut world = World::new(2);
    let id = world.up(on_each_node(DONE));
    world.run();
    assert_eq!(world.meant(&id), ["n1.1 complete", "n2.1 complete"]);
    world.join("n3");
    world.run();
    assert_eq!(in_state(&world, &id, TaskState::Complete).len(), 3);
    world.available("n1", Availability::Drain);
    world.available("n1", Availability::Active);
    world.pass(60_000);
    assert_eq!(world.tasks(&id).len(), 3, "what is done is done");
    let mut spec = on_each_node(BAD);
    spec.task.restart.max_attempts = 1;
    world.up(spec);
    world.pass(60_000);
    assert_eq!(in_state(&world, &id, TaskState::Failed).len(), 6);
    assert!(world.plan(&id).is_empty());
}

#[test]
fn by_the_clock() {
    let mut world = World::new(1);
    // 1970-01-01 00:16:40.
    let id = world.up(hourly(job(DONE, 2, 0)));
    world.run();
    assert_eq!(
        (run_of(&world, &id), world.tasks(&id).len()),
        (0, 0),
        "not before its time"
    );
    assert_eq!(world.service(&id).next_run_ms, 3_600_000);
    world.pass(2_600_000);
    assert_eq!(
        (
            run_of(&world, &id),
            in_state(&world, &id, TaskState::Complete).len()
        ),
        (1, 2)
    );
    assert_eq!(world.service(&id).next_run_ms, 7_200_000);
    world.pass(3_600_000);
    let runs: Vec<u64> = world
        .tasks(&id)
        .iter()
        .map(|task| task.job_iteration)
        .collect();
    assert_eq!(
        (run_of(&world, &id), runs),
        (2, vec![2, 2]),
        "the last run is remembered"
    );
}

#[test]
fn a_run_that_is_due_while_one_goes_on_is_left_out() {
    let mut world = World::new(1);
    let id = world.up(hourly(job("v1", 1, 0)));
    world.pass(2_700_000);
    assert_eq!((run_of(&world, &id), world.running(&id, 1)), (1, 1));
    let first = world.tasks(&id)[0].id.clone();
    world.pass(7_200_000);
    assert_eq!(run_of(&world, &id), 1);
    world.report(&first, TaskState::Complete);
    world.pass(3_600_000);
    assert_eq!((run_of(&world, &id), world.running(&id, 1)), (2, 1));
}

#[test]
fn a_failed_run_does_not_hold_up_the_next() {
    let mut world = World::new(1);
    let mut spec = hourly(job(BAD, 2, 1));
    spec.task.restart.max_attempts = 1;
    let id = world.up(spec);
    world.pass(2_700_000 + 3_600_000);
    assert_eq!(run_of(&world, &id), 2);
}

#[test]
fn what_was_missed_is_run_once() {
    let mut world = World::new(1);
    let id = world.up(hourly(job(DONE, 1, 0)));
    world.run();
    world.now_ms += 10 * 3_600_000;
    world.run();
    assert_eq!(run_of(&world, &id), 1);
}

#[test]
fn schedules_come_and_go() {
    let mut world = World::new(1);
    let id = world.up(job(DONE, 1, 0));
    world.run();
    world.up(hourly(job(DONE, 1, 0)));
    world.run();
    assert_eq!(
        (run_of(&world, &id), world.service(&id).next_run_ms),
        (1, 3_600_000)
    );
    world.up(hourly(job("v2", 1, 0)));
    world.run();
    assert_eq!(
        run_of(&world, &id),
        1,
        "the next run is of the new revision"
    );
    world.up(job("v2", 1, 0));
    world.run();
    assert_eq!(
        (run_of(&world, &id), world.service(&id).next_run_ms),
        (2, 0)
    );
    assert_eq!(world.meant(&id), ["1.2 running"]);
}
