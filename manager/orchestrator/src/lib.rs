#![forbid(unsafe_code)]
//! Every decision of the managers. What is known ([`store::View`]), the time and new ids come in, changes and reasons go out; who
//! calls it commits them. No clock, no randomness, no file, no task of a runtime: the same view at the same time gives the same plan.
//!
//! - [`service`]: what the tasks of one service have to become: slots, restarts, jobs, drain; [`rollout`] paces an update,
//!   [`gate`] holds it back, [`restart`] spaces attempts, [`reaper`] forgets.
//! - [`scheduler`]: which node a task runs on, or why none. [`constraint`] reads `node.labels.disk == ssd`.
//! - [`allocator`]: subnets, virtual addresses, published ports.
//! - [`stack`]: what a deployment changes, in which order, and how a stack goes. [`autoscale`], [`schedule`]: when the number of
//!   replicas, and the run of a job, change by themselves.
//!
//! Invariant: a plan that was committed leads to a view whose plan is empty, or a step further; planning twice changes nothing.

pub mod allocator;
pub mod autoscale;
pub mod check;
pub mod constraint;
pub mod gate;
pub mod plan;
pub mod reaper;
pub mod restart;
pub mod rollout;
pub mod schedule;
pub mod scheduler;
pub mod service;
pub mod stack;
pub mod standing;

pub use plan::{Ids, Plan};
