#![forbid(unsafe_code)]
//! What the cluster knows: tables of objects, changed by transactions, the same on every manager.
//!
//! A leader *prepares* a transaction against a view and proposes it; every manager *applies* it. Apply checks again everything
//! that the transaction was built on (the versions of its objects, the leader's term), so a transaction that was overtaken is
//! refused everywhere alike. There is no clock here, no randomness, no file and no task: times and ids come with the transaction.

pub mod change;
mod events;
mod object;
mod snapshot;
mod state;
mod table;
pub mod transaction;

pub use change::{Change, Kind, Object};
pub use events::{Compacted, Event, EventRing, What};
pub use object::Stored;
pub use snapshot::RestoreError;
pub use state::{Applied, State, View};
pub use table::Table;
pub use transaction::{Batch, BatchReply, Refusal, Transaction, TransactionReply};
