//! What `service create` and `service update` say with the same flags: everything that has one value. What was not given stays
//! as it is.

mod gate;
mod health;
mod limits;
mod mode;
mod process;
pub(crate) mod restart;
pub(crate) mod rollout;

use clap::Args;
use model::ServiceSpec;

pub(super) use mode::{Mode, mode};

/// The flags, by theme.
#[derive(Debug, Default, Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    pub(super) mode: mode::ModeOptions,
    #[command(flatten)]
    process: process::ProcessOptions,
    #[command(flatten)]
    limits: limits::LimitOptions,
    #[command(flatten)]
    restart: restart::RestartOptions,
    #[command(flatten)]
    update: rollout::UpdateOptions,
    #[command(flatten)]
    rollback: rollout::RollbackOptions,
    #[command(flatten)]
    health: health::HealthOptions,
    #[command(flatten)]
    gate: gate::GateOptions,
}

impl Settings {
    /// Puts what was given into the spec; the number of tasks is the mode's.
    pub(super) fn apply(&self, spec: &mut ServiceSpec) -> Result<(), String> {
        self.process.apply(spec)?;
        self.limits.apply(spec);
        self.restart.apply(&mut spec.task.restart);
        self.update.apply(&mut spec.update);
        self.rollback.apply(&mut spec.rollback);
        self.health.apply(&mut spec.task.container.healthcheck);
        self.gate.apply(spec);
        Ok(())
    }
}
