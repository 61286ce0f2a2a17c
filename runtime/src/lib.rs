//! One OCI container on Linux namespaces and cgroups: what `minirun` is made of.
//!
//! [`Runtime`] is a directory of container states and the verbs on them: create, start, kill, delete, exec and the rest of the
//! OCI runtime specification. A container is decided in the parent (a validated, immutable plan) and then carried out by
//! its first process, one step after the other.
//!
//! It never downloads, never configures a network, and leaves nothing mounted on the host.

pub mod cgroup;
pub mod command;
pub mod log;
pub mod monitor;
pub mod seccomp;
pub mod signal;

mod capabilities;
mod console;
mod error;
mod hooks;
mod id;
mod mounts;
mod options;
mod process;
mod rlimits;
mod rootfs;
mod runtime;
mod safefs;
mod spec;
mod state;
mod sys;

pub use error::{Error, ErrorKind, Result};
pub use id::ContainerId;
pub use options::{CreateOptions, ExecOptions, StartGate, Stdio, Terminal};
pub use process::exec::Executed;
pub use process::spawn::Created;
pub use runtime::Runtime;
pub use state::{State, Status};
pub use sys::reexec::protect;
