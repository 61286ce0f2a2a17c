//! What running tasks use, from two readings of each. Pure.

use std::collections::BTreeMap;

use api::v1::TaskUsage;

use crate::executor::Reading;

/// Readings closer to each other than this say little.
const LEAST_NANOSECONDS: u64 = 500_000_000;

/// The last reading of each task.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    last: BTreeMap<String, Reading>,
}

impl Meter {
    /// Takes in readings, by task, and returns what was used since the last ones. A task is told of from its second reading on;
    /// one without a reading is forgotten.
    pub(crate) fn read(&mut self, now: &BTreeMap<String, Reading>) -> Vec<TaskUsage> {
        let mut used = Vec::new();
        let mut last = BTreeMap::new();
        for (task, reading) in now {
            let mut kept = *reading;
            if let Some(before) = self.last.get(task) {
                let wall = reading.at_nanoseconds.saturating_sub(before.at_nanoseconds);
                if wall < LEAST_NANOSECONDS {
                    kept = *before;
                } else if let Some(cpu) =
                    reading.cpu_nanoseconds.checked_sub(before.cpu_nanoseconds)
                {
                    used.push(TaskUsage {
                        task_id: task.clone(),
                        cpus: cpu as f64 / wall as f64,
                        memory_bytes: reading.memory_bytes,
                        requests_per_second: 0.0,
                    });
                }
            }
            last.insert(task.clone(), kept);
        }
        self.last = last;
        used
    }
}

#[cfg(test)]
mod tests {
    use super::{Meter, Reading};
    use std::collections::BTreeMap;

    #[test]
    fn use_is_the_difference_of_two_readings() {
        let mut meter = Meter::default();
        let mut check = |cpu_ms: u64, at_ms: u64, expected: Option<f64>| {
            let reading = Reading {
                cpu_nanoseconds: cpu_ms * 1_000_000,
                at_nanoseconds: at_ms * 1_000_000,
                memory_bytes: 5,
            };
            let used = meter.read(&BTreeMap::from([("t".to_owned(), reading)]));
            let cpus = used.first().map(|used| used.cpus);
            assert_eq!(cpus, expected, "{cpu_ms} at {at_ms}");
            assert!(used.iter().all(|used| used.memory_bytes == 5));
        };
        check(100, 1000, None);
        check(1100, 3000, Some(0.5));
        check(1200, 3100, None);
        check(5100, 5000, Some(2.0));
        check(10, 9000, None);
        check(1010, 10000, Some(1.0));
    }
}
