//! Disk and processor at work at the same time: what is written of a large pull is sent to the disk while more comes in, so that the sync
//! which makes the image durable finds little left to do.

use std::fs::File;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::Scope;
use std::time::Duration;

use crate::store::Store;

/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(100);
/// Compressed bytes below which a pull is over before it is worth the while.
const WORTH: u64 = 8 << 20;

/// Goes on until dropped.
pub(super) struct Writeback {
    _stop: Option<Sender<()>>,
}

impl Writeback {
    /// Starts it for a pull of `size` compressed bytes. It only saves time, so whatever hinders it is no error.
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        store: &Store,
        size: u64,
    ) -> Writeback {
        let root = File::open(store.root()).ok().filter(|_| size >= WORTH);
        let Some(root) = root else {
            return Writeback { _stop: None };
        };
        let (stop, stopped) = channel::<()>();
        let started = std::thread::Builder::new()
            .name("writeback".to_owned())
            .spawn_scoped(scope, move || {
                while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                    // A disk that fails is told of by the sync that counts.
                    let _ = nix::unistd::syncfs(&root);
                }
            });
        Writeback {
            _stop: started.ok().map(|_| stop),
        }
    }
}
