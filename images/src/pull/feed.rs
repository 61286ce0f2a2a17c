//! The way of a layer's bytes from the thread that receives them to the one that unpacks them: bounded, and without a copy.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

/// Chunks on the way; each is what one read of the socket brought.
const CHUNKS: usize = 64;

/// The receiving thread's end. Dropped without [`Feed::finish`], it makes the reader fail.
pub(super) struct Feed {
    sender: mpsc::Sender<Option<Bytes>>,
}

/// The unpacking thread's end.
pub(super) struct Food {
    receiver: mpsc::Receiver<Option<Bytes>>,
    current: Bytes,
    finished: bool,
}

pub(super) fn feed() -> (Feed, Food) {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    let food = Food {
        receiver,
        current: Bytes::new(),
        finished: false,
    };
    (Feed { sender }, food)
}

impl Feed {
    /// Hands bytes over, waiting for room. False when nobody wants them any more.
    pub(super) async fn give(&self, bytes: Bytes) -> bool {
        self.sender.send(Some(bytes)).await.is_ok()
    }

    /// There is nothing more to come.
    pub(super) async fn finish(self) {
        // A reader that is gone needs no end.
        let _ = self.sender.send(None).await;
    }
}

impl Read for Food {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            if self.finished {
                return Ok(0);
            }
            match self.receiver.blocking_recv() {
                Some(Some(bytes)) => self.current = bytes,
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
                    assert!(feed.give(Bytes::from_static(b"0123456789")).await);
                }
                if finished {
                    feed.finish().await;
                } else {
                    drop(feed);
                }
            });
            let read = reader.join().unwrap();
            assert_eq!(read.ok().map(|all| all.len()), finished.then_some(1000));
        }
    }
}
