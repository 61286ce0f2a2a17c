//! For tests that need the kernel: a thread in a network namespace of its own.

use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

/// Runs `work` in a thread with its own network namespace (and its own mounts, with a /sys and /proc/sys/net that
/// belong to it); without root it says so and returns.
pub(crate) fn in_own_netns(test: &str, work: impl FnOnce() + Send) {
    if !geteuid().is_root() {
        println!("{test} skipped: needs root for a network namespace of its own");
        return;
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
            crate::netlink::Route::open().unwrap().set_up("lo").unwrap();
            work();
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}
