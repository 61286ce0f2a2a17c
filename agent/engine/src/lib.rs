//! Local containers, with no daemon: an image, the runtime and the network put together.
//!
//! [`Engine`] is opened by whoever needs it; several processes may do so at once, for everything they share lies in
//! files and every change of them is one rename, one symbolic link or one lock. A container is a directory below
//! `containers/`: it exists from the moment its `container.json` is there. It runs as long as its monitor holds the
//! lock on `monitor.lock`; nobody guesses by process ids.
//!
//! What is decided is decided by pure functions ([`parse`], the image's rules, the OCI spec); thin shells carry it out.
//!
//! The engine never mounts anything on the host, never pins a namespace, keeps no process of its own, and holds no
//! lock over slow work that another container could wait for.

mod attach;
mod classify;
mod config;
mod container;
mod create;
mod engine;
mod error;
mod exec;
mod heal;
mod health;
mod host;
mod id;
mod image_config;
mod json;
mod launch;
mod layout;
#[cfg(test)]
mod lifecycle_tests;
mod lock;
mod logs;
mod network_files;
mod network_plan;
pub mod parse;
mod picture;
mod prune;
mod records;
mod remove;
mod request;
mod rootfs;
mod run;
mod spec;
mod start;
mod stats;
mod stop;
mod sys;
mod users;
mod volume;
mod volumes;

pub use attach::AttachClient;
pub use config::Config;
pub use container::{
    Container, ExitStatus, Mount, MountKind, ProcessConfig, Record, State, Status,
};
pub use engine::{Engine, LogEntry, LogStream, Started};
pub use error::{Error, ErrorKind, Result};
pub use heal::HealReport;
pub use health::{Health, HealthCheck, HealthLog, HealthStatus};
pub use images::{
    CredentialSource, Credentials, Image, ImageSummary, LayerState, Platform, Progress, PullEvent,
    PullOptions, Reference, RemoteImage, Removed, credentials, look_up,
};
pub use network::{Endpoint, Network, NetworkSpec, PortMapping, Protocol};
pub use prune::{PruneReport, PruneSpec};
pub use request::{ExecSpec, LogOptions, Resources, RunSpec, Stdio};
pub use stats::{ProcessTable, Stats};
pub use volume::Volume;
