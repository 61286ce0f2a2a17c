//! Daemons as real processes on loopback, asked over their sockets.

mod daemons;
mod life;
mod metrics;
mod recovery;
mod renewal;
mod root;
mod strangers;
