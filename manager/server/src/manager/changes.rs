//! What a manager that leads reads and changes of what is known.

use consensus::ReadError;
use store::transaction::RefusalKind;
use store::{Change, Transaction, TransactionReply, View};
use tonic::Status;

use super::Manager;
use crate::clock::now_ms;
use crate::failure;

/// How often a change that was overtaken by another is tried again.
const ATTEMPTS: usize = 10;

/// The feature level from which on managers understand services, stacks, networks and secrets.
pub(crate) const SERVICES: u32 = 2;

impl Manager {
    /// Everything that was answered before now, by any manager, is in the view that this returns. On the leader.
    pub(crate) async fn read(&self) -> Result<View, Status> {
        self.0
            .consensus
            .read_barrier()
            .await
            .map_err(|error| match error {
                ReadError::NoQuorum => Status::unavailable(self.leaderless()),
                other => failure::read(other),
            })?;
        Ok(self.0.replica.view())
    }

    /// Makes a change of what is known, built upon what is known now; built anew when another change came between. Returns the
    /// version that it made. An empty one makes none.
    pub(crate) async fn change(
        &self,
        request_id: &str,
        mut build: impl FnMut(&View) -> Result<Vec<Change>, Status>,
    ) -> Result<u64, Status> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let leadership = *self.0.consensus.leadership().borrow();
            let view = self.0.replica.view();
            let answered = view.answered(request_id).cloned();
            let reply = if let Some(reply) = answered {
                reply
            } else {
                let changes = build(&view)?;
                if changes.is_empty() {
                    return Ok(view.version());
                }
                let transaction = Transaction {
                    request_id: request_id.to_owned(),
                    feature_level: view.cluster().map_or(0, |cluster| cluster.feature_level),
                    term: leadership.term,
                    at_ms: now_ms(),
                    changes,
                };
                self.0
                    .proposer
                    .propose(transaction)
                    .await
                    .map_err(failure::proposal)?
            };
            match reply.refusal {
                None => return Ok(reply.version),
                Some(refusal) if refusal.kind() == RefusalKind::Overtaken && attempt < ATTEMPTS => {
                }
                Some(refusal) => return Err(failure::refusal(refusal)),
            }
        }
    }

    /// Proposes changes that the leader of this term decided upon, whatever led to them; void in any other term.
    pub(crate) async fn propose(
        &self,
        term: u64,
        changes: Vec<Change>,
    ) -> Result<TransactionReply, Status> {
        let level = self
            .replica()
            .view()
            .cluster()
            .map_or(0, |cluster| cluster.feature_level);
        let transaction = Transaction {
            request_id: String::new(),
            feature_level: level,
            term,
            at_ms: now_ms(),
            changes,
        };
        self.0
            .proposer
            .propose(transaction)
            .await
            .map_err(failure::proposal)
    }

    /// Refuses what not every manager would understand.
    pub(crate) fn require_level(view: &View, level: u32) -> Result<(), Status> {
        let known = view.cluster().map_or(0, |cluster| cluster.feature_level);
        if known >= level {
            return Ok(());
        }
        Err(Status::failed_precondition(format!(
            "this needs feature level {level} and the cluster is at {known}: first upgrade every manager to this version (`minictl node ls` shows them)"
        )))
    }
}
