#![forbid(unsafe_code)]
//! A log on disk that keeps what it said it kept.
//!
//! It holds entries at consecutive positions (from 1), one *vote* (the last one counts) and one *purge marker*; all of them are
//! opaque bytes, sealed by a [`Cipher`]. Everything that is submitted while the disk is busy is written together and synced
//! once (group commit).
//!
//! ## On disk
//! Files `wal-<sequence, 20 digits>.seg` of 16 MiB, zeroed when they are made, so that a sync writes data and no metadata. Each is a header
//! and records (see [`format`](mod@format)), numbered through all files. What is synced together ends with a *commit* record. Each
//! file begins with the vote and the purge marker, so that older files can go when their entries are purged.
//!
//! ## After a crash
//! At most one commit can be incomplete: the one that was being written. What lies after the last whole commit is cut off
//! ([`Log::repaired`]); nobody was told that it was kept. Damage before a whole commit is not a crash's doing: the log refuses to open and changes
//! nothing ([`WalError::Corrupt`]). A bit that flips in the very last commit cannot be told from a torn write, and is cut off as one.
//! So can't one in the mark that ends the last but one, when the last is torn as well.
//! What opening finds is synced before anybody sees it: a process that was killed leaves records that only the kernel has.
//!
//! A segment goes when all its entries are purged on disk, the oldest first, so that a missing one is noticed: between two
//! others, and at the beginning. Missing ones at the end are not: nothing tells of them.
//!
//! A write or a sync that fails poisons the log: what the disk holds is then unknown (after a failed fsync the kernel may
//! have dropped the data and say "ok" the next time), so every later change fails until it is opened anew.

mod disk;
mod error;
pub mod format;
mod log;
mod memdisk;
mod memory;
mod segments;
mod writer;

pub use disk::{Disk, DiskFile, RealDisk, RealFile};
pub use error::WalError;
pub use log::{Change, Log, Options};
pub use memdisk::{MemDisk, MemFile};
pub use segments::Repair;
pub use writer::{Done, Inline, Submit, Writer};

/// Seals what lies on disk.
pub trait Cipher: Send + Sync + 'static {
    /// The bytes, sealed.
    fn seal(&self, bytes: &[u8]) -> Vec<u8>;
    /// The bytes that were sealed; none when they were changed or sealed under another key.
    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>>;
}

/// No seal, for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainText;

impl Cipher for PlainText {
    fn seal(&self, bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        Some(sealed.to_vec())
    }
}
