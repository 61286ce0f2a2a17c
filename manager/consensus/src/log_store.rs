//! openraft's log over ours. The log on disk counts positions from 1, openraft indexes from 0: position = index + 1, so that
//! position 0 can mean "before everything".

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use openraft::RaftLogReader;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use prost::Message;
use tokio::sync::oneshot;
use wal::{Change, Submit};

use crate::record::{
    Entry, Group, LogId, LogIdRecord, Vote, VoteRecord, decode_entry, encode_entry,
};

/// Most bytes of entries that one read hands out.
const READ_AT_ONCE: usize = 4 << 20;

/// The log of one member.
#[derive(Clone)]
pub(crate) struct LogStore {
    log: Arc<dyn Submit>,
}

impl LogStore {
    pub(crate) fn new(log: Arc<dyn Submit>) -> Self {
        LogStore { log }
    }

    async fn change(&self, change: Change) -> io::Result<()> {
        let (told, hears) = oneshot::channel();
        self.log.submit(
            change,
            Box::new(move |result| {
                // Nobody listens when the member is going down.
                let _ = told.send(result);
            }),
        );
        hears
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the log was closed")))
    }

    fn purged(&self) -> io::Result<Option<LogId>> {
        let Some((_, marker)) = self.log.purged() else {
            return Ok(None);
        };
        let record = LogIdRecord::decode(marker).map_err(io::Error::other)?;
        Ok(Some(record.into()))
    }

    /// The indexes of a range that are there: the first, and the one after the last.
    fn within(&self, range: &impl RangeBounds<u64>) -> (u64, u64) {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(start) => start + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(end) => end + 1,
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX - 1,
        };
        let first = self.log.first_index().unwrap_or(1).saturating_sub(1);
        (
            start.max(first),
            end.min(self.log.last_index().unwrap_or(0)),
        )
    }

    fn entries(&self, start: u64, end: u64, max_bytes: usize) -> io::Result<Vec<Entry>> {
        if start >= end {
            return Ok(Vec::new());
        }
        let found = self
            .log
            .read(start + 1..=end, max_bytes)
            .map_err(io::Error::other)?;
        found
            .into_iter()
            .map(|(_, bytes)| decode_entry(bytes).map_err(io::Error::other))
            .collect()
    }
}

/// The log id written with the purge of everything up to it.
pub(crate) fn marker(id: LogId) -> Bytes {
    LogIdRecord::from(id).encode_to_vec().into()
}

impl RaftLogReader<Group> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let (mut next, end) = self.within(&range);
        let mut found: Vec<Entry> = Vec::new();
        while next < end {
            let more = self.entries(next, end, READ_AT_ONCE)?;
            let Some(reached) = more.last().map(|entry| entry.log_id.index) else {
                break;
            };
            next = reached + 1;
            found.extend(more);
        }
        Ok(found)
    }

    /// Reads on as the entries are taken: after a restart there may be a million of them.
    async fn entries_stream<RB: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = Result<Entry, io::Error>> + Send {
        let (start, end) = self.within(&range);
        let begin = (self.clone(), start, VecDeque::new());
        stream::unfold(begin, move |(log, next, mut ready)| async move {
            if ready.is_empty() && next < end {
                match log.entries(next, end, READ_AT_ONCE) {
                    Ok(more) => ready.extend(more),
                    Err(error) => return Some((Err(error), (log, end, ready))),
                }
            }
            let entry: Entry = ready.pop_front()?;
            let next = entry.log_id.index + 1;
            Some((Ok(entry), (log, next, ready)))
        })
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        let Some(bytes) = self.log.vote() else {
            return Ok(None);
        };
        let record = VoteRecord::decode(bytes).map_err(io::Error::other)?;
        Ok(Some(record.into()))
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, io::Error> {
        let last = self.log.last_index().unwrap_or(0);
        self.entries(start, end.min(last), READ_AT_ONCE)
    }
}

impl RaftLogStorage<Group> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<Group>, io::Error> {
        let purged = self.purged()?;
        let last = match self.log.last_index() {
            None => purged,
            Some(position) => self
                .entries(position - 1, position, 1)?
                .last()
                .map(|entry| entry.log_id())
                .or(purged),
        };
        Ok(LogState {
            last_purged_log_id: purged,
            last_log_id: last,
        })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.change(Change::Vote(VoteRecord::from(*vote).encode_to_vec().into()))
            .await
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Group>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let entries = entries
            .into_iter()
            .map(|entry| (entry.log_id.index + 1, encode_entry(&entry)))
            .collect();
        self.log.submit(
            Change::Append(entries),
            Box::new(move |result| callback.io_completed(result)),
        );
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        self.change(Change::Truncate {
            after: last_log_id.map_or(0, |id| id.index + 1),
        })
        .await
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.change(Change::Purge {
            to: log_id.index + 1,
            marker: marker(log_id),
        })
        .await
    }
}
