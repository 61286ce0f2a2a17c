//! What a container has printed, as files of lines in the format that container tools share (CRI):
//! `2026-01-02T03:04:05.000000000Z stdout F text`, where P instead of F says that the line goes on in a later entry.

mod entry;
mod reader;
mod time;
mod writer;

pub use entry::{LogEntry, Stream};
pub use reader::LogReader;
pub(crate) use time::rfc3339;
pub(crate) use writer::{LogWriter, Rotation};
