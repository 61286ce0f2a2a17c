//! Processes of a container: how they are made, and what they do before they become the person's program.

pub(crate) mod exec;
pub(crate) mod spawn;
