//! Seccomp: a profile of the OCI specification becomes a filter program, with no library beneath.

mod bpf;
mod compile;
mod error;
mod profile;
mod rule;
mod table;
#[cfg(test)]
mod tests;

pub use compile::compile;
pub use error::SeccompError;
pub use profile::docker_default;

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompFilterFlag};

/// The flags for seccomp(2). A profile that gives none gets SECCOMP_FILTER_FLAG_SPEC_ALLOW, which spares its processes
/// the cost of a mitigation that modern processors don't need. TSYNC has no meaning before the program is executed.
pub fn flags(profile: &LinuxSeccomp) -> u32 {
    let Some(flags) = profile.flags() else {
        return libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW as u32;
    };
    flags.iter().fold(0, |bits, flag| {
        bits | match flag {
            LinuxSeccompFilterFlag::SeccompFilterFlagLog => libc::SECCOMP_FILTER_FLAG_LOG as u32,
            LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW as u32,
            LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => 1 << 5,
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync => 0,
        }
    })
}
