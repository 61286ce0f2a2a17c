//! The entries of a tar archive: ustar, GNU and PAX headers put together into one description each.
//!
//! The `tar` crate decodes header fields; the sequence of headers is read here, because what describes the *next* entry (long names, PAX
//! records, sparse maps) has to be read alike by everyone who looks at a layer, and within bounds.

use std::io;

use tar::{EntryType, Header};

use super::attributes::{Attributes, MAX_ID};
use super::pax::Pax;
use super::stream::Stream;
use crate::store::{StoreError, StoreResult};

const BLOCK: u64 = 512;
/// The most that a long name or a set of PAX records may take; what Go's reader allows too.
const MAX_EXTENSION: u64 = 1 << 20;
/// The most pieces of a sparse file.
const MAX_PIECES: usize = 1 << 16;

/// One entry. A file's bytes follow in the stream, and have to be read through [`Archive::data`].
#[derive(Debug)]
pub(super) struct Entry {
    /// The name as it stands in the archive.
    pub(super) name: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) attributes: Attributes,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// A file whose bytes lie in one piece.
    File {
        size: u64,
    },
    /// A file with holes: (offset, length) of each piece, ascending, and the whole size.
    Sparse {
        pieces: Vec<(u64, u64)>,
        size: u64,
    },
    Directory,
    Symlink {
        target: Vec<u8>,
    },
    Hardlink {
        target: Vec<u8>,
    },
    Character {
        major: u32,
        minor: u32,
    },
    Block {
        major: u32,
        minor: u32,
    },
    Fifo,
}

pub(super) struct Archive<'a> {
    stream: Stream<'a>,
    /// Bytes of the current entry not yet read, and the padding behind them.
    unread: u64,
    padding: u64,
}

impl<'a> Archive<'a> {
    pub(super) fn new(stream: Stream<'a>) -> Archive<'a> {
        Archive {
            stream,
            unread: 0,
            padding: 0,
        }
    }

    /// The next entry, `None` at the end of the archive. Unread bytes of the last one are passed over.
    pub(super) fn next(&mut self) -> StoreResult<Option<Entry>> {
        let mut long_name = None;
        let mut long_link = None;
        let mut pax: Option<Pax> = None;
        loop {
            let Some(header) = self.header()? else {
                return match (long_name, long_link, pax) {
                    (None, None, None) => Ok(None),
                    _ => Err(broken(
                        "the archive ends after a header that describes a further entry",
                    )),
                };
            };
            match header.entry_type() {
                EntryType::GNULongName => once(&mut long_name, self.extension(&header)?)?,
                EntryType::GNULongLink => once(&mut long_link, self.extension(&header)?)?,
                EntryType::XHeader => {
                    let bytes = self.extension(&header)?;
                    once(&mut pax, Pax::parse(&bytes).map_err(broken)?)?;
                }
                // Defaults for all entries: comments in practice, which nobody applies.
                EntryType::XGlobalHeader => drop(self.extension(&header)?),
                _ => {
                    return self
                        .entry(
                            &header,
                            long_name.map(until_zero),
                            long_link.map(until_zero),
                            pax.unwrap_or_default(),
                        )
                        .map(Some);
                }
            }
        }
    }

    /// Up to `want` bytes of the current file, through `take`, which returns how many it used. An early end is an error.
    pub(super) fn data<E: From<StoreError>>(
        &mut self,
        want: u64,
        take: impl FnOnce(&[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        let chunk = self.stream.chunk(want.min(self.unread)).map_err(failed)?;
        let length = chunk.len();
        if length == 0 {
            return Err(broken("the archive ends within a file").into());
        }
        take(chunk)?;
        self.stream.consume(length);
        self.unread -= length as u64;
        Ok(length as u64)
    }

    /// Reads what follows the archive's end mark; returns the SHA-256 and number of all bytes.
    pub(super) fn finish(self) -> StoreResult<([u8; 32], u64)> {
        self.stream.finish().map_err(failed)
    }

    fn header(&mut self) -> StoreResult<Option<Header>> {
        self.stream
            .skip(self.unread)
            .and_then(|()| self.stream.skip(self.padding))
            .map_err(failed)?;
        self.unread = 0;
        self.padding = 0;
        let Some(block) = self.stream.block::<{ BLOCK as usize }>().map_err(failed)? else {
            return Ok(None);
        };
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        let sum = block
            .iter()
            .enumerate()
            .map(|(place, byte)| {
                if (148..156).contains(&place) {
                    32
                } else {
                    u32::from(*byte)
                }
            })
            .sum::<u32>();
        if header.cksum().map_err(damaged)? != sum {
            return Err(broken("a header's checksum is wrong"));
        }
        Ok(Some(header))
    }

    /// The bytes of a header that describes the next entry.
    fn extension(&mut self, header: &Header) -> StoreResult<Vec<u8>> {
        let size = header.entry_size().map_err(damaged)?;
        if size > MAX_EXTENSION {
            return Err(broken(format!(
                "a header of {size} bytes is larger than {MAX_EXTENSION}"
            )));
        }
        self.expect(size)?;
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < size {
            self.data(size, |chunk| {
                bytes.extend_from_slice(chunk);
                Ok::<(), StoreError>(())
            })?;
        }
        Ok(bytes)
    }

    fn expect(&mut self, size: u64) -> StoreResult<()> {
        if size > i64::MAX as u64 {
            return Err(broken("an entry's size is out of range"));
        }
        self.unread = size;
        self.padding = size.next_multiple_of(BLOCK) - size;
        Ok(())
    }

    fn entry(
        &mut self,
        header: &Header,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
        pax: Pax,
    ) -> StoreResult<Entry> {
        let name = long_name
            .or(pax.path)
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let refuse = |reason: String| StoreError::Entry {
            entry: String::from_utf8_lossy(&name).into_owned(),
            reason,
        };
        if pax.sparse {
            return Err(refuse(
                "sparse files in a PAX encoding are not supported".to_owned(),
            ));
        }
        let link = long_link
            .or(pax.link)
            .or_else(|| header.link_name_bytes().map(|link| link.into_owned()))
            .unwrap_or_default();
        let device = || -> StoreResult<(u32, u32)> {
            let field = |value: io::Result<Option<u32>>| {
                value
                    .map(Option::unwrap_or_default)
                    .map_err(|error| refuse(error.to_string()))
            };
            Ok((field(header.device_major())?, field(header.device_minor())?))
        };
        let size = match pax.size {
            Some(size) => size,
            None => header
                .entry_size()
                .map_err(|error| refuse(error.to_string()))?,
        };
        let mut kind = match header.entry_type() {
            // Before POSIX a directory was a file whose name ends in a slash.
            EntryType::Regular | EntryType::Continuous if name.ends_with(b"/") => Kind::Directory,
            EntryType::Regular | EntryType::Continuous => Kind::File { size },
            EntryType::GNUSparse => Kind::Sparse {
                pieces: Vec::new(),
                size: 0,
            },
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink { target: link },
            EntryType::Link => Kind::Hardlink { target: link },
            EntryType::Char => device().map(|(major, minor)| Kind::Character { major, minor })?,
            EntryType::Block => device().map(|(major, minor)| Kind::Block { major, minor })?,
            EntryType::Fifo => Kind::Fifo,
            other => {
                return Err(refuse(format!(
                    "entries of type {:?} are not supported",
                    char::from(other.as_byte())
                )));
            }
        };
        let id = |recorded: Option<u64>, field: io::Result<u64>, what: &str| -> StoreResult<u32> {
            let id = recorded.map_or(field, Ok).unwrap_or(0);
            u32::try_from(id)
                .ok()
                .filter(|id| *id <= MAX_ID)
                .ok_or_else(|| refuse(format!("{what} {id} is larger than {MAX_ID}")))
        };
        let attributes = Attributes {
            mode: header.mode().map_err(|error| refuse(error.to_string()))? & 0o7777,
            uid: id(pax.uid, header.uid(), "owner")?,
            gid: id(pax.gid, header.gid(), "group")?,
            mtime: pax
                .mtime
                .unwrap_or_else(|| (header.mtime().unwrap_or(0) as i64, 0)),
            xattrs: pax.xattrs,
        };
        // Only files have bytes, whatever a size field says elsewhere: the reading of Go's archive/tar, which built and read these layers.
        match &mut kind {
            Kind::File { .. } => self.expect(size)?,
            Kind::Sparse {
                pieces,
                size: whole,
            } => {
                let (map, real) = self.sparse_map(header, size).map_err(|error| match error {
                    StoreError::Stream { reason } => refuse(reason),
                    other => other,
                })?;
                self.expect(size)?;
                *pieces = map;
                *whole = real;
            }
            _ => {}
        }
        Ok(Entry {
            name,
            kind,
            attributes,
        })
    }

    /// The map of a sparse file in the old GNU format (GNU tar manual, "Storing Sparse Files").
    fn sparse_map(&mut self, header: &Header, stored: u64) -> StoreResult<(Vec<(u64, u64)>, u64)> {
        let gnu = header
            .as_gnu()
            .ok_or_else(|| broken("a sparse file without a GNU header"))?;
        let real = gnu.real_size().map_err(damaged)?;
        let mut pieces = Vec::new();
        let add = |pieces: &mut Vec<(u64, u64)>, piece: &tar::GnuSparseHeader| -> StoreResult<()> {
            if !piece.is_empty() {
                pieces.push((
                    piece.offset().map_err(damaged)?,
                    piece.length().map_err(damaged)?,
                ));
            }
            Ok(())
        };
        for piece in &gnu.sparse {
            add(&mut pieces, piece)?;
        }
        let mut extended = gnu.is_extended();
        while extended {
            let block = self
                .stream
                .block::<{ BLOCK as usize }>()
                .map_err(failed)?
                .ok_or_else(|| broken("the archive ends within a sparse map"))?;
            let mut more = tar::GnuExtSparseHeader::new();
            more.as_mut_bytes().copy_from_slice(&block);
            for piece in more.sparse() {
                add(&mut pieces, piece)?;
            }
            if pieces.len() > MAX_PIECES {
                return Err(broken("a sparse file has too many pieces"));
            }
            extended = more.is_extended();
        }
        let mut end = 0u64;
        let mut sum = 0u64;
        for (offset, length) in &pieces {
            let next = offset
                .checked_add(*length)
                .filter(|_| *offset >= end)
                .ok_or_else(|| broken("pieces of a sparse file overlap"))?;
            end = next;
            sum = sum.saturating_add(*length);
        }
        if end > real || sum != stored || real > i64::MAX as u64 {
            return Err(broken("the map of a sparse file does not fit its size"));
        }
        Ok((pieces, real))
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> StoreResult<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(broken("two headers of one kind describe the same entry")),
    }
}

fn until_zero(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(zero) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(zero);
    }
    bytes
}

fn broken(reason: impl Into<String>) -> StoreError {
    StoreError::Stream {
        reason: reason.into(),
    }
}

fn damaged(error: io::Error) -> StoreError {
    broken(error.to_string())
}

/// A failure below the archive: the kernel's where there is an error number, else the content's.
fn failed(error: io::Error) -> StoreError {
    if error.raw_os_error().is_some() {
        return StoreError::Io {
            operation: "read",
            object: "layer".to_owned(),
            source: error,
        };
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => broken("it ends early"),
        _ => broken(error.to_string()),
    }
}
