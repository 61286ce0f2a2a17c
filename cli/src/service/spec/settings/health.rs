//! How it is found out whether a task does its work.

use clap::Args;
use model::HealthCheck;

use super::super::values::milliseconds;

/// Flags about health.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Health")]
pub(crate) struct HealthOptions {
    /// Command that ends with 0 when the task does its work
    #[arg(long, value_name = "COMMAND", conflicts_with = "no_healthcheck")]
    health_cmd: Option<String>,
    /// Between two probes: 30s
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    health_interval: Option<u64>,
    /// How long a probe may take: 30s
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    health_timeout: Option<u64>,
    /// How many must fail in a row: 3
    #[arg(long, value_name = "NUMBER")]
    health_retries: Option<u32>,
    /// For how long after the start failures don't count: 0s
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    health_start_period: Option<u64>,
    /// Between two probes in that time: 5s
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    health_start_interval: Option<u64>,
    /// Don't probe, though the image has a health check
    #[arg(long, conflicts_with_all = ["health_interval", "health_timeout", "health_retries", "health_start_period", "health_start_interval"])]
    no_healthcheck: bool,
}

impl HealthOptions {
    pub(super) fn apply(&self, check: &mut Option<HealthCheck>) {
        if self.no_healthcheck {
            *check = Some(HealthCheck {
                test: vec!["NONE".to_owned()],
                ..HealthCheck::default()
            });
            return;
        }
        if let Some(command) = &self.health_cmd {
            // Nothing for the image's own.
            check.get_or_insert_default().test = if command.is_empty() {
                Vec::new()
            } else {
                vec!["CMD-SHELL".to_owned(), command.clone()]
            };
        }
        if let Some(retries) = self.health_retries {
            check.get_or_insert_default().retries = retries;
        }
        type Field = fn(&mut HealthCheck) -> &mut u64;
        let times: [(Option<u64>, Field); 4] = [
            (self.health_interval, |check| &mut check.interval_ms),
            (self.health_timeout, |check| &mut check.timeout_ms),
            (self.health_start_period, |check| &mut check.start_period_ms),
            (self.health_start_interval, |check| {
                &mut check.start_interval_ms
            }),
        ];
        for (given, field) in times {
            if let Some(given) = given {
                *field(check.get_or_insert_default()) = given;
            }
        }
    }
}
