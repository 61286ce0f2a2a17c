//! What of the log is in memory: where each entry lies, and the newest ones themselves.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::WalError;
use crate::format::LONGEST_PART;
use crate::log::Change;

/// Where an entry lies. 12 bytes each: a million entries take 12 MB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Which segment; [`WAITING`] while it is not written.
    pub(crate) segment: u32,
    /// Where in it; while it waits, the ticket of the change that brought it.
    pub(crate) offset: u32,
    /// Bytes, sealed.
    pub(crate) length: u32,
}

pub(crate) const WAITING: u32 = u32::MAX;

/// Where to find an entry.
pub(crate) enum Found<F> {
    /// Here.
    Cached(u64, Bytes),
    /// There.
    OnDisk {
        position: u64,
        file: Arc<F>,
        offset: u64,
        length: usize,
    },
}

pub(crate) struct Memory<F> {
    /// Position of the first slot.
    first: u64,
    slots: VecDeque<Slot>,
    /// The newest entries; the last one belongs to the last slot.
    cache: VecDeque<Bytes>,
    cached: usize,
    cache_bytes: usize,
    pub(crate) vote: Option<Bytes>,
    pub(crate) purged: Option<(u64, Bytes)>,
    pub(crate) files: BTreeMap<u32, Arc<F>>,
}

impl<F> Memory<F> {
    pub(crate) fn new(cache_bytes: usize) -> Self {
        Memory {
            first: 1,
            slots: VecDeque::new(),
            cache: VecDeque::new(),
            cached: 0,
            cache_bytes,
            vote: None,
            purged: None,
            files: BTreeMap::new(),
        }
    }

    pub(crate) fn first_index(&self) -> Option<u64> {
        (!self.slots.is_empty()).then_some(self.first)
    }

    pub(crate) fn last_index(&self) -> Option<u64> {
        self.slots
            .len()
            .checked_sub(1)
            .map(|last| self.first + last as u64)
    }

    /// Whether the change fits what is there.
    pub(crate) fn check(&self, change: &Change) -> Result<(), WalError> {
        let fits = |part: &Bytes| match part.len() {
            bytes if bytes > LONGEST_PART => Err(WalError::TooLong {
                bytes,
                limit: LONGEST_PART,
            }),
            _ => Ok(()),
        };
        let entries = match change {
            Change::Append(entries) => entries,
            Change::Vote(part) | Change::Purge { marker: part, .. } => return fits(part),
            Change::Truncate { .. } => return Ok(()),
        };
        let mut last = self
            .last_index()
            .or(self.purged.as_ref().map(|(to, _)| *to));
        for (position, entry) in entries {
            fits(entry)?;
            match last {
                Some(before) if Some(*position) != before.checked_add(1) => {
                    return Err(WalError::Gap {
                        last: before,
                        found: *position,
                    });
                }
                _ => last = Some(*position),
            }
        }
        Ok(())
    }

    /// Shows a change to readers before it is written.
    pub(crate) fn show(&mut self, change: &Change, ticket: u32) {
        match change {
            Change::Append(entries) => {
                for (position, entry) in entries {
                    let length = u32::try_from(entry.len()).unwrap_or(u32::MAX);
                    self.push(
                        *position,
                        Slot {
                            segment: WAITING,
                            offset: ticket,
                            length,
                        },
                    );
                    self.cached += entry.len();
                    self.cache.push_back(entry.clone());
                }
            }
            Change::Vote(vote) => self.vote = Some(vote.clone()),
            Change::Truncate { after } => self.truncate(*after),
            Change::Purge { to, marker } => self.purge(*to, marker.clone()),
        }
    }

    /// An entry that recovery found.
    pub(crate) fn push(&mut self, position: u64, slot: Slot) {
        if self.slots.is_empty() {
            self.first = position;
        }
        self.slots.push_back(slot);
    }

    pub(crate) fn truncate(&mut self, after: u64) {
        let keep = usize::try_from(after.saturating_add(1).saturating_sub(self.first))
            .unwrap_or(usize::MAX);
        while self.slots.len() > keep {
            self.slots.pop_back();
            if let Some(entry) = self.cache.pop_back() {
                self.cached -= entry.len();
            }
        }
    }

    /// Forgets what comes up to a position. What is purged stays so: a lower one than the last changes nothing.
    pub(crate) fn purge(&mut self, to: u64, marker: Bytes) {
        if self.purged.as_ref().is_some_and(|(purged, _)| to < *purged) {
            return;
        }
        self.purged = Some((to, marker));
        while self.slots.front().is_some() && self.first <= to {
            self.slots.pop_front();
            self.first += 1;
        }
        while self.cache.len() > self.slots.len() {
            if let Some(entry) = self.cache.pop_front() {
                self.cached -= entry.len();
            }
        }
    }

    /// Notes where an entry was written, unless it was truncated or purged meanwhile.
    pub(crate) fn place(&mut self, position: u64, ticket: u32, slot: Slot) {
        let Some(at) = position
            .checked_sub(self.first)
            .and_then(|at| usize::try_from(at).ok())
        else {
            return;
        };
        if let Some(known) = self.slots.get_mut(at)
            && known.segment == WAITING
            && known.offset == ticket
        {
            *known = slot;
        }
    }

    /// Lets go of cached entries that are on disk, down to the size of the cache.
    pub(crate) fn trim(&mut self) {
        while self.cached > self.cache_bytes && self.cache.len() > 1 {
            let oldest = self.slots.len() - self.cache.len();
            if self.slots[oldest].segment == WAITING {
                break;
            }
            if let Some(entry) = self.cache.pop_front() {
                self.cached -= entry.len();
            }
        }
    }

    /// Where the entries of that range lie: at least one, if there is one, and not many more bytes than asked for.
    pub(crate) fn find(&self, range: RangeInclusive<u64>, max_bytes: usize) -> Vec<Found<F>> {
        let (Some(first), Some(last)) = (self.first_index(), self.last_index()) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let mut bytes = 0;
        let first_cached = self.slots.len() - self.cache.len();
        for position in (*range.start()).max(first)..=(*range.end()).min(last) {
            let at = usize::try_from(position - first).unwrap_or(usize::MAX);
            let slot = self.slots[at];
            if at >= first_cached {
                found.push(Found::Cached(
                    position,
                    self.cache[at - first_cached].clone(),
                ));
            } else if let Some(file) = self.files.get(&slot.segment) {
                let (offset, length) = (u64::from(slot.offset), slot.length as usize);
                found.push(Found::OnDisk {
                    position,
                    file: file.clone(),
                    offset,
                    length,
                });
            }
            bytes += slot.length as usize;
            if bytes >= max_bytes {
                break;
            }
        }
        found
    }
}
