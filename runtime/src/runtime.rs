//! The verbs on the containers of one directory of states.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxResources, Process};

use crate::error::Result;
use crate::id::ContainerId;
use crate::options::{CreateOptions, ExecOptions};
use crate::process::exec::Executed;
use crate::process::spawn::{self, Created};
use crate::state::State;

/// The containers whose states are kept in one directory.
#[derive(Clone, Debug)]
pub struct Runtime {
    root: PathBuf,
}

impl Runtime {
    /// The containers of `root`, which is made with the first of them.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Runtime { root: root.into() }
    }

    /// The directory of states.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a container from the bundle at `bundle`, up to the point where its program would be executed.
    /// The calling process must have one thread: it forks.
    pub fn create(&self, id: &ContainerId, bundle: &Path, options: CreateOptions) -> Result<Created> {
        spawn::create(self, id, bundle, options)
    }

    /// Starts a container that was created with an open start gate, and returns once its program is executed.
    pub fn start(&self, _id: &ContainerId) -> Result<()> {
        todo!()
    }

    /// Runs a further process in a container. The calling process must have one thread: it forks.
    pub fn exec(&self, _id: &ContainerId, _process: &Process, _options: ExecOptions) -> Result<Executed> {
        todo!()
    }

    /// What is known of a container.
    pub fn state(&self, _id: &ContainerId) -> Result<State> {
        todo!()
    }

    /// All containers, by id.
    pub fn list(&self) -> Result<Vec<State>> {
        todo!()
    }

    /// Sends a signal to the first process, or to all.
    pub fn kill(&self, _id: &ContainerId, _signal: i32, _all: bool) -> Result<()> {
        todo!()
    }

    /// Removes a stopped container, or with `force` any; whatever was half-made goes too.
    pub fn delete(&self, _id: &ContainerId, _force: bool) -> Result<()> {
        todo!()
    }

    /// Freezes all its processes.
    pub fn pause(&self, _id: &ContainerId) -> Result<()> {
        todo!()
    }

    /// Thaws them.
    pub fn resume(&self, _id: &ContainerId) -> Result<()> {
        todo!()
    }

    /// Changes its limits; what `resources` doesn't name stays as it is.
    pub fn update(&self, _id: &ContainerId, _resources: &LinuxResources) -> Result<()> {
        todo!()
    }


    /// Its processes, as the caller's pid namespace numbers them, ascending.
    pub fn pids(&self, _id: &ContainerId) -> Result<Vec<i32>> {
        todo!()
    }
}
