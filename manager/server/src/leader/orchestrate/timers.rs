//! When something is due though nothing has happened. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// What is planned for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// Ranges, addresses and ports.
    Allocation,
    /// Tasks that wait for a node.
    Waiting,
    /// A stack, by id.
    Stack(String),
    /// A service, by id.
    Service(String),
}

/// One time for each key.
#[derive(Debug, Default)]
pub(super) struct Timers {
    at: BTreeMap<Key, i64>,
    order: BTreeSet<(i64, Key)>,
}

impl Timers {
    /// The key is due then; at no time for none. What was said before does not count any more.
    pub(super) fn set(&mut self, key: Key, at_ms: Option<i64>) {
        if let Some(before) = self.at.remove(&key) {
            self.order.remove(&(before, key.clone()));
        }
        if let Some(at_ms) = at_ms {
            self.at.insert(key.clone(), at_ms);
            self.order.insert((at_ms, key));
        }
    }

    /// When the first is due.
    pub(super) fn next(&self) -> Option<i64> {
        self.order.first().map(|(at_ms, _)| *at_ms)
    }

    /// Takes out what is due.
    pub(super) fn take(&mut self, now_ms: i64) -> Vec<Key> {
        let mut due = Vec::new();
        while let Some((at_ms, _)) = self.order.first()
            && *at_ms <= now_ms
            && let Some((_, key)) = self.order.pop_first()
        {
            self.at.remove(&key);
            due.push(key);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Timers};

    #[test]
    fn each_key_has_one_time() {
        let service = |id: &str| Key::Service(id.to_owned());
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        timers.set(service("a"), Some(20));
        timers.set(service("b"), Some(10));
        timers.set(service("a"), Some(5));
        assert_eq!(timers.next(), Some(5));
        assert_eq!(timers.take(4), []);
        assert_eq!(timers.take(10), [service("a"), service("b")]);
        assert_eq!((timers.take(100), timers.next()), (vec![], None));
        timers.set(service("a"), Some(1));
        timers.set(service("a"), None);
        assert_eq!(timers.next(), None);
    }
}
