//! Names on user-made networks: one small server per host.
//!
//! It runs while a user-made network has endpoints and listens on each such network's gateway (the table brings port
//! 53 to it). What it knows is read from the endpoint records, which it watches; so it holds no state, and after a
//! `kill -9` the next connect or heal starts it again.
//!
//! - `zone`: which names and addresses an asking endpoint sees. Pure.
//! - `answer`: a question and a zone become an answer, or "pass it on". Pure.
//! - `upstream`: the host's own resolvers, which get the rest.
//! - `server`: the sockets and the loop; `tcp`: connections, one thread each; `relay`: UDP questions passed on.

mod answer;
mod relay;
mod server;
mod start;
mod tcp;
pub(crate) mod upstream;
mod zone;

pub(crate) use start::ensure;
pub use start::serve;
pub(crate) use zone::is_name;
