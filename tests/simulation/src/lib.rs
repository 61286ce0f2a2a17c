#![forbid(unsafe_code)]
//! The managers' group in a simulated world.
//!
//! Members are the product's own `consensus` over the product's own `wal`, each on a tokio runtime of its own whose clock
//! stands still unless the world lets it tick; disks, network, clients and misfortunes are the world's. Everything is drawn
//! from one seed, tokio's own choices included: the same seed gives the same history, to the last byte ([`Report::history`]).
//!
//! What must hold is in [`Oracle`]; that the checks can fail is proved by the mistakes in [`Planted`].
//!
//! Not simulated: threads within a member (the log writes when it is told to, or after a delay of the world's), bits that
//! flip on a disk, members that lie.

#[cfg(not(tokio_unstable))]
compile_error!(
    "a seed gives the same world only with `--cfg tokio_unstable`: .cargo/config.toml sets it, and RUSTFLAGS in the environment overrides that"
);

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
mod plan;
mod planted;
mod power;
mod registers;
mod wire;
mod world;

pub use judge::{Failure, Oracle};
pub use plan::{Plan, Report};
pub use planted::Planted;
pub use registers::{Action, Reply};
pub use world::run;
