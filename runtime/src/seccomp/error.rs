//! Why a seccomp profile can't become a filter.

/// Why a seccomp profile can't become a filter.
#[derive(Debug, thiserror::Error)]
pub(super) enum SeccompError {
    /// System calls have six arguments.
    #[error("seccomp rule for {call}: there is no argument {index}, system calls have 0 to 5")]
    Argument {
        /// The first name of the rule.
        call: String,
        /// As asked.
        index: usize,
    },
    /// The kernel keeps 16 bits, and error numbers end at 4095.
    #[error("seccomp action of {call}: {errno} is no error number, they are 0 to 4095")]
    Errno {
        /// The name of the rule, or "the default".
        call: String,
        /// As asked.
        errno: u32,
    },
    /// More instructions than the kernel takes.
    #[error(
        "the seccomp profile needs {length} instructions, the kernel takes 4096: shorten its argument rules"
    )]
    TooLong {
        /// Instructions needed.
        length: usize,
    },
}

impl From<SeccompError> for crate::Error {
    fn from(error: SeccompError) -> crate::Error {
        crate::Error::new(crate::ErrorKind::InvalidSpec, error.to_string())
    }
}
