//! A further process in a running container.

use std::os::fd::OwnedFd;

/// A further process, whose program is executed.
#[derive(Debug)]
pub struct Executed {
    /// A child of the caller.
    pub pid: i32,
    /// The same, pollable: readable once it has ended.
    pub pidfd: OwnedFd,
    /// The master side of its terminal, if it has one and it goes to the caller.
    pub terminal: Option<OwnedFd>,
}
