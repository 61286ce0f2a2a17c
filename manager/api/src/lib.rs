#![forbid(unsafe_code)]
//! What crosses the wire: the messages and services of `proto/`, and the ways to connect to them.

pub mod connect;
pub mod metadata;

/// Messages and services, generated from `proto/`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("mini.v1");
}

/// The port of the cluster's listener, as in Docker Swarm.
pub const CLUSTER_PORT: u16 = 2377;
/// Most bytes of one message.
pub const LARGEST_MESSAGE: usize = 16 << 20;
