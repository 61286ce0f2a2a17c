//! What a container uses, and its processes.

use serde::Serialize;

/// What a container uses at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Stats {
    /// Nanoseconds of processor time since its start.
    pub cpu_nanoseconds: u64,
    /// Nanoseconds since boot when this was read: two readings give a share.
    pub taken_at_nanoseconds: u64,
    /// Processors of the host.
    pub cpus: u32,
    /// Bytes of memory, without the page cache that can be dropped.
    pub memory: u64,
    /// Bytes; the host's memory when unlimited.
    pub memory_limit: u64,
    /// Bytes received.
    pub network_received: u64,
    /// Bytes sent.
    pub network_sent: u64,
    /// Bytes read from block devices.
    pub block_read: u64,
    /// Bytes written to block devices.
    pub block_written: u64,
    /// Processes and threads.
    pub pids: u64,
}

/// Processes, one a row.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ProcessTable {
    /// UID, PID, PPID, C, STIME, TTY, TIME, CMD.
    pub titles: Vec<String>,
    /// One for each process.
    pub rows: Vec<Vec<String>>,
}
