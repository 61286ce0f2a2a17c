//! What a pull tells while it runs.

use std::time::Duration;

use crate::digest::Digest;
use crate::platform::Platform;

/// Where the events of a pull go. They come from several threads, in order for each layer.
pub trait Progress: Sync {
    /// Something happened. Must not take long.
    fn event(&self, event: &PullEvent);
}

/// Nobody looks on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: &PullEvent) {}
}

/// A step of a pull.
#[derive(Debug, Clone, PartialEq)]
pub enum PullEvent {
    /// The registry is asked what the name stands for.
    Resolving {
        /// The image.
        reference: String,
    },
    /// A request that concerns the whole image has to be repeated.
    Retrying {
        /// The number of the attempt to come; the first repetition is 2.
        attempt: u32,
        /// Until it is made.
        wait: Duration,
        /// What went wrong.
        why: String,
    },
    /// The image of this platform was chosen.
    Resolved {
        /// Its manifest.
        manifest: Digest,
        /// The platform it is made for.
        platform: Platform,
        /// Its layers in order, the lowest first, with their compressed bytes.
        layers: Vec<(Digest, u64)>,
    },
    /// A layer changed its state.
    Layer {
        /// The compressed layer.
        digest: Digest,
        /// What it is doing.
        state: LayerState,
    },
    /// All content is here; it is being written to the disk for good.
    Committing,
    /// The image has its name in the store.
    Done {
        /// Its manifest.
        manifest: Digest,
        /// False when everything had been here already.
        fetched: bool,
    },
}

/// What one layer is doing. The bytes done never go back: a server that can't resume lets them stand still.
#[derive(Debug, Clone, PartialEq)]
pub enum LayerState {
    /// It has to wait for its turn, or another process is downloading it.
    Waiting,
    /// It was in the store already.
    Exists,
    /// Bytes are coming in; unpacking goes on at the same time.
    Downloading {
        /// Compressed bytes so far, those of an earlier attempt included.
        done: u64,
        /// Compressed bytes in all.
        total: u64,
    },
    /// All bytes are here, and unpacking is not over yet.
    Extracting {
        /// Compressed bytes unpacked.
        done: u64,
        /// Compressed bytes in all.
        total: u64,
    },
    /// The connection failed and will be made again.
    Retrying {
        /// The number of the attempt to come; the first repetition is 2.
        attempt: u32,
        /// Until it is made.
        wait: Duration,
        /// What went wrong.
        why: String,
    },
    /// Downloaded, checked and unpacked.
    Done,
}
