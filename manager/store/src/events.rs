//! What has changed, for those who watch. The newest events are kept; who asks for older ones is told to list again.

use std::collections::VecDeque;

use crate::change::Kind;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It came to be.
    Created,
    /// It was changed.
    Updated,
    /// It is gone; the event holds its last state.
    Removed,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Index of the log entry; events of one transaction share it.
    pub version: u64,
    /// What.
    pub what: What,
    /// To which object, as it is afterwards.
    pub object: Kind,
}

/// The events asked for are not kept any more: list the objects, and watch from the list's version on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "events up to version {oldest} are no longer kept (asked for those after {asked}): list again, then watch from there"
)]
pub struct Compacted {
    /// Version after which events were asked for.
    pub asked: u64,
    /// Version after which they are kept.
    pub oldest: u64,
}

/// The newest events.
#[derive(Clone, Debug)]
pub struct EventRing {
    events: VecDeque<Event>,
    capacity: usize,
    /// Everything after this version is kept.
    complete_after: u64,
    newest: u64,
}

impl EventRing {
    /// A ring that keeps that many events.
    pub fn new(capacity: usize) -> Self {
        EventRing {
            events: VecDeque::new(),
            capacity,
            complete_after: 0,
            newest: 0,
        }
    }

    /// The version up to which it has heard.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Adds what one entry of the log did; entries that did nothing count too.
    pub fn add(&mut self, version: u64, events: impl IntoIterator<Item = Event>) {
        self.newest = version;
        self.events.extend(events);
        while self.events.len() > self.capacity {
            // The events of an entry are kept together or not at all.
            let Some(gone) = self.events.pop_front().map(|event| event.version) else {
                break;
            };
            self.complete_after = gone;
            while self
                .events
                .front()
                .is_some_and(|event| event.version == gone)
            {
                self.events.pop_front();
            }
        }
    }

    /// Forgets everything: the state was replaced by a snapshot of that version.
    pub fn reset(&mut self, version: u64) {
        self.events.clear();
        self.complete_after = version;
        self.newest = version;
    }

    /// What happened after that version.
    pub fn after(&self, version: u64) -> Result<impl Iterator<Item = &Event>, Compacted> {
        if version < self.complete_after {
            return Err(Compacted {
                asked: version,
                oldest: self.complete_after,
            });
        }
        let from = self
            .events
            .partition_point(|event| event.version <= version);
        Ok(self.events.range(from..))
    }
}
