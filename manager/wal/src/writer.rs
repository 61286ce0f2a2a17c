//! The log for those who cannot wait: changes go through one thread that syncs everything that waits at once.

use std::io;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;

use crate::Cipher;
use crate::disk::Disk;
use crate::error::WalError;
use crate::log::{Change, Log, Shared, fetch, read, write};

/// Called when a change is durable, or can't become it.
pub type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// A log that takes changes and shows them to readers at once.
pub trait Submit: Send + Sync + 'static {
    /// Puts a change in line. `done` is called when it is durable, in the order of submission.
    fn submit(&self, change: Change, done: Done);
    /// The entries of that range: at least one if there is one, and not many more bytes than asked for.
    fn read(
        &self,
        range: RangeInclusive<u64>,
        max_bytes: usize,
    ) -> Result<Vec<(u64, Bytes)>, WalError>;
    /// The vote.
    fn vote(&self) -> Option<Bytes>;
    /// How far it was purged, and what was to be remembered of it.
    fn purged(&self) -> Option<(u64, Bytes)>;
    /// Position of the first entry.
    fn first_index(&self) -> Option<u64>;
    /// Position of the last entry.
    fn last_index(&self) -> Option<u64>;
}

/// The log behind a thread of its own. Dropping it waits until everything in line is durable.
pub struct Writer<D: Disk> {
    reader: Reader<D>,
    queue: Mutex<Option<Sender<(Change, u32, Done)>>>,
    tickets: AtomicU32,
    failure: Arc<OnceLock<String>>,
    thread: Option<JoinHandle<()>>,
}

struct Reader<D: Disk> {
    memory: Shared<D::File>,
    cipher: Arc<dyn Cipher>,
}

impl<D: Disk> Reader<D> {
    fn of(log: &Log<D>) -> Self {
        Reader {
            memory: log.memory(),
            cipher: log.cipher(),
        }
    }

    /// Lets readers see a change that fits.
    fn show(&self, change: &Change, ticket: u32) -> Result<(), WalError> {
        let mut memory = write(&self.memory);
        memory.check(change)?;
        memory.show(change, ticket);
        Ok(())
    }

    fn read(
        &self,
        range: RangeInclusive<u64>,
        max_bytes: usize,
    ) -> Result<Vec<(u64, Bytes)>, WalError> {
        let found = read(&self.memory).find(range, max_bytes);
        fetch(found, &*self.cipher)
    }
}

fn poisoned(reason: &str) -> io::Error {
    io::Error::other(WalError::Poisoned(reason.to_owned()))
}

impl<D: Disk> Writer<D> {
    fn enqueue(&self, change: Change, done: Done) -> Result<(), (io::Error, Done)> {
        // The lock keeps what readers see and what is written in the same order.
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = self.failure.get() {
            return Err((poisoned(reason), done));
        }
        let Some(queue) = &*queue else {
            return Err((poisoned("it was closed"), done));
        };
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.reader.show(&change, ticket) {
            return Err((io::Error::other(error), done));
        }
        queue
            .send((change, ticket, done))
            .map_err(|mpsc::SendError((_, _, done))| (poisoned("its thread has ended"), done))
    }

    /// Starts the thread.
    pub fn spawn(log: Log<D>) -> io::Result<Self> {
        let (queue, changes) = mpsc::channel();
        let failure = Arc::new(OnceLock::new());
        let reader = Reader::of(&log);
        let told = failure.clone();
        let thread = std::thread::Builder::new()
            .name("wal".to_owned())
            .spawn(move || work(log, &changes, &told))?;
        Ok(Writer {
            reader,
            queue: Mutex::new(Some(queue)),
            tickets: AtomicU32::new(0),
            failure,
            thread: Some(thread),
        })
    }
}

/// Most changes that one sync covers, and the bytes after which it waits for no more.
const TOGETHER: usize = 1024;
const BYTES_TOGETHER: usize = 64 << 20;

fn work<D: Disk>(
    mut log: Log<D>,
    changes: &Receiver<(Change, u32, Done)>,
    failure: &OnceLock<String>,
) {
    let mut waiting = Vec::new();
    while let Ok(first) = changes.recv() {
        let mut next = Some(first);
        while let Some((change, ticket, done)) = next {
            log.stage(change, ticket);
            waiting.push(done);
            let more = waiting.len() < TOGETHER && log.staged_bytes() < BYTES_TOGETHER;
            next = if more { changes.try_recv().ok() } else { None };
        }
        if failure.get().is_none()
            && let Err(error) = log.sync()
        {
            let _ = failure.set(error.to_string());
        }
        for done in waiting.drain(..) {
            done(failure.get().map_or(Ok(()), |reason| Err(poisoned(reason))));
        }
    }
}

impl<D: Disk> Submit for Writer<D> {
    fn submit(&self, change: Change, done: Done) {
        // Answers are given without the lock: they may submit again.
        if let Err((error, done)) = self.enqueue(change, done) {
            done(Err(error));
        }
    }

    fn read(
        &self,
        range: RangeInclusive<u64>,
        max_bytes: usize,
    ) -> Result<Vec<(u64, Bytes)>, WalError> {
        self.reader.read(range, max_bytes)
    }

    fn vote(&self) -> Option<Bytes> {
        read(&self.reader.memory).vote.clone()
    }

    fn purged(&self) -> Option<(u64, Bytes)> {
        read(&self.reader.memory).purged.clone()
    }

    fn first_index(&self) -> Option<u64> {
        read(&self.reader.memory).first_index()
    }

    fn last_index(&self) -> Option<u64> {
        read(&self.reader.memory).last_index()
    }
}

impl<D: Disk> Drop for Writer<D> {
    fn drop(&mut self) {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // An answer that was the last owner runs on the thread itself, which then ends when it has written the rest.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // It only ends early by a panic, which has been printed.
            let _ = thread.join();
        }
    }
}

/// The log without a thread: a change is durable when `submit` returns. For simulations, which must run the same way twice.
pub struct Inline<D: Disk> {
    reader: Reader<D>,
    log: Mutex<(Log<D>, u32, Option<String>)>,
}

impl<D: Disk> Inline<D> {
    /// The log.
    pub fn new(log: Log<D>) -> Self {
        Inline {
            reader: Reader::of(&log),
            log: Mutex::new((log, 0, None)),
        }
    }

    fn write(&self, change: Change) -> io::Result<()> {
        let mut guard = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let (log, ticket, failure) = &mut *guard;
        if let Some(reason) = failure {
            return Err(poisoned(reason));
        }
        *ticket = ticket.wrapping_add(1);
        self.reader
            .show(&change, *ticket)
            .map_err(io::Error::other)?;
        log.stage(change, *ticket);
        log.sync()
            .map_err(|error| poisoned(failure.insert(error.to_string())))
    }
}

impl<D: Disk> Submit for Inline<D> {
    fn submit(&self, change: Change, done: Done) {
        // Here too: answered without the lock.
        done(self.write(change));
    }

    fn read(
        &self,
        range: RangeInclusive<u64>,
        max_bytes: usize,
    ) -> Result<Vec<(u64, Bytes)>, WalError> {
        self.reader.read(range, max_bytes)
    }

    fn vote(&self) -> Option<Bytes> {
        read(&self.reader.memory).vote.clone()
    }

    fn purged(&self) -> Option<(u64, Bytes)> {
        read(&self.reader.memory).purged.clone()
    }

    fn first_index(&self) -> Option<u64> {
        read(&self.reader.memory).first_index()
    }

    fn last_index(&self) -> Option<u64> {
        read(&self.reader.memory).last_index()
    }
}
