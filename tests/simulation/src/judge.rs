//! What must hold while a group lives, and after it: the oracles.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use crate::clients::{End, Record};
use crate::linear::{self, Learnt, Operation, Verdict};
use crate::registers::{Action, CHAIN_START, Command, Deed, carry_out, chain};

/// The rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Oracle {
    /// At most one leader in a term.
    OneLeader,
    /// All members carry out the same commands at the same positions, each once and in order.
    SameCommands,
    /// What clients saw could have happened one after the other.
    Linearizable,
    /// Every acknowledged write is in the log, where it was said to be.
    AcknowledgedKept,
    /// What was refused was not done.
    RefusedNotDone,
    /// Members end in the state that the log leads to.
    SameState,
    /// A group without faults has a leader, writes and agrees.
    Alive,
    /// A member starts from whatever a crash leaves, and does not stop by itself.
    Starts,
    /// A member that was removed is not in the group.
    RemovedIsGone,
}

/// A broken rule.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which.
    pub oracle: Oracle,
    /// When, in simulated milliseconds.
    pub at: u64,
    /// What was seen.
    pub story: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {} ms: {}", self.oracle, self.at, self.story)
    }
}

struct Decided {
    term: u64,
    command: Bytes,
    chain: u64,
}

/// Watches members and collects what they break.
#[derive(Default)]
pub(crate) struct Judge {
    pub(crate) now: u64,
    pub(crate) failures: Vec<Failure>,
    /// What the group decided, by index.
    decided: BTreeMap<u64, Decided>,
    /// Where each command stands, by client and number.
    positions: BTreeMap<(u64, u64), u64>,
    leaders: BTreeMap<u64, u64>,
    /// Last index that each member carried out in this life.
    reached: BTreeMap<u64, u64>,
}

impl Judge {
    pub(crate) fn fail(&mut self, oracle: Oracle, story: String) {
        let at = self.now;
        self.failures.push(Failure { oracle, at, story });
    }

    /// How many terms had a leader.
    pub(crate) fn elections(&self) -> u64 {
        self.leaders.len() as u64
    }

    pub(crate) fn leads(&mut self, term: u64, member: u64) {
        let known = *self.leaders.entry(term).or_insert(member);
        if known != member {
            self.fail(
                Oracle::OneLeader,
                format!("both {known} and {member} lead in term {term}"),
            );
        }
    }

    pub(crate) fn born(&mut self, member: u64) {
        self.reached.remove(&member);
    }

    pub(crate) fn deed(&mut self, member: u64, deed: Deed) {
        match deed {
            Deed::Applied(at, command, after) => {
                if let Some(last) = self.reached.insert(member, at.index)
                    && last >= at.index
                {
                    let story = format!(
                        "member {member} carries out index {} after {last}",
                        at.index
                    );
                    self.fail(Oracle::SameCommands, story);
                }
                self.applied(member, at.term, at.index, &command, after);
            }
            Deed::Restored(at, restored, registers) => {
                let known = self.decided.range(..=at.index).next_back();
                let expected = known.map_or(CHAIN_START, |(_, decided)| decided.chain);
                if restored != expected || registers != self.state_at(at.index) {
                    let story = format!(
                        "member {member} takes a snapshot at {at:?} that is not what commands up to there lead to"
                    );
                    self.fail(Oracle::SameCommands, story);
                }
                if let Some(last) = self.reached.insert(member, at.index)
                    && last > at.index
                {
                    let story = format!(
                        "member {member} goes back from index {last} to a snapshot at {}",
                        at.index
                    );
                    self.fail(Oracle::SameCommands, story);
                }
            }
        }
    }

    fn applied(&mut self, member: u64, term: u64, index: u64, command: &Bytes, after: u64) {
        if let Some(known) = self.decided.get(&index) {
            if known.term != term || known.command != *command {
                let story = format!(
                    "at index {index} member {member} carries out {:?} of term {term}, another {:?} of term {}",
                    Command::decode(command),
                    Command::decode(&known.command),
                    known.term
                );
                self.fail(Oracle::SameCommands, story);
            } else if known.chain != after {
                let story = format!("member {member} has missed a command before index {index}");
                self.fail(Oracle::SameCommands, story);
            }
            return;
        }
        if let Some((later, _)) = self.decided.range(index..).next() {
            let story = format!(
                "member {member} carries out a command at {index}, which others skipped on their way to {later}"
            );
            self.fail(Oracle::SameCommands, story);
        }
        let before = self.decided.range(..index).next_back();
        let before = before.map_or(CHAIN_START, |(_, decided)| decided.chain);
        let at = consensus::Position { term, index };
        if chain(before, at, command) != after {
            let story = format!("member {member} has missed a command before index {index}");
            self.fail(Oracle::SameCommands, story);
        }
        if let Some(decoded) = Command::decode(command) {
            let whose = (decoded.client, decoded.sequence);
            if let Some(other) = self.positions.insert(whose, index) {
                let story = format!("{decoded:?} is in the log twice: at {other} and {index}");
                self.fail(Oracle::SameCommands, story);
            }
        }
        let command = command.clone();
        let chain = after;
        self.decided.insert(
            index,
            Decided {
                term,
                command,
                chain,
            },
        );
    }

    /// The registers that the decided commands lead to.
    pub(crate) fn expected_state(&self) -> BTreeMap<u64, u64> {
        self.state_at(u64::MAX)
    }

    fn state_at(&self, index: u64) -> BTreeMap<u64, u64> {
        let mut registers = BTreeMap::new();
        for (_, decided) in self.decided.range(..=index) {
            if let Some(command) = Command::decode(&decided.command) {
                carry_out(&mut registers, &command);
            }
        }
        registers
    }

    /// Judges what clients were told, at the end. Returns how many registers' histories were too much for the search.
    pub(crate) fn outcomes(&mut self, history: &[Record]) -> u64 {
        for record in history {
            let whose = (record.client, record.sequence);
            let place = self.positions.get(&whose).copied();
            match (&record.end, record.action) {
                (_, Action::Get) => {}
                (End::Written(at, _), _) => {
                    let told = at.map(|at| at.index);
                    if place.is_none() || (told.is_some() && told != place) {
                        let story = format!("acknowledged, and stands at {place:?}: {record}");
                        self.fail(Oracle::AcknowledgedKept, story);
                    }
                }
                (End::Refused, _) if place.is_some() => {
                    let story = format!("refused, and stands at {place:?}: {record}");
                    self.fail(Oracle::RefusedNotDone, story);
                }
                _ => {}
            }
        }
        let mut keys: BTreeMap<u64, Vec<&Record>> = BTreeMap::new();
        for record in history.iter().filter(|record| record.end != End::Refused) {
            keys.entry(record.key).or_default().push(record);
        }
        let mut undecided = 0;
        for (key, records) in keys {
            let operations: Vec<Operation> =
                records.iter().map(|record| operation(record)).collect();
            match linear::check(&operations) {
                Verdict::Linearizable => {}
                Verdict::Undecided => undecided += 1,
                Verdict::Wrong(stuck) => {
                    let mut lines: Vec<String> =
                        vec![format!("register {key} has no order; around:")];
                    let first = stuck.iter().min().copied().unwrap_or(0).saturating_sub(6);
                    let last = stuck.iter().max().copied().unwrap_or(0);
                    let near = records.iter().skip(first).take((last + 3 - first).min(24));
                    lines.extend(near.map(ToString::to_string));
                    self.fail(Oracle::Linearizable, lines.join("\n    "));
                }
            }
        }
        undecided
    }
}

fn operation(record: &Record) -> Operation {
    let learnt = match &record.end {
        End::Written(at, reply) if reply.done => Learnt::Done(at.map(|_| reply.found)),
        End::Written(_, reply) => Learnt::Found(reply.found),
        End::Value(value) => Learnt::Found(*value),
        End::Refused | End::Unknown => Learnt::Nothing,
    };
    Operation {
        invoked: record.invoked,
        returned: record.returned,
        action: record.action,
        learnt,
    }
}
