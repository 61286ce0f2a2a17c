//! Services as their users run them: real daemons on the hosts of a lab, real containers, and what goes wrong with both.
//!
//! One module for each thing that a person wants of a service. Every test has a lab of its own and fails when it leaves anything
//! behind.

mod files;
mod jobs;
mod kit;
mod life;
mod moves;
mod networks;
mod placement;
mod registries;
mod restarts;
mod talk;
mod updates;
