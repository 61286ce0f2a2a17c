//! What tasks may use up, and what is set aside for them.

use clap::Args;
use model::ServiceSpec;

use super::super::values::{bytes, processors};

/// Flags about resources.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Resources and placement")]
pub(crate) struct LimitOptions {
    /// Processors that a task may use: 1.5; 0 for any number
    #[arg(long, value_name = "NUMBER", value_parser = processors)]
    limit_cpu: Option<i64>,
    /// Memory that a task may use: 512m; 0 for any amount
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    limit_memory: Option<i64>,
    /// Processes and threads that a task may have; 0 for any number
    #[arg(long, value_name = "NUMBER")]
    limit_pids: Option<u32>,
    /// Processors that a node must have left for a task: 0.5
    #[arg(long, value_name = "NUMBER", value_parser = processors)]
    reserve_cpu: Option<i64>,
    /// Memory that a node must have left for a task: 256m
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    reserve_memory: Option<i64>,
    /// How readily the kernel kills a task for want of memory, -1000 to 1000
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    oom_score_adj: Option<i32>,
    /// Most tasks on one node; 0 for any number
    #[arg(long, value_name = "NUMBER")]
    replicas_max_per_node: Option<u64>,
    /// Move running tasks, one a minute, to nodes that have joined since and have fewer of them; --rebalance=false to leave them
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    rebalance: Option<bool>,
}

impl LimitOptions {
    pub(super) fn apply(&self, spec: &mut ServiceSpec) {
        let resources = &mut spec.task.resources;
        let amounts = [
            (self.limit_cpu, &mut resources.limits.nano_cpus),
            (self.limit_memory, &mut resources.limits.memory_bytes),
            (self.limit_pids.map(i64::from), &mut resources.pids),
            (self.reserve_cpu, &mut resources.reservations.nano_cpus),
            (
                self.reserve_memory,
                &mut resources.reservations.memory_bytes,
            ),
        ];
        for (given, field) in amounts {
            if let Some(given) = given {
                *field = given;
            }
        }
        if self.oom_score_adj.is_some() {
            spec.task.container.oom_score_adj = self.oom_score_adj;
        }
        if let Some(most) = self.replicas_max_per_node {
            spec.task.placement.max_replicas_per_node = most;
        }
        if let Some(rebalance) = self.rebalance {
            spec.task.placement.rebalance = rebalance;
        }
    }
}
