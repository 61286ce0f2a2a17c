//! Whether what clients saw of one register could have happened one after the other (Wing and Gong's search, with Lowe's
//! memory of configurations already tried).

use std::collections::{BTreeSet, HashSet};

use crate::registers::Action;

/// What a client learnt of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learnt {
    /// A get, or a cas that did not fit: what was there.
    Found(u64),
    /// It was done. What was there before, when it was told.
    Done(Option<u64>),
    /// Nothing: it may take effect at any time after it was invoked, or never.
    Nothing,
}

/// An operation on one register. Times only need to be in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// When it was invoked.
    pub invoked: u64,
    /// When its outcome was known; irrelevant when it never was.
    pub returned: u64,
    /// What was asked for.
    pub action: Action,
    /// What came of it.
    pub learnt: Learnt,
}

/// The verdict on a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order that explains it.
    Linearizable,
    /// There is none; the operations that could not be placed after the longest attempt, by their place in the history.
    Wrong(Vec<usize>),
    /// The search was given up.
    Undecided,
}

/// Configurations tried before the search is given up.
const LIMIT: usize = 3_000_000;

/// Judges the history of one register that begins at 0.
pub fn check(history: &[Operation]) -> Verdict {
    let kept = relevant(history);
    let mut search = Search::new(history, &kept);
    search.run()
}

/// Leaves out what explains nothing: reads of which nothing is known, and unknown writes whose value nobody saw. (An order
/// with such a write stays valid without it.)
fn relevant(history: &[Operation]) -> Vec<usize> {
    let mut seen: BTreeSet<u64> = BTreeSet::new();
    for operation in history {
        match (operation.learnt, operation.action) {
            (Learnt::Found(value) | Learnt::Done(Some(value)), _) => {
                seen.insert(value);
            }
            (Learnt::Done(None), Action::Cas { expected, .. }) => {
                seen.insert(expected);
            }
            _ => {}
        }
    }
    let unknown_cas = |operation: &&Operation| operation.learnt == Learnt::Nothing;
    loop {
        let before = seen.len();
        for operation in history.iter().filter(unknown_cas) {
            if let Action::Cas { expected, new } = operation.action
                && seen.contains(&new)
            {
                seen.insert(expected);
            }
        }
        if seen.len() == before {
            break;
        }
    }
    let matters = |operation: &Operation| match (operation.learnt, operation.action) {
        (Learnt::Nothing, Action::Get) => false,
        (Learnt::Nothing, Action::Put(new) | Action::Cas { new, .. }) => seen.contains(&new),
        _ => true,
    };
    (0..history.len())
        .filter(|at| matters(&history[*at]))
        .collect()
}

/// The value after an operation on a register that holds `value`; none when it cannot happen then.
fn step(value: u64, operation: &Operation) -> Option<u64> {
    let told = |before: Option<u64>| before.is_none_or(|before| before == value);
    match (operation.action, operation.learnt) {
        (Action::Get, Learnt::Found(found)) => (found == value).then_some(value),
        (Action::Put(new), Learnt::Done(before)) => told(before).then_some(new),
        (Action::Put(new), Learnt::Nothing) => Some(new),
        (Action::Cas { expected, new }, Learnt::Done(before)) => {
            (expected == value && told(before)).then_some(new)
        }
        (Action::Cas { expected, .. }, Learnt::Found(found)) => {
            (found == value && expected != value).then_some(value)
        }
        (Action::Cas { expected, new }, Learnt::Nothing) => {
            Some(if expected == value { new } else { value })
        }
        _ => None,
    }
}

/// An invocation or a return, in a list from which operations are taken while they are tried.
#[derive(Clone, Copy)]
struct Event {
    operation: usize,
    is_return: bool,
    next: usize,
    previous: usize,
    /// The other event of the operation.
    twin: usize,
}

struct Search<'a> {
    history: &'a [Operation],
    kept: &'a [usize],
    /// The first one is the head; so is what ends the list.
    events: Vec<Event>,
    placed: Vec<u64>,
    known_left: usize,
}

impl<'a> Search<'a> {
    fn new(history: &'a [Operation], kept: &'a [usize]) -> Self {
        let mut order: Vec<(u64, bool, usize)> = Vec::new();
        for (place, at) in kept.iter().enumerate() {
            let operation = &history[*at];
            let unknown = operation.learnt == Learnt::Nothing;
            order.push((operation.invoked, false, place));
            order.push((
                if unknown {
                    u64::MAX
                } else {
                    operation.returned
                },
                true,
                place,
            ));
        }
        order.sort_unstable();
        let head = Event {
            operation: usize::MAX,
            is_return: false,
            next: 1,
            previous: order.len(),
            twin: 0,
        };
        let mut events = vec![head];
        let mut calls = vec![0; kept.len()];
        for (at, (_, is_return, operation)) in order.iter().enumerate() {
            let here = at + 1;
            events.push(Event {
                operation: *operation,
                is_return: *is_return,
                next: (here + 1) % (order.len() + 1),
                previous: here - 1,
                twin: 0,
            });
            if *is_return {
                events[here].twin = calls[*operation];
                events[calls[*operation]].twin = here;
            } else {
                calls[*operation] = here;
            }
        }
        if order.is_empty() {
            events[0].next = 0;
        }
        let known = |at: &&usize| history[**at].learnt != Learnt::Nothing;
        Search {
            history,
            kept,
            events,
            placed: vec![0; kept.len().div_ceil(64)],
            known_left: kept.iter().filter(known).count(),
        }
    }

    fn unlink(&mut self, event: usize) {
        let Event { next, previous, .. } = self.events[event];
        self.events[previous].next = next;
        self.events[next].previous = previous;
    }

    fn link(&mut self, event: usize) {
        let Event { next, previous, .. } = self.events[event];
        self.events[previous].next = event;
        self.events[next].previous = event;
    }

    fn run(&mut self) -> Verdict {
        let mut tried: HashSet<(Vec<u64>, u64)> = HashSet::new();
        let mut stack: Vec<(usize, u64)> = Vec::new();
        let mut value = 0;
        let mut at = self.events[0].next;
        let mut fewest = usize::MAX;
        let mut stuck = Vec::new();
        while self.known_left > 0 {
            let event = self.events[at];
            let may_go = at != 0 && !event.is_return;
            if may_go {
                let operation = &self.history[self.kept[event.operation]];
                if let Some(after) = step(value, operation) {
                    self.toggle(event.operation);
                    if tried.insert((self.placed.clone(), after)) {
                        stack.push((at, value));
                        value = after;
                        self.known_left -= usize::from(operation.learnt != Learnt::Nothing);
                        self.unlink(at);
                        self.unlink(event.twin);
                        at = self.events[0].next;
                        continue;
                    }
                    self.toggle(event.operation);
                }
                at = event.next;
                continue;
            }
            // The end of an operation that is not placed: what was tried before it was wrong.
            if self.known_left < fewest {
                fewest = self.known_left;
                stuck = self.waiting(at);
            }
            let Some((last, before)) = stack.pop() else {
                return Verdict::Wrong(stuck);
            };
            if tried.len() > LIMIT {
                return Verdict::Undecided;
            }
            let event = self.events[last];
            value = before;
            self.toggle(event.operation);
            let operation = &self.history[self.kept[event.operation]];
            self.known_left += usize::from(operation.learnt != Learnt::Nothing);
            self.link(event.twin);
            self.link(last);
            at = event.next;
        }
        Verdict::Linearizable
    }

    fn toggle(&mut self, operation: usize) {
        self.placed[operation / 64] ^= 1 << (operation % 64);
    }

    /// The operations that were to be placed before the event.
    fn waiting(&self, end: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let mut at = self.events[0].next;
        while at != 0 && at != end {
            found.push(self.kept[self.events[at].operation]);
            at = self.events[at].next;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::Learnt::{Done, Found, Nothing};
    use super::{Action, Learnt, Operation, Verdict, check};
    use Action::{Get, Put};

    type Line = (u64, u64, Action, Learnt);

    fn cas(expected: u64, new: u64) -> Action {
        Action::Cas { expected, new }
    }

    fn judge(lines: &[Line]) -> Verdict {
        let history: Vec<Operation> = lines
            .iter()
            .map(|&(invoked, returned, action, learnt)| Operation {
                invoked,
                returned,
                action,
                learnt,
            })
            .collect();
        check(&history)
    }

    #[test]
    fn right_histories_are_found_right() {
        let right: [(&str, &[Line]); 10] = [
            ("nothing", &[]),
            (
                "one after the other",
                &[(1, 2, Put(7), Done(None)), (3, 4, Get, Found(7))],
            ),
            (
                "a read beside a write sees the old",
                &[(1, 9, Put(7), Done(None)), (2, 3, Get, Found(0))],
            ),
            (
                "or the new",
                &[(1, 9, Put(7), Done(None)), (2, 3, Get, Found(7))],
            ),
            (
                "a cas in between",
                &[
                    (1, 2, Put(1), Done(None)),
                    (3, 4, cas(1, 2), Done(Some(1))),
                    (5, 6, Get, Found(2)),
                ],
            ),
            (
                "an unknown write takes effect late",
                &[
                    (1, 2, Put(7), Nothing),
                    (3, 4, Get, Found(0)),
                    (5, 6, Put(8), Done(None)),
                    (7, 8, Get, Found(7)),
                ],
            ),
            (
                "or never",
                &[
                    (1, 2, Put(7), Nothing),
                    (3, 4, Get, Found(0)),
                    (5, 6, Get, Found(0)),
                ],
            ),
            (
                "an unknown cas on an unknown write",
                &[
                    (1, 2, Put(7), Nothing),
                    (1, 2, cas(7, 8), Nothing),
                    (3, 4, Get, Found(8)),
                ],
            ),
            (
                "a cas that did not fit",
                &[
                    (1, 2, Put(1), Done(None)),
                    (3, 4, cas(5, 6), Found(1)),
                    (5, 6, Get, Found(1)),
                ],
            ),
            (
                "two writes beside each other, seen in one order",
                &[
                    (1, 9, Put(1), Done(None)),
                    (2, 8, Put(2), Done(None)),
                    (10, 11, Get, Found(1)),
                    (12, 13, Get, Found(1)),
                ],
            ),
        ];
        for (name, lines) in right {
            assert_eq!(judge(lines), Verdict::Linearizable, "{name}");
        }
    }

    #[test]
    fn wrong_histories_are_found_wrong() {
        let wrong: [(&str, &[Line]); 11] = [
            (
                "a stale read",
                &[
                    (1, 2, Put(1), Done(None)),
                    (3, 4, Put(2), Done(None)),
                    (5, 6, Get, Found(1)),
                ],
            ),
            (
                "a lost update",
                &[(1, 2, Put(1), Done(None)), (3, 4, Get, Found(0))],
            ),
            (
                "two cas that both found the same",
                &[
                    (1, 2, Put(1), Done(None)),
                    (3, 4, cas(1, 2), Done(Some(1))),
                    (5, 6, cas(1, 3), Done(Some(1))),
                ],
            ),
            (
                "an acknowledged cas is applied again",
                &[
                    (1, 2, Put(1), Done(None)),
                    (3, 4, cas(1, 2), Done(Some(1))),
                    (5, 6, Put(1), Done(Some(2))),
                    (7, 8, Get, Found(2)),
                ],
            ),
            (
                "a value that was never written",
                &[(1, 2, Put(1), Done(None)), (3, 4, Get, Found(9))],
            ),
            (
                "a value goes back",
                &[
                    (1, 9, Put(1), Done(None)),
                    (2, 3, Get, Found(1)),
                    (4, 5, Get, Found(0)),
                ],
            ),
            (
                "two readers see two orders",
                &[
                    (1, 9, Put(1), Done(None)),
                    (1, 9, Put(2), Done(None)),
                    (10, 11, Get, Found(1)),
                    (12, 13, Get, Found(2)),
                ],
            ),
            (
                "a read before the write was invoked",
                &[(1, 2, Get, Found(7)), (3, 4, Put(7), Nothing)],
            ),
            (
                "a cas that should have fitted",
                &[(1, 2, Put(1), Done(None)), (3, 4, cas(1, 2), Found(1))],
            ),
            (
                "an unknown write takes effect twice",
                &[
                    (1, 2, Put(7), Nothing),
                    (3, 4, Get, Found(7)),
                    (5, 6, Put(8), Done(None)),
                    (7, 8, Get, Found(7)),
                ],
            ),
            (
                "a write that lies about what it found",
                &[(1, 2, Put(1), Done(Some(0))), (3, 4, Put(2), Done(Some(0)))],
            ),
        ];
        for (name, lines) in wrong {
            assert!(matches!(judge(lines), Verdict::Wrong(_)), "{name}");
        }
    }

    #[test]
    fn a_long_history_with_many_unknowns_is_decided() {
        let mut lines: Vec<Line> = Vec::new();
        for round in 0..400_u64 {
            let time = round * 10;
            lines.push((time, time + 1, Put(round * 3 + 1), Nothing));
            lines.push((time + 2, time + 4, Put(round * 3 + 2), Done(None)));
            let seen = if round % 7 == 0 {
                round * 3 + 1
            } else {
                round * 3 + 2
            };
            lines.push((time + 5, time + 6, Get, Found(seen)));
        }
        assert_eq!(judge(&lines), Verdict::Linearizable);
        lines.push((9000, 9001, Get, Found(1)));
        assert!(matches!(judge(&lines), Verdict::Wrong(_)));
    }
}
