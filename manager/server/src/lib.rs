#![forbid(unsafe_code)]
//! A manager at work: it keeps a replica of what the cluster knows, answers people and nodes, issues certificates, and does what
//! only the leader may do.
//!
//! A request passes three stages, each in its own file: [`gate`] (who asks, and may they?), [`forward`] (does this manager lead? if
//! not, the leader is asked), [`services`] (the answer). Decisions that need no network are pure functions beside them.
//!
//! Invariants:
//! - The role and the cluster of a caller are checked on every request, against its certificate *and* against the replica: a
//!   connection outlives a certificate, a certificate outlives a demotion.
//! - What the leader proposes carries its term: it is void when another leads by the time it is applied.
//! - Heartbeats of nodes never enter the log, nor what tasks use.
//! - The content of a secret leaves in one direction: to the nodes whose tasks are given it.

mod background;
pub mod backup;
mod clock;
mod dispatcher;
mod errands;
mod failure;
mod forward;
mod gate;
mod leader;
mod listener;
mod manager;
mod metrics;
mod proposer;
mod replica;
mod services;
mod sessions;
mod tls;
mod transport;

pub use listener::Listening;
pub use manager::{Manager, ManagerError, ManagerSetup, manager_addresses, timings};
pub use metrics::{Metric, MetricKind, metrics_text};
pub use replica::Replica;
pub use services::check_spec;
pub use tls::Tls;
pub use transport::runs_elsewhere;
