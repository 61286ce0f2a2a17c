//! Seccomp: a profile of the OCI specification becomes a filter program, with no library beneath.

mod bpf;
mod compile;
mod error;
mod profile;
mod rule;
mod table;
#[cfg(test)]
mod tests;

use error::SeccompError;
pub use profile::docker_default;

use libc::sock_filter;
use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompFilterFlag};

/// Compiles a profile into a classic BPF program for seccomp(2).
///
/// The architecture of this machine is always among those judged; others are those of the profile that this machine can
/// execute. Names that an architecture doesn't know are passed over. A call newer than all that the profile names
/// gets ENOSYS instead of the default refusal, so that programs fall back to what they used before.
///
/// # Errors
/// An argument index above 5, an error number above 4095, a program longer than 4096 instructions.
pub(crate) fn compile(profile: &LinuxSeccomp) -> crate::Result<Vec<sock_filter>> {
    Ok(compile::compile_for(compile::native(), profile)?)
}

/// The flags for seccomp(2). A profile that gives none gets SECCOMP_FILTER_FLAG_SPEC_ALLOW, which spares its processes
/// the cost of a mitigation that modern processors don't need. TSYNC has no meaning before the program is executed.
pub(crate) fn flags(profile: &LinuxSeccomp) -> u32 {
    let Some(flags) = profile.flags() else {
        return libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW as u32;
    };
    flags.iter().fold(0, |bits, flag| {
        bits | match flag {
            LinuxSeccompFilterFlag::SeccompFilterFlagLog => libc::SECCOMP_FILTER_FLAG_LOG as u32,
            LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => {
                libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW as u32
            }
            LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => 1 << 5,
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync => 0,
        }
    })
}
