//! Misfortunes, drawn from the seed: which kinds this world knows, when they come, what they are.

use crate::dice::Dice;
use crate::network::Time;

/// A misfortune.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A member loses power now.
    Crash,
    /// All members lose power at once.
    CrashAll,
    /// A member loses power within one of its next operations on a disk.
    CrashWithin(u64),
    /// The leader loses power, and is back before anybody noticed.
    Flicker,
    /// A sync fails.
    SyncFails,
    /// Members are cut off from each other; whether their messages wait instead of being lost.
    Partition { holds: bool },
    /// Messages are lost and late.
    Burst,
    /// A member is stopped for a while; whether its clock has gone on meanwhile.
    Freeze { clock_goes_on: bool },
    /// A member is added or removed.
    Membership,
    /// The leader hands over.
    HandOver,
    /// A member writes a snapshot.
    Snapshot,
}

/// Draws misfortunes.
pub(crate) struct Storm {
    dice: Dice,
    /// How often each kind comes, relative to the others.
    weights: Vec<(Fault, u64)>,
    next: Time,
    /// Mean of the milliseconds between two.
    pace: u64,
}

impl Storm {
    /// A storm of its own for each seed: some kinds are left out, so that others are seen undisturbed.
    pub(crate) fn new(mut dice: Dice) -> Self {
        let kinds = [
            (Fault::Crash, 6),
            (Fault::CrashAll, 2),
            (Fault::CrashWithin(0), 6),
            (Fault::Flicker, 3),
            (Fault::SyncFails, 1),
            (Fault::Partition { holds: false }, 8),
            (Fault::Partition { holds: true }, 3),
            (Fault::Burst, 3),
            (
                Fault::Freeze {
                    clock_goes_on: true,
                },
                3,
            ),
            (
                Fault::Freeze {
                    clock_goes_on: false,
                },
                3,
            ),
            (Fault::Membership, 5),
            (Fault::HandOver, 4),
            (Fault::Snapshot, 2),
        ];
        let mut weights: Vec<(Fault, u64)> = kinds
            .into_iter()
            .map(|(kind, weight)| (kind, if dice.permille(300) { 0 } else { weight }))
            .collect();
        if weights.iter().all(|(_, weight)| *weight == 0) {
            weights[0].1 = 1;
        }
        Storm {
            pace: dice.pick(&[200, 400, 800, 1500]),
            dice,
            weights,
            next: 0,
        }
    }

    /// The misfortune that comes now, if one does.
    pub(crate) fn strikes(&mut self, now: Time) -> Option<Fault> {
        if now < self.next {
            return None;
        }
        self.next = now + self.dice.between(1, self.pace * 2);
        let all: u64 = self.weights.iter().map(|(_, weight)| weight).sum();
        let mut left = self.dice.below(all);
        for (kind, weight) in &self.weights {
            if left < *weight {
                return Some(match kind {
                    Fault::CrashWithin(_) => Fault::CrashWithin(self.dice.below(25)),
                    other => *other,
                });
            }
            left -= weight;
        }
        None
    }

    /// How long a member is away after a crash.
    pub(crate) fn absence(&mut self) -> u64 {
        match self.dice.below(3) {
            0 => self.dice.between(2, 60),
            1 => self.dice.between(60, 600),
            _ => self.dice.between(600, 3000),
        }
    }

    /// How long a partition, a burst or a stop lasts.
    pub(crate) fn duration(&mut self) -> u64 {
        match self.dice.below(3) {
            0 => self.dice.between(20, 300),
            1 => self.dice.between(300, 1200),
            _ => self.dice.between(1200, 4000),
        }
    }
}
