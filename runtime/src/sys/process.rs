//! What a process says of itself: credentials, capabilities, limits of privilege.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// prctl(2) with integers.
fn prctl(
    option: libc::c_int,
    two: libc::c_ulong,
    three: libc::c_ulong,
) -> Result<libc::c_int, Errno> {
    let zero: libc::c_ulong = 0;
    // SAFETY: the options used below take integers, never pointers.
    Errno::result(unsafe { libc::prctl(option, two, three, zero, zero) })
}

/// Asks for SIGKILL when the parent ends. It is forgotten whenever credentials change.
pub(crate) fn die_with_parent(wanted: bool) -> Result<(), Errno> {
    prctl(
        libc::PR_SET_PDEATHSIG,
        if wanted {
            libc::SIGKILL as libc::c_ulong
        } else {
            0
        },
        0,
    )
    .map(drop)
}

/// Keeps this process out of the reach of others of the same user: no ptrace, no `/proc/PID/fd`.
pub(crate) fn undumpable() -> Result<(), Errno> {
    prctl(libc::PR_SET_DUMPABLE, 0, 0).map(drop)
}

/// No program executed from here on gives more privileges than its caller has.
pub(crate) fn no_new_privileges() -> Result<(), Errno> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).map(drop)
}

/// Keeps the permitted capabilities when the user id ceases to be 0.
pub(crate) fn keep_capabilities(wanted: bool) -> Result<(), Errno> {
    prctl(libc::PR_SET_KEEPCAPS, libc::c_ulong::from(wanted), 0).map(drop)
}

/// Removes a capability from the bounding set.
pub(crate) fn drop_bounding(capability: u32) -> Result<(), Errno> {
    prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability), 0).map(drop)
}

/// Whether a capability is in the bounding set; EINVAL if the kernel doesn't know it.
pub(crate) fn in_bounding(capability: u32) -> Result<bool, Errno> {
    prctl(libc::PR_CAPBSET_READ, libc::c_ulong::from(capability), 0).map(|set| set == 1)
}

/// Empties the ambient set.
pub(crate) fn clear_ambient() -> Result<(), Errno> {
    prctl(
        libc::PR_CAP_AMBIENT,
        libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong,
        0,
    )
    .map(drop)
}

/// Adds a capability to the ambient set; it must be permitted and inheritable.
pub(crate) fn raise_ambient(capability: u32) -> Result<(), Errno> {
    prctl(
        libc::PR_CAP_AMBIENT,
        libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong,
        libc::c_ulong::from(capability),
    )
    .map(drop)
}

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// _LINUX_CAPABILITY_VERSION_3: 64 bits in two halves.
const VERSION: u32 = 0x2008_0522;

/// The effective, permitted and inheritable capabilities of this process.
pub(crate) fn capabilities() -> Result<[u64; 3], Errno> {
    let mut header = Header {
        version: VERSION,
        pid: 0,
    };
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 reads one header and fills two structures, and that is what is there.
    Errno::result(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) })?;
    let join = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    Ok([
        join(data[0].effective, data[1].effective),
        join(data[0].permitted, data[1].permitted),
        join(data[0].inheritable, data[1].inheritable),
    ])
}

/// Sets the effective, permitted and inheritable capabilities of this process.
pub(crate) fn set_capabilities(
    effective: u64,
    permitted: u64,
    inheritable: u64,
) -> Result<(), Errno> {
    let mut header = Header {
        version: VERSION,
        pid: 0,
    };
    let half = |shift: u32| Data {
        effective: (effective >> shift) as u32,
        permitted: (permitted >> shift) as u32,
        inheritable: (inheritable >> shift) as u32,
    };
    let data = [half(0), half(32)];
    // SAFETY: version 3 reads one header and two structures, and that is what is there.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) })
        .map(drop)
}

/// Real, effective and saved user and group ids, and the further groups. The system calls, not the C library's functions,
/// which would ask other threads to follow.
pub(crate) fn set_user(
    uid: u32,
    gid: u32,
    groups: &[u32],
    may_set_groups: bool,
) -> Result<(), Errno> {
    if may_set_groups {
        // SAFETY: pointer and length are those of one slice, read only.
        Errno::result(unsafe {
            libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr())
        })?;
    }
    // SAFETY: no memory is involved.
    Errno::result(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
    // SAFETY: no memory is involved.
    Errno::result(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) }).map(drop)
}

/// Sets one resource limit, RLIMIT_*.
pub(crate) fn set_limit(resource: u32, soft: u64, hard: u64) -> Result<(), Errno> {
    let limit = libc::rlimit64 {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: the limit is read, and outlives the call; no old value is asked for.
    let result = unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            0,
            resource,
            &raw const limit,
            std::ptr::null::<libc::rlimit64>(),
        )
    };
    Errno::result(result).map(drop)
}

/// Installs a filter program with SECCOMP_FILTER_FLAG_*.
pub(crate) fn set_seccomp(program: &[libc::sock_filter], flags: u32) -> Result<(), Errno> {
    let length = u16::try_from(program.len()).map_err(|_| Errno::E2BIG)?;
    // The kernel reads the program and doesn't write it.
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: `program` names a slice that outlives the call, with its length.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    Errno::result(result).map(drop)
}

/// Leaves for a session keyring of its own, keyctl(2).
pub(crate) fn new_session_keyring(name: &CStr) -> Result<(), Errno> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: the name is a terminated string for the length of the call.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr())
    })
    .map(drop)
}

/// The domain name of this UTS namespace.
pub(crate) fn set_domain_name(name: &[u8]) -> Result<(), Errno> {
    // SAFETY: pointer and length are those of one slice, read only.
    Errno::result(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) }).map(drop)
}

/// The host name of this UTS namespace.
pub(crate) fn set_host_name(name: &[u8]) -> Result<(), Errno> {
    // SAFETY: pointer and length are those of one slice, read only.
    Errno::result(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }).map(drop)
}

/// Makes a terminal the controlling one of this session.
pub(crate) fn control_terminal(terminal: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: TIOCSCTTY takes an integer.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) }).map(drop)
}

/// Class and priority of block I/O, ioprio_set(2).
pub(crate) fn set_io_priority(class: u32, priority: u32) -> Result<(), Errno> {
    const IOPRIO_WHO_PROCESS: libc::c_int = 1;
    // SAFETY: no memory is involved.
    let result = unsafe {
        libc::syscall(
            libc::SYS_ioprio_set,
            IOPRIO_WHO_PROCESS,
            0,
            class << 13 | priority,
        )
    };
    Errno::result(result).map(drop)
}

/// How the processor is shared, sched_setattr(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Scheduling {
    pub(crate) size: u32,
    pub(crate) policy: u32,
    pub(crate) flags: u64,
    pub(crate) nice: i32,
    pub(crate) priority: u32,
    pub(crate) runtime: u64,
    pub(crate) deadline: u64,
    pub(crate) period: u64,
}

/// Sets how the processor is shared.
pub(crate) fn set_scheduling(mut scheduling: Scheduling) -> Result<(), Errno> {
    scheduling.size = size_of::<Scheduling>() as u32;
    // SAFETY: the structure says its own size and outlives the call.
    Errno::result(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const scheduling, 0) })
        .map(drop)
}

/// The execution domain, personality(2).
pub(crate) fn set_personality(domain: u32) -> Result<(), Errno> {
    // SAFETY: no memory is involved.
    Errno::result(unsafe { libc::personality(libc::c_ulong::from(domain)) }).map(drop)
}

/// All signals back to what they do in any new process, and none blocked.
pub(crate) fn reset_signals() -> Result<(), Errno> {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL installs no code. Numbers whose action can't be set are refused, and are at their default.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    nix::sys::signal::SigSet::empty().thread_set_mask()
}

/// The working directory as the kernel names it: `(unreachable)...` when it is outside the root.
pub(crate) fn working_directory() -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0_u8; 4096];
    // SAFETY: pointer and length are those of one buffer.
    let length = Errno::result(unsafe {
        libc::syscall(libc::SYS_getcwd, buffer.as_mut_ptr(), buffer.len())
    })?;
    buffer.truncate(usize::try_from(length).unwrap_or(0).saturating_sub(1));
    Ok(buffer)
}

/// Ends this process without the C library's clean-up, which is for the process that it was copied from.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: it doesn't return, and runs no code of ours.
    unsafe { libc::_exit(code) }
}

/// The name that this process is listed with.
pub(crate) fn set_name(name: &CStr) -> Result<(), Errno> {
    // SAFETY: PR_SET_NAME reads a terminated string of at most 16 bytes.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) }).map(drop)
}
