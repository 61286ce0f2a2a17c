//! A life that a seed decides: services of all kinds, and one misfortune after another. At the end all is well again, and everything
//! that is wanted has to run, once.

mod end;
mod services;

use std::collections::BTreeMap;

use model::{Availability, FailureAction};
use orchestrator::autoscale::Usage;

use crate::World;
use crate::dice::Dice;

/// Nodes that are there in the end.
const NODES: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];
/// Most events of a life.
const EVENTS: u64 = 40;
const MINUTE_MS: i64 = 60_000;

/// What a life came to, when nothing went wrong in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// Things that happened.
    pub events: u64,
    /// Transactions.
    pub commits: u64,
    /// Milliseconds that passed in the world.
    pub passed_ms: u64,
    /// Tasks that were moved only to be spread evenly.
    pub rebalanced: u64,
    /// Changes by the autoscaler.
    pub scaled: u64,
}

/// Lives the life of a seed, and tells what happens in it. Panics when something goes wrong, with the seed and the time.
pub fn live(seed: u64, tell: &mut dyn FnMut(&str)) -> Life {
    let mut chaos = Chaos::new(seed);
    let events = 1 + chaos.dice.below(EVENTS);
    for _ in 0..events {
        let event = chaos.draw();
        tell(&format!("{:>9} ms  {event:?}", chaos.passed_ms()));
        chaos.befall(event);
    }
    tell(&format!("{:>9} ms  all is well", chaos.passed_ms()));
    chaos.end();
    Life {
        events,
        commits: chaos.world.commits(),
        passed_ms: chaos.passed_ms(),
        rebalanced: chaos.world.ended_because("rebalanced"),
        scaled: chaos.scaled,
    }
}

/// What befalls the world.
#[derive(Clone, Copy, Debug)]
enum Event {
    Crash(&'static str),
    Restart(&'static str),
    Partition(&'static str),
    Heal(&'static str),
    Drain(&'static str),
    Pause(&'static str),
    Activate(&'static str),
    /// It is removed, and joins anew.
    Lose(&'static str),
    /// One that was not there joins.
    Join,
    Zone(&'static str, &'static str),
    KillLeader,
    KillLeaderAfter(u64),
    Scale(u64),
    Update(u64),
    /// To an image whose health check never passes.
    Spoil(FailureAction),
    /// To an image that cannot be pulled.
    Misspell,
    RollBack,
    RunAgain,
    Deploy(u64),
    RollBackStack,
    RemoveStack,
    /// The tasks of `web` share so much work, in tenths of a processor, for so many ticks of five seconds.
    Load(u64, u64),
    Pass(i64),
}

struct Chaos {
    world: World,
    dice: Dice,
    began_ms: i64,
    scaled: u64,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(1));
        let mut world = World::new(seed);
        let first = 3 + usize::try_from(dice.below(2)).unwrap_or(0);
        for node in &NODES[..first] {
            world.node(node, &[("zone", zone(&mut dice))]);
        }
        world.commit_in_steps_of(match dice.below(3) {
            0 => usize::MAX,
            _ => 1 + usize::try_from(dice.below(4)).unwrap_or(0),
        });
        let began_ms = world.now_ms();
        let mut chaos = Chaos {
            world,
            dice,
            began_ms,
            scaled: 0,
        };
        chaos.make_services();
        chaos
    }

    fn passed_ms(&self) -> u64 {
        u64::try_from(self.world.now_ms() - self.began_ms).unwrap_or(0)
    }

    fn here(&self, node: &str) -> bool {
        self.world.view().nodes().get(node).is_some()
    }

    fn draw(&mut self) -> Event {
        let dice = &mut self.dice;
        let node = NODES[usize::try_from(dice.below(NODES.len() as u64)).unwrap_or(0)];
        match dice.below(28) {
            0 => Event::Crash(node),
            1 | 2 => Event::Restart(node),
            3 => Event::Partition(node),
            4 | 5 => Event::Heal(node),
            6 => Event::Drain(node),
            7 => Event::Pause(node),
            8 | 9 => Event::Activate(node),
            10 => Event::Lose(node),
            11 => Event::Join,
            12 => Event::Zone(node, zone(dice)),
            13 => Event::KillLeader,
            14 => Event::KillLeaderAfter(1 + dice.below(20)),
            15 => Event::Scale(dice.below(9)),
            16 | 17 => Event::Update(1 + dice.below(3)),
            18 => Event::Spoil(match dice.once_in(2) {
                true => FailureAction::Pause,
                false => FailureAction::Rollback,
            }),
            19 => Event::Misspell,
            20 => Event::RollBack,
            21 => Event::RunAgain,
            22 => Event::Deploy(1 + dice.below(3)),
            23 => match dice.once_in(2) {
                true => Event::RollBackStack,
                false => Event::RemoveStack,
            },
            24 => Event::Load(dice.below(60), 1 + dice.below(24)),
            25 => Event::Pass(1 + i64::try_from(dice.below(400_000)).unwrap_or(0)),
            26 => Event::Pass(1 + i64::try_from(dice.below(40_000)).unwrap_or(0)),
            _ => Event::Pass(1 + i64::try_from(dice.below(500)).unwrap_or(0)),
        }
    }

    fn befall(&mut self, event: Event) {
        let world = &mut self.world;
        match event {
            Event::Crash(node)
            | Event::Restart(node)
            | Event::Partition(node)
            | Event::Heal(node)
            | Event::Drain(node)
            | Event::Pause(node)
            | Event::Activate(node)
            | Event::Lose(node)
            | Event::Zone(node, _)
                if world.view().nodes().get(node).is_none() => {}
            Event::Crash(node) => world.crash_node(node),
            Event::Restart(node) => world.restart_node(node),
            Event::Partition(node) => world.partition(node),
            Event::Heal(node) => world.heal(node),
            Event::Drain(node) => world.availability(node, Availability::Drain),
            Event::Pause(node) => world.availability(node, Availability::Pause),
            Event::Activate(node) => world.availability(node, Availability::Active),
            Event::Lose(node) => {
                world.remove_node(node);
                world.run_for(10);
                world.node(node, &[("zone", "a")]);
            }
            Event::Zone(node, zone) => world.change_node(node, |node| {
                node.spec.labels.insert("zone".to_owned(), zone.to_owned());
            }),
            Event::Join => self.join(),
            Event::KillLeader => world.kill_leader(),
            Event::KillLeaderAfter(commits) => world.kill_leader_after(commits),
            Event::Scale(replicas) => world.scale("web", replicas),
            Event::Update(version) => world.update("web", |spec| {
                spec.task.container.image = format!("web:{version}");
            }),
            Event::Spoil(action) => world.update("web", |spec| {
                "ill".clone_into(&mut spec.task.container.image);
                if let Some(update) = &mut spec.update {
                    update.failure_action = action.into();
                }
            }),
            Event::Misspell => world.update("api", |spec| {
                "missing".clone_into(&mut spec.task.container.image);
            }),
            // There may be nothing to return to.
            Event::RollBack => drop(world.roll_back("web")),
            Event::RunAgain => world.update("once", |spec| spec.task.force += 1),
            // It may be on its way out, or not be there.
            Event::Deploy(version) => drop(world.deploy(&services::shop(version))),
            Event::RollBackStack => drop(world.roll_back_stack("shop", None)),
            Event::RemoveStack => {
                if world.view().stacks().named("shop").is_some() {
                    world.remove_stack("shop");
                }
            }
            Event::Load(tenths, ticks) => self.load(tenths as f64 / 10.0, ticks),
            Event::Pass(ms) => world.run_for(ms),
        }
    }

    fn join(&mut self) {
        let absent = NODES.into_iter().find(|node| !self.here(node));
        if let Some(node) = absent {
            let zone = zone(&mut self.dice);
            self.world.node(node, &[("zone", zone)]);
        }
    }

    fn load(&mut self, cpus: f64, ticks: u64) {
        for _ in 0..ticks {
            self.world.run_for(5000);
            let running = self.world.running("web");
            let usage: BTreeMap<String, Usage> = running
                .iter()
                .map(|task| {
                    let usage = Usage {
                        cpus: cpus / running.len() as f64,
                        ..Usage::default()
                    };
                    (task.id.clone(), usage)
                })
                .collect();
            let decided = self.world.autoscale("web", &usage);
            self.scaled += u64::from(decided.is_some());
        }
    }
}

fn zone(dice: &mut Dice) -> &'static str {
    match dice.once_in(2) {
        true => "a",
        false => "b",
    }
}
