//! Processes of a container: how they are made, and what they do before they become the person's program.

pub(crate) mod enter;
pub(crate) mod exec;
pub(crate) mod gate;
pub(crate) mod init;
pub(crate) mod program;
pub(crate) mod spawn;
pub(crate) mod sync;
