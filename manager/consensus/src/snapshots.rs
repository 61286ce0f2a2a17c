//! Snapshots on disk: `snapshot-<index>` holds the records header, body..., trailer, each `len u32 | crc32c u32 | sealed
//! bytes`, little endian. A snapshot is written under another name, synced and renamed: the one with the plain name is whole.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use wal::{Cipher, Disk, DiskFile};

use crate::record::{
    RecordError, SnapshotHeader, SnapshotMeta, SnapshotPart, SnapshotRecord, SnapshotTrailer,
    header, meta,
};

const PREFIX: &str = "snapshot-";
const DRAFT: &str = "draft-";
/// Length and checksum.
const FRAME: usize = 8;
/// No record of ours is longer; a longer one is damage.
const LONGEST: usize = 256 << 20;
/// What is read from disk at once.
const BUFFER: usize = 1 << 20;

/// A snapshot that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The disk said no.
    #[error("{action} {name}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// Its bytes are not those that were written.
    #[error(
        "{name} is damaged at byte {offset}: {reason}; restore this manager from a backup, or remove it from the cluster and let it join again"
    )]
    Damaged {
        /// The file.
        name: String,
        /// Where.
        offset: u64,
        /// How it shows.
        reason: String,
    },
    /// Sealed under another key.
    #[error(
        "{name} does not open with this manager's key: the key file belongs to another manager or to another time"
    )]
    WrongKey {
        /// The file.
        name: String,
    },
    /// Not in our format, or of another group.
    #[error("{name}: {source}")]
    Foreign {
        /// The file.
        name: String,
        /// What is wrong with it.
        source: RecordError,
    },
    /// The state machine refused it.
    #[error("{name}: {reason}")]
    Refused {
        /// The file.
        name: String,
        /// In its own words.
        reason: String,
    },
}

/// The snapshots of one member: the newest, and one that is being written.
#[derive(Clone)]
pub struct SnapshotStore<D: Disk> {
    disk: D,
    cipher: Arc<dyn Cipher>,
    group: String,
}

/// A snapshot on disk, held open: it can be read to its end even when a newer one has replaced it.
pub(crate) struct StoredSnapshot<D: Disk> {
    pub(crate) name: String,
    pub(crate) meta: SnapshotMeta,
    file: Arc<D::File>,
    cipher: Arc<dyn Cipher>,
}

impl<D: Disk> Clone for StoredSnapshot<D> {
    fn clone(&self) -> Self {
        StoredSnapshot {
            name: self.name.clone(),
            meta: self.meta.clone(),
            file: self.file.clone(),
            cipher: self.cipher.clone(),
        }
    }
}

impl<D: Disk> SnapshotStore<D> {
    /// The store in a directory of its own, for the group of that name.
    pub fn new(disk: D, cipher: Arc<dyn Cipher>, group: &str) -> Self {
        SnapshotStore {
            disk,
            cipher,
            group: group.to_owned(),
        }
    }

    /// Removes the drafts that a crash left behind. For the start: later there may be a draft that is being written.
    pub(crate) fn remove_drafts(&self) -> Result<(), SnapshotError> {
        for draft in self.names()?.iter().filter(|name| name.starts_with(DRAFT)) {
            self.disk
                .remove(draft)
                .map_err(|source| self.error("remove", draft, source))?;
        }
        Ok(())
    }

    /// The newest snapshot.
    pub(crate) fn newest(&self) -> Result<Option<StoredSnapshot<D>>, SnapshotError> {
        let names = self.names()?;
        let Some(name) = names
            .into_iter()
            .filter(|name| name.starts_with(PREFIX))
            .max()
        else {
            return Ok(None);
        };
        self.open(name).map(Some)
    }

    /// Starts a snapshot under a draft's name.
    pub(crate) fn draft(&self, purpose: &str) -> Result<Draft<D>, SnapshotError> {
        let name = format!("{DRAFT}{purpose}");
        if self.names()?.contains(&name) {
            self.disk
                .remove(&name)
                .map_err(|source| self.error("remove", &name, source))?;
        }
        let file = self
            .disk
            .create(&name, 0)
            .map_err(|source| self.error("create", &name, source))?;
        Ok(Draft {
            store: self.clone(),
            name,
            file: Some(file),
            buffer: Vec::new(),
            written: 0,
            records: 0,
            crc: 0,
            meta: None,
        })
    }

    /// The snapshot in this store: itself, or a copy when it lies in another one.
    pub(crate) fn adopt(
        &self,
        snapshot: StoredSnapshot<D>,
    ) -> Result<StoredSnapshot<D>, SnapshotError> {
        if self.names()?.contains(&snapshot.name) {
            return Ok(snapshot);
        }
        let mut draft = self.draft("adopted")?;
        draft.begin(snapshot.meta.clone())?;
        for record in snapshot.body() {
            draft.add(record?)?;
        }
        draft.finish()
    }

    /// Makes a finished draft the newest snapshot and removes those before it.
    pub(crate) fn publish(
        &self,
        draft: &StoredSnapshot<D>,
    ) -> Result<StoredSnapshot<D>, SnapshotError> {
        let index = draft.meta.last_log_id.map_or(0, |id| id.index);
        let name = format!("{PREFIX}{index:020}");
        if draft.name != name {
            self.disk
                .rename(&draft.name, &name)
                .map_err(|source| self.error("rename", &draft.name, source))?;
            self.disk
                .sync_directory()
                .map_err(|source| self.error("sync the directory of", &name, source))?;
        }
        for older in self
            .names()?
            .iter()
            .filter(|other| other.starts_with(PREFIX) && **other < name)
        {
            self.disk
                .remove(older)
                .map_err(|source| self.error("remove", older, source))?;
        }
        Ok(StoredSnapshot {
            name,
            ..draft.clone()
        })
    }

    fn names(&self) -> Result<Vec<String>, SnapshotError> {
        self.disk
            .list()
            .map_err(|source| self.error("list", "the snapshots", source))
    }

    fn open(&self, name: String) -> Result<StoredSnapshot<D>, SnapshotError> {
        let file = self
            .disk
            .open(&name)
            .map_err(|source| self.error("open", &name, source))?;
        let mut reader = Reader::<D>::new(name.clone(), Arc::new(file), self.cipher.clone());
        let head = match reader.record()? {
            Some(SnapshotPart::Header(head)) => head,
            _ => return Err(reader.damaged("it does not begin with a header")),
        };
        if head.group != self.group {
            return Err(reader.damaged(&format!(
                "it belongs to the cluster {}, this manager to {}",
                head.group, self.group
            )));
        }
        let meta = meta(head).map_err(|source| SnapshotError::Foreign {
            name: name.clone(),
            source,
        })?;
        Ok(StoredSnapshot {
            name,
            meta,
            file: reader.file,
            cipher: self.cipher.clone(),
        })
    }

    fn error(&self, action: &'static str, name: &str, source: io::Error) -> SnapshotError {
        SnapshotError::Io {
            action,
            name: name.to_owned(),
            source,
        }
    }
}

impl<D: Disk> StoredSnapshot<D> {
    /// The records of the state machine, checked to the last one: an error is the last item.
    pub(crate) fn body(&self) -> Body<D> {
        Body {
            reader: Reader::new(self.name.clone(), self.file.clone(), self.cipher.clone()),
            records: 0,
            crc: 0,
            ended: false,
        }
    }
}

/// A snapshot being written. Dropped unfinished it removes itself.
pub(crate) struct Draft<D: Disk> {
    store: SnapshotStore<D>,
    name: String,
    file: Option<D::File>,
    buffer: Vec<u8>,
    written: u64,
    records: u64,
    crc: u32,
    meta: Option<SnapshotMeta>,
}

impl<D: Disk> Draft<D> {
    /// The first record.
    pub(crate) fn begin(&mut self, meta: SnapshotMeta) -> Result<(), SnapshotError> {
        let head: SnapshotHeader = header(&self.store.group, &meta, None);
        self.meta = Some(meta);
        self.put(SnapshotPart::Header(head))
    }

    /// One record of the state machine.
    pub(crate) fn add(&mut self, body: Bytes) -> Result<(), SnapshotError> {
        self.records += 1;
        self.crc = crc32c::crc32c_append(self.crc, &body);
        self.put(SnapshotPart::Body(body))
    }

    /// What a whole snapshot's trailer says, to compare with the sender's.
    pub(crate) fn trailer(&self) -> SnapshotTrailer {
        SnapshotTrailer {
            records: self.records,
            crc: self.crc,
        }
    }

    /// The trailer, and everything on disk.
    pub(crate) fn finish(mut self) -> Result<StoredSnapshot<D>, SnapshotError> {
        self.put(SnapshotPart::Trailer(self.trailer()))?;
        self.flush()?;
        let file = self
            .file
            .take()
            .expect("a draft has its file until it is finished");
        file.sync_data()
            .map_err(|source| self.store.error("sync", &self.name, source))?;
        self.store.disk.sync_directory().map_err(|source| {
            self.store
                .error("sync the directory of", &self.name, source)
        })?;
        let meta = self.meta.take().ok_or_else(|| SnapshotError::Refused {
            name: self.name.clone(),
            reason: "it has no header".to_owned(),
        })?;
        Ok(StoredSnapshot {
            name: self.name.clone(),
            meta,
            file: Arc::new(file),
            cipher: self.store.cipher.clone(),
        })
    }

    fn put(&mut self, part: SnapshotPart) -> Result<(), SnapshotError> {
        let sealed = self
            .store
            .cipher
            .seal(&SnapshotRecord { part: Some(part) }.encode_to_vec());
        let length =
            u32::try_from(sealed.len()).expect("a record of a snapshot is shorter than 4 GiB");
        self.buffer.extend_from_slice(&length.to_le_bytes());
        self.buffer
            .extend_from_slice(&crc32c::crc32c(&sealed).to_le_bytes());
        self.buffer.extend_from_slice(&sealed);
        if self.buffer.len() >= BUFFER {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<(), SnapshotError> {
        let file = self
            .file
            .as_ref()
            .expect("a draft has its file until it is finished");
        file.write_at(&self.buffer, self.written)
            .map_err(|source| self.store.error("write", &self.name, source))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl<D: Disk> Drop for Draft<D> {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // A draft that stays is removed at the next start.
            let _ = self.store.disk.remove(&self.name);
        }
    }
}

struct Reader<D: Disk> {
    name: String,
    file: Arc<D::File>,
    cipher: Arc<dyn Cipher>,
    offset: u64,
    buffer: Vec<u8>,
    start: usize,
}

impl<D: Disk> Reader<D> {
    fn new(name: String, file: Arc<D::File>, cipher: Arc<dyn Cipher>) -> Self {
        Reader {
            name,
            file,
            cipher,
            offset: 0,
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// The next record; none at the end of the file.
    fn record(&mut self) -> Result<Option<SnapshotPart>, SnapshotError> {
        if !self.fill(FRAME)? {
            return if self.available() == 0 {
                Ok(None)
            } else {
                Err(self.damaged("it ends within a record"))
            };
        }
        let word = |at: usize| {
            let from = self.start + at;
            u32::from_le_bytes(self.buffer[from..from + 4].try_into().expect("four bytes"))
        };
        let (length, crc) = (word(0) as usize, word(4));
        if length > LONGEST {
            return Err(self.damaged(&format!("a record of {length} bytes")));
        }
        if !self.fill(FRAME + length)? {
            return Err(self.damaged("it ends within a record"));
        }
        let sealed = &self.buffer[self.start + FRAME..self.start + FRAME + length];
        if crc32c::crc32c(sealed) != crc {
            return Err(self.damaged("the checksum is wrong"));
        }
        let plain = self
            .cipher
            .open(sealed)
            .ok_or_else(|| SnapshotError::WrongKey {
                name: self.name.clone(),
            })?;
        self.start += FRAME + length;
        self.offset += (FRAME + length) as u64;
        let record = SnapshotRecord::decode(Bytes::from(plain))
            .map_err(|error| self.damaged(&error.to_string()))?;
        record
            .part
            .map(Some)
            .ok_or_else(|| self.damaged("a record of a kind that this version does not know"))
    }

    fn available(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Reads until so many bytes lie in the buffer; false when the file has fewer.
    fn fill(&mut self, wanted: usize) -> Result<bool, SnapshotError> {
        if self.available() >= wanted {
            return Ok(true);
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        while self.buffer.len() < wanted {
            let have = self.buffer.len();
            self.buffer.resize(have + BUFFER.max(wanted - have), 0);
            let read = self
                .file
                .read_at(&mut self.buffer[have..], self.offset + have as u64)
                .map_err(|source| SnapshotError::Io {
                    action: "read",
                    name: self.name.clone(),
                    source,
                })?;
            self.buffer.truncate(have + read);
            if read == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn damaged(&self, reason: &str) -> SnapshotError {
        SnapshotError::Damaged {
            name: self.name.clone(),
            offset: self.offset,
            reason: reason.to_owned(),
        }
    }
}

/// The state machine's records of a snapshot.
pub(crate) struct Body<D: Disk> {
    reader: Reader<D>,
    records: u64,
    crc: u32,
    ended: bool,
}

impl<D: Disk> Body<D> {
    fn step(&mut self) -> Result<Option<Bytes>, SnapshotError> {
        loop {
            match self.reader.record()? {
                Some(SnapshotPart::Header(_)) if self.records == 0 => {}
                Some(SnapshotPart::Header(_)) => {
                    return Err(self.reader.damaged("a header in the middle"));
                }
                Some(SnapshotPart::Body(body)) => {
                    self.records += 1;
                    self.crc = crc32c::crc32c_append(self.crc, &body);
                    return Ok(Some(body));
                }
                Some(SnapshotPart::Trailer(trailer)) => {
                    let whole = trailer
                        == SnapshotTrailer {
                            records: self.records,
                            crc: self.crc,
                        };
                    return if whole {
                        Ok(None)
                    } else {
                        Err(self.reader.damaged("records are missing"))
                    };
                }
                None => return Err(self.reader.damaged("its end is missing")),
            }
        }
    }
}

impl<D: Disk> Iterator for Body<D> {
    type Item = Result<Bytes, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let step = self.step().transpose();
        self.ended = !matches!(step, Some(Ok(_)));
        step
    }
}
