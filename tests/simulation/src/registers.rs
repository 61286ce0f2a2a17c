//! The state machine of the simulated group: registers that are set, or set if they hold what was expected.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use consensus::{Position, SnapshotError, StateMachine};

use crate::dice::Digest;
use crate::planted::Planted;
use crate::power::lock;

/// What a client does to one register. Every value is written once in a history; 0 is that of a register never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Reads it. Not a command.
    Get,
    /// Sets it.
    Put(u64),
    /// Sets it to `new` if it holds `expected`.
    Cas {
        /// What it must hold.
        expected: u64,
        /// What it is set to.
        new: u64,
    },
}

/// A command: an action and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) client: u64,
    pub(crate) sequence: u64,
    pub(crate) key: u64,
    pub(crate) action: Action,
}

/// What a command answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// False for a cas that found something else.
    pub done: bool,
    /// What the register held before.
    pub found: u64,
}

fn words(words: &[u64]) -> Bytes {
    words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect::<Vec<u8>>()
        .into()
}

fn split(bytes: &[u8]) -> Vec<u64> {
    let word = |part: &[u8]| u64::from_le_bytes(part.try_into().expect("eight bytes"));
    bytes.chunks_exact(8).map(word).collect()
}

impl Command {
    pub(crate) fn encode(&self) -> Bytes {
        let (kind, expected, new) = match self.action {
            Action::Get => (0, 0, 0),
            Action::Put(new) => (1, 0, new),
            Action::Cas { expected, new } => (2, expected, new),
        };
        words(&[kind, self.client, self.sequence, self.key, expected, new])
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Command> {
        let &[kind, client, sequence, key, expected, new] = split(bytes).as_slice() else {
            return None;
        };
        let action = match kind {
            1 => Action::Put(new),
            2 => Action::Cas { expected, new },
            _ => return None,
        };
        Some(Command {
            client,
            sequence,
            key,
            action,
        })
    }
}

impl Reply {
    pub(crate) fn encode(self) -> Bytes {
        words(&[u64::from(self.done), self.found])
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Reply> {
        let &[done, found] = split(bytes).as_slice() else {
            return None;
        };
        Some(Reply {
            done: done == 1,
            found,
        })
    }
}

/// Carries out a command on registers.
pub(crate) fn carry_out(registers: &mut BTreeMap<u64, u64>, command: &Command) -> Reply {
    let found = registers.get(&command.key).copied().unwrap_or(0);
    let new = match command.action {
        Action::Get => None,
        Action::Put(new) => Some(new),
        Action::Cas { expected, new } => (expected == found).then_some(new),
    };
    if let Some(new) = new {
        registers.insert(command.key, new);
    }
    Reply {
        done: new.is_some() || command.action == Action::Get,
        found,
    }
}

/// The hash of everything that was carried out, one command longer.
pub(crate) fn chain(before: u64, at: Position, command: &[u8]) -> u64 {
    let mut digest = Digest::from_value(before);
    digest.word(at.term);
    digest.word(at.index);
    digest.bytes(command);
    digest.value()
}

/// The hash of nothing.
pub(crate) const CHAIN_START: u64 = 0x1d;

/// What a state machine tells the judge.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// A command was carried out; the hash of all so far.
    Applied(Position, Bytes, u64),
    /// A snapshot became the state.
    Restored(Position, u64, BTreeMap<u64, u64>),
}

/// What readers see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) at: Position,
    pub(crate) chain: u64,
    pub(crate) registers: BTreeMap<u64, u64>,
}

/// Where a member's state machine can be watched from outside.
#[derive(Clone, Default)]
pub(crate) struct Window {
    pub(crate) deeds: Arc<Mutex<Vec<Deed>>>,
    pub(crate) published: Arc<Mutex<Published>>,
}

/// The registers.
#[derive(Clone)]
struct State {
    registers: BTreeMap<u64, u64>,
    chain: u64,
}

impl State {
    fn image(&self) -> Vec<Bytes> {
        let mut records = vec![words(&[self.chain])];
        records.extend(
            self.registers
                .iter()
                .map(|(key, value)| words(&[*key, *value])),
        );
        records
    }
}

/// The state machine, with the mistakes that were planted in it.
pub(crate) struct Registers {
    state: State,
    window: Window,
    planted: Option<Planted>,
    /// Before the last command.
    before: State,
    /// Commands carried out in this life.
    lived: u64,
    /// Whether this is a life after a crash.
    again: bool,
    /// Which command this member leaves out, if it does.
    skips: Option<u64>,
}

impl Registers {
    pub(crate) fn new(
        window: Window,
        planted: Option<Planted>,
        again: bool,
        skips: Option<u64>,
    ) -> Self {
        let state = State {
            registers: BTreeMap::new(),
            chain: CHAIN_START,
        };
        Registers {
            before: state.clone(),
            state,
            window,
            planted,
            lived: 0,
            again,
            skips,
        }
    }

    fn carry_out(&mut self, at: Position, bytes: &[u8]) -> Bytes {
        self.before = self.state.clone();
        let Some(command) = Command::decode(bytes) else {
            return Bytes::new();
        };
        let reply = carry_out(&mut self.state.registers, &command);
        self.state.chain = chain(self.state.chain, at, bytes);
        let deed = Deed::Applied(at, Bytes::copy_from_slice(bytes), self.state.chain);
        lock(&self.window.deeds).push(deed);
        reply.encode()
    }
}

impl StateMachine for Registers {
    fn apply(&mut self, at: Position, command: &[u8]) -> Result<Bytes, String> {
        self.lived += 1;
        if self.planted == Some(Planted::ApplySkipped) && self.skips == Some(self.lived) {
            let skipped = Reply {
                done: true,
                found: 0,
            };
            return Ok(skipped.encode());
        }
        if self.planted == Some(Planted::ApplyTwice) && self.again && self.lived == 1 {
            self.carry_out(at, command);
        }
        Ok(self.carry_out(at, command))
    }

    fn publish(&mut self, at: Position) {
        *lock(&self.window.published) = Published {
            at,
            chain: self.state.chain,
            registers: self.state.registers.clone(),
        };
    }

    fn image(&self) -> Box<dyn Iterator<Item = Bytes> + Send + Sync> {
        let short = self.planted == Some(Planted::SnapshotShort);
        let state = if short { &self.before } else { &self.state };
        Box::new(state.image().into_iter())
    }

    fn restore(
        &mut self,
        at: Position,
        records: &mut dyn Iterator<Item = Result<Bytes, SnapshotError>>,
    ) -> Result<(), String> {
        let records: Vec<Bytes> = records
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        let mut records = records.iter().map(|record| split(record));
        let Some(&[chain]) = records.next().as_deref() else {
            return Err("the first record is not a hash".to_owned());
        };
        let mut registers = BTreeMap::new();
        for record in records {
            let &[key, value] = record.as_slice() else {
                return Err("a record is not a register".to_owned());
            };
            registers.insert(key, value);
        }
        if self.planted == Some(Planted::SnapshotKeepsOld)
            && let Some((key, old)) = self.state.registers.first_key_value()
        {
            registers.insert(*key, *old);
        }
        self.state = State { registers, chain };
        self.before = self.state.clone();
        let restored = Deed::Restored(at, chain, self.state.registers.clone());
        lock(&self.window.deeds).push(restored);
        Ok(())
    }
}
