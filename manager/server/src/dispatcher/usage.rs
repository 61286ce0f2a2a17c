//! What tasks use, as their nodes tell with their heartbeats. Kept for the autoscaler alone, in memory.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use api::v1::TaskUsage;
use orchestrator::autoscale::Usage;
use store::View;

/// What was told longer ago says nothing about now.
const FRESH: Duration = Duration::from_secs(30);

/// What tasks use, by task id.
#[derive(Default)]
pub(crate) struct Usages(BTreeMap<String, (Usage, Instant)>);

impl Usages {
    /// Takes in what a node tells of its own tasks; only services that scale by themselves need it.
    pub(crate) fn put(&mut self, view: &View, node_id: &str, told: &[TaskUsage], now: Instant) {
        for usage in told {
            let Some(task) = view.tasks().get(&usage.task_id) else {
                continue;
            };
            let scales = view
                .services()
                .get(&task.service_id)
                .is_some_and(|service| service.spec.autoscale.is_some());
            if task.node_id == node_id && scales {
                let usage = Usage {
                    cpus: usage.cpus,
                    memory_bytes: usage.memory_bytes,
                    requests_per_second: usage.requests_per_second,
                };
                self.0.insert(task.id.clone(), (usage, now));
            }
        }
    }

    /// What the tasks of a service use now.
    pub(crate) fn of(
        &self,
        view: &View,
        service_id: &str,
        now: Instant,
    ) -> BTreeMap<String, Usage> {
        view.tasks_of(service_id)
            .filter_map(|task| {
                let (usage, at) = self.0.get(&task.id)?;
                (now.duration_since(*at) < FRESH).then(|| (task.id.clone(), *usage))
            })
            .collect()
    }

    /// A task is gone.
    pub(crate) fn forget(&mut self, task_id: &str) {
        self.0.remove(task_id);
    }

    /// Another reign begins.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
