//! The loop: waits for whatever comes first, until the container's first process has ended.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollFlags;

use super::health::{Prober, Wait};
use super::relay::{Relay, Source};
use super::signals;

/// Serves the streams, and probes, until the first process has ended; its status as waitpid(2) gives it. `None` when there is no
/// such child.
pub(super) fn until_exit(
    relay: &mut Relay,
    mut prober: Option<&mut Prober>,
    pid: i32,
) -> Option<i32> {
    signals::notice_children();
    loop {
        match reap(pid) {
            Reaped::First(status) => return Some(status),
            Reaped::NoChild => return None,
            Reaped::Others => {}
        }
        let now = Instant::now();
        let (mut interests, mut timeout) = relay.interests(now);
        match prober.as_ref().map(|prober| prober.waits_for(now)) {
            Some(Wait::Result(fd)) => interests.push((Source::Probe, fd, PollFlags::POLLIN)),
            Some(Wait::Time(left)) => timeout = Some(timeout.map_or(left, |other| other.min(left))),
            None => {}
        }
        let ready = wait(&interests, timeout);
        relay.serve(&ready);
        if let Some(prober) = &mut prober {
            let told = ready.iter().any(|(source, _)| *source == Source::Probe);
            prober.serve(told, Instant::now());
        }
    }
}

enum Reaped {
    /// The container's first process, with its status.
    First(i32),
    /// Orphans of the container that came to us, or none.
    Others,
    /// There is no child at all.
    NoChild,
}

/// Reaps all that have ended.
fn reap(first: i32) -> Reaped {
    loop {
        let mut status = 0;
        // SAFETY: waitpid writes the status into `status`.
        let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG | libc::__WALL) };
        match pid {
            0 => return Reaped::Others,
            -1 if Errno::last() == Errno::EINTR => {}
            -1 => return Reaped::NoChild,
            pid if pid == first => return Reaped::First(status),
            _ => {}
        }
    }
}

/// Waits with SIGCHLD let through, so that no end of a child is slept through.
fn wait(
    interests: &[(Source, BorrowedFd<'_>, PollFlags)],
    timeout: Option<Duration>,
) -> Vec<(Source, PollFlags)> {
    let mut fds: Vec<libc::pollfd> = interests
        .iter()
        .map(|(_, fd, flags)| libc::pollfd {
            fd: fd.as_raw_fd(),
            events: flags.bits(),
            revents: 0,
        })
        .collect();
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: timeout.as_secs() as libc::time_t,
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let timeout = timeout
        .as_ref()
        .map_or(std::ptr::null(), std::ptr::from_ref);
    let none = nix::sys::signal::SigSet::empty();
    // SAFETY: `fds` has the length given, and timeout and mask live through the call.
    let count = unsafe {
        libc::ppoll(
            fds.as_mut_ptr(),
            fds.len() as libc::nfds_t,
            timeout,
            none.as_ref(),
        )
    };
    if count <= 0 {
        // Time is up, or a child has ended.
        return Vec::new();
    }
    let flags = |fd: &libc::pollfd| PollFlags::from_bits_truncate(fd.revents);
    let all = interests
        .iter()
        .zip(&fds)
        .map(|((source, ..), fd)| (*source, flags(fd)));
    all.filter(|(_, flags)| !flags.is_empty()).collect()
}
