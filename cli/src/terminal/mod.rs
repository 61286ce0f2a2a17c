//! The person's terminal: raw mode, its size, the detach keys, and the loop that ties it to a container.

pub(crate) mod channel;
pub(crate) mod detach;
pub(crate) mod output;
pub(crate) mod raw;
pub(crate) mod session;
pub(crate) mod signals;
pub(crate) mod size;
