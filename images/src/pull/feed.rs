//! The way of a layer's bytes from the thread that receives them to the one that unpacks them: bounded, and without a copy.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio::sync::{Semaphore, mpsc};

/// Bytes on the way at most, save that a single chunk always fits.
const ROOM: usize = 4 << 20;

/// The receiving thread's end. Dropped without [`Feed::finish`], it makes the reader fail.
pub(super) struct Feed {
    sender: mpsc::UnboundedSender<Option<Bytes>>,
    room: Arc<Semaphore>,
}

/// The unpacking thread's end.
pub(super) struct Food {
    receiver: mpsc::UnboundedReceiver<Option<Bytes>>,
    room: Arc<Semaphore>,
    current: Bytes,
    /// Room that `current` takes.
    taken: usize,
    finished: bool,
}

pub(super) fn feed() -> (Feed, Food) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(ROOM));
    let food = Food {
        receiver,
        room: Arc::clone(&room),
        current: Bytes::new(),
        taken: 0,
        finished: false,
    };
    (Feed { sender, room }, food)
}

impl Feed {
    /// Hands bytes over, waiting for room. False when nobody wants them any more.
    pub(super) async fn give(&self, bytes: Bytes) -> bool {
        let Ok(permits) = self.room.acquire_many(room_for(&bytes)).await else {
            return false;
        };
        permits.forget();
        self.sender.send(Some(bytes)).is_ok()
    }

    /// There is nothing more to come.
    pub(super) fn finish(self) {
        // A reader that is gone needs no end.
        let _ = self.sender.send(None);
    }
}

impl Drop for Food {
    /// Whoever waits for room waits in vain.
    fn drop(&mut self) {
        self.room.close();
    }
}

impl Read for Food {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            self.room.add_permits(std::mem::take(&mut self.taken));
            if self.finished {
                return Ok(0);
            }
            match self.receiver.blocking_recv() {
                Some(Some(bytes)) => {
                    self.taken = room_for(&bytes) as usize;
                    self.current = bytes;
                }
                Some(None) => self.finished = true,
                None => {
                    return Err(io::Error::new(
                        io::ErrorKind::ConnectionAborted,
                        "the download was given up",
                    ));
                }
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

fn room_for(bytes: &Bytes) -> u32 {
    u32::try_from(bytes.len().min(ROOM)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_from_a_loss() {
        for finished in [true, false] {
            let (feed, mut food) = feed();
            let reader = std::thread::spawn(move || {
                let mut all = Vec::new();
                food.read_to_end(&mut all).map(|_| all)
            });
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            runtime.block_on(async {
                for _ in 0..100 {
                    assert!(feed.give(Bytes::from(vec![7; 1 << 20])).await);
                }
                if finished {
                    feed.finish();
                } else {
                    drop(feed);
                }
            });
            let read = reader.join().unwrap();
            assert_eq!(
                read.ok().map(|all| all.len()),
                finished.then_some(100 << 20)
            );
        }
    }
}
