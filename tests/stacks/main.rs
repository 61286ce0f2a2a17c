//! Stacks on real daemons: deployed, gated, updated, returned, taken down, and everything that can go wrong meanwhile.
//!
//! Tests named `gate_point_NN` hold the points of the design's "Health gates" of that number.

mod conditions;
mod faults;
mod gates;
mod life;
mod scene;
mod secrets;
mod size;
mod updates;
