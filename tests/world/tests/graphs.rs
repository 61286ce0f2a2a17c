//! Any acyclic graph of services converges, or names what it waits for.

use model::{DependencyCondition, ServiceSpec};
use proptest::prelude::*;
use world::specs::{after, job, probed, replicated, stack};
use world::{Behaviour, World};

/// What kind of service: its image says how it behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Nature {
    Sound,
    Probed,
    Job,
    /// Its health check never passes.
    Ill,
    /// A job that never ends well.
    Failing,
    /// There is no such image.
    Missing,
}

impl Nature {
    fn is_sound(self) -> bool {
        matches!(self, Nature::Sound | Nature::Probed | Nature::Job)
    }

    fn spec(self, name: &str) -> ServiceSpec {
        match self {
            Nature::Sound => replicated(name, "sound", 2),
            Nature::Probed => probed(replicated(name, "sound", 2)),
            Nature::Job => job(name, "job", 2),
            Nature::Ill => probed(replicated(name, "ill", 1)),
            Nature::Failing => {
                let mut spec = job(name, "failing", 1);
                spec.task.restart.max_attempts = 2;
                spec
            }
            Nature::Missing => replicated(name, "missing", 1),
        }
    }

    /// The strongest condition that can be waited for.
    fn condition(self) -> DependencyCondition {
        match self {
            Nature::Probed | Nature::Ill => DependencyCondition::Healthy,
            Nature::Job | Nature::Failing => DependencyCondition::CompletedSuccessfully,
            Nature::Sound | Nature::Missing => DependencyCondition::Started,
        }
    }
}

fn natures() -> impl Strategy<Value = Nature> {
    prop_oneof![
        4 => Just(Nature::Sound),
        4 => Just(Nature::Probed),
        3 => Just(Nature::Job),
        1 => Just(Nature::Ill),
        1 => Just(Nature::Failing),
        1 => Just(Nature::Missing),
    ]
}

/// Services, and for each of them which of the earlier ones it waits for.
fn graphs() -> impl Strategy<Value = Vec<(Nature, u8)>> {
    proptest::collection::vec((natures(), any::<u8>()), 1..7)
}

fn name(at: usize) -> String {
    format!("g_s{at}")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn a_graph_converges_or_names_its_blocker(
        graph in graphs(),
        seed in any::<u64>(),
        death in 0..60_u64,
        step in 1..4_usize,
    ) {
        let mut world = World::new(seed);
        for node in ["n1", "n2", "n3"] {
            world.node(node, &[]);
        }
        world.image("job", Behaviour::ending(1000, 0));
        world.image("failing", Behaviour::ending(500, 1));
        world.image("ill", Behaviour::ill());
        world.image("missing", Behaviour { exists: false, ..Behaviour::default() });
        world.commit_in_steps_of(step);
        if death > 0 {
            world.kill_leader_after(death);
        }
        let graph = &graph;
        let needs = |at: usize| (0..at).filter(move |other| graph[at].1 & (1 << other) != 0);
        let services = (0..graph.len())
            .map(|at| {
                needs(at).fold(graph[at].0.spec(&name(at)), |spec, other| {
                    after(spec, &name(other), graph[other].0.condition())
                })
            })
            .collect();
        world.deploy(&stack("g", services)).expect("it can be meant");
        world.run_for(12 * 60_000);
        // Whether a service, and all that it waits for, is sound.
        let mut sound = vec![true; graph.len()];
        for at in 0..graph.len() {
            sound[at] = graph[at].0.is_sound() && needs(at).all(|other| sound[other]);
        }
        for at in 0..graph.len() {
            let standing = world.standing(&name(at));
            if sound[at] {
                prop_assert!(standing.converged, "{} of {:?}: {:?}", name(at), graph, standing);
                continue;
            }
            prop_assert!(!standing.converged, "{} of {:?}: {:?}", name(at), graph, standing);
            let told = standing.reasons.join("; ");
            prop_assert!(!told.is_empty(), "{} of {:?} gives no reason", name(at), graph);
            if graph[at].0.is_sound() {
                let named = needs(at).filter(|other| !sound[*other]).any(|other| {
                    told.contains(&name(other)) || told.contains(&format!("s{other}"))
                });
                prop_assert!(named, "{} of {:?} names no blocker: {}", name(at), graph, told);
            }
        }
    }
}
