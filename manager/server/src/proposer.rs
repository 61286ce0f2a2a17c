//! Transactions on their way into the log. Those that arrive while others are on their way are proposed together.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use consensus::{Consensus, ProposeError, StateMachine};
use prost::Message;
use store::{Batch, BatchReply, Transaction, TransactionReply};
use tokio::sync::{Semaphore, mpsc, oneshot};
use wal::Disk;

/// Most transactions in one entry, and most bytes.
const TOGETHER: usize = 200;
const BYTES: usize = 3 << 19;
/// Entries on their way at once.
const IN_FLIGHT: usize = 4;
/// How long one may wait for the answer.
const PATIENCE: Duration = Duration::from_secs(10);

type Answer = oneshot::Sender<Result<TransactionReply, ProposeError>>;

/// The way into the log.
#[derive(Clone)]
pub(crate) struct Proposer {
    queue: mpsc::Sender<(Transaction, Answer)>,
}

impl Proposer {
    pub(crate) fn spawn<S: StateMachine, D: Disk>(consensus: Consensus<S, D>) -> Self {
        let (queue, arrivals) = mpsc::channel(4096);
        tokio::spawn(work(consensus, arrivals));
        Proposer { queue }
    }

    /// Proposes a transaction, and returns what became of it.
    pub(crate) async fn propose(
        &self,
        transaction: Transaction,
    ) -> Result<TransactionReply, ProposeError> {
        let (told, hears) = oneshot::channel();
        let closed = || ProposeError::Unknown("this manager is stopping".to_owned());
        self.queue
            .send((transaction, told))
            .await
            .map_err(|_| ProposeError::NotLeader(None))?;
        match tokio::time::timeout(PATIENCE, hears).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(closed())),
            Err(_) => Err(ProposeError::Unknown(format!(
                "too few managers answered within {} s",
                PATIENCE.as_secs()
            ))),
        }
    }
}

async fn work<S: StateMachine, D: Disk>(
    consensus: Consensus<S, D>,
    mut arrivals: mpsc::Receiver<(Transaction, Answer)>,
) {
    let in_flight = Arc::new(Semaphore::new(IN_FLIGHT));
    while let Some(first) = arrivals.recv().await {
        let Ok(permit) = in_flight.clone().acquire_owned().await else {
            return;
        };
        let mut bytes = first.0.encoded_len();
        let mut batch = vec![first];
        while batch.len() < TOGETHER && bytes < BYTES {
            let Ok(next) = arrivals.try_recv() else { break };
            bytes += next.0.encoded_len();
            batch.push(next);
        }
        let consensus = consensus.clone();
        tokio::spawn(async move {
            decide(&consensus, batch).await;
            drop(permit);
        });
    }
}

async fn decide<S: StateMachine, D: Disk>(
    consensus: &Consensus<S, D>,
    batch: Vec<(Transaction, Answer)>,
) {
    let (transactions, answers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let command = Bytes::from(Batch { transactions }.encode_to_vec());
    let outcome = consensus.propose(command).await.and_then(|outcome| {
        let replies = BatchReply::decode(outcome.reply)
            .map(|reply| reply.replies)
            .unwrap_or_default();
        if replies.len() == answers.len() {
            Ok(replies)
        } else {
            Err(ProposeError::Unknown(
                "this manager did not understand the change".to_owned(),
            ))
        }
    });
    match outcome {
        Ok(replies) => {
            for (answer, reply) in answers.into_iter().zip(replies) {
                // Who went away needs no answer.
                let _ = answer.send(Ok(reply));
            }
        }
        Err(error) => {
            for answer in answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}
