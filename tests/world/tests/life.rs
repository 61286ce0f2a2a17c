//! The ordinary life of services, and the death of a leader at every step of it.

use model::{Availability, DependencyCondition, TaskState, UpdateOrder};
use world::specs::{after, global, job, on_host_port, probed, replicated, stack, updated, where_};
use world::{Behaviour, World};

const MINUTE_MS: i64 = 60_000;

fn three_nodes(seed: u64) -> World {
    let mut world = World::new(seed);
    world.node("n1", &[("zone", "a")]);
    world.node("n2", &[("zone", "a")]);
    world.node("n3", &[("zone", "b")]);
    world
}

/// Nodes of the tasks that run, in order.
fn places(world: &World, service: &str) -> Vec<String> {
    let mut nodes: Vec<_> = world
        .running(service)
        .iter()
        .map(|task| task.node_id.clone())
        .collect();
    nodes.sort();
    nodes
}

#[test]
fn a_service_runs_grows_shrinks_and_goes() {
    let mut world = three_nodes(1);
    world
        .create(replicated("web", "web:1", 3))
        .expect("it can be meant");
    assert!(world.settle(MINUTE_MS));
    assert_eq!(places(&world, "web"), ["n1", "n2", "n3"]);
    world.scale("web", 10);
    assert!(world.settle(MINUTE_MS));
    assert_eq!(world.running("web").len(), 10);
    world.scale("web", 2);
    assert!(world.settle(MINUTE_MS));
    world.run_for(MINUTE_MS);
    assert_eq!(world.running("web").len(), 2);
    world.remove("web");
    world.run_for(MINUTE_MS);
    assert!(world.view().services().is_empty() && world.view().tasks().is_empty());
    assert_eq!(["n1", "n2", "n3"].map(|node| world.processes(node)), [0; 3]);
}

#[test]
fn a_global_service_is_where_it_may_be() {
    let mut world = three_nodes(2);
    world
        .create(where_(global("log", "log:1"), "node.labels.zone == a"))
        .expect("it can be meant");
    assert!(world.settle(MINUTE_MS));
    assert_eq!(places(&world, "log"), ["n1", "n2"]);
    world.node("n4", &[("zone", "a")]);
    world.run_for(MINUTE_MS);
    assert_eq!(places(&world, "log"), ["n1", "n2", "n4"]);
    world.availability("n1", Availability::Drain);
    world.run_for(MINUTE_MS);
    assert_eq!(places(&world, "log"), ["n2", "n4"]);
}

#[test]
fn tasks_of_a_lost_node_run_elsewhere_and_not_twice() {
    let mut world = three_nodes(3);
    world
        .create(replicated("web", "web:1", 3))
        .expect("it can be meant");
    assert!(world.settle(MINUTE_MS));
    world.crash_node("n3");
    world.run_for(MINUTE_MS);
    assert_eq!(world.running("web").len(), 3);
    assert!(!places(&world, "web").contains(&"n3".to_owned()));
    world.restart_node("n3");
    world.run_for(5 * MINUTE_MS);
    assert_eq!(world.running("web").len(), 3);
    // One that is only cut off goes on meanwhile, and gives up when it returns.
    world.partition("n1");
    world.run_for(MINUTE_MS);
    assert!(world.processes("n1") > 0);
    assert_eq!(world.running("web").len(), 3);
    world.heal("n1");
    world.run_for(5 * MINUTE_MS);
    let processes: usize = ["n1", "n2", "n3"]
        .map(|node| world.processes(node))
        .iter()
        .sum();
    assert_eq!((world.running("web").len(), processes), (3, 3));
}

#[test]
fn a_host_port_is_updated_though_it_has_no_second_place() {
    let mut world = three_nodes(4);
    let web = updated(
        on_host_port(replicated("web", "web:1", 3), 80),
        UpdateOrder::Auto,
        1,
    );
    world.create(web).expect("it can be meant");
    assert!(world.settle(MINUTE_MS));
    world.update("web", |spec| spec.task.container.image = "web:2".to_owned());
    assert!(world.settle(10 * MINUTE_MS), "{:?}", world.standing("web"));
    let ports: Vec<_> = world
        .running("web")
        .iter()
        .map(|task| (task.revision, task.ports[0].published))
        .collect();
    assert_eq!(ports, [(2, 80); 3]);
}

/// A database with a health check, a migration that waits for it, and a server that waits for both.
fn blog(version: u32) -> model::StackSpec {
    let image = |name: &str| format!("{name}:{version}");
    stack(
        "blog",
        vec![
            probed(replicated("blog_db", &image("db"), 1)),
            after(
                job("blog_migrate", &image("migrate"), 1),
                "blog_db",
                DependencyCondition::Healthy,
            ),
            after(
                after(
                    replicated("blog_server", &image("server"), 3),
                    "blog_db",
                    DependencyCondition::Healthy,
                ),
                "blog_migrate",
                DependencyCondition::CompletedSuccessfully,
            ),
        ],
    )
}

fn blog_world(seed: u64) -> World {
    let mut world = three_nodes(seed);
    for version in 1..=2 {
        world.image(&format!("migrate:{version}"), Behaviour::ending(2000, 0));
    }
    world
}

#[test]
fn a_stack_starts_in_the_order_of_what_it_waits_for() {
    let mut world = blog_world(5);
    world.deploy(&blog(1)).expect("it can be meant");
    world.run_for(200);
    let states = |name: &str| {
        let tasks = world.tasks(name);
        tasks
            .iter()
            .map(|task| task.status.state())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        states("blog_server"),
        [TaskState::Ready; 3],
        "pulled, and not started"
    );
    assert!(world.settle(5 * MINUTE_MS), "{:?}", world.standings());
    let began = |world: &World, name: &str| world.tasks(name)[0].status.at_ms;
    assert!(began(&world, "blog_db") < began(&world, "blog_migrate"));
    assert!(began(&world, "blog_migrate") <= began(&world, "blog_server"));
    world.deploy(&blog(2)).expect("it can be meant");
    world.run_for(MINUTE_MS);
    assert!(world.settle(10 * MINUTE_MS), "{:?}", world.standings());
    for task in world.running("blog_server") {
        assert_eq!(task.revision, 2);
    }
    world.remove_stack("blog");
    world.run_for(5 * MINUTE_MS);
    assert!(world.view().services().is_empty() && world.view().stacks().is_empty());
}

#[test]
fn a_leader_may_die_at_every_commit_of_a_deployment_and_of_an_update() {
    let mut calm = blog_world(6);
    calm.deploy(&blog(1)).expect("it can be meant");
    assert!(calm.settle(5 * MINUTE_MS));
    // Up to more commits than the whole takes when each has one change only.
    for death in 1..80 {
        let mut world = blog_world(6);
        world.commit_in_steps_of(1);
        world.deploy(&blog(1)).expect("it can be meant");
        world.kill_leader_after(death);
        world.run_for(MINUTE_MS);
        assert!(
            world.settle(10 * MINUTE_MS),
            "death {death}: {:?}",
            world.standings()
        );
        world.deploy(&blog(2)).expect("it can be meant");
        world.kill_leader_after(death);
        world.run_for(MINUTE_MS);
        assert!(
            world.settle(10 * MINUTE_MS),
            "death {death}: {:?}",
            world.standings()
        );
        for name in ["blog_db", "blog_server"] {
            let revisions: Vec<_> = world
                .running(name)
                .iter()
                .map(|task| task.revision)
                .collect();
            assert!(
                revisions.iter().all(|revision| *revision == 2),
                "death {death}: {revisions:?}"
            );
        }
    }
}

#[test]
fn a_gate_keeps_its_deadline_when_leaders_change() {
    let mut world = blog_world(7);
    world.image("db:1", Behaviour::ill());
    world.deploy(&blog(1)).expect("it can be meant");
    world.run_for(10_000);
    let first = world
        .service("blog_server")
        .waiting
        .clone()
        .expect("it waits");
    for _ in 0..5 {
        world.kill_leader();
        world.run_for(10_000);
    }
    let last = world
        .service("blog_server")
        .waiting
        .clone()
        .expect("it waits");
    assert_eq!(first.since_ms, last.since_ms);
    let moved_ms = last.deadline_ms - first.deadline_ms;
    assert!(
        (0..60_000).contains(&moved_ms),
        "by what there was no leader: {moved_ms}"
    );
    world.run_for(6 * MINUTE_MS);
    let waiting = world
        .service("blog_server")
        .waiting
        .clone()
        .expect("it waits");
    assert!(waiting.expired, "{waiting:?}");
    assert!(world.running("blog_server").is_empty());
}
