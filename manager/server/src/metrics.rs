//! What a manager tells of itself to who watches it over time: numbers under documented names.
//!
//! | name | kind | labels | what |
//! |---|---|---|---|
//! | `mini_raft_term` | gauge | | the term |
//! | `mini_raft_is_leader` | gauge | | 1 on the leader |
//! | `mini_raft_last_index`, `mini_raft_committed_index`, `mini_raft_applied_index` | gauge | | how far its log reaches, is committed, is applied |
//! | `mini_raft_voters` | gauge | | managers that vote |
//! | `mini_nodes` | gauge | `state` | nodes |
//! | `mini_services` | gauge | | services |
//! | `mini_stacks` | gauge | | stacks |
//! | `mini_tasks` | gauge | `state` | tasks, by the state they are in |
//! | `mini_tasks_pending` | gauge | | tasks that are wanted and have no node |
//! | `mini_scheduler_placements_total` | counter | | tasks that were given a node |
//! | `mini_scheduler_seconds_total` | counter | | time spent on that |
//! | `mini_dispatcher_sessions` | gauge | | nodes that have a session with this manager |
//! | `mini_dispatcher_sessions_total` | counter | | sessions that have begun |
//! | `mini_dispatcher_updates_total` | counter | | reports on tasks that came in |
//! | `mini_dispatcher_updates_written_total` | counter | | those that told something new and were written |
//! | `mini_orchestrator_rounds_total` | counter | | rounds of planning |
//! | `mini_orchestrator_round_seconds_total` | counter | | time spent on them |
//! | `mini_orchestrator_commits_total` | counter | | transactions of the orchestrator |
//! | `mini_orchestrator_commit_seconds_total` | counter | | time until they were committed |
//! | `mini_orchestrator_changes_total` | counter | | changes in them |
//! | `mini_orchestrator_refused_total` | counter | | transactions that were overtaken or refused |
//!
//! What belongs to the leader's work counts on the manager that led at that time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::{NodeState, TaskState};
use store::View;

use crate::manager::Manager;

/// A number under a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// `mini_...`.
    pub name: &'static str,
    /// What it is, for people.
    pub help: &'static str,
    /// Whether it only ever grows.
    pub kind: MetricKind,
    /// Names and values of its labels.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: f64,
}

/// How a number behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It goes up and down.
    Gauge,
    /// It only grows, from the start of the process on.
    Counter,
}

/// What a manager has counted since it started.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    placements: AtomicU64,
    placing_ns: AtomicU64,
    sessions: AtomicU64,
    heard: AtomicU64,
    written: AtomicU64,
    rounds: AtomicU64,
    rounds_ns: AtomicU64,
    commits: AtomicU64,
    commits_ns: AtomicU64,
    changes: AtomicU64,
    refused: AtomicU64,
}

impl Metrics {
    pub(crate) fn placed(&self, tasks: usize, took: Duration) {
        add(&self.placements, tasks);
        add_time(&self.placing_ns, took);
    }

    pub(crate) fn session_begun(&self) {
        add(&self.sessions, 1);
    }

    pub(crate) fn reports_heard(&self, reports: usize) {
        add(&self.heard, reports);
    }

    pub(crate) fn reports_written(&self, reports: usize) {
        add(&self.written, reports);
    }

    pub(crate) fn round(&self, took: Duration) {
        add(&self.rounds, 1);
        add_time(&self.rounds_ns, took);
    }

    pub(crate) fn committed(&self, changes: usize, took: Duration) {
        add(&self.commits, 1);
        add(&self.changes, changes);
        add_time(&self.commits_ns, took);
    }

    pub(crate) fn refused(&self) {
        add(&self.refused, 1);
    }
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
}

fn add_time(counter: &AtomicU64, took: Duration) {
    let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    counter.fetch_add(ns, Ordering::Relaxed);
}

impl Manager {
    /// What it can tell of itself now.
    pub fn metrics(&self) -> Vec<Metric> {
        let mut told = Vec::new();
        self.tell_raft(&mut told);
        tell_state(&self.replica().view(), &mut told);
        self.tell_work(&mut told);
        told
    }

    /// The same in the text format of Prometheus, version 0.0.4.
    pub fn metrics_text(&self) -> String {
        metrics_text(&self.metrics())
    }

    fn tell_raft(&self, told: &mut Vec<Metric>) {
        let status = self.status();
        let index = |index: Option<u64>| float(index.unwrap_or(0));
        let mut gauge = |name, help, value| told.push(plain(name, help, MetricKind::Gauge, value));
        gauge("mini_raft_term", "The term.", float(status.leadership.term));
        gauge(
            "mini_raft_is_leader",
            "1 on the leader.",
            float(status.leadership.is_self.into()),
        );
        gauge(
            "mini_raft_last_index",
            "How far the log reaches.",
            index(status.last_index),
        );
        gauge(
            "mini_raft_committed_index",
            "How far the log is committed.",
            index(status.committed),
        );
        gauge(
            "mini_raft_applied_index",
            "How far the log is applied.",
            index(status.applied),
        );
        gauge(
            "mini_raft_voters",
            "Managers that vote.",
            float(status.voters() as u64),
        );
    }

    fn tell_work(&self, told: &mut Vec<Metric>) {
        let counted = self.counters();
        let read = |counter: &AtomicU64| float(counter.load(Ordering::Relaxed));
        let seconds = |counter: &AtomicU64| read(counter) / 1e9;
        let sessions = float(self.sessions().len() as u64);
        told.push(plain(
            "mini_dispatcher_sessions",
            "Nodes that have a session with this manager.",
            MetricKind::Gauge,
            sessions,
        ));
        let mut counter =
            |name, help, value| told.push(plain(name, help, MetricKind::Counter, value));
        counter(
            "mini_dispatcher_sessions_total",
            "Sessions that have begun.",
            read(&counted.sessions),
        );
        counter(
            "mini_dispatcher_updates_total",
            "Reports on tasks that came in.",
            read(&counted.heard),
        );
        counter(
            "mini_dispatcher_updates_written_total",
            "Reports on tasks that were written.",
            read(&counted.written),
        );
        counter(
            "mini_scheduler_placements_total",
            "Tasks that were given a node.",
            read(&counted.placements),
        );
        counter(
            "mini_scheduler_seconds_total",
            "Time spent on giving tasks nodes.",
            seconds(&counted.placing_ns),
        );
        counter(
            "mini_orchestrator_rounds_total",
            "Rounds of planning.",
            read(&counted.rounds),
        );
        counter(
            "mini_orchestrator_round_seconds_total",
            "Time spent on planning.",
            seconds(&counted.rounds_ns),
        );
        counter(
            "mini_orchestrator_commits_total",
            "Transactions of the orchestrator.",
            read(&counted.commits),
        );
        counter(
            "mini_orchestrator_commit_seconds_total",
            "Time until transactions of the orchestrator were committed.",
            seconds(&counted.commits_ns),
        );
        counter(
            "mini_orchestrator_changes_total",
            "Changes in transactions of the orchestrator.",
            read(&counted.changes),
        );
        counter(
            "mini_orchestrator_refused_total",
            "Transactions of the orchestrator that were overtaken or refused.",
            read(&counted.refused),
        );
    }
}

fn plain(name: &'static str, help: &'static str, kind: MetricKind, value: f64) -> Metric {
    Metric {
        name,
        help,
        kind,
        labels: Vec::new(),
        value,
    }
}

/// What the cluster knows, counted.
fn tell_state(view: &View, told: &mut Vec<Metric>) {
    const NODES: [NodeState; 4] = [
        NodeState::Unknown,
        NodeState::Ready,
        NodeState::Down,
        NodeState::Disconnected,
    ];
    let mut nodes: BTreeMap<NodeState, u64> = NODES.map(|state| (state, 0)).into();
    for node in view.nodes().iter() {
        *nodes.entry(node.status.state()).or_default() += 1;
    }
    for (state, count) in nodes {
        told.push(Metric {
            labels: vec![("state", state.to_string())],
            ..plain(
                "mini_nodes",
                "Nodes by state.",
                MetricKind::Gauge,
                float(count),
            )
        });
    }
    let mut tasks = BTreeMap::<TaskState, u64>::new();
    let mut pending = 0;
    for task in view.tasks().iter() {
        *tasks.entry(task.status.state()).or_default() += 1;
        pending += u64::from(task.node_id.is_empty() && task.is_wanted());
    }
    for (state, count) in tasks {
        told.push(Metric {
            labels: vec![("state", state.to_string())],
            ..plain(
                "mini_tasks",
                "Tasks by state.",
                MetricKind::Gauge,
                float(count),
            )
        });
    }
    let mut gauge = |name, help, count: usize| {
        told.push(plain(name, help, MetricKind::Gauge, float(count as u64)));
    };
    gauge(
        "mini_tasks_pending",
        "Tasks that are wanted and have no node.",
        usize::try_from(pending).unwrap_or(usize::MAX),
    );
    gauge("mini_services", "Services.", view.services().len());
    gauge("mini_stacks", "Stacks.", view.stacks().len());
}

fn float(count: u64) -> f64 {
    count as f64
}

/// Numbers in the text format of Prometheus, version 0.0.4; those of one name follow each other.
pub fn metrics_text(metrics: &[Metric]) -> String {
    let mut text = String::new();
    let mut described = "";
    for metric in metrics {
        if described != metric.name {
            described = metric.name;
            let kind = match metric.kind {
                MetricKind::Gauge => "gauge",
                MetricKind::Counter => "counter",
            };
            let _ = writeln!(text, "# HELP {described} {}", metric.help);
            let _ = writeln!(text, "# TYPE {described} {kind}");
        }
        let labels: Vec<String> = metric
            .labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        let labels = match labels.as_slice() {
            [] => String::new(),
            labels => format!("{{{}}}", labels.join(",")),
        };
        let _ = writeln!(text, "{described}{labels} {}", metric.value);
    }
    text
}

#[cfg(test)]
mod tests {
    use model::{Node, NodeState, Task, TaskState};
    use store::{Change, State, Transaction};

    use super::{metrics_text, tell_state};

    #[test]
    fn the_state_is_told_in_the_format_of_prometheus() {
        let mut node = Node {
            id: "n".to_owned(),
            ..Node::default()
        };
        node.status.state = NodeState::Ready.into();
        let task = |id: &str, state: TaskState| {
            let mut task = Task {
                id: id.to_owned(),
                desired_state: TaskState::Running.into(),
                ..Task::default()
            };
            task.status.state = state.into();
            Change::create(task)
        };
        let mut state = State::default();
        state.advance(1, 1);
        let applied = state.apply(Transaction {
            changes: vec![
                Change::create(node),
                task("a", TaskState::Pending),
                task("b", TaskState::Failed),
            ],
            ..Transaction::default()
        });
        assert_eq!(applied.reply.refusal, None);
        let mut told = Vec::new();
        tell_state(&state, &mut told);
        let expected = r#"# HELP mini_nodes Nodes by state.
# TYPE mini_nodes gauge
mini_nodes{state="unknown"} 0
mini_nodes{state="ready"} 1
mini_nodes{state="down"} 0
mini_nodes{state="disconnected"} 0
# HELP mini_tasks Tasks by state.
# TYPE mini_tasks gauge
mini_tasks{state="pending"} 1
mini_tasks{state="failed"} 1
# HELP mini_tasks_pending Tasks that are wanted and have no node.
# TYPE mini_tasks_pending gauge
mini_tasks_pending 1
# HELP mini_services Services.
# TYPE mini_services gauge
mini_services 0
# HELP mini_stacks Stacks.
# TYPE mini_stacks gauge
mini_stacks 0
"#;
        assert_eq!(metrics_text(&told), expected);
    }
}
