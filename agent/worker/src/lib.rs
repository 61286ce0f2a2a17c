#![forbid(unsafe_code)]
//! What a node does for its cluster: it carries out the tasks that the managers assign to it, and reports what becomes of them.
//!
//! [`step`](mod@step) decides, purely, what a task does next. [`Worker`] does it: it remembers every task of this node, has an
//! [`Executor`] do what was decided, and notes what is to be reported. [`Worker::serve`] is its conversation with a manager.
//! [`EngineExecutor`] is the executor that runs containers.
//!
//! A worker decides nothing about which tasks there are. It never ends a container because a session, a manager or the daemon was
//! lost: only because the managers said so, or because the container says that it is unhealthy. Secrets are in memory, here and in
//! the files that containers are given, and nowhere else.

mod assignments;
mod errand;
mod executor;
mod failure;
mod local;
mod outbox;
mod serve;
pub mod step;
mod unable;
mod usage;
mod work;
mod worker;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod worker_tests;

pub use executor::{Container, Executor, LogLine, LogOptions, Logs, Pulled, Reading};
pub use failure::Failure;
pub use local::{EngineExecutor, NodeFacts};
pub use unable::Unable;
pub use work::Work;
pub use worker::{Figures, Worker};
