#![forbid(unsafe_code)]
//! A cluster in memory: the store and the orchestrator that ship, nodes that only pretend to run tasks, and a clock that moves when it is
//! told to. It has no machine, no network and no waiting: hours of a cluster's life take a moment, and a seed gives the same life
//! again.
//!
//! [`chaos`] draws a whole life from a seed: what runs, and what befalls it.
//!
//! [`World`] is what tests talk to. After every commit it checks what must hold at any time (`rules`), and panics with the seed and the
//! time when something does not.

pub mod chaos;
mod dice;
mod leader;
mod machine;
mod rules;
pub mod specs;
mod world;

pub use machine::Behaviour;
pub use world::World;
