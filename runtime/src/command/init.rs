//! `minirun init`: the first process of a container whose program is not made to be one. It starts the program, passes signals
//! on, reaps what is orphaned, and ends as the program does.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use lexopt::prelude::*;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::Global;
use super::arguments::usage;
use crate::error::{Error, ErrorKind, Result};

pub(super) const HELP: &str = "\
minirun init PROGRAM [ARGUMENT...]: run a program as the first process of a container should: pass signals on, reap orphans
";

pub(super) fn run(_: &Global, parser: &mut lexopt::Parser) -> Result<i32> {
    let mut words = Vec::new();
    if let Some(Value(program)) = parser.next().map_err(usage)? {
        words.push(program);
        words.extend(parser.raw_args().map_err(usage)?);
    }
    let Some((program, arguments)) = words.split_first() else {
        return Err(Error::invalid("minirun init needs a program"));
    };
    // Signals wait until they are asked for.
    let (all, mut before) = (SigSet::all(), SigSet::empty());
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&all), Some(&mut before))
        .map_err(Error::sys("block", "signals"))?;
    let child = start(program, arguments, before)?;
    let child = Pid::from_raw(child.id().cast_signed());
    loop {
        let (signal, from_kernel) = next(&all).map_err(Error::sys("wait for", "signals"))?;
        if signal == libc::SIGCHLD {
            if let Some(code) = reap(child) {
                return Ok(code);
            }
        } else if !from_kernel {
            // What a terminal sends, the program has had itself: it is in the same group.
            // SAFETY: kill touches no memory. The child is not reaped yet, so the number is still its own.
            unsafe { libc::kill(child.as_raw(), signal) };
        }
    }
}

/// Starts the program with `mask` as its signal mask.
fn start(program: &OsString, arguments: &[OsString], mask: SigSet) -> Result<Child> {
    let mut command = Command::new(program);
    let unblock =
        move || sigprocmask(SigmaskHow::SIG_SETMASK, Some(&mask), None).map_err(io::Error::from);
    // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
    unsafe { command.pre_exec(unblock) };
    command.args(arguments).spawn().map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::CommandNotFound,
            _ => ErrorKind::CommandNotExecutable,
        };
        Error::sys("execute", program.display())(error).with_kind(kind)
    })
}

/// The next signal, and whether the kernel itself sent it.
fn next(set: &SigSet) -> Result<(i32, bool), Errno> {
    loop {
        // SAFETY: all zero is a valid siginfo_t, and the call fills it.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: set and info outlive the call.
        let signal = unsafe { libc::sigwaitinfo(set.as_ref(), &raw mut info) };
        match Errno::result(signal) {
            Ok(signal) => return Ok((signal, info.si_code == libc::SI_KERNEL)),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Reaps all that have ended; the exit code of `child` if it is among them.
fn reap(child: Pid) -> Option<i32> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => return Some(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                return Some(128 + signal as i32);
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}
