//! How a world is run, and what came of it.

use crate::judge::Failure;
use crate::planted::Planted;

/// How a world is run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How long misfortunes last, in simulated milliseconds.
    pub storm: u64,
    /// The mistake that is planted.
    pub planted: Option<Planted>,
    /// Whether everything that happens is printed.
    pub verbose: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            storm: 15_000,
            planted: None,
            verbose: false,
        }
    }
}

/// What came of a world.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// A hash of every message, command and outcome.
    pub history: u64,
    /// How long it lasted, in simulated milliseconds.
    pub simulated: u64,
    /// Operations of clients that were answered, refused, and of which nothing is known.
    pub operations: [u64; 3],
    /// Terms that had a leader.
    pub elections: u64,
    /// Lives of members that ended in a crash.
    pub crashes: u64,
    /// Partitions.
    pub partitions: u64,
    /// Snapshots that members took over from others.
    pub snapshots: u64,
    /// Changes of the group that were acknowledged.
    pub changes: u64,
    /// Registers whose history was too much for the search.
    pub undecided: u64,
    /// What was broken; the world ends with the first.
    pub failures: Vec<Failure>,
}
