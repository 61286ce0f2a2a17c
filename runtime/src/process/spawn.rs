//! Creating a container: all that can fail first, then its first process.

use std::os::fd::OwnedFd;
use std::path::Path;

use crate::error::Result;
use crate::id::ContainerId;
use crate::options::CreateOptions;
use crate::runtime::Runtime;

/// A container whose first process waits to be started.
#[derive(Debug)]
pub struct Created {
    /// The first process, a child of the caller.
    pub pid: i32,
    /// The same, pollable: readable once it has ended.
    pub pidfd: OwnedFd,
    /// The master side of its terminal, if it has one and it goes to the caller.
    pub terminal: Option<OwnedFd>,
}

impl Created {
    /// Lets it execute its program, and returns once that has succeeded.
    ///
    /// # Errors
    /// The program can't be executed (the container has ended then), or it was started before.
    pub fn start(&mut self) -> Result<()> {
        todo!()
    }
}

pub(crate) fn create(_runtime: &Runtime, _id: &ContainerId, _bundle: &Path, _options: CreateOptions) -> Result<Created> {
    todo!()
}
