//! How a service waits for what it depends on, when a job runs, how many tasks there are at which load.

use clap::Args;
use model::ServiceSpec;

use super::super::gates::{Scaling, scaling};
use super::super::values::milliseconds;

/// Flags about gates, schedules and automatic scaling.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Gates, schedule, automatic scaling")]
pub(crate) struct GateOptions {
    /// How long tasks wait for what the service depends on: 5m
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    gate_timeout: Option<u64>,
    /// Tasks that are restarted, scaled or moved wait too, not only those of an update
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    gate_always: Option<bool>,
    /// How many tasks have to be healthy for those who wait for this service (all without this)
    #[arg(long, value_name = "NUMBER")]
    min_healthy: Option<u64>,
    /// When a job runs, UTC: five fields of cron, or nothing for once
    #[arg(long, value_name = "SCHEDULE")]
    schedule: Option<String>,
    /// Scale by load: min=2,max=10,cpu=60%,memory=70%,rps=100,cooldown=1m, or none
    #[arg(long, value_name = "LIMITS", value_parser = scaling)]
    autoscale: Option<Scaling>,
}

impl GateOptions {
    pub(super) fn apply(&self, spec: &mut ServiceSpec) {
        if let Some(timeout) = self.gate_timeout {
            spec.gate.timeout_ms = timeout;
        }
        if let Some(always) = self.gate_always {
            spec.gate.always = always;
        }
        if let Some(least) = self.min_healthy {
            spec.gate.min_healthy = least;
        }
        if let Some(schedule) = &self.schedule {
            spec.schedule.clone_from(schedule);
        }
        match &self.autoscale {
            None => {}
            Some(Scaling::Off) => spec.autoscale = None,
            Some(Scaling::On(autoscale)) => spec.autoscale = Some(*autoscale),
        }
    }
}
