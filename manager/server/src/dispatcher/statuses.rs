//! What nodes report of their tasks, gathered over all nodes and written together: at once when nothing is on its way, else as
//! soon as it is worth an entry of its own.
//!
//! The leader changes tasks too. It claims those that it is about to change: what is reported of them waits, so that neither
//! overtakes the other for ever.

mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::{Task, TaskStatus};
use store::transaction::RefusalKind;
use store::{Change, View};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::manager::Manager;

pub(crate) use report::Verdict;
pub(crate) use report::judge;

/// Most reports in one transaction.
const TOGETHER: usize = 200;
/// Most transactions on their way at once.
const IN_FLIGHT: usize = 16;
/// The longest that a report waits while others are on their way.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// How often a transaction that was overtaken is tried again.
const ATTEMPTS: usize = 10;

/// Reports on their way into the log.
#[derive(Default)]
pub(crate) struct Statuses {
    desk: Mutex<Desk>,
    arrived: Notify,
    written: Notify,
}

#[derive(Default)]
struct Desk {
    waiting: BTreeMap<String, Waiting>,
    /// Task ids in the order in which they came.
    order: BTreeMap<u64, String>,
    drawn: u64,
    writing: BTreeSet<String>,
    claimed: BTreeMap<String, usize>,
}

/// What was reported of one task.
struct Waiting {
    number: u64,
    node_id: String,
    status: TaskStatus,
    since: Instant,
    /// Told when it is written; dropped when it was not.
    tells: Vec<mpsc::UnboundedSender<()>>,
}

/// Whether reports were written.
pub(crate) struct Receipt {
    hears: mpsc::UnboundedReceiver<()>,
    reports: usize,
}

impl Receipt {
    /// Waits until everything is written or has come to nothing; false when something was not written.
    pub(crate) async fn written(mut self) -> bool {
        while self.hears.recv().await.is_some() {
            self.reports -= 1;
        }
        self.reports == 0
    }
}

impl Statuses {
    /// Takes in what a node reports of its tasks.
    pub(crate) fn report(&self, node_id: &str, reports: Vec<(String, TaskStatus)>) -> Receipt {
        let (tells, hears) = mpsc::unbounded_channel();
        let count = reports.len();
        {
            let mut desk = self.desk();
            let now = Instant::now();
            for (task_id, status) in reports {
                desk.put(node_id, task_id, status, &tells, now);
            }
        }
        self.arrived.notify_one();
        Receipt {
            hears,
            reports: count,
        }
    }

    /// Lets what is reported of tasks wait, until the claim is dropped.
    pub(crate) fn claim(self: &Arc<Self>, tasks: Vec<String>) -> Claim {
        let mut desk = self.desk();
        for task in &tasks {
            *desk.claimed.entry(task.clone()).or_default() += 1;
        }
        Claim {
            statuses: self.clone(),
            tasks,
        }
    }

    /// Forgets what waits: another manager leads, the nodes will report to it.
    pub(crate) fn clear(&self) {
        let mut desk = self.desk();
        *desk = Desk {
            claimed: std::mem::take(&mut desk.claimed),
            ..Desk::default()
        };
        drop(desk);
        self.written.notify_waiters();
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn done(&self, tasks: &[String]) {
        let mut desk = self.desk();
        for task in tasks {
            desk.writing.remove(task);
        }
        drop(desk);
        self.written.notify_waiters();
    }
}

/// Tasks that the leader is about to change.
pub(crate) struct Claim {
    statuses: Arc<Statuses>,
    tasks: Vec<String>,
}

impl Claim {
    /// Whether nothing that was reported of them is on its way.
    pub(crate) fn is_quiet(&self) -> bool {
        let desk = self.statuses.desk();
        !self.tasks.iter().any(|task| desk.writing.contains(task))
    }

    /// Returns when nothing that was reported of them is on its way any more.
    pub(crate) fn quiet(&self) -> impl Future<Output = ()> + Send + use<> {
        let (statuses, tasks) = (self.statuses.clone(), self.tasks.clone());
        async move {
            loop {
                let mut written = std::pin::pin!(statuses.written.notified());
                written.as_mut().enable();
                let busy = {
                    let desk = statuses.desk();
                    tasks.iter().any(|task| desk.writing.contains(task))
                };
                if !busy {
                    return;
                }
                written.await;
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut desk = self.statuses.desk();
        for task in &self.tasks {
            if let Some(claims) = desk.claimed.get_mut(task) {
                *claims -= 1;
                if *claims == 0 {
                    desk.claimed.remove(task);
                }
            }
        }
        drop(desk);
        self.statuses.arrived.notify_one();
    }
}

impl Waiting {
    fn confirm(self) {
        for tells in self.tells {
            // Who went away will report again.
            let _ = tells.send(());
        }
    }
}

impl Desk {
    /// Of two reports on a task the one that is further on counts, of equals the later one.
    fn put(
        &mut self,
        node_id: &str,
        task_id: String,
        status: TaskStatus,
        tells: &mpsc::UnboundedSender<()>,
        now: Instant,
    ) {
        if let Some(waiting) = self.waiting.get_mut(&task_id) {
            if status.state >= waiting.status.state {
                waiting.status = status.after(&waiting.status);
            }
            waiting.tells.push(tells.clone());
            return;
        }
        self.drawn += 1;
        let waiting = Waiting {
            number: self.drawn,
            node_id: node_id.to_owned(),
            status,
            since: now,
            tells: vec![tells.clone()],
        };
        self.order.insert(self.drawn, task_id.clone());
        self.waiting.insert(task_id, waiting);
    }

    /// The next reports to be written together; none when it is better to wait, with the time until then.
    fn take(&mut self, in_flight: usize, now: Instant) -> Result<Vec<(String, Waiting)>, Duration> {
        let mut free = Vec::new();
        let mut oldest = Duration::ZERO;
        for task in self.order.values() {
            if free.len() == TOGETHER {
                break;
            }
            if self.writing.contains(task) || self.claimed.contains_key(task) {
                continue;
            }
            if free.is_empty()
                && let Some(waiting) = self.waiting.get(task)
            {
                oldest = now.saturating_duration_since(waiting.since);
            }
            free.push(task.clone());
        }
        if let Some(wait) = pause(free.len(), oldest, in_flight) {
            return Err(wait);
        }
        let mut taken = Vec::with_capacity(free.len());
        for task in free {
            if let Some(waiting) = self.waiting.remove(&task) {
                self.order.remove(&waiting.number);
                self.writing.insert(task.clone());
                taken.push((task, waiting));
            }
        }
        Ok(taken)
    }
}

/// How long so many reports, the oldest of that age, wait while so many transactions are on their way; none for not at all.
fn pause(reports: usize, oldest: Duration, in_flight: usize) -> Option<Duration> {
    const FOR_GOOD: Duration = Duration::from_secs(3600);
    match (reports, in_flight) {
        (0, _) => Some(FOR_GOOD),
        (_, 0) => None,
        (_, IN_FLIGHT..) => Some(FOR_GOOD),
        (TOGETHER.., _) => None,
        _ => Some(LONGEST_WAIT.saturating_sub(oldest)).filter(|wait| !wait.is_zero()),
    }
}

/// Writes what is reported, for as long as it is not stopped. On the leader of that term.
pub(crate) async fn write(manager: Manager, term: u64) {
    let statuses = manager.dispatching().statuses().clone();
    let mut flights = JoinSet::new();
    loop {
        let taken = statuses.desk().take(flights.len(), Instant::now());
        let wait = match taken {
            Ok(batch) => {
                flights.spawn(write_together(manager.clone(), term, batch));
                continue;
            }
            Err(wait) => wait,
        };
        tokio::select! {
            () = statuses.arrived.notified() => {}
            _ = flights.join_next(), if !flights.is_empty() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn write_together(manager: Manager, term: u64, batch: Vec<(String, Waiting)>) {
    let tasks: Vec<String> = batch.iter().map(|(task, _)| task.clone()).collect();
    let mut written = false;
    for _ in 0..ATTEMPTS {
        let changes = changes(&manager.replica().view(), &batch);
        if changes.is_empty() {
            written = true;
            break;
        }
        let count = changes.len();
        match manager.propose(term, changes).await {
            Ok(reply) => match reply.refusal {
                None => {
                    manager.counters().reports_written(count);
                    written = true;
                    break;
                }
                Some(refusal) if refusal.kind() == RefusalKind::Fenced => break,
                // Overtaken, or a task is gone: what is known now decides.
                Some(_) => {}
            },
            Err(status) => {
                tracing::debug!(
                    error = status.message(),
                    "reports of nodes were not written"
                );
                break;
            }
        }
    }
    manager.dispatching().statuses().done(&tasks);
    for (_, waiting) in batch {
        if written {
            waiting.confirm();
        }
    }
}

/// The changes that reports come to by what is known.
fn changes(view: &View, batch: &[(String, Waiting)]) -> Vec<Change> {
    let change = |(task_id, waiting): &(String, Waiting)| match judge(
        view,
        &waiting.node_id,
        task_id,
        &waiting.status,
    ) {
        Verdict::News(status) => {
            let mut task = Task::clone(view.tasks().get(task_id)?);
            task.status = status;
            Some(Change::update(task))
        }
        Verdict::Unknown | Verdict::Old => None,
    };
    batch.iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests;
