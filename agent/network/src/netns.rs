//! Network namespaces, held by descriptor and never pinned by a mount.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use nix::sched::{CloneFlags, setns, unshare};

use crate::error::{Error, Result};
use crate::netlink::Route;

/// Network namespaces. The namespace lives as long as a process is in it or a descriptor of it is open.
#[derive(Debug)]
pub enum Netns {}

impl Netns {
    /// Makes a namespace with its loopback up. Made by a thread of its own, so that the caller stays where it is.
    ///
    /// As is usual for containers, any process inside may bind low ports and send echo requests, and interfaces that
    /// come later have no IPv6 (nothing would route it).
    pub fn create() -> Result<OwnedFd> {
        in_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)
                .map_err(Error::system("create", "network namespace"))?;
            let netns = File::open("/proc/thread-self/ns/net")
                .map_err(Error::system("open", "/proc/thread-self/ns/net"))?;
            Route::open()?.set_up("lo")?;
            for (path, value) in DEFAULTS {
                // A kernel without IPv6 has no such file; and without these the namespace is still whole.
                let _ = File::options()
                    .write(true)
                    .open(path)
                    .and_then(|mut f| f.write_all(value.as_bytes()));
            }
            Ok(netns.into())
        })
    }

    /// Runs `work` in a thread inside `netns`; the calling thread stays where it is.
    pub fn enter<T: Send>(netns: impl AsFd, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let netns = netns.as_fd();
        in_thread(move || {
            setns(netns, CloneFlags::CLONE_NEWNET)
                .map_err(Error::system("enter", "network namespace"))?;
            work()
        })
    }
}

/// Docker's defaults for a namespace of its own (`ip-sysctl.rst`).
const DEFAULTS: [(&str, &str); 3] = [
    ("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"),
    ("/proc/sys/net/ipv4/ping_group_range", "0 2147483647"),
    ("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"),
];

fn in_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("netns".into())
            .stack_size(128 * 1024)
            .spawn_scoped(scope, work)
            .map_err(Error::system("start", "a thread for a network namespace"))?;
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
