//! The files of the log: found, checked, repaired, written, removed.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::disk::{Disk, DiskFile};
use crate::error::WalError;
use crate::format::{self, Kind, Parsed, Record};
use crate::memory::{Memory, Slot};
use crate::{Cipher, Options};

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

/// What one record says, kept back until its commit is seen.
enum Said {
    Entry { position: u64, slot: Slot },
    Vote(Vec<u8>),
    Truncate(u64),
    Purge(u64, Vec<u8>),
}

struct Scan {
    /// Where the last commit ends.
    good: u64,
    /// Number of the record after it.
    sequence: u64,
    damage: Option<(u64, &'static str)>,
}

impl<D: Disk> Segments<D> {
    pub(crate) fn open(disk: D, cipher: Arc<dyn Cipher>, options: &Options) -> Result<Opened<D>, WalError> {
        let listed = disk.list().map_err(WalError::io("list", "the log"))?;
        let names: Vec<String> = listed.iter().filter(|name| name.starts_with("wal-") && name.ends_with(".seg")).cloned().collect();
        let mut segments = Segments {
            disk,
            cipher,
            segment_bytes: options.segment_bytes,
            names: BTreeMap::new(),
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
        // Only now: a log that is refused stays as it was found.
        if listed.iter().any(|name| name == DRAFT) {
            segments.disk.remove(DRAFT).map_err(WalError::io("remove", DRAFT))?;
        }
        if let Some(repair) = &repair {
            segments.cut(repair)?;
        }
        Ok(Opened { segments, memory, repair })
    }

    /// Reads one segment into memory.
    fn read(&mut self, name: &str, first: bool, last: bool, memory: &mut Memory<D::File>) -> Result<Option<Repair>, WalError> {
        let file = Arc::new(self.disk.open(name).map_err(WalError::io("open", name))?);
        let bytes = whole(&*file).map_err(WalError::io("read", name))?;
        let corrupt = |offset: u64, reason: &str| WalError::Corrupt { segment: name.to_owned(), offset, reason: reason.to_owned() };
        let sequence = format::parse_header(&bytes).map_err(|reason| corrupt(0, &reason))?;
        if file_name(sequence) != name {
            return Err(corrupt(0, "its name is not the one in its header"));
        }
        if !first && sequence != self.sequence {
            return Err(corrupt(0, &format!("it begins with record {sequence}, but the one before ends with {}: a file of the log is missing", self.sequence - 1)));
        }
        let number = self.next_number;
        self.next_number += 1;
        let scan = self.scan(name, &bytes, number, sequence, memory)?;
        let repair = match scan.damage {
            None => None,
            Some((offset, reason)) => {
                let after = &bytes[usize::try_from(offset).unwrap_or(0)..];
                if !last {
                    return Err(corrupt(offset, reason));
                }
                if scan.good == 0 || format::vouched_for(after, scan.sequence) {
                    return Err(corrupt(offset, &format!("{reason}, in what was durable")));
                }
                Some(Repair { segment: name.to_owned(), offset: scan.good, reason: reason.to_owned() })
            }
        };
        self.sequence = scan.sequence;
        self.durable = scan.sequence - 1;
        memory.files.insert(number, file.clone());
        self.names.insert(number, name.to_owned());
        self.current = Some(Current { number, file, offset: scan.good, capacity: bytes.len() as u64 });
        Ok(repair)
    }

    fn scan(&self, name: &str, bytes: &[u8], number: u32, first: u64, memory: &mut Memory<D::File>) -> Result<Scan, WalError> {
        let mut at = format::HEADER;
        let mut scan = Scan { good: 0, sequence: first, damage: None };
        let mut expected = first;
        let mut said = Vec::new();
        loop {
            let (parsed, length) = format::parse(&bytes[at..]);
            let record = match parsed {
                Parsed::Record(record) if record.sequence == expected => record,
                Parsed::Record(_) => {
                    scan.damage = Some((at as u64, "a record out of order"));
                    return Ok(scan);
                }
                Parsed::End if scan.good == at as u64 && bytes[at..].iter().all(|byte| *byte == 0) => return Ok(scan),
                Parsed::End => {
                    scan.damage = Some((at as u64, "records are missing"));
                    return Ok(scan);
                }
                Parsed::Bad(reason) => {
                    scan.damage = Some((at as u64, reason));
                    return Ok(scan);
                }
            };
            let payload_at = at + length - record.payload.len();
            let corrupt = |reason: &str| WalError::Corrupt { segment: name.to_owned(), offset: at as u64, reason: reason.to_owned() };
            if (record.kind == Kind::Start) != (expected == first) {
                return Err(corrupt("a segment's first record is not where it belongs"));
            }
            match interpret(record, number, payload_at).ok_or_else(|| corrupt("a record that is too short"))? {
                Some(what) => said.extend(what),
                None => {
                    for what in said.drain(..) {
                        self.remember(what, memory, name)?;
                    }
                    scan.good = (at + length) as u64;
                    scan.sequence = expected + 1;
                }
            }
            expected += 1;
            at += length;
        }
    }

    fn remember(&self, said: Said, memory: &mut Memory<D::File>, name: &str) -> Result<(), WalError> {
        let open = |sealed: &[u8]| {
            let plain = self.cipher.open(sealed).ok_or_else(|| WalError::WrongKey { segment: name.to_owned() })?;
            Ok::<_, WalError>(Bytes::from(plain))
        };
        match said {
            Said::Entry { position, slot } => memory.push(position, slot),
            Said::Vote(sealed) => memory.vote = Some(open(&sealed)?),
            Said::Truncate(after) => memory.truncate(after),
            Said::Purge(to, sealed) => memory.purge(to, open(&sealed)?),
        }
        Ok(())
    }

    /// Zeroes what an interrupted write left behind.
    fn cut(&mut self, repair: &Repair) -> Result<(), WalError> {
        let Some(current) = &self.current else { return Ok(()) };
        let zeros = vec![0; usize::try_from(current.capacity.saturating_sub(repair.offset)).unwrap_or(0)];
        current.file.write_at(&zeros, repair.offset).map_err(WalError::io("repair", &repair.segment))?;
        current.file.sync_data().map_err(WalError::io("sync", &repair.segment))
    }

    /// Writes records and the commit that ends them, and syncs them: into a new segment when they don't fit. Returns where each
    /// record's payload lies, and the new segment.
    pub(crate) fn commit(&mut self, start: Start, records: &[(Kind, Vec<u8>)]) -> Result<Written<D::File>, WalError> {
        let bytes: usize = records.iter().map(|(_, payload)| format::FRAME + format::FIXED + payload.len()).sum();
        let needed = (bytes + format::FRAME + format::FIXED + 8) as u64;
        match self.current.take() {
            Some(current) if current.offset + needed <= current.capacity => self.extend(current, records),
            before => self.rotate(start, needed, records).inspect_err(|_| self.current = before),
        }
    }

    fn extend(&mut self, mut current: Current<D::File>, records: &[(Kind, Vec<u8>)]) -> Result<Written<D::File>, WalError> {
        let mut bytes = Vec::new();
        let (payloads, last) = self.frame(&mut bytes, self.sequence, current.offset, records);
        let name = &self.names[&current.number];
        let written = current.file.write_at(&bytes, current.offset).map_err(WalError::io("write", name));
        let synced = written.and_then(|()| current.file.sync_data().map_err(WalError::io("sync", name)));
        let number = current.number;
        current.offset += bytes.len() as u64;
        self.current = Some(current);
        synced?;
        (self.sequence, self.durable) = (last + 1, last);
        Ok(Written { number, payloads, new: None })
    }

    fn rotate(&mut self, start: Start, needed: u64, records: &[(Kind, Vec<u8>)]) -> Result<Written<D::File>, WalError> {
        let name = file_name(self.sequence);
        let vote = start.vote.map(|vote| self.cipher.seal(&vote)).unwrap_or_default();
        let (to, marker) = start.purged.map(|(to, marker)| (to, self.cipher.seal(&marker))).unwrap_or_default();
        let mut beginning = u32::try_from(vote.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        beginning.extend_from_slice(&vote);
        beginning.extend_from_slice(&to.to_le_bytes());
        beginning.extend_from_slice(&marker);
        let capacity = self.segment_bytes.max(needed + (format::HEADER + format::FRAME + format::FIXED + beginning.len()) as u64);
        let mut bytes = format::header(self.sequence, capacity).to_vec();
        format::push(&mut bytes, Kind::Start, self.sequence, &[&beginning]);
        let (payloads, last) = self.frame(&mut bytes, self.sequence + 1, 0, records);
        let file = self.disk.create(DRAFT, capacity).map_err(WalError::io("create", &name))?;
        file.write_at(&bytes, 0).map_err(WalError::io("write", &name))?;
        file.sync_data().map_err(WalError::io("sync", &name))?;
        self.disk.rename(DRAFT, &name).map_err(WalError::io("rename", &name))?;
        self.disk.sync_directory().map_err(WalError::io("sync the directory of", &name))?;
        let number = self.next_number;
        self.next_number += 1;
        let file = Arc::new(file);
        self.names.insert(number, name);
        self.current = Some(Current { number, file: file.clone(), offset: bytes.len() as u64, capacity });
        (self.sequence, self.durable) = (last + 1, last);
        Ok(Written { number, payloads, new: Some(file) })
    }

    /// Appends records and their commit to a buffer that will lie at `base`. Returns where the payloads will lie, and the
    /// commit's number.
    fn frame(&self, bytes: &mut Vec<u8>, mut sequence: u64, base: u64, records: &[(Kind, Vec<u8>)]) -> (Vec<u64>, u64) {
        let mut payloads = Vec::with_capacity(records.len());
        for (kind, payload) in records {
            payloads.push(base + format::push(bytes, *kind, sequence, &[payload]) as u64);
            sequence += 1;
        }
        format::push(bytes, Kind::Commit, sequence, &[&self.durable.to_le_bytes()]);
        (payloads, sequence)
    }

    /// Removes the segments before `oldest`, but never the current one. Returns their numbers.
    pub(crate) fn remove_before(&mut self, oldest: Option<u32>) -> Result<Vec<u32>, WalError> {
        let current = self.current.as_ref().map_or(0, |current| current.number);
        let oldest = oldest.unwrap_or(current).min(current);
        let gone: Vec<u32> = self.names.range(..oldest).map(|(number, _)| *number).collect();
        for number in &gone {
            if let Some(name) = self.names.remove(number) {
                self.disk.remove(&name).map_err(WalError::io("remove", &name))?;
            }
        }
        Ok(gone)
    }
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

/// What a new segment repeats.
pub(crate) struct Start {
    pub(crate) vote: Option<Bytes>,
    pub(crate) purged: Option<(u64, Bytes)>,
}

/// What a record says; none for a commit. None outside when it is too short.
fn interpret(record: Record<'_>, number: u32, payload_at: usize) -> Option<Option<Vec<Said>>> {
    let payload = record.payload;
    let (position, rest) = match record.kind {
        Kind::Entry | Kind::Truncate | Kind::Purge => (format::number64(payload.get(..8)?), &payload[8..]),
        _ => (0, payload),
    };
    Some(Some(match record.kind {
        Kind::Commit => return Some(None),
        Kind::Entry => {
            let offset = u32::try_from(payload_at + 8).ok()?;
            vec![Said::Entry { position, slot: Slot { segment: number, offset, length: u32::try_from(rest.len()).ok()? } }]
        }
        Kind::Vote => vec![Said::Vote(rest.to_vec())],
        Kind::Truncate => vec![Said::Truncate(position)],
        Kind::Purge => vec![Said::Purge(position, rest.to_vec())],
        Kind::Start => {
            let length = u32::from_le_bytes(payload.get(..4)?.try_into().ok()?) as usize;
            let vote = payload.get(4..4 + length)?;
            let to = format::number64(payload.get(4 + length..12 + length)?);
            let mut said = Vec::new();
            if length > 0 {
                said.push(Said::Vote(vote.to_vec()));
            }
            if to > 0 {
                said.push(Said::Purge(to, payload[12 + length..].to_vec()));
            }
            said
        }
    }))
}

fn file_name(sequence: u64) -> String {
    format!("wal-{sequence:020}.seg")
}

fn whole<F: DiskFile>(file: &F) -> std::io::Result<Vec<u8>> {
    let length = usize::try_from(file.length()?).map_err(std::io::Error::other)?;
    let mut bytes = vec![0; length];
    let mut have = 0;
    while have < length {
        match file.read_at(&mut bytes[have..], have as u64)? {
            0 => break,
            read => have += read,
        }
    }
    bytes.truncate(have);
    Ok(bytes)
}
