//! The namespaces a host of a test is made of, held open by descriptor.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace with its loopback up, and a mount namespace of which nothing reaches the machine.
#[derive(Clone, Debug)]
pub struct Spaces {
    net: Arc<OwnedFd>,
    mnt: Arc<OwnedFd>,
}

impl Spaces {
    /// Makes both. Needs root.
    pub fn new() -> Spaces {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
                .expect("a network and a mount namespace");
            let none: Option<&str> = None;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
                .expect("private mounts");
            let up = Command::new("ip")
                .args(["link", "set", "lo", "up"])
                .status()
                .expect("ip (iproute2) runs");
            assert!(up.success(), "the loopback comes up");
            Spaces {
                net: Arc::new(
                    File::open("/proc/thread-self/ns/net")
                        .expect("the network namespace")
                        .into(),
                ),
                mnt: Arc::new(
                    File::open("/proc/thread-self/ns/mnt")
                        .expect("the mount namespace")
                        .into(),
                ),
            }
        });
        made.join().expect("the namespaces are made")
    }

    /// Runs `work` on a thread inside both namespaces. What it opens or starts stays there.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.join();
                work()
            });
            inside
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Starts a thread of its own inside both namespaces.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let spaces = self.clone();
        thread::spawn(move || {
            spaces.join();
            work()
        })
    }

    /// Makes `command` start inside both namespaces.
    pub fn place(&self, command: &mut Command) {
        let spaces = self.clone();
        let enter = move || {
            setns(spaces.net.as_fd(), CloneFlags::CLONE_NEWNET)?;
            setns(spaces.mnt.as_fd(), CloneFlags::CLONE_NEWNS)?;
            Ok(())
        };
        // SAFETY: between fork and exec the closure makes two system calls on descriptors that it owns; it neither allocates nor locks.
        unsafe {
            command.pre_exec(enter);
        }
    }

    /// A path under which other processes (such as `ip link set ... netns`) find the network namespace.
    pub fn net_path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.net.as_raw_fd()).into()
    }

    /// Whether the process `pid` lives in this network namespace.
    pub fn holds(&self, pid: i32) -> bool {
        let ours = std::fs::metadata(self.net_path()).map(|meta| (meta.dev(), meta.ino()));
        let theirs =
            std::fs::metadata(format!("/proc/{pid}/ns/net")).map(|meta| (meta.dev(), meta.ino()));
        matches!((ours, theirs), (Ok(ours), Ok(theirs)) if ours == theirs)
    }

    fn join(&self) {
        unshare(CloneFlags::CLONE_FS).expect("a thread with a file system view of its own");
        setns(self.net.as_fd(), CloneFlags::CLONE_NEWNET).expect("enter the network namespace");
        setns(self.mnt.as_fd(), CloneFlags::CLONE_NEWNS).expect("enter the mount namespace");
    }
}

impl Default for Spaces {
    fn default() -> Spaces {
        Spaces::new()
    }
}
