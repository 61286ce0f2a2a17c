//! What happens by itself as time passes: tasks are spread anew, services grow with their use, jobs run by the clock.

use std::collections::BTreeMap;

use model::{Autoscale, ServiceSpec, TaskState};
use orchestrator::autoscale::Usage;
use world::specs::{job, rebalanced, replicated};
use world::{Behaviour, World};

const MINUTE_MS: i64 = 60_000;

fn world_of(nodes: &[&str], seed: u64) -> World {
    let mut world = World::new(seed);
    for node in nodes {
        world.node(node, &[]);
    }
    world
}

/// How many tasks run on each node.
fn spread(world: &World, service: &str) -> BTreeMap<String, usize> {
    let mut nodes = BTreeMap::new();
    for task in world.running(service) {
        *nodes.entry(task.node_id.clone()).or_default() += 1;
    }
    nodes
}

#[test]
fn tasks_are_spread_anew_when_a_node_joins() {
    let mut world = world_of(&["n1", "n2"], 1);
    world
        .create(rebalanced(replicated("web", "web:1", 9)))
        .expect("it can be meant");
    world
        .create(replicated("api", "api:1", 6))
        .expect("it can be meant");
    assert!(world.settle(MINUTE_MS));
    world.node("n3", &[]);
    let commits = world.commits();
    let mut least = 9;
    for second in 0..10 * 60 {
        if second == 150 {
            world.kill_leader();
        }
        world.run_for(1000);
        least = least.min(world.running("web").len());
    }
    assert_eq!(
        spread(&world, "web").into_values().collect::<Vec<_>>(),
        [3, 3, 3]
    );
    assert_eq!(least, 9, "never fewer than there are to be");
    assert_eq!(
        spread(&world, "api").get("n3"),
        None,
        "who did not ask stays"
    );
    let moved = world
        .tasks("web")
        .iter()
        .filter(|task| task.reason == "rebalanced")
        .count();
    assert_eq!(moved, 3, "no more than that takes");
    assert!(world.commits() - commits < 100);
    let settled = world.commits();
    world.run_for(60 * MINUTE_MS);
    assert_eq!(world.commits(), settled, "and it stays so");
}

/// A service whose tasks share a load, which is told in processors: the leader hears of it with heartbeats, and decides.
fn under_load(world: &mut World, service: &str, load: f64, minutes: u32) -> Vec<u64> {
    let mut seen = Vec::new();
    for _ in 0..minutes * 12 {
        world.run_for(5000);
        let running = world.running(service);
        let each = load / running.len().max(1) as f64;
        let usage = running.iter().map(|task| {
            let usage = Usage {
                cpus: each,
                ..Usage::default()
            };
            (task.id.clone(), usage)
        });
        let usage = usage.collect();
        if let Some(decided) = world.autoscale(service, &usage) {
            seen.push(decided.to);
        }
    }
    seen
}

fn scaled(name: &str) -> ServiceSpec {
    let mut spec = replicated(name, "web:1", 2);
    spec.autoscale = Some(Autoscale {
        min: 2,
        max: 8,
        cpu: 0.5,
        ..Autoscale::default()
    });
    spec
}

#[test]
fn a_service_grows_and_shrinks_with_its_use() {
    let mut world = world_of(&["n1", "n2", "n3"], 2);
    world.create(scaled("web")).expect("it can be meant");
    assert!(world.settle(MINUTE_MS));
    assert_eq!(under_load(&mut world, "web", 1.0, 5), [], "as aimed at");
    assert_eq!(under_load(&mut world, "web", 2.5, 5), [5]);
    assert_eq!(
        under_load(&mut world, "web", 9.0, 5),
        [8],
        "no more than that"
    );
    assert_eq!(under_load(&mut world, "web", 0.1, 10), [4, 2], "by halves");
    assert_eq!(world.running("web").len(), 2);
    let last = world.service("web").autoscaled.clone().expect("it is told");
    assert_eq!((last.from, last.to), (4, 2));
    assert!(last.reason.starts_with("cpu "), "{}", last.reason);
}

#[test]
fn a_rollout_is_let_finish_before_anything_is_scaled() {
    let mut world = world_of(&["n1", "n2", "n3"], 3);
    world.create(scaled("web")).expect("it can be meant");
    assert!(world.settle(MINUTE_MS));
    world.image(
        "web:2",
        Behaviour {
            pull_ms: 4 * 60_000,
            ..Behaviour::default()
        },
    );
    world.update("web", |spec| spec.task.container.image = "web:2".to_owned());
    world.run_for(1000);
    assert_eq!(
        under_load(&mut world, "web", 8.0, 2),
        [],
        "it is being rolled out"
    );
    assert!(world.settle(30 * MINUTE_MS));
    assert_eq!(under_load(&mut world, "web", 4.0, 3), [8]);
    assert_eq!(
        world.service("web").revision,
        2,
        "a scaled service runs the same"
    );
    assert!(world.roll_back("web").is_ok());
    world.run_for(20 * MINUTE_MS);
    let images = world.running("web");
    assert!(images.iter().all(|task| task.revision == 1), "{images:?}");
}

#[test]
fn a_job_runs_by_the_clock_whoever_leads() {
    let mut world = world_of(&["n1", "n2"], 4);
    world.image("report:1", Behaviour::ending(10_000, 0));
    let mut spec = job("report", "report:1", 2);
    spec.schedule = "*/5 * * * *".to_owned();
    world.create(spec).expect("it can be meant");
    let completed = |world: &World| {
        let tasks = world.tasks("report");
        let of = |task: &&std::sync::Arc<model::Task>| task.status.state() == TaskState::Complete;
        tasks.iter().filter(of).map(|task| task.job_iteration).max()
    };
    world.run_for(MINUTE_MS);
    let first_ms = world.service("report").next_run_ms;
    assert_eq!(first_ms % (5 * MINUTE_MS), 0, "on the fifth minute");
    assert!(world.tasks("report").is_empty(), "not before its time");
    world.run_for(first_ms - world.now_ms() + MINUTE_MS);
    assert_eq!(completed(&world), Some(1));
    // A new leader knows when it is due, and does not begin anew what was begun.
    world.kill_leader();
    world.run_for(5 * MINUTE_MS);
    assert_eq!(completed(&world), Some(2));
    // While nobody leads at its time it is late, and runs once.
    let due_ms = world.service("report").next_run_ms;
    world.run_for(due_ms - world.now_ms() - 100);
    world.kill_leader();
    world.run_for(MINUTE_MS);
    assert_eq!(completed(&world), Some(3));
    assert_eq!(world.service("report").next_run_ms, due_ms + 5 * MINUTE_MS);
    // One that takes longer than to its next time is not run twice at once.
    world.image("report:1", Behaviour::ending(7 * 60_000, 0));
    for _ in 0..40 {
        world.run_for(30_000);
        let running = world.running("report");
        let runs: std::collections::BTreeSet<u64> =
            running.iter().map(|task| task.job_iteration).collect();
        assert!(runs.len() <= 1, "{running:?}");
    }
}
