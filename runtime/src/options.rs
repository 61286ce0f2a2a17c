//! How a container or a further process is to be started, beside what its specification says.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// How to create a container.
#[derive(Debug, Default)]
pub struct CreateOptions {
    /// The streams of the first process when it has no terminal of its own.
    pub stdio: Stdio,
    /// Where the terminal goes when `process.terminal` asks for one.
    pub terminal: Terminal,
    /// How it can be started.
    pub start_gate: StartGate,
    /// The first process gets SIGKILL when the caller of [`crate::Runtime::create`] ends.
    pub die_with_parent: bool,
    /// Descriptors 3 to 2 + n of the caller stay open in the container.
    pub preserve_fds: u32,
    /// MS_MOVE and chroot instead of pivot_root, for a root in an initial ram disk.
    pub no_pivot: bool,
    /// Keep the caller's session keyring.
    pub no_new_keyring: bool,
    /// Written with the process id once the container is created.
    pub pid_file: Option<PathBuf>,
    /// A unix socket that is sent the pidfd of the first process.
    pub pidfd_socket: Option<PathBuf>,
}

/// How to run a further process in a container.
#[derive(Debug, Default)]
pub struct ExecOptions {
    /// Its streams when it has no terminal of its own.
    pub stdio: Stdio,
    /// Where the terminal goes when `process.terminal` asks for one.
    pub terminal: Terminal,
    /// Descriptors 3 to 2 + n of the caller stay open in the process.
    pub preserve_fds: u32,
    /// Written with the process id once the program is executed.
    pub pid_file: Option<PathBuf>,
    /// A unix socket that is sent the pidfd of the process.
    pub pidfd_socket: Option<PathBuf>,
    /// A cgroup below the container's own to run in.
    pub cgroup: Option<String>,
}

/// Standard input, output and error.
#[derive(Debug, Default)]
pub enum Stdio {
    /// The caller's.
    #[default]
    Inherit,
    /// These three.
    Given([OwnedFd; 3]),
}

impl Stdio {
    /// `/dev/null` three times.
    ///
    /// # Errors
    /// When the caller has too many files open, or no such device.
    pub fn null() -> Result<Stdio> {
        let open = || {
            File::options()
                .read(true)
                .write(true)
                .open("/dev/null")
                .map(OwnedFd::from)
                .map_err(Error::sys("open", "/dev/null"))
        };
        Ok(Stdio::Given([open()?, open()?, open()?]))
    }
}

/// Where the master side of a terminal goes.
#[derive(Debug, Default)]
pub enum Terminal {
    /// To the caller: [`crate::Created::terminal`].
    #[default]
    Caller,
    /// Over this unix socket (SCM_RIGHTS).
    Socket(PathBuf),
}

/// How a created container can be started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartGate {
    /// By [`crate::Created::start`] alone. If [`crate::Created`] is dropped or its process dies, so does the container.
    #[default]
    Held,
    /// By any process, with [`crate::Runtime::start`].
    Open,
}
