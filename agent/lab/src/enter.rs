//! Into a host: a command, or a piece of work.

use std::convert::Infallible;
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::Command;

use network::Netns;
use nix::sched::{CloneFlags, setns, unshare};

use crate::cgroups::{self, Cgroups};
use crate::error::{Error, Result};
use crate::host::client;
use crate::host::protocol::Request;
use crate::labs::Lab;
use crate::plan::SWITCH;

impl Lab {
    /// Becomes a command on a host (a node, or `switch`): in its network, its mounts, under its name and in its
    /// cgroup, where `minictl` is the one that called and finds the node's daemon and containers by the environment.
    /// Without a command it becomes a shell. Returns only on failure.
    ///
    /// # Errors
    /// [`Error::NoSuchNode`], [`Error::Lost`], [`Error::System`] when the command cannot be executed. The calling
    /// process has then left its own namespaces and should end.
    pub fn exec(&self, host: &str, command: &[OsString]) -> Result<Infallible> {
        let plan = self.plan();
        if host != SWITCH {
            plan.node(host)?;
        }
        let asked = client::ask(plan, host, &Request::Status)?;
        let directory = env::current_dir();
        let spaces = [
            (CloneFlags::CLONE_NEWUTS, "uts"),
            (CloneFlags::CLONE_NEWNET, "net"),
            (CloneFlags::CLONE_NEWNS, "mnt"),
        ];
        let mut opened = Vec::new();
        for (flag, kind) in spaces {
            opened.push((flag, kind, client::namespace(&asked, kind)?));
        }
        cgroups::enter(Cgroups::find()?.door(&plan.cgroup(host))?)?;
        // A mount namespace can only be entered by a thread that shares its root and directory with no other.
        unshare(CloneFlags::CLONE_FS).map_err(Error::system("part from", "other threads"))?;
        for (flag, kind, space) in opened {
            setns(space, flag).map_err(Error::system("enter namespace", kind))?;
        }
        // Entering the mounts has led to their root.
        if let Ok(directory) = directory {
            let _ = env::set_current_dir(directory);
        }
        let shell = || vec![env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into())];
        let words = if command.is_empty() {
            shell()
        } else {
            command.to_vec()
        };
        let mut program = Command::new(&words[0]);
        program.args(&words[1..]).env("PATH", path());
        if host != SWITCH {
            program.envs(plan.environment(host));
        }
        let refused = program.exec();
        Err(Error::system("execute", words[0].display())(refused))
    }

    /// Runs `work` on a thread in the network of a host (a node, or `switch`).
    ///
    /// # Errors
    /// [`Error::Lost`].
    pub fn inside<T: Send>(&self, host: &str, work: impl FnOnce() -> T + Send) -> Result<T> {
        let asked = client::ask(self.plan(), host, &Request::Status)?;
        let netns = client::namespace(&asked, "net")?;
        Ok(Netns::enter(&netns, || Ok(work()))?)
    }
}

/// The usual one, with this program's own directory before all.
fn path() -> OsString {
    let usual = env::var_os("PATH").unwrap_or_else(|| {
        OsStr::new("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").to_owned()
    });
    let own = env::current_exe()
        .ok()
        .and_then(|path| path.parent().map(OsStr::new).map(OsStr::to_owned));
    match own {
        Some(own) => {
            let mut all = own;
            all.push(":");
            all.push(usual);
            all
        }
        None => usual,
    }
}
