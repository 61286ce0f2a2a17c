#![forbid(unsafe_code)]
//! In place of the crate `base2histogram`, with which openraft counts how large its batches are.
//!
//! What it counts is shown with openraft's feature `runtime-stats` alone, which we don't turn on. The crate itself computes tables of
//! 25 MB when the first histogram is made, three times what the rest of a manager needs. This one has the same names, as far as
//! openraft uses them, and keeps nothing (`[patch.crates-io]` in the workspace's Cargo.toml). An openraft that uses more of them
//! does not compile.

use std::fmt;
use std::marker::PhantomData;

/// A histogram that forgets what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram<T = ()>(PhantomData<T>);

impl<T> Histogram<T> {
    /// An empty one, as it stays.
    pub fn new() -> Self {
        Histogram(PhantomData)
    }

    /// Forgets a value.
    pub fn record(&mut self, _value: u64) {}

    /// Forgets a value that came so often.
    pub fn record_n(&mut self, _value: u64, _count: u64) {}

    /// What it knows: nothing.
    pub fn percentile_stats(&self) -> PercentileStats {
        PercentileStats::default()
    }
}

impl<T> Default for Histogram<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// How many samples there were, and below which value that part of them lay: of none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the percentile of its name")]
pub struct PercentileStats {
    pub samples: u64,
    pub p0_1: u64,
    pub p1: u64,
    pub p5: u64,
    pub p10: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not counted")
    }
}

/// A chart of nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsciiChart;

impl AsciiChart {
    /// An empty one, as it stays.
    pub fn new() -> Self {
        AsciiChart
    }

    /// Leaves a histogram out.
    #[must_use]
    pub fn add<T>(self, _name: &str, _histogram: Histogram<T>) -> Self {
        self
    }
}

impl fmt::Display for AsciiChart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not counted")
    }
}
