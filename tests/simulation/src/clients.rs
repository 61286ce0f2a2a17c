//! Clients: each asks for one thing at a time, from whom it believes to lead, and writes down what it was told.

use std::collections::BTreeMap;
use std::fmt;

use consensus::Position;

use crate::dice::Dice;
use crate::network::Time;
use crate::registers::{Action, Command, Reply};
use crate::wire::{Address, Body, Message, Outbox};

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Written(Option<Position>, Reply),
    Value(u64),
    /// Surely not done.
    Refused,
    /// Nothing.
    Unknown,
}

/// One request and its outcome.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) client: u64,
    pub(crate) sequence: u64,
    pub(crate) key: u64,
    pub(crate) action: Action,
    /// The member that was asked.
    pub(crate) member: u64,
    /// Numbers of events, all different, in the order in which they happened.
    pub(crate) invoked: u64,
    pub(crate) returned: u64,
    /// The same in milliseconds.
    pub(crate) asked: Time,
    pub(crate) told: Time,
    pub(crate) end: End,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record {
            client,
            sequence,
            key,
            action,
            member,
            asked,
            told,
            end,
            ..
        } = self;
        write!(
            f,
            "[{asked}..{told} ms] client {client} #{sequence} asks {member}: {action:?} register {key} -> {end:?}"
        )
    }
}

enum Doing {
    Resting(Time),
    Waiting {
        id: u64,
        patience: Time,
        record: usize,
    },
}

/// A client.
pub(crate) struct Client {
    id: u64,
    dice: Dice,
    doing: Doing,
    sequence: u64,
    believed: Option<u64>,
    seen: BTreeMap<u64, u64>,
    keys: u64,
    /// Most milliseconds between an answer and the next request.
    rest: u64,
}

/// What all clients together wrote down.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) records: Vec<Record>,
    events: u64,
}

impl History {
    fn event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }
}

impl Client {
    pub(crate) fn new(id: u64, keys: u64, rest: u64, dice: Dice) -> Self {
        Client {
            id,
            dice,
            doing: Doing::Resting(0),
            sequence: 0,
            believed: None,
            seen: BTreeMap::new(),
            keys,
            rest,
        }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.doing, Doing::Waiting { .. })
    }

    /// Whether the last that it heard was an acknowledged write.
    pub(crate) fn last_written(&self, history: &History) -> bool {
        let mine = history
            .records
            .iter()
            .rev()
            .find(|record| record.client == self.id);
        mine.is_some_and(|record| matches!(record.end, End::Written(Some(_), _)))
    }

    fn next_action(&mut self, key: u64) -> Action {
        let new = self.id * 1_000_000 + self.sequence;
        match self.dice.below(100) {
            0..40 => Action::Get,
            40..75 => Action::Put(new),
            _ => {
                let expected = self.seen.get(&key).copied().unwrap_or(0);
                Action::Cas { expected, new }
            }
        }
    }

    /// Does what is due: gives up, or asks again when it may.
    pub(crate) fn act(
        &mut self,
        now: Time,
        members: &[u64],
        may_ask: bool,
        history: &mut History,
        outbox: &Outbox,
    ) {
        match self.doing {
            Doing::Waiting {
                patience, record, ..
            } if now >= patience => {
                self.believed = None;
                self.end(now, record, End::Unknown, history);
            }
            Doing::Resting(until) if may_ask && now >= until && !members.is_empty() => {
                self.sequence += 1;
                let key = self.dice.below(self.keys);
                let action = self.next_action(key);
                self.ask(now, key, action, members, history, outbox);
            }
            _ => {}
        }
    }

    /// Writes now, whatever it would have done.
    pub(crate) fn write(
        &mut self,
        now: Time,
        members: &[u64],
        history: &mut History,
        outbox: &Outbox,
    ) {
        self.sequence += 1;
        let action = Action::Put(self.id * 1_000_000 + self.sequence);
        self.ask(now, 0, action, members, history, outbox);
    }

    fn ask(
        &mut self,
        now: Time,
        key: u64,
        action: Action,
        members: &[u64],
        history: &mut History,
        outbox: &Outbox,
    ) {
        let believed = self.believed.filter(|member| members.contains(member));
        let member = believed.unwrap_or_else(|| self.dice.pick(members));
        let id = outbox.number();
        let (client, sequence) = (self.id, self.sequence);
        let body = match action {
            Action::Get => Body::Read(key),
            _ => Body::Write(Command {
                client,
                sequence,
                key,
                action,
            }),
        };
        outbox.send(Message {
            from: Address::Client(client),
            to: Address::Member(member),
            id,
            body,
        });
        let invoked = history.event();
        let patience = now + self.dice.pick(&[150, 400, 1000, 2000]);
        self.doing = Doing::Waiting {
            id,
            patience,
            record: history.records.len(),
        };
        history.records.push(Record {
            client,
            sequence,
            key,
            action,
            member,
            invoked,
            returned: u64::MAX,
            asked: now,
            told: now,
            end: End::Unknown,
        });
    }

    fn end(&mut self, now: Time, record: usize, end: End, history: &mut History) {
        let event = history.event();
        let record = &mut history.records[record];
        let seen = match (&end, record.action) {
            (End::Value(value), _) => Some(*value),
            (End::Written(_, reply), Action::Put(new) | Action::Cas { new, .. }) => {
                Some(if reply.done { new } else { reply.found })
            }
            _ => None,
        };
        if let Some(seen) = seen {
            self.seen.insert(record.key, seen);
        }
        let good = matches!(end, End::Value(_) | End::Written(..));
        (record.returned, record.told, record.end) = (event, now, end);
        let pause = if good {
            self.dice.between(2, self.rest)
        } else {
            self.dice.between(10, 100)
        };
        self.doing = Doing::Resting(now + pause);
    }

    /// Hears an answer; late ones are not heard any more.
    pub(crate) fn hear(&mut self, now: Time, message: Message, history: &mut History) {
        let Doing::Waiting { id, record, .. } = self.doing else {
            return;
        };
        if id != message.id {
            return;
        }
        let asked = history.records[record].member;
        let (end, believed) = match message.body {
            Body::Written(at, reply) => (End::Written(at, reply), Some(asked)),
            Body::Value(value) => (End::Value(value), Some(asked)),
            Body::NotLeader(leader) => (End::Refused, leader),
            Body::Closed => (End::Refused, None),
            _ => (End::Unknown, None),
        };
        self.believed = believed;
        self.end(now, record, end, history);
    }
}
