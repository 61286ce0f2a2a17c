//! The files of the log: found, checked, repaired, written, removed.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::disk::{Disk, DiskFile};
use crate::error::WalError;
use crate::format::{self, Kind};
use crate::log::Change;
use crate::memory::Memory;
use crate::{Cipher, Options};

mod recovery;

const DRAFT: &str = "draft.seg";

/// What opening a log cut off: a write that a crash had interrupted. Nobody was told that it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The file.
    pub segment: String,
    /// Where it was cut.
    pub offset: u64,
    /// What was seen there.
    pub reason: String,
}

/// The files, the last of which is written to.
pub(crate) struct Segments<D: Disk> {
    disk: D,
    cipher: Arc<dyn Cipher>,
    segment_bytes: u64,
    names: BTreeMap<u32, String>,
    /// The highest position that was ever written to each; none when it has no entries.
    highest: BTreeMap<u32, u64>,
    current: Option<Current<D::File>>,
    next_number: u32,
    /// Number of the next record.
    pub(crate) sequence: u64,
    /// Number of the last record known to be durable.
    durable: u64,
}

struct Current<F> {
    number: u32,
    file: Arc<F>,
    offset: u64,
    capacity: u64,
}

/// What was found on disk.
pub(crate) struct Opened<D: Disk> {
    pub(crate) segments: Segments<D>,
    pub(crate) memory: Memory<D::File>,
    pub(crate) repair: Option<Repair>,
}

impl<D: Disk> Segments<D> {
    pub(crate) fn open(
        disk: D,
        cipher: Arc<dyn Cipher>,
        options: &Options,
    ) -> Result<Opened<D>, WalError> {
        let listed = disk.list().map_err(WalError::io("list", "the log"))?;
        let names: Vec<String> = listed
            .iter()
            .filter(|name| name.starts_with("wal-") && name.ends_with(".seg"))
            .cloned()
            .collect();
        let mut segments = Segments {
            disk,
            cipher,
            segment_bytes: options.segment_bytes,
            names: BTreeMap::new(),
            highest: BTreeMap::new(),
            current: None,
            next_number: 0,
            sequence: 1,
            durable: 0,
        };
        let mut memory = Memory::new(options.cache_bytes);
        let mut repair = None;
        for (at, name) in names.iter().enumerate() {
            repair = segments.read(name, at == 0, at + 1 == names.len(), &mut memory)?;
        }
        if let Some(name) = names.first() {
            recovery::begins(name, &memory)?;
        }
        // Only now: a log that is refused stays as it was found.
        if listed.iter().any(|name| name == DRAFT) {
            segments
                .disk
                .remove(DRAFT)
                .map_err(WalError::io("remove", DRAFT))?;
        }
        segments.settle(repair.as_ref())?;
        Ok(Opened {
            segments,
            memory,
            repair,
        })
    }

    /// Zeroes what an interrupted write left behind, and makes all that was read durable. A process that was killed before
    /// its sync leaves records that only the kernel has; a member would act on them, and a power cut take them back.
    fn settle(&mut self, repair: Option<&Repair>) -> Result<(), WalError> {
        let Some(current) = &self.current else {
            return Ok(());
        };
        let name = &self.names[&current.number];
        if let Some(repair) = repair {
            let zeros = vec![
                0;
                usize::try_from(current.capacity.saturating_sub(repair.offset))
                    .unwrap_or(0)
            ];
            current
                .file
                .write_at(&zeros, repair.offset)
                .map_err(WalError::io("repair", name))?;
        }
        current
            .file
            .sync_data()
            .map_err(WalError::io("sync", name))?;
        self.disk
            .sync_directory()
            .map_err(WalError::io("sync the directory of", name))
    }

    /// Writes records and the commit that ends them, and syncs them: into a new segment when they don't fit. Returns where each
    /// record's payload lies, and the new segment.
    pub(crate) fn commit(
        &mut self,
        start: &Start,
        records: &[(Kind, Vec<u8>)],
    ) -> Result<Written<D::File>, WalError> {
        let bytes: usize = records
            .iter()
            .map(|(_, payload)| format::FRAME + format::FIXED + payload.len())
            .sum();
        let needed = (bytes + format::FRAME + format::FIXED + 8) as u64;
        let written = match self.current.take() {
            Some(current) if current.offset + needed <= current.capacity => {
                self.extend(current, records)?
            }
            before => self
                .rotate(start, needed, records)
                .inspect_err(|_| self.current = before)?,
        };
        let entries = records.iter().filter(|(kind, _)| *kind == Kind::Entry);
        for (_, payload) in entries {
            note(&mut self.highest, written.number, format::number64(payload));
        }
        Ok(written)
    }

    fn extend(
        &mut self,
        mut current: Current<D::File>,
        records: &[(Kind, Vec<u8>)],
    ) -> Result<Written<D::File>, WalError> {
        let mut bytes = Vec::new();
        let (payloads, last) = self.frame(&mut bytes, self.sequence, current.offset, records);
        let name = &self.names[&current.number];
        let written = current
            .file
            .write_at(&bytes, current.offset)
            .map_err(WalError::io("write", name));
        let synced =
            written.and_then(|()| current.file.sync_data().map_err(WalError::io("sync", name)));
        let number = current.number;
        current.offset += bytes.len() as u64;
        self.current = Some(current);
        synced?;
        (self.sequence, self.durable) = (last + 1, last);
        Ok(Written {
            number,
            payloads,
            new: None,
        })
    }

    fn rotate(
        &mut self,
        start: &Start,
        needed: u64,
        records: &[(Kind, Vec<u8>)],
    ) -> Result<Written<D::File>, WalError> {
        let name = file_name(self.sequence);
        let vote = start
            .vote
            .as_ref()
            .map(|vote| self.cipher.seal(vote))
            .unwrap_or_default();
        let (to, marker) = start
            .purged
            .as_ref()
            .map(|(to, marker)| (*to, self.cipher.seal(marker)))
            .unwrap_or_default();
        let mut beginning = u32::try_from(vote.len())
            .unwrap_or(u32::MAX)
            .to_le_bytes()
            .to_vec();
        beginning.extend_from_slice(&vote);
        beginning.extend_from_slice(&to.to_le_bytes());
        beginning.extend_from_slice(&marker);
        let capacity = self.segment_bytes.max(
            needed + (format::HEADER + format::FRAME + format::FIXED + beginning.len()) as u64,
        );
        let mut bytes = format::header(self.sequence, capacity).to_vec();
        format::push(&mut bytes, Kind::Start, self.sequence, &[&beginning]);
        let (payloads, last) = self.frame(&mut bytes, self.sequence + 1, 0, records);
        let file = self
            .disk
            .create(DRAFT, capacity)
            .map_err(WalError::io("create", &name))?;
        file.write_at(&bytes, 0)
            .map_err(WalError::io("write", &name))?;
        file.sync_data().map_err(WalError::io("sync", &name))?;
        self.disk
            .rename(DRAFT, &name)
            .map_err(WalError::io("rename", &name))?;
        self.disk
            .sync_directory()
            .map_err(WalError::io("sync the directory of", &name))?;
        let number = self.next_number;
        self.next_number += 1;
        let file = Arc::new(file);
        self.names.insert(number, name);
        self.current = Some(Current {
            number,
            file: file.clone(),
            offset: bytes.len() as u64,
            capacity,
        });
        (self.sequence, self.durable) = (last + 1, last);
        Ok(Written {
            number,
            payloads,
            new: Some(file),
        })
    }

    /// Appends records and their commit to a buffer that will lie at `base`. Returns where the payloads will lie, and the
    /// commit's number.
    fn frame(
        &self,
        bytes: &mut Vec<u8>,
        mut sequence: u64,
        base: u64,
        records: &[(Kind, Vec<u8>)],
    ) -> (Vec<u64>, u64) {
        let mut payloads = Vec::with_capacity(records.len());
        for (kind, payload) in records {
            payloads.push(base + format::push(bytes, *kind, sequence, &[payload]) as u64);
            sequence += 1;
        }
        format::push(
            bytes,
            Kind::Commit,
            sequence,
            &[&self.durable.to_le_bytes()],
        );
        (payloads, sequence)
    }

    /// Removes the oldest segments, as long as all their entries are purged, but never the current one. Returns their numbers.
    pub(crate) fn remove_purged(&mut self, start: &Start) -> Result<Vec<u32>, WalError> {
        let to = start.purged_to();
        // Then what is left begins right after what was purged, and a log that begins elsewhere has lost a file.
        if start
            .ends
            .is_some_and(|(first, _)| first > to.saturating_add(1))
        {
            return Ok(Vec::new());
        }
        let current = self.current.as_ref().map_or(0, |current| current.number);
        let needed = |number: &u32| {
            self.highest
                .get(number)
                .is_some_and(|highest| *highest > to)
        };
        let gone: Vec<u32> = self
            .names
            .range(..current)
            .map(|(number, _)| *number)
            .take_while(|number| !needed(number))
            .collect();
        for number in &gone {
            self.highest.remove(number);
            if let Some(name) = self.names.remove(number) {
                self.disk
                    .remove(&name)
                    .map_err(WalError::io("remove", &name))?;
                // One after the other: not every file system keeps the order, and a hole would be refused.
                self.disk
                    .sync_directory()
                    .map_err(WalError::io("sync the directory of", &name))?;
            }
        }
        Ok(gone)
    }
}

fn note(highest: &mut BTreeMap<u32, u64>, segment: u32, position: u64) {
    let known = highest.entry(segment).or_insert(position);
    *known = position.max(*known);
}

/// Where records were written.
pub(crate) struct Written<F> {
    /// The segment.
    pub(crate) number: u32,
    /// Offsets of the payloads.
    pub(crate) payloads: Vec<u64>,
    /// The segment's file, when it is new.
    pub(crate) new: Option<Arc<F>>,
}

/// What a log comes down to: a new segment repeats the vote and the purge marker.
#[derive(Clone)]
pub(crate) struct Start {
    pub(crate) vote: Option<Bytes>,
    pub(crate) purged: Option<(u64, Bytes)>,
    /// Positions of the first and the last entry.
    pub(crate) ends: Option<(u64, u64)>,
}

impl Start {
    /// What it comes down to after a change.
    pub(crate) fn follow(&mut self, change: &Change) {
        self.ends = match change {
            Change::Append(entries) => {
                let ends = entries
                    .first()
                    .zip(entries.last())
                    .map(|((first, _), (last, _))| (*first, *last));
                let (before, ends) = (self.ends, ends.or(self.ends));
                ends.map(|(first, last)| (before.map_or(first, |(first, _)| first), last))
            }
            Change::Vote(vote) => {
                self.vote = Some(vote.clone());
                self.ends
            }
            Change::Truncate { after } => self
                .ends
                .filter(|(first, _)| first <= after)
                .map(|(first, last)| (first, last.min(*after))),
            Change::Purge { to, .. } if *to < self.purged_to() => self.ends,
            Change::Purge { to, marker } => {
                self.purged = Some((*to, marker.clone()));
                self.ends
                    .filter(|(_, last)| last > to)
                    .map(|(first, last)| (first.max(to.saturating_add(1)), last))
            }
        };
    }

    /// Up to where entries are not needed any more; 0 when all are.
    pub(crate) fn purged_to(&self) -> u64 {
        self.purged.as_ref().map_or(0, |(to, _)| *to)
    }
}

fn file_name(sequence: u64) -> String {
    format!("wal-{sequence:020}.seg")
}
