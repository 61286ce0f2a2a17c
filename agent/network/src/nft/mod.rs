//! The one table of ours, `ip mini`: what it holds, how it is written to the kernel, how it reads as text.
//!
//! - [`ruleset`] decides, purely: networks and endpoints become a [`table::Table`].
//! - [`table`] and [`clause`] are the table's parts; each knows its text (as `nft list table` shows it) and its
//!   encoding (`linux/netfilter/nf_tables.h`).
//! - [`wire`] packs attributes and messages, [`kernel`] sends them in one atomic batch.

pub(crate) mod clause;
pub(crate) mod kernel;
pub(crate) mod ruleset;
pub(crate) mod table;
pub(crate) mod wire;

#[cfg(test)]
mod tests;

pub(crate) use kernel::Nft;
pub(crate) use ruleset::Ruleset;
