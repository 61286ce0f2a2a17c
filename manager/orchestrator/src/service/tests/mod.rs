//! Services in a small world: the real store, scheduler and gates, with nodes and tasks moved by hand.

mod any_order;
mod gates;
mod global;
mod jobs;
mod moves;
mod reaping;
mod rebalancing;
mod replicated;
mod rollbacks;
mod specified;
mod updates;
mod world;
