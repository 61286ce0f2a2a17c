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
/// Most bytes of one message that a manager or a daemon takes in.
pub const LARGEST_MESSAGE: usize = 16 << 20;
/// Most bytes of one message that a manager sends: to a node all that it is to run, with every secret and config of it; to people a whole
/// list.
pub const LARGEST_ANSWER: usize = 64 << 20;

/// The control API over a channel, for answers of any size that a manager gives.
pub fn control(
    channel: tonic::transport::Channel,
) -> v1::control_client::ControlClient<tonic::transport::Channel> {
    v1::control_client::ControlClient::new(channel).max_decoding_message_size(LARGEST_ANSWER)
}
