//! The testkit: what a test needs to drive the binaries as a person would, and to prove that nothing was left behind.
//!
//! A [`Host`] is a machine for the length of one test: a network and a mount namespace, state directories and a cgroup parent of its
//! own, with a real registry on its loopback. Nothing of the machine below is changed: no link, rule, mount or file outside the
//! temporary directory. When a `Host` goes, everything that ran on it is ended, and whatever was left is a failure of the test.
//!
//! The crate never links the crates it tests: it knows the binaries (`MINI_BIN_DIR`), their output and their files.

pub mod bundle;
pub mod cluster;
pub mod cluster_registry;
pub mod command;
pub mod fake;
pub mod host;
pub mod http;
pub mod image;
pub mod images;
pub mod leaks;
pub mod peer;
pub mod registry;
pub mod spaces;
pub mod sweep;
pub mod wait;
pub mod words;

pub use cluster::Cluster;
pub use command::{Done, Running};
pub use host::Host;
pub use wait::eventually;

/// A [`Host`], or the end of the test with a line that says why it can't run (not root).
#[macro_export]
macro_rules! host {
    () => {
        match $crate::Host::start() {
            Some(host) => host,
            None => return,
        }
    };
}
