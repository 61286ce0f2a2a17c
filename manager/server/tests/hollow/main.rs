//! A manager with nodes that only pretend: what people ask of it, what nodes are told, what comes of it.

mod errands;
mod group;
mod messages;
mod place;
mod roaming;
mod scaling;
mod services;
