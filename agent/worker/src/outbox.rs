//! Statuses that the managers have not acknowledged: the newest of each task. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use api::v1::TaskUpdate;
use model::TaskStatus;

/// A status is not held back for longer than this while another call is under way.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// Most statuses of one call.
const BATCH: usize = 1000;

/// What is to be reported. Two calls under way never tell of the same task, so that none overtakes another.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: BTreeMap<String, TaskStatus>,
    /// By call.
    under_way: BTreeMap<u64, BTreeMap<String, TaskStatus>>,
    calls: u64,
    /// Statuses that were acknowledged since the start.
    pub(crate) acknowledged: u64,
}

impl Outbox {
    /// Notes a status, in place of an older one that was not sent yet.
    pub(crate) fn put(&mut self, task: &str, status: TaskStatus) {
        self.waiting.insert(task.to_owned(), status);
    }

    /// The next call: its number and what it tells; none while there is nothing new to tell.
    pub(crate) fn take(&mut self) -> Option<(u64, Vec<TaskUpdate>)> {
        let ready: Vec<String> = self.ready().take(BATCH).cloned().collect();
        if ready.is_empty() {
            return None;
        }
        self.calls += 1;
        let call = self.under_way.entry(self.calls).or_default();
        for task in ready {
            if let Some(status) = self.waiting.remove(&task) {
                call.insert(task, status);
            }
        }
        let updates = call.iter().map(|(task, status)| TaskUpdate {
            task_id: task.clone(),
            status: Some(status.clone()),
        });
        Some((self.calls, updates.collect()))
    }

    /// Whether there is something new to tell.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready().next().is_some()
    }

    fn ready(&self) -> impl Iterator<Item = &String> {
        self.waiting.keys().filter(|task| !self.is_under_way(task))
    }

    /// A call was answered.
    pub(crate) fn acknowledge(&mut self, call: u64) {
        if let Some(told) = self.under_way.remove(&call) {
            self.acknowledged += told.len() as u64;
        }
    }

    /// How many statuses the managers have not acknowledged.
    pub(crate) fn unacknowledged(&self) -> u64 {
        let under_way: usize = self.under_way.values().map(BTreeMap::len).sum();
        (self.waiting.len() + under_way) as u64
    }

    /// The session is over: what was not answered is told again.
    pub(crate) fn rewind(&mut self) {
        for (task, status) in std::mem::take(&mut self.under_way).into_values().flatten() {
            self.waiting.entry(task).or_insert(status);
        }
    }

    /// A task of which nothing is to be told any more.
    pub(crate) fn forget(&mut self, task: &str) {
        self.waiting.remove(task);
    }

    /// Whether the managers have heard all there is to tell of a task.
    pub(crate) fn is_told(&self, task: &str) -> bool {
        !self.waiting.contains_key(task) && !self.is_under_way(task)
    }

    fn is_under_way(&self, task: &str) -> bool {
        self.under_way.values().any(|call| call.contains_key(task))
    }
}

#[cfg(test)]
mod tests {
    use super::{BATCH, Outbox};
    use model::TaskStatus;

    fn said(message: &str) -> TaskStatus {
        TaskStatus {
            message: message.to_owned(),
            ..TaskStatus::default()
        }
    }

    fn taken(outbox: &mut Outbox) -> (u64, Vec<String>) {
        outbox.take().map_or((0, Vec::new()), |(call, updates)| {
            let told = updates
                .into_iter()
                .map(|update| format!("{} {}", update.task_id, update.status.unwrap().message));
            (call, told.collect())
        })
    }

    #[test]
    fn the_newest_status_is_told_once_and_again_when_nobody_answered() {
        let mut outbox = Outbox::default();
        outbox.put("a", said("1"));
        outbox.put("a", said("2"));
        outbox.put("b", said("1"));
        assert_eq!(taken(&mut outbox), (1, vec!["a 2".into(), "b 1".into()]));
        outbox.put("a", said("3"));
        outbox.put("c", said("1"));
        assert_eq!(
            taken(&mut outbox),
            (2, vec!["c 1".into()]),
            "a is under way"
        );
        assert_eq!(taken(&mut outbox), (0, vec![]));
        outbox.acknowledge(1);
        assert!(outbox.is_told("b") && !outbox.is_told("a") && !outbox.is_told("c"));
        assert_eq!((outbox.acknowledged, outbox.unacknowledged()), (2, 2));
        assert_eq!(taken(&mut outbox), (3, vec!["a 3".into()]));
        outbox.put("a", said("4"));
        outbox.rewind();
        assert_eq!(taken(&mut outbox), (4, vec!["a 4".into(), "c 1".into()]));
        outbox.acknowledge(4);
        assert!(outbox.is_told("a") && outbox.is_told("c"));
        outbox.put("d", said("1"));
        outbox.forget("d");
        assert_eq!(taken(&mut outbox), (0, vec![]));
    }

    #[test]
    fn a_call_is_of_bounded_size() {
        let mut outbox = Outbox::default();
        for task in 0..BATCH + 1 {
            outbox.put(&task.to_string(), said("1"));
        }
        assert_eq!(taken(&mut outbox).1.len(), BATCH);
        assert_eq!(taken(&mut outbox).1.len(), 1);
    }
}
