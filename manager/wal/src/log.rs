//! The log, one change after the other.

use std::sync::{Arc, RwLock};

use bytes::Bytes;

use crate::Cipher;
use crate::disk::{Disk, DiskFile};
use crate::error::WalError;
use crate::format::Kind;
use crate::memory::{Found, Memory, Slot};
use crate::segments::{Repair, Segments, Start};

/// How a log is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Length of a file, in bytes; at most 1 GiB.
    pub segment_bytes: u64,
    /// How many bytes of the newest entries are kept in memory for readers.
    pub cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            segment_bytes: 16 << 20,
            cache_bytes: 4 << 20,
        }
    }
}

/// A change of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Entries at the positions that follow the last one. The first entry ever may be anywhere.
    Append(Vec<(u64, Bytes)>),
    /// A vote, in place of the one before.
    Vote(Bytes),
    /// What comes after that position is void; 0 is everything.
    Truncate {
        /// The last position that stays.
        after: u64,
    },
    /// What comes up to that position, which may lie beyond the end, is not needed any more.
    Purge {
        /// The last position that goes.
        to: u64,
        /// What to remember of it.
        marker: Bytes,
    },
}

pub(crate) type Shared<F> = Arc<RwLock<Memory<F>>>;

/// The log, synchronous: a change is shown by [`Log::show`], staged by [`Log::stage`] and durable after [`Log::sync`].
pub struct Log<D: Disk> {
    segments: Segments<D>,
    cipher: Arc<dyn Cipher>,
    memory: Shared<D::File>,
    repair: Option<Repair>,
    staged: Vec<(Kind, Vec<u8>)>,
    staged_bytes: usize,
    /// Position and ticket of the staged entries, by their place in `staged`.
    entries: Vec<(usize, u64, u32)>,
    /// What a new segment repeats: the vote and the purge marker on disk, not those that readers see already.
    written: Start,
    /// The same after what is staged.
    next: Start,
}

impl<D: Disk> Log<D> {
    /// Opens the log on a disk: repairs what a crash left, refuses what a crash cannot have done.
    pub fn open(disk: D, cipher: Arc<dyn Cipher>, options: Options) -> Result<Self, WalError> {
        let opened = Segments::open(disk, cipher.clone(), &options)?;
        let ends = opened.memory.first_index().zip(opened.memory.last_index());
        let written = Start {
            ends,
            vote: opened.memory.vote.clone(),
            purged: opened.memory.purged.clone(),
        };
        Ok(Log {
            segments: opened.segments,
            cipher,
            memory: Arc::new(RwLock::new(opened.memory)),
            repair: opened.repair,
            staged: Vec::new(),
            staged_bytes: 0,
            entries: Vec::new(),
            next: written.clone(),
            written,
        })
    }

    /// What opening cut off.
    pub fn repaired(&self) -> Option<&Repair> {
        self.repair.as_ref()
    }

    pub(crate) fn memory(&self) -> Shared<D::File> {
        self.memory.clone()
    }

    pub(crate) fn cipher(&self) -> Arc<dyn Cipher> {
        self.cipher.clone()
    }

    /// Puts a change in line for the next sync. Its entries were shown under that ticket.
    pub(crate) fn stage(&mut self, change: Change, ticket: u32) {
        self.next.follow(&change);
        match change {
            Change::Append(entries) => {
                for (position, entry) in entries {
                    self.entries.push((self.staged.len(), position, ticket));
                    self.put(Kind::Entry, Some(position), &entry);
                }
            }
            Change::Vote(vote) => self.put(Kind::Vote, None, &vote),
            Change::Truncate { after } => self
                .staged
                .push((Kind::Truncate, after.to_le_bytes().to_vec())),
            Change::Purge { to, marker } => self.put(Kind::Purge, Some(to), &marker),
        }
    }

    fn put(&mut self, kind: Kind, position: Option<u64>, plain: &[u8]) {
        let sealed = self.cipher.seal(plain);
        let mut payload = Vec::with_capacity(8 + sealed.len());
        if let Some(position) = position {
            payload.extend_from_slice(&position.to_le_bytes());
        }
        payload.extend_from_slice(&sealed);
        self.staged_bytes += payload.len();
        self.staged.push((kind, payload));
    }

    /// How many bytes are in line.
    pub(crate) fn staged_bytes(&self) -> usize {
        self.staged_bytes
    }

    /// Writes what is staged and syncs it. After an error the log must not be used any more.
    pub(crate) fn sync(&mut self) -> Result<(), WalError> {
        if self.staged.is_empty() {
            return Ok(());
        }
        let staged = std::mem::take(&mut self.staged);
        self.staged_bytes = 0;
        let written = self.segments.commit(&self.written, &staged)?;
        let purges = self.next.purged_to() != self.written.purged_to();
        self.written = self.next.clone();
        {
            let mut memory = write(&self.memory);
            if let Some(file) = written.new {
                memory.files.insert(written.number, file);
            }
            for (at, position, ticket) in self.entries.drain(..) {
                let offset = u32::try_from(written.payloads[at] + 8)
                    .expect("a segment is shorter than 4 GiB");
                let length =
                    u32::try_from(staged[at].1.len() - 8).expect("an entry is shorter than 1 GiB");
                memory.place(
                    position,
                    ticket,
                    Slot {
                        segment: written.number,
                        offset,
                        length,
                    },
                );
            }
            memory.trim();
        }
        if purges {
            let gone = self.segments.remove_purged(&self.written)?;
            let mut memory = write(&self.memory);
            for number in gone {
                memory.files.remove(&number);
            }
        }
        Ok(())
    }
}

pub(crate) fn read<F>(memory: &Shared<F>) -> std::sync::RwLockReadGuard<'_, Memory<F>> {
    memory
        .read()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(crate) fn write<F>(memory: &Shared<F>) -> std::sync::RwLockWriteGuard<'_, Memory<F>> {
    memory
        .write()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Fetches entries from memory and disk, in order.
pub(crate) fn fetch<F: DiskFile>(
    found: Vec<Found<F>>,
    cipher: &dyn Cipher,
) -> Result<Vec<(u64, Bytes)>, WalError> {
    found
        .into_iter()
        .map(|found| match found {
            Found::Cached(position, bytes) => Ok((position, bytes)),
            Found::OnDisk {
                position,
                file,
                offset,
                length,
            } => {
                let name = || format!("entry {position} of the log");
                let mut sealed = vec![0; length];
                let mut have = 0;
                while have < length {
                    let read = file
                        .read_at(&mut sealed[have..], offset + have as u64)
                        .map_err(WalError::io("read", &name()))?;
                    if read == 0 {
                        return Err(WalError::io("read", &name())(
                            std::io::ErrorKind::UnexpectedEof.into(),
                        ));
                    }
                    have += read;
                }
                let plain = cipher.open(&sealed).ok_or_else(|| WalError::Corrupt {
                    segment: name(),
                    offset,
                    reason: "its bytes changed since the log was opened".to_owned(),
                })?;
                Ok((position, Bytes::from(plain)))
            }
        })
        .collect()
}
