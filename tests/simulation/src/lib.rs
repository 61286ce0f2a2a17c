#![forbid(unsafe_code)]
//! The managers' group in a simulated world.
//!
//! Members are the product's own `consensus` over the product's own `wal`, each on a tokio runtime of its own whose clock
//! stands still unless the world lets it tick; disks, network, clients and misfortunes are the world's. Everything is drawn
//! from one seed: the same seed gives the same history, to the last byte ([`Report::history`]).
//!
//! What must hold is in [`Oracle`]; that the checks can fail is proved by the mistakes in [`Planted`].
//!
//! Not simulated: threads within a member (the log writes when it is told to, or after a delay of the world's), bits that
//! flip on a disk, members that lie.

mod admin;
mod clients;
mod dice;
mod faults;
mod host;
mod journal;
mod judge;
pub mod linear;
mod network;
mod panics;
mod planted;
mod power;
mod registers;
mod wire;
mod world;

pub use judge::{Failure, Oracle};
pub use planted::Planted;
pub use registers::{Action, Reply};
pub use world::{Plan, Report, run};
