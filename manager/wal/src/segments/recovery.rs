//! Reading segments when the log is opened: what they say, and whether a crash can have left them so.

use std::sync::Arc;

use bytes::Bytes;

use super::{Current, Repair, Segments, file_name, note};
use crate::disk::{Disk, DiskFile};
use crate::error::WalError;
use crate::format::{self, Kind, Parsed, Record};
use crate::memory::{Memory, Slot};

impl<D: Disk> Segments<D> {
    /// Reads one segment into memory.
    pub(super) fn read(
        &mut self,
        name: &str,
        first: bool,
        last: bool,
        memory: &mut Memory<D::File>,
    ) -> Result<Option<Repair>, WalError> {
        let file = Arc::new(self.disk.open(name).map_err(WalError::io("open", name))?);
        let bytes = whole(&*file).map_err(WalError::io("read", name))?;
        let corrupt = |offset: u64, reason: &str| WalError::Corrupt {
            segment: name.to_owned(),
            offset,
            reason: reason.to_owned(),
        };
        let sequence = format::parse_header(&bytes).map_err(|reason| corrupt(0, &reason))?;
        if file_name(sequence) != name {
            return Err(corrupt(0, "its name is not the one in its header"));
        }
        if !first && sequence != self.sequence {
            return Err(corrupt(
                0,
                &format!(
                    "it begins with record {sequence}, but the one before ends with {}: a file of the log is missing",
                    self.sequence - 1
                ),
            ));
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
                Some(Repair {
                    segment: name.to_owned(),
                    offset: scan.good,
                    reason: reason.to_owned(),
                })
            }
        };
        self.sequence = scan.sequence;
        self.durable = scan.sequence - 1;
        memory.files.insert(number, file.clone());
        self.names.insert(number, name.to_owned());
        self.current = Some(Current {
            number,
            file,
            offset: scan.good,
            capacity: bytes.len() as u64,
        });
        Ok(repair)
    }

    fn scan(
        &mut self,
        name: &str,
        bytes: &[u8],
        number: u32,
        first: u64,
        memory: &mut Memory<D::File>,
    ) -> Result<Scan, WalError> {
        let mut at = format::HEADER;
        let mut scan = Scan {
            good: 0,
            sequence: first,
            damage: None,
        };
        let mut expected = first;
        let mut said: Vec<Said> = Vec::new();
        // One entry shows whether the key is right; the others are opened when they are read.
        let mut key_is_right = false;
        loop {
            let (parsed, length) = format::parse(&bytes[at..]);
            let record = match parsed {
                Parsed::Record(record) if record.sequence == expected => record,
                Parsed::Record(_) => {
                    scan.damage = Some((at as u64, "a record out of order"));
                    return Ok(scan);
                }
                Parsed::End
                    if scan.good == at as u64 && bytes[at..].iter().all(|byte| *byte == 0) =>
                {
                    return Ok(scan);
                }
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
            let corrupt = |reason: &str| WalError::Corrupt {
                segment: name.to_owned(),
                offset: at as u64,
                reason: reason.to_owned(),
            };
            if (record.kind == Kind::Start) != (expected == first) {
                return Err(corrupt("a segment's first record is not where it belongs"));
            }
            match interpret(record, number, payload_at)
                .ok_or_else(|| corrupt("a record that is too short"))?
            {
                Some(what) => said.extend(what),
                None => {
                    for what in said.drain(..) {
                        if let Said::Entry { position, slot } = &what {
                            let sealed = &bytes[slot.offset as usize..][..slot.length as usize];
                            if !key_is_right && self.cipher.open(sealed).is_none() {
                                return Err(WalError::WrongKey {
                                    segment: name.to_owned(),
                                });
                            }
                            key_is_right = true;
                            if memory
                                .last_index()
                                .is_some_and(|last| last.checked_add(1) != Some(*position))
                            {
                                return Err(corrupt(&format!(
                                    "entry {position} does not follow the one before it"
                                )));
                            }
                        }
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

    fn remember(
        &mut self,
        said: Said,
        memory: &mut Memory<D::File>,
        name: &str,
    ) -> Result<(), WalError> {
        let open = |sealed: &[u8]| {
            let plain = self.cipher.open(sealed).ok_or_else(|| WalError::WrongKey {
                segment: name.to_owned(),
            })?;
            Ok::<_, WalError>(Bytes::from(plain))
        };
        match said {
            Said::Entry { position, slot } => {
                note(&mut self.highest, slot.segment, position);
                memory.push(position, slot);
            }
            Said::Vote(sealed) => memory.vote = Some(open(&sealed)?),
            Said::Truncate(after) => memory.truncate(after),
            Said::Purge(to, sealed) => memory.purge(to, open(&sealed)?),
        }
        Ok(())
    }
}

/// Refuses a log without its beginning: only a purge removes segments, and what is left begins right after it.
pub(super) fn begins<F>(first: &str, memory: &Memory<F>) -> Result<(), WalError> {
    if first == file_name(1) {
        return Ok(());
    }
    let purged = memory.purged.as_ref().map(|(to, _)| *to);
    match (purged, memory.first_index()) {
        (Some(to), Some(index)) if Some(index) == to.checked_add(1) => Ok(()),
        (Some(_), None) => Ok(()),
        (purged, _) => Err(WalError::Corrupt {
            segment: first.to_owned(),
            offset: 0,
            reason: format!(
                "the entries after {} are not in it: a file of the log is missing before it",
                purged.unwrap_or(0)
            ),
        }),
    }
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

/// What a record says; none for a commit. None outside when it is too short.
fn interpret(record: Record<'_>, number: u32, payload_at: usize) -> Option<Option<Vec<Said>>> {
    let payload = record.payload;
    let (position, rest) = match record.kind {
        Kind::Entry | Kind::Truncate | Kind::Purge => {
            (format::number64(payload.get(..8)?), &payload[8..])
        }
        _ => (0, payload),
    };
    Some(Some(match record.kind {
        Kind::Commit => return Some(None),
        Kind::Entry => {
            let offset = u32::try_from(payload_at + 8).ok()?;
            vec![Said::Entry {
                position,
                slot: Slot {
                    segment: number,
                    offset,
                    length: u32::try_from(rest.len()).ok()?,
                },
            }]
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
