//! Clusters of real daemons, each on a host of its own: made by hand, broken in every way, brought back.
//!
//! One module for each kind of trouble. Every test has a lab of its own and fails when it leaves anything behind.

mod disk;
mod hostile;
mod identity;
mod life;
mod mistakes;
mod recovery;
mod writes;
