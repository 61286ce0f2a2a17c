//! The log of a simulated member: a slow disk under it, and mistakes on demand.

use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;
use consensus::record::{LogEntry, LogIdRecord};
use prost::Message;
use wal::{Change, Done, Inline, Submit, WalError};

use crate::dice::Dice;
use crate::planted::Planted;
use crate::power::{PoweredDisk, lock};

/// How slow a disk is: a write takes from the first to the second.
pub(crate) type Slowness = Option<(Duration, Duration)>;

/// A log whose changes are seen at once and durable later, as the product's thread has it; at once without slowness.
pub(crate) struct Journal {
    disk: Inline<PoweredDisk>,
    slow: Slowness,
    planted: Option<Planted>,
    view: Mutex<View>,
    me: Weak<Journal>,
}

/// What readers see while the disk is behind.
struct View {
    entries: BTreeMap<u64, Bytes>,
    vote: Option<Bytes>,
    purged: Option<(u64, Bytes)>,
    waiting: Vec<(Change, Done)>,
    busy: bool,
    dice: Dice,
}

impl View {
    fn show(&mut self, change: &Change) {
        match change {
            Change::Append(entries) => self.entries.extend(entries.iter().cloned()),
            Change::Vote(vote) => self.vote = Some(vote.clone()),
            Change::Truncate { after } => {
                self.entries.split_off(&(after + 1));
            }
            Change::Purge { to, marker } => {
                self.entries = self.entries.split_off(&(to + 1));
                self.purged = Some((*to, marker.clone()));
            }
        }
    }
}

fn planted_slowness(planted: Option<Planted>) -> Slowness {
    let ms = Duration::from_millis;
    match planted? {
        Planted::AppendNotSynced => Some((ms(50), ms(300))),
        Planted::VoteNotSynced | Planted::TruncationLost => Some((ms(0), ms(2))),
        _ => None,
    }
}

impl Journal {
    pub(crate) fn new(
        disk: Inline<PoweredDisk>,
        slow: Slowness,
        planted: Option<Planted>,
        dice: Dice,
    ) -> Result<Arc<Self>, WalError> {
        let entries = match (disk.first_index(), disk.last_index()) {
            (Some(first), Some(last)) => disk.read(first..=last, usize::MAX)?.into_iter().collect(),
            _ => BTreeMap::new(),
        };
        let view = View {
            entries,
            vote: disk.vote(),
            purged: disk.purged(),
            waiting: Vec::new(),
            busy: false,
            dice,
        };
        Ok(Arc::new_cyclic(|me| Journal {
            disk,
            slow: planted_slowness(planted).or(slow),
            planted,
            view: Mutex::new(view),
            me: me.clone(),
        }))
    }

    /// Puts a change in line; the first one wakes the disk.
    fn queue(&self, slow: (Duration, Duration), change: Change, done: Done) {
        let mut view = lock(&self.view);
        view.show(&change);
        view.waiting.push((change, done));
        if !std::mem::replace(&mut view.busy, true) {
            let (least, most) = (millis(slow.0), millis(slow.1));
            let pause = Duration::from_millis(view.dice.between(least, most));
            let me = self.me.clone();
            tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                if let Some(journal) = me.upgrade() {
                    journal.write_waiting();
                }
            });
        }
    }

    fn write_waiting(&self) {
        let waiting = {
            let mut view = lock(&self.view);
            view.busy = false;
            std::mem::take(&mut view.waiting)
        };
        let done: Vec<(io::Result<()>, Done)> = waiting
            .into_iter()
            .map(|(change, done)| (self.write(change), done))
            .collect();
        done.into_iter().for_each(|(result, done)| done(result));
    }

    fn write(&self, change: Change) -> io::Result<()> {
        let change = match (self.planted, change) {
            (Some(Planted::TruncationLost), Change::Truncate { .. }) => return Ok(()),
            (Some(Planted::TruncationLost), Change::Append(mut entries)) => {
                let last = self.disk.last_index().unwrap_or(0);
                entries.retain(|(position, _)| *position > last);
                Change::Append(entries)
            }
            (_, change) => change,
        };
        let (told, hears) = std::sync::mpsc::channel();
        self.disk.submit(
            change,
            Box::new(move |result| {
                let _ = told.send(result);
            }),
        );
        hears
            .try_recv()
            .unwrap_or_else(|_| Err(io::Error::other("no answer from the log")))
    }

    /// A vote that is acknowledged, and never reaches the disk.
    fn neglect(&self, vote: &Change, done: Done) {
        lock(&self.view).show(vote);
        done(Ok(()));
    }

    /// A purge of everything but the last entry.
    fn overdo(&self, to: u64, marker: Bytes) -> Change {
        let further = to.max(Submit::last_index(self).unwrap_or(to).saturating_sub(1));
        match Submit::read(self, further..=further, 1) {
            Ok(found) if !found.is_empty() => match LogEntry::decode(found[0].1.clone()) {
                Ok(entry) => {
                    let (term, index) = (entry.term, entry.index);
                    let marker = LogIdRecord { term, index }.encode_to_vec().into();
                    Change::Purge {
                        to: further,
                        marker,
                    }
                }
                Err(_) => Change::Purge { to, marker },
            },
            _ => Change::Purge { to, marker },
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Submit for Journal {
    fn submit(&self, change: Change, done: Done) {
        let change = match (self.planted, change) {
            (Some(Planted::VoteNotSynced), change @ Change::Vote(_)) => {
                return self.neglect(&change, done);
            }
            (Some(Planted::PurgedTooFar), Change::Purge { to, marker }) => self.overdo(to, marker),
            (_, change) => change,
        };
        let Some(slow) = self.slow else {
            return self.disk.submit(change, done);
        };
        if self.planted == Some(Planted::AppendNotSynced) && matches!(change, Change::Append(_)) {
            self.queue(slow, change, Box::new(|_| {}));
            done(Ok(()));
        } else {
            self.queue(slow, change, done);
        }
    }

    fn read(
        &self,
        range: RangeInclusive<u64>,
        max_bytes: usize,
    ) -> Result<Vec<(u64, Bytes)>, WalError> {
        if self.slow.is_none() {
            return self.disk.read(range, max_bytes);
        }
        let view = lock(&self.view);
        let mut bytes = 0;
        let fits = |(_, entry): &(&u64, &Bytes)| {
            let fits = bytes < max_bytes;
            bytes += entry.len();
            fits
        };
        let found = view.entries.range(range).take_while(fits);
        Ok(found.map(|(at, entry)| (*at, entry.clone())).collect())
    }

    fn vote(&self) -> Option<Bytes> {
        match self.slow {
            None => self.disk.vote(),
            Some(_) => lock(&self.view).vote.clone(),
        }
    }

    fn purged(&self) -> Option<(u64, Bytes)> {
        match self.slow {
            None => self.disk.purged(),
            Some(_) => lock(&self.view).purged.clone(),
        }
    }

    fn first_index(&self) -> Option<u64> {
        match self.slow {
            None => self.disk.first_index(),
            Some(_) => lock(&self.view).entries.keys().next().copied(),
        }
    }

    fn last_index(&self) -> Option<u64> {
        match self.slow {
            None => self.disk.last_index(),
            Some(_) => lock(&self.view).entries.keys().next_back().copied(),
        }
    }
}
