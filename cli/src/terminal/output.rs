//! One of our output streams, written only when it can take something, so that a reader who has stopped reading doesn't
//! keep us from seeing signals.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::stat::{SFlag, fstat};

/// A pipe that polls writable takes this many bytes without blocking: PIPE_BUF, pipe(7).
const CHUNK: usize = 4096;

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Written {
    /// Some of what was pending was written.
    Some,
    /// Nobody reads any more.
    Closed,
}

/// Bytes on their way to a descriptor.
#[derive(Debug)]
pub(crate) struct Output<F> {
    descriptor: F,
    pending: Vec<u8>,
    done: usize,
    chunk: usize,
}

impl<F: AsFd> Output<F> {
    /// An output with nothing pending.
    pub(crate) fn new(descriptor: F) -> Self {
        let chunk = match fstat(descriptor.as_fd()) {
            Ok(stat)
                if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG =>
            {
                usize::MAX
            }
            _ => CHUNK,
        };
        Output {
            descriptor,
            pending: Vec::new(),
            done: 0,
            chunk,
        }
    }

    /// Adds bytes to be written.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Whether something waits to be written.
    pub(crate) fn is_pending(&self) -> bool {
        self.done < self.pending.len()
    }

    /// Writes what fits now; call when the descriptor polls writable.
    pub(crate) fn write(&mut self) -> io::Result<Written> {
        let rest = &self.pending[self.done..];
        let chunk = &rest[..rest.len().min(self.chunk)];
        match nix::unistd::write(&self.descriptor, chunk) {
            Ok(count) => self.done += count,
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(Errno::EPIPE | Errno::EIO) => return Ok(Written::Closed),
            Err(error) => return Err(error.into()),
        }
        if !self.is_pending() {
            self.pending.clear();
            self.done = 0;
        }
        Ok(Written::Some)
    }
}

impl<F: AsFd> AsFd for Output<F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
