//! What happens to messages on their way: delay, loss, partitions of every shape.

use std::collections::{BTreeMap, BTreeSet};

use crate::dice::Dice;
use crate::wire::{Address, Message};

/// A time on the world's clock, in milliseconds from its beginning.
pub(crate) type Time = u64;

/// Connections that are interrupted for a while.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    pub(crate) until: Time,
    /// From whom to whom nothing goes.
    pub(crate) pairs: BTreeSet<(u64, u64)>,
    /// Whether messages wait for the end instead of being lost.
    pub(crate) holds: bool,
}

/// A time of bad weather.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burst {
    pub(crate) until: Time,
    /// Messages lost, of a thousand.
    pub(crate) loss: u64,
    /// Most milliseconds that a message is delayed further.
    pub(crate) delay: u64,
}

/// The network.
pub(crate) struct Network {
    dice: Dice,
    under_way: BTreeMap<(Time, u64), Message>,
    sent: u64,
    /// Messages that are lost on a good day, of a thousand.
    loss: u64,
    /// Requests between members that arrive twice, of a thousand.
    twice: u64,
    /// Most milliseconds of a message on a good day.
    slowest: u64,
    cuts: Vec<Cut>,
    bursts: Vec<Burst>,
}

/// The least delay of a message, in milliseconds: what is sent in one tick arrives in a later one.
pub(crate) const QUICKEST: u64 = 2;

impl Network {
    pub(crate) fn new(mut dice: Dice) -> Self {
        Network {
            loss: dice.pick(&[0, 0, 1, 5, 20]),
            twice: dice.pick(&[0, 0, 5, 20]),
            slowest: dice.pick(&[2, 4, 8, 20]),
            dice,
            under_way: BTreeMap::new(),
            sent: 0,
            cuts: Vec::new(),
            bursts: Vec::new(),
        }
    }

    pub(crate) fn cut(&mut self, cut: Cut) {
        self.cuts.push(cut);
    }

    pub(crate) fn burst(&mut self, burst: Burst) {
        self.bursts.push(burst);
    }

    /// From now on every message arrives.
    pub(crate) fn heal(&mut self) {
        self.cuts.clear();
        self.bursts.clear();
        self.loss = 0;
        self.twice = 0;
    }

    fn cut_between(&self, message: &Message) -> Option<&Cut> {
        let (Address::Member(from), Address::Member(to)) = (message.from, message.to) else {
            return None;
        };
        self.cuts.iter().find(|cut| cut.pairs.contains(&(from, to)))
    }

    /// Takes a message from its sender.
    pub(crate) fn send(&mut self, now: Time, message: Message) {
        if self.cut_between(&message).is_some_and(|cut| !cut.holds) {
            return;
        }
        let bursts = self.bursts.iter();
        let (worst_loss, worst_delay) = bursts.fold((self.loss, 0), |(loss, delay), burst| {
            (loss.max(burst.loss), delay.max(burst.delay))
        });
        if self.dice.permille(worst_loss) {
            return;
        }
        let between_members = matches!(
            (message.from, message.to),
            (Address::Member(_), Address::Member(_))
        );
        if between_members && !message.is_answer() && self.dice.permille(self.twice) {
            let later = self.dice.between(QUICKEST, 300);
            self.put(now + later, message.clone());
        }
        let delay = self.dice.between(QUICKEST, self.slowest) + self.dice.between(0, worst_delay);
        self.put(now + delay, message);
    }

    fn put(&mut self, due: Time, message: Message) {
        self.sent += 1;
        self.under_way.insert((due, self.sent), message);
    }

    /// The next message that has arrived by now.
    pub(crate) fn arrived(&mut self, now: Time) -> Option<Message> {
        self.cuts.retain(|cut| cut.until > now);
        self.bursts.retain(|burst| burst.until > now);
        loop {
            let next = self.under_way.first_entry()?;
            if next.key().0 > now {
                return None;
            }
            let message = next.remove();
            match self.cut_between(&message) {
                None => return Some(message),
                Some(cut) if cut.holds => {
                    let after = cut.until;
                    let jitter = self.dice.between(0, 20);
                    self.put(after + jitter, message);
                }
                Some(_) => {}
            }
        }
    }
}

/// A partition of some shape among the members.
pub(crate) fn partition(dice: &mut Dice, members: &[u64]) -> (&'static str, BTreeSet<(u64, u64)>) {
    let mut order = members.to_vec();
    dice.shuffle(&mut order);
    let mut pairs = BTreeSet::new();
    let both = |pairs: &mut BTreeSet<(u64, u64)>, one: u64, other: u64| {
        pairs.insert((one, other));
        pairs.insert((other, one));
    };
    let shape = dice.below(5);
    let half = order.len() / 2;
    match shape {
        0 => {
            let (alone, rest) = order.split_at(1);
            rest.iter()
                .for_each(|other| both(&mut pairs, alone[0], *other));
            ("one alone", pairs)
        }
        1 => {
            let (left, right) = order.split_at(half);
            for one in left {
                right
                    .iter()
                    .for_each(|other| both(&mut pairs, *one, *other));
            }
            ("halves", pairs)
        }
        2 => {
            // Two sides that only the one in the middle reaches.
            let (left, right) = order[1..].split_at(half.max(1).min(order.len() - 1));
            for one in left {
                right
                    .iter()
                    .for_each(|other| both(&mut pairs, *one, *other));
            }
            ("a bridge", pairs)
        }
        3 => {
            let (from, to) = (order[0], order[1]);
            pairs.insert((from, to));
            ("one way, one pair", pairs)
        }
        _ => {
            let (alone, rest) = order.split_at(1);
            let outwards = dice.permille(500);
            for other in rest {
                pairs.insert(if outwards {
                    (alone[0], *other)
                } else {
                    (*other, alone[0])
                });
            }
            ("one way, one member", pairs)
        }
    }
}
