//! The process that stays beside a container: holds its streams and its log, reaps it, records its exit, takes its remains away and
//! then becomes the command that takes the rest away. Where a health check is given, it probes the container meanwhile.
//!
//! It has one thread and waits in one poll(2). Nothing that happens to those who look on (a full disk, a dead client,
//! signals of a terminal) ends the container; whoever kills the monitor itself takes the container along.

pub mod attach;
pub mod health;

mod clients;
mod exit;
mod files;
mod memory;
mod options;
mod pump;
mod relay;
mod report;
mod signals;
mod start;

pub use options::Options;

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::SystemTime;

use nix::unistd::{ForkResult, fork, setsid};

use crate::{Error, Result};
use exit::Exit;
use start::Started;

/// Starts a monitor and the container in it. The caller goes on at once; all further news come by `report_fd` and the files.
/// The calling process must have one thread: it forks.
///
/// # Errors
/// Only if the monitor can't be forked.
pub fn run(options: Options) -> Result<()> {
    // SAFETY: the caller has one thread, so that the child may use the heap and all else.
    match unsafe { fork() }.map_err(Error::sys("fork", "the monitor"))? {
        ForkResult::Parent { .. } => Ok(()),
        ForkResult::Child => {
            // A child that was just forked leads no process group, so this can't fail.
            let _ = setsid();
            stay(options)
        }
    }
}

/// The monitor's whole life.
fn stay(options: Options) -> ! {
    let report = report::Report::take(options.report_fd);
    let started = match start::start(&options) {
        Ok(started) => started,
        Err(error) => {
            report.failed(&error);
            std::process::exit(1);
        }
    };
    report.started(started.pid);
    let Started {
        runtime,
        id,
        pid,
        began,
        mut relay,
        mut prober,
        exit_file,
        lock,
    } = started;
    memory::release();
    let status = pump::until_exit(&mut relay, prober.as_mut(), pid);
    drop(prober);
    relay.drain();
    let exit = Exit::new(
        status,
        pid,
        began,
        SystemTime::now(),
        start::oom_killed(&runtime, &id),
    );
    // What can't be written now can't be told to anybody either; the next command sees a container without an exit.
    let _ = exit_file.write(&exit);
    // Whatever can't be removed now is removed by the next command that looks.
    let _ = runtime.delete(&id, true);
    let kept = relay.finish(exit.exit_code);
    become_command(&options, kept, lock)
}

/// Executes the exit command, with only the streams of the first client left open.
fn become_command(options: &Options, kept: Option<OwnedFd>, lock: OwnedFd) -> ! {
    if let Some((program, arguments)) = options.exit_command.split_first() {
        if let Some(kept) = &kept {
            clients::keep_across_exec(kept);
        }
        signals::restore();
        let _ = Command::new(program).args(arguments).exec();
    }
    drop(lock);
    std::process::exit(0)
}
