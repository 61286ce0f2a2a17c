//! What a monitor is told.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;

use crate::{ContainerId, Runtime};

/// What a monitor is told.
#[derive(Debug)]
pub struct Options {
    /// The containers.
    pub runtime: Runtime,
    /// The OCI bundle.
    pub bundle: PathBuf,
    /// A file that whoever starts the monitor has locked (flock(2)); it stays locked for as long as the monitor lives.
    pub lock_fd: RawFd,
    /// The log.
    pub log: PathBuf,
    /// Bytes after which the log is rotated; 0 for never.
    pub log_max_size: u64,
    /// Files of the log in all.
    pub log_max_files: u32,
    /// Where the exit is recorded.
    pub exit_file: PathBuf,
    /// A connected socket of the client that starts the container.
    pub attach_fd: Option<RawFd>,
    /// Where further clients connect.
    pub attach_socket: Option<PathBuf>,
    /// Standard input comes from the clients; without it there is none.
    pub stdin: bool,
    /// Where to say how the start went.
    pub report_fd: RawFd,
    /// What tells whether the container is well: a [`super::health::Check`] as JSON.
    pub health_check: Option<PathBuf>,
    /// Where the results of its probes are kept.
    pub health_file: Option<PathBuf>,
    /// Executed in the end.
    pub exit_command: Vec<OsString>,
    /// The container.
    pub id: ContainerId,
}
