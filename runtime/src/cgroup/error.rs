//! What can go wrong with cgroups.

use std::io;
use std::path::PathBuf;

/// What can go wrong with cgroups.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CgroupError {
    /// The path leaves the hierarchy, or has a part that no directory can have.
    #[error("cgroup path {path:?} is not usable: {why}")]
    Path {
        /// As given.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Neither a v1 nor a v2 hierarchy is mounted.
    #[error("no cgroup hierarchy is mounted: mount cgroup2 at /sys/fs/cgroup")]
    NoHierarchy,
    /// This machine can't enforce the limit.
    #[error("{limit} cannot be set: {why}")]
    Unsupported {
        /// The name of the limit, and its value.
        limit: String,
        /// What is missing, and what to do.
        why: String,
    },
    /// The kernel refused the value.
    #[error("the kernel refuses {value:?} for {}: {hint}", file.display())]
    Refused {
        /// The file that was written to.
        file: PathBuf,
        /// What was written.
        value: String,
        /// What to do.
        hint: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file or directory of the hierarchy can't be worked with.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// A verb.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel doesn't take the program that guards device files.
    #[error("cannot {operation} the device program of {}: a kernel with CONFIG_CGROUP_BPF and CAP_SYS_ADMIN or CAP_BPF are needed", cgroup.display())]
    DeviceProgram {
        /// load or attach.
        operation: &'static str,
        /// The container's directory.
        cgroup: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Something didn't come about in time.
    #[error("{what} of {} after {seconds} s", path.display())]
    Timeout {
        /// What is still the case.
        what: &'static str,
        /// The cgroup's directory.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
}

impl CgroupError {
    pub(super) fn io(
        operation: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| CgroupError::Io {
            operation,
            path,
            source,
        }
    }
}

/// Result of this module.
pub(super) type Result<T, E = CgroupError> = std::result::Result<T, E>;

impl From<CgroupError> for crate::Error {
    fn from(error: CgroupError) -> crate::Error {
        let message = error.to_string();
        let kind = match &error {
            CgroupError::Path { .. } => crate::ErrorKind::InvalidSpec,
            CgroupError::NoHierarchy => crate::ErrorKind::Unsupported,
            CgroupError::Unsupported { .. } | CgroupError::Refused { .. } => {
                crate::ErrorKind::Limit
            }
            CgroupError::DeviceProgram { .. } => crate::ErrorKind::Unsupported,
            CgroupError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                crate::ErrorKind::Permission
            }
            CgroupError::Io { .. } | CgroupError::Timeout { .. } => crate::ErrorKind::Io,
        };
        match error {
            CgroupError::Refused { source, .. }
            | CgroupError::Io { source, .. }
            | CgroupError::DeviceProgram { source, .. } => {
                crate::Error::caused(kind, message, source)
            }
            _ => crate::Error::new(kind, message),
        }
    }
}
