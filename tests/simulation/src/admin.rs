//! The administrator: adds, promotes and removes members, one errand after the other, until each is done or given up.

use std::collections::VecDeque;

use crate::dice::Dice;
use crate::network::Time;
use crate::wire::{Address, Body, Errand, Message, Outbox};

/// How often an errand is tried.
const PATIENCE: u32 = 25;

/// The administrator.
pub(crate) struct Admin {
    dice: Dice,
    errands: VecDeque<Errand>,
    asked: Option<(u64, Time)>,
    believed: Option<u64>,
    rests_until: Time,
    tries: u32,
}

impl Admin {
    pub(crate) fn new(dice: Dice) -> Self {
        Admin {
            dice,
            errands: VecDeque::new(),
            asked: None,
            believed: None,
            rests_until: 0,
            tries: 0,
        }
    }

    pub(crate) fn queue(&mut self, errand: Errand) {
        self.errands.push_back(errand);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.errands.is_empty()
    }

    /// Leaves what is not done.
    pub(crate) fn stop(&mut self) {
        self.errands.clear();
    }

    /// Asks when there is something to ask for.
    pub(crate) fn act(&mut self, now: Time, members: &[u64], outbox: &Outbox) {
        if let Some((_, patience)) = self.asked {
            if now >= patience {
                self.believed = None;
                self.failed(now);
            }
            return;
        }
        let Some(errand) = self.errands.front() else {
            return;
        };
        if now < self.rests_until || members.is_empty() {
            return;
        }
        let believed = self.believed.filter(|member| members.contains(member));
        let member = believed.unwrap_or_else(|| self.dice.pick(members));
        let id = outbox.number();
        outbox.send(Message {
            from: Address::Admin,
            to: Address::Member(member),
            id,
            body: Body::Errand(*errand),
        });
        self.asked = Some((id, now + 3000));
    }

    fn failed(&mut self, now: Time) {
        self.asked = None;
        self.rests_until = now + self.dice.between(20, 200);
        self.tries += 1;
        if self.tries > PATIENCE {
            self.tries = 0;
            // A member that was not taken in is not promoted.
            if let Some(Errand::Learner(_)) = self.errands.pop_front()
                && matches!(self.errands.front(), Some(Errand::Promote(_)))
            {
                self.errands.pop_front();
            }
        }
    }

    /// Hears an answer, and tells which errand is done.
    pub(crate) fn hear(&mut self, now: Time, message: &Message) -> Option<Errand> {
        if self.asked?.0 != message.id {
            return None;
        }
        match &message.body {
            Body::ErrandDone => {
                self.asked = None;
                self.tries = 0;
                return self.errands.pop_front();
            }
            Body::NotLeader(leader) => self.believed = *leader,
            Body::ErrandFailed(_) => {}
            _ => self.believed = None,
        }
        self.failed(now);
        None
    }
}
