//! Numbers from samples, and the memory of a process.

/// The sample below which that part of all lies.
pub(crate) fn percentile(samples: &mut [f64], part: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let last = samples.len() - 1;
    // The nearest rank; samples are few enough for a float to count them.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )]
    let at = (part * last as f64).round() as usize;
    samples[at.min(last)]
}

/// The middle of them.
pub(crate) fn median(samples: &mut [f64]) -> f64 {
    percentile(samples, 0.5)
}

/// Megabytes of memory that a process accounts for, shared pages divided among those who share them.
pub(crate) fn memory(pid: u32) -> f64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
    let rollup = rollup.expect("the process's memory");
    let line = rollup.lines().find(|line| line.starts_with("Pss:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kibibytes.expect("a sum") * 1024.0 / 1e6
}
