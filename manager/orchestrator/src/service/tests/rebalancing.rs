//! A service is spread evenly again when nodes have joined, where that is asked for.

use std::collections::BTreeMap;

use model::{
    MountKind, MountSpec, PortSpec, PublishMode, ServiceSpec, SpreadPreference, TaskState,
};

use super::world::{BAD, World, web};
use crate::service::rebalance::CALM_MS;

const MINUTE_MS: i64 = 60_000;

fn rebalanced(replicas: u64) -> ServiceSpec {
    let mut spec = web("v1", replicas);
    spec.task.placement.rebalance = true;
    spec
}

/// How many tasks run on each node that has any.
fn counts(world: &World, id: &str) -> Vec<(String, usize)> {
    let mut counts = BTreeMap::<String, usize>::new();
    for task in world.tasks(id).iter().filter(|task| task.is_live()) {
        *counts.entry(task.node_id.clone()).or_default() += 1;
    }
    counts.into_iter().collect()
}

#[test]
fn tasks_are_moved_until_nodes_differ_by_one_at_most() {
    fn check(
        replicas: u64,
        nodes: usize,
        joining: usize,
        shape: fn(&mut ServiceSpec),
        labels: fn(usize) -> Option<&'static str>,
        expected: &[usize],
    ) {
        let mut world = World::new(nodes);
        let label = |world: &mut World, number: usize| {
            if let Some(zone) = labels(number) {
                world.node(&format!("n{number}"), |node| {
                    node.spec.labels.insert("zone".into(), zone.into());
                });
            }
        };
        (1..=nodes).for_each(|number| label(&mut world, number));
        let mut spec = rebalanced(replicas);
        shape(&mut spec);
        let id = world.up(spec);
        world.run();
        let before = world.tasks(&id).len();
        for number in nodes + 1..=nodes + joining {
            world.join(&format!("n{number}"));
            label(&mut world, number);
        }
        for _ in 0..2 * replicas {
            world.pass(MINUTE_MS);
            assert_eq!(world.running(&id, 1) as u64, replicas);
        }
        let mut after: Vec<_> = counts(&world, &id)
            .into_iter()
            .map(|(_, count)| count)
            .collect();
        after.sort_unstable();
        assert_eq!(after, expected, "{replicas} on {nodes} and {joining}");
        let settled: Vec<_> = world
            .tasks(&id)
            .iter()
            .map(|task| task.id.clone())
            .collect();
        world.pass(10 * MINUTE_MS);
        let later: Vec<_> = world
            .tasks(&id)
            .iter()
            .map(|task| task.id.clone())
            .collect();
        assert_eq!(settled, later, "it stays so");
        assert!(before <= later.len());
    }
    let none: fn(usize) -> Option<&'static str> = |_| None;
    let as_it_is: fn(&mut ServiceSpec) = |_| {};
    check(6, 2, 1, as_it_is, none, &[2, 2, 2]);
    check(4, 1, 3, as_it_is, none, &[1, 1, 1, 1]);
    check(5, 2, 2, as_it_is, none, &[1, 1, 1, 2]);
    check(1, 1, 2, as_it_is, none, &[1]);
    check(3, 2, 1, as_it_is, none, &[1, 1, 1]);
    check(3, 2, 2, as_it_is, none, &[1, 1, 1]);
    // Not asked for.
    check(
        6,
        2,
        1,
        |spec| spec.task.placement.rebalance = false,
        none,
        &[3, 3],
    );
    // Not where it may not be.
    let in_a = |spec: &mut ServiceSpec| {
        let constraint = "node.labels.zone == a".to_owned();
        spec.task.placement.constraints.push(constraint);
    };
    let third_in_b = |number| Some(if number == 3 { "b" } else { "a" });
    check(6, 2, 1, in_a, third_in_b, &[3, 3]);
    check(6, 2, 1, in_a, |_| Some("a"), &[2, 2, 2]);
    // Zones before nodes: two in the one, one in the other.
    let over_zones = |spec: &mut ServiceSpec| {
        spec.task.placement.preferences.push(SpreadPreference {
            over: "node.labels.zone".to_owned(),
            max_skew: 0,
        });
    };
    check(6, 2, 1, over_zones, third_in_b, &[1, 2, 3]);
    // What has its data on a node stays with it.
    let with_data = |spec: &mut ServiceSpec| {
        spec.task.container.mounts.push(MountSpec {
            kind: MountKind::Volume.into(),
            source: "data".to_owned(),
            target: "/data".to_owned(),
            ..MountSpec::default()
        });
    };
    check(6, 2, 1, with_data, none, &[3, 3]);
}

#[test]
fn the_new_task_runs_before_the_old_one_ends_where_both_may() {
    fn check(shape: fn(&mut ServiceSpec), beside: bool) {
        let mut world = World::new(1);
        let mut spec = rebalanced(2);
        shape(&mut spec);
        let id = world.up(spec);
        world.run();
        world.join("n2");
        let due_ms = world.settle().expect("it is looked at later");
        let started = world
            .tasks(&id)
            .iter()
            .map(|task| task.meta.created_ms)
            .max();
        assert_eq!(Some(due_ms), started.map(|at_ms| at_ms + CALM_MS));
        world.now_ms = due_ms;
        world.settle();
        let told = world.meant(&id);
        let expected: &[&str] = match beside {
            true => &["1.1 running", "2.1 running", "2.1 assigned"],
            false => &["1.1 running", "2.1 assigned waits"],
        };
        assert_eq!(told, expected);
        world.run();
        assert_eq!(
            counts(&world, &id),
            [("n1".to_owned(), 1), ("n2".to_owned(), 1)]
        );
        let ended = world.tasks(&id).into_iter().find(|task| !task.is_wanted());
        assert_eq!(ended.expect("it is kept for a while").reason, "rebalanced");
    }
    check(|_| {}, true);
    check(
        |spec| {
            let order = model::UpdateOrder::StopFirst.into();
            spec.update = Some(model::UpdateConfig {
                order,
                ..model::UpdateConfig::default()
            });
        },
        false,
    );
    check(
        |spec| {
            spec.task.container.mounts.push(MountSpec {
                kind: MountKind::Bind.into(),
                source: "/srv".to_owned(),
                target: "/srv".to_owned(),
                ..MountSpec::default()
            });
        },
        false,
    );
}

#[test]
fn nothing_is_moved_while_something_else_goes_on() {
    fn check(what: &str, disturb: fn(&mut World, &str)) {
        let mut world = World::new(1);
        let id = world.up(rebalanced(4));
        world.run();
        disturb(&mut world, &id);
        world.join("n2");
        world.pass(10 * MINUTE_MS);
        let reasons = world.tasks(&id).into_iter().map(|task| task.reason);
        assert!(
            !reasons.into_iter().any(|reason| reason == "rebalanced"),
            "{what}"
        );
    }
    check("a rollout that has stopped", |world, id| {
        world.up({
            let mut spec = rebalanced(4);
            spec.task.container.image = BAD.to_owned();
            spec
        });
        world.run();
        let rollout = world.service(id).rollout.clone().expect("a rollout");
        assert_eq!(rollout.state(), model::RolloutState::Paused);
    });
    check("a task that does not run", |world, id| {
        world.end(id, 4, TaskState::Failed);
        world.images.insert("v1".to_owned(), super::world::SLOW);
        world.run();
    });
}

#[test]
fn a_host_port_moves_to_a_node_that_has_it_free() {
    let mut world = World::new(1);
    let mut spec = rebalanced(2);
    spec.endpoint.ports.push(PortSpec {
        target: 80,
        mode: PublishMode::Host.into(),
        ..PortSpec::default()
    });
    let id = world.up(spec);
    world.run();
    assert_eq!(counts(&world, &id), [("n1".to_owned(), 2)]);
    world.join("n2");
    world.pass(5 * MINUTE_MS);
    assert_eq!(
        counts(&world, &id),
        [("n1".to_owned(), 1), ("n2".to_owned(), 1)]
    );
}
