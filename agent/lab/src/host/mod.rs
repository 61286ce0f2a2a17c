//! A host: the process that holds its namespaces, and how later commands talk to it.
//!
//! - [`protocol`] is what is said: one request and one answer, a line of JSON each.
//! - [`serve`] is the holder; it is the only process that starts or signals the daemon.
//! - [`daemon`] is its only state: the daemon it has, or how that ended.
//! - [`client`] makes holders and asks them.

pub(crate) mod client;
mod daemon;
pub(crate) mod protocol;
mod serve;

pub use serve::serve;
