//! Linearizable reads, many at the price of one. A reader that arrives while a round of confirmation is under way cannot use
//! it (the round may have begun before a write that the reader must see); all that wait share the next one.

use std::future::Future;

use tokio::sync::{mpsc, oneshot};

use crate::node::ReadError;

/// The queue of readers.
#[derive(Clone)]
pub(crate) struct Barrier {
    waiting: mpsc::UnboundedSender<oneshot::Sender<Result<(), ReadError>>>,
}

impl Barrier {
    /// Confirms rounds with `confirm` for as long as a barrier lives.
    pub(crate) fn spawn<F, Fut>(confirm: F) -> Self
    where
        F: Fn() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), ReadError>> + Send,
    {
        let (waiting, mut arrivals) =
            mpsc::unbounded_channel::<oneshot::Sender<Result<(), ReadError>>>();
        tokio::spawn(async move {
            let mut round = Vec::new();
            while arrivals.recv_many(&mut round, 4096).await > 0 {
                let outcome = confirm().await;
                for reader in round.drain(..) {
                    // A reader that went away needs no answer.
                    let _ = reader.send(outcome.clone());
                }
            }
        });
        Barrier { waiting }
    }

    /// Returns when everything that was committed before the call has been applied here.
    pub(crate) async fn pass(&self) -> Result<(), ReadError> {
        let (told, hears) = oneshot::channel();
        let stopped = || ReadError::Stopped("this member has stopped".to_owned());
        self.waiting.send(told).map_err(|_| stopped())?;
        hears.await.unwrap_or_else(|_| Err(stopped()))
    }
}
