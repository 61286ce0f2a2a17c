//! Whatever befalls nodes and leaders: nothing runs twice, nothing is overcommitted (the world's own rules), and when all is well again
//! everything runs.

use model::{
    Availability, DependencyCondition, FailureAction, Replicated, ServiceMode, UpdateOrder,
};
use proptest::prelude::*;
use world::specs::{after, global, job, on_host_port, probed, replicated, reserving, updated};
use world::{Behaviour, World};

const NODES: [&str; 4] = ["n1", "n2", "n3", "n4"];

/// What befalls the world.
#[derive(Clone, Copy, Debug)]
enum Event {
    Crash(usize),
    Restart(usize),
    Partition(usize),
    Heal(usize),
    Drain(usize),
    Pause(usize),
    Activate(usize),
    KillLeader,
    KillLeaderAfter(u64),
    Scale(u64),
    Update(u32),
    /// To an image whose health check never passes.
    Spoil(FailureAction),
    RollBack,
    RunAgain,
    Lose(usize),
    Pass(i64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let node = 0..NODES.len();
    let event = prop_oneof![
        node.clone().prop_map(Event::Crash),
        node.clone().prop_map(Event::Restart),
        node.clone().prop_map(Event::Partition),
        node.clone().prop_map(Event::Heal),
        node.clone().prop_map(Event::Drain),
        node.clone().prop_map(Event::Pause),
        node.prop_map(Event::Activate),
        Just(Event::KillLeader),
        (1..20_u64).prop_map(Event::KillLeaderAfter),
        (0..8_u64).prop_map(Event::Scale),
        (1..4_u32).prop_map(Event::Update),
        Just(Event::Spoil(FailureAction::Pause)),
        Just(Event::Spoil(FailureAction::Rollback)),
        Just(Event::RollBack),
        Just(Event::RunAgain),
        (0..NODES.len()).prop_map(Event::Lose),
        (1..40_000_i64).prop_map(Event::Pass),
        (1..500_i64).prop_map(Event::Pass),
    ];
    proptest::collection::vec(event, 1..30)
}

fn befall(world: &mut World, event: Event) {
    match event {
        Event::Crash(node) => world.crash_node(NODES[node]),
        Event::Restart(node) => world.restart_node(NODES[node]),
        Event::Partition(node) => world.partition(NODES[node]),
        Event::Heal(node) => world.heal(NODES[node]),
        Event::Drain(node) => world.availability(NODES[node], Availability::Drain),
        Event::Pause(node) => world.availability(NODES[node], Availability::Pause),
        Event::Activate(node) => world.availability(NODES[node], Availability::Active),
        Event::KillLeader => world.kill_leader(),
        Event::KillLeaderAfter(commits) => world.kill_leader_after(commits),
        Event::Scale(replicas) => world.scale("web", replicas),
        Event::Update(version) => world.update("web", |spec| {
            spec.task.container.image = format!("web:{version}");
        }),
        Event::Spoil(action) => world.update("web", |spec| {
            spec.task.container.image = "ill".to_owned();
            if let Some(update) = &mut spec.update {
                update.failure_action = action.into();
            }
        }),
        // There may be nothing to return to.
        Event::RollBack => drop(world.roll_back("web")),
        Event::RunAgain => world.update("once", |spec| spec.task.force += 1),
        Event::Lose(node) => {
            world.remove_node(NODES[node]);
            world.run_for(10);
            world.node(NODES[node], &[]);
        }
        Event::Pass(ms) => world.run_for(ms),
    }
}

fn processes(world: &World) -> usize {
    NODES.map(|node| world.processes(node)).iter().sum()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn when_all_is_well_again_everything_runs_once(
        events in events(),
        seed in any::<u64>(),
        step in 1..5_usize,
        order in 0..3_i32,
    ) {
        let mut world = World::new(seed);
        for node in NODES {
            world.node(node, &[]);
        }
        world.image("job", Behaviour::ending(1500, 0));
        world.commit_in_steps_of(step);
        let order = UpdateOrder::try_from(order).expect("it is one");
        world.create(updated(probed(replicated("web", "web:1", 3)), order, 2)).expect("it can be meant");
        world.create(global("log", "log:1")).expect("it can be meant");
        world.create(job("once", "job", 3)).expect("it can be meant");
        world.image("ill", Behaviour::ill());
        let api = after(replicated("api", "api:1", 2), "web", DependencyCondition::Healthy);
        world.create(on_host_port(api, 8080)).expect("it can be meant");
        for event in events {
            befall(&mut world, event);
        }
        for node in NODES {
            world.restart_node(node);
            world.heal(node);
            world.availability(node, Availability::Active);
        }
        world.run_for(10 * 60_000);
        // What went wrong is put right, what was given up is asked for again.
        world.update("web", |spec| spec.task.container.image = "web:9".to_owned());
        for name in ["web", "api"] {
            world.update(name, |_| {});
        }
        world.run_for(10 * 60_000);
        for (name, standing) in world.standings() {
            prop_assert!(standing.converged, "{}: {:?}", name, standing);
        }
        let wanted = match world.service("web").spec.mode {
            Some(ServiceMode::Replicated(Replicated { replicas })) => replicas,
            _ => 0,
        };
        prop_assert_eq!(world.running("web").len() as u64, wanted);
        prop_assert_eq!(world.running("log").len(), NODES.len());
        prop_assert_eq!(processes(&world) as u64, wanted + NODES.len() as u64 + 2);
    }

    /// The world's rules say that no node is given more than it has; this says that no room is left unused.
    #[test]
    fn nodes_are_filled_and_never_over(
        needs in proptest::collection::vec((1..9_i64, 1..7_u64, any::<bool>(), 0..3_u64), 1..5),
        drained in 0..4_usize,
        seed in any::<u64>(),
    ) {
        let mut world = World::new(seed);
        for node in NODES {
            world.node(node, &[]);
        }
        for (at, (gibibytes, replicas, publishes, most)) in needs.iter().enumerate() {
            let name = format!("s{at}");
            let mut spec = reserving(replicated(&name, "web:1", *replicas), gibibytes << 30);
            spec.task.placement.max_replicas_per_node = *most;
            if *publishes {
                spec = on_host_port(spec, 80);
            }
            world.create(spec).expect("it can be meant");
            world.run_for(100);
        }
        world.run_for(5000);
        world.availability(NODES[drained], Availability::Drain);
        world.run_for(60_000);
        world.availability(NODES[drained], Availability::Active);
        world.run_for(5 * 60_000);
        // Who waits is told why, of every node.
        for task in world.view().tasks().iter().filter(|task| task.is_wanted() && task.node_id.is_empty()) {
            let told = &task.status.message;
            prop_assert!(told.starts_with("no suitable node ("), "{}", told);
            let words: Vec<_> = told.split(' ').collect();
            let counted: usize = words
                .windows(2)
                .filter(|pair| matches!(pair[1], "node:" | "nodes:"))
                .filter_map(|pair| pair[0].trim_start_matches('(').parse::<usize>().ok())
                .sum();
            prop_assert_eq!(counted, NODES.len(), "{}", told);
        }
        prop_assert_eq!(
            processes(&world),
            world.view().tasks().iter().filter(|task| task.is_live()).count()
        );
    }
}
