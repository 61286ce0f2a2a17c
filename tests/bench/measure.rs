//! Measuring in turns.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Before each start the machine is left alone for so long.
const PAUSE: Duration = Duration::from_millis(150);

/// Something to be timed: `prepare` is not counted, `command` is from its start to its end.
pub(crate) struct Candidate<'a> {
    pub(crate) prepare: Box<dyn Fn() + 'a>,
    pub(crate) command: Box<dyn Fn() -> Command + 'a>,
}

impl<'a> Candidate<'a> {
    /// A command that needs no preparation.
    pub(crate) fn new(command: impl Fn() -> Command + 'a) -> Candidate<'a> {
        Candidate {
            prepare: Box::new(|| ()),
            command: Box::new(command),
        }
    }

    /// The same, with what must be done before each time.
    pub(crate) fn after(mut self, prepare: impl Fn() + 'a) -> Candidate<'a> {
        self.prepare = Box::new(prepare);
        self
    }

    fn time(&self) -> f64 {
        (self.prepare)();
        sleep(PAUSE);
        let mut command = (self.command)();
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let start = Instant::now();
        let output = command.output().expect("the command starts");
        let took = start.elapsed().as_secs_f64();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{command:?}: {}: {said}",
            output.status
        );
        took
    }
}

/// The median seconds of each candidate over `rounds` rounds, in which all take turns; a first round is not counted.
pub(crate) fn in_turns(rounds: usize, candidates: &[Candidate<'_>]) -> Vec<f64> {
    let mut times = vec![Vec::new(); candidates.len()];
    for round in 0..=rounds {
        for (candidate, times) in candidates.iter().zip(&mut times) {
            let took = candidate.time();
            if round > 0 {
                times.push(took);
            }
        }
    }
    times.into_iter().map(median).collect()
}

/// The middle of `values`, or the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

/// Mebibytes of memory that a process alone accounts for, shared pages divided among those who share them.
pub(crate) fn proportional_memory(pid: i32) -> f64 {
    let rollup =
        std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the process's memory");
    let line = rollup
        .lines()
        .find(|line| line.starts_with("Pss:"))
        .expect("a sum");
    let kibibytes: f64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .expect("a number");
    kibibytes / 1024.0
}
