//! Bytes of a segment. All numbers are little endian.
//!
//! ```text
//! header   "MINIWAL1" | format u32 = 1 | first sequence u64 | length of the file u64 | crc32c u32 (of the 28 bytes before)
//! record   length u32 | crc32c u32 | kind u8 | sequence u64 | payload        length counts kind, sequence and payload
//! ```
//! The checksum covers the length and what follows it. A length of 0 is the end of what was written. Records are numbered
//! through all segments, so that neither a lost nor a stale one goes unseen.
//!
//! | kind | payload |
//! |---|---|
//! | 1 start | vote: u32 length, sealed (length 0: none); purge: position u64 (0: none), sealed marker |
//! | 2 entry | position u64, sealed entry |
//! | 3 vote | sealed vote |
//! | 4 truncate | position u64: what comes after it is void |
//! | 5 purge | position u64: what comes up to it is not needed any more; sealed marker |
//! | 6 commit | sequence u64: everything up to it was durable before this commit was written |

/// The first bytes of a segment.
pub const MAGIC: &[u8; 8] = b"MINIWAL1";
/// The version of the format that is written.
pub const FORMAT: u32 = 1;
/// Bytes of the header.
pub const HEADER: usize = 32;
/// Bytes before the length-counted part of a record.
pub const FRAME: usize = 8;
/// Kind and sequence.
pub const FIXED: usize = 9;
/// No record is longer.
pub const LONGEST: usize = 1 << 30;
/// No entry, vote or marker is longer; a seal may add to it.
pub const LONGEST_PART: usize = 256 << 20;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first of a segment.
    Start,
    /// An entry.
    Entry,
    /// A vote.
    Vote,
    /// A truncation.
    Truncate,
    /// A purge.
    Purge,
    /// The end of what is synced together.
    Commit,
}

impl Kind {
    fn number(self) -> u8 {
        match self {
            Kind::Start => 1,
            Kind::Entry => 2,
            Kind::Vote => 3,
            Kind::Truncate => 4,
            Kind::Purge => 5,
            Kind::Commit => 6,
        }
    }

    fn of(number: u8) -> Option<Kind> {
        Some(match number {
            1 => Kind::Start,
            2 => Kind::Entry,
            3 => Kind::Vote,
            4 => Kind::Truncate,
            5 => Kind::Purge,
            6 => Kind::Commit,
            _ => return None,
        })
    }
}

/// A record in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its number.
    pub sequence: u64,
    /// What it holds.
    pub payload: &'a [u8],
}

/// What lies at a place of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// A whole record.
    Record(Record<'a>),
    /// Nothing was written here.
    End,
    /// Bytes that are no record.
    Bad(&'static str),
}

/// The header of the segment whose first record has that number, in a file of that many bytes.
pub fn header(sequence: u64, length: u64) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[12..20].copy_from_slice(&sequence.to_le_bytes());
    bytes[20..28].copy_from_slice(&length.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..28]);
    bytes[28..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The number of a segment's first record, or what is wrong with the header or the length of the file.
pub fn parse_header(bytes: &[u8]) -> Result<u64, String> {
    if bytes.len() < HEADER {
        return Err(format!(
            "it is {} bytes long, shorter than a header",
            bytes.len()
        ));
    }
    if &bytes[..8] != MAGIC || crc32c::crc32c(&bytes[..28]) != number32(&bytes[28..]) {
        return Err("the header is not that of a log".to_owned());
    }
    match number32(&bytes[8..]) {
        FORMAT if number64(&bytes[20..]) != bytes.len() as u64 => Err(format!(
            "it is {} bytes long and was made with {}",
            bytes.len(),
            number64(&bytes[20..])
        )),
        FORMAT => Ok(number64(&bytes[12..])),
        other => Err(format!(
            "it is of format {other}; this version reads {FORMAT}: start the version that wrote it"
        )),
    }
}

/// Appends a record to a buffer; returns the offset of its payload in the buffer.
pub fn push(buffer: &mut Vec<u8>, kind: Kind, sequence: u64, payload: &[&[u8]]) -> usize {
    let length: usize = FIXED + payload.iter().map(|part| part.len()).sum::<usize>();
    let start = buffer.len();
    let counted = u32::try_from(length).expect("a record is shorter than 1 GiB");
    buffer.extend_from_slice(&counted.to_le_bytes());
    buffer.extend_from_slice(&[0; 4]);
    buffer.push(kind.number());
    buffer.extend_from_slice(&sequence.to_le_bytes());
    let body = buffer.len();
    for part in payload {
        buffer.extend_from_slice(part);
    }
    let crc = checksum(counted, &buffer[start + FRAME..]);
    buffer[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    body
}

/// What lies at the beginning of `bytes`, and how long it is.
pub fn parse(bytes: &[u8]) -> (Parsed<'_>, usize) {
    if bytes.len() < FRAME {
        return if bytes.iter().all(|byte| *byte == 0) {
            (Parsed::End, 0)
        } else {
            (Parsed::Bad("a record that is cut off"), 0)
        };
    }
    let counted = number32(bytes);
    let length = counted as usize;
    if length == 0 {
        return if number32(&bytes[4..]) == 0 {
            (Parsed::End, 0)
        } else {
            (Parsed::Bad("a record without a length"), 0)
        };
    }
    if !(FIXED..=LONGEST).contains(&length) {
        return (Parsed::Bad("a record of an impossible length"), 0);
    }
    let Some(body) = bytes.get(FRAME..FRAME + length) else {
        return (Parsed::Bad("a record that is cut off"), 0);
    };
    if checksum(counted, body) != number32(&bytes[4..]) {
        return (Parsed::Bad("a wrong checksum"), 0);
    }
    let Some(kind) = Kind::of(body[0]) else {
        return (
            Parsed::Bad("a record of a kind that this version does not know"),
            0,
        );
    };
    (
        Parsed::Record(Record {
            kind,
            sequence: number64(&body[1..]),
            payload: &body[FIXED..],
        }),
        FRAME + length,
    )
}

/// Whether `bytes` prove that the record `sequence` was durable once: a commit says so, or a commit after it is followed by
/// a record, which was only written when that commit had been synced.
pub fn vouched_for(bytes: &[u8], sequence: u64) -> bool {
    let plausible = sequence..=sequence.saturating_add(bytes.len() as u64);
    let mut ended = false;
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + FRAME + FIXED) {
        // The cheap questions first: a checksum for every byte would take minutes.
        if Kind::of(head[FRAME]).is_none() || !plausible.contains(&number64(&head[FRAME + 1..])) {
            at += 1;
            continue;
        }
        let (Parsed::Record(record), length) = parse(&bytes[at..]) else {
            at += 1;
            continue;
        };
        if ended
            || record.kind == Kind::Commit
                && record.payload.len() == 8
                && number64(record.payload) >= sequence
        {
            return true;
        }
        ended = record.kind == Kind::Commit;
        at += length;
    }
    false
}

fn checksum(length: u32, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length.to_le_bytes()), body)
}

/// The number at the beginning of `bytes`.
///
/// # Panics
/// When there are fewer than 8.
pub fn number64(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"))
}

fn number32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().expect("four bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_these_bytes() {
        let mut buffer = Vec::new();
        assert_eq!(
            push(&mut buffer, Kind::Entry, 7, &[&3u64.to_le_bytes(), b"hi"]),
            17
        );
        let golden = [
            19, 0, 0, 0, // length
            0x1a, 0x5f, 0xa2, 0x9a, // crc32c
            2,    // entry
            7, 0, 0, 0, 0, 0, 0, 0, // sequence
            3, 0, 0, 0, 0, 0, 0, 0, // position
            b'h', b'i',
        ];
        assert_eq!(buffer, golden);
        let (parsed, length) = parse(&buffer);
        assert_eq!(length, buffer.len());
        assert!(matches!(
            parsed,
            Parsed::Record(Record {
                kind: Kind::Entry,
                sequence: 7,
                ..
            })
        ));
    }

    #[test]
    fn no_flipped_bit_passes() {
        let mut buffer = Vec::new();
        push(&mut buffer, Kind::Vote, 7, &[b"somebody"]);
        for bit in 0..buffer.len() * 8 {
            let mut damaged = buffer.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(parse(&damaged).0, Parsed::Bad(_)), "bit {bit}");
        }
        for length in 1..buffer.len() {
            assert!(
                matches!(parse(&buffer[..length]).0, Parsed::Bad(_)),
                "{length} bytes"
            );
        }
        let mut header = header(9, HEADER as u64).to_vec();
        assert_eq!(parse_header(&header), Ok(9));
        header.push(0);
        assert!(
            parse_header(&header).is_err(),
            "the file is longer than it was made"
        );
        header.pop();
        header[13] ^= 1;
        assert!(parse_header(&header).is_err());
    }
}
