//! How an update and a rollback are rolled out: the same six flags for each.

use clap::Args;
use model::{FailureAction, UpdateConfig, UpdateOrder};

use super::super::values::{milliseconds, ratio};

/// Flags about updates.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Updates")]
pub(crate) struct UpdateOptions {
    /// How many tasks are replaced at once; 0 for all
    #[arg(long, value_name = "NUMBER")]
    update_parallelism: Option<u64>,
    /// The pause between two batches
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    update_delay: Option<u64>,
    /// What is done when too many fail: pause, continue, rollback
    #[arg(long, value_name = "ACTION", value_parser = action)]
    update_failure_action: Option<FailureAction>,
    /// How long a new task is watched for failure
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    update_monitor: Option<u64>,
    /// Which part may fail, from 0 to 1
    #[arg(long, value_name = "RATIO", value_parser = ratio)]
    update_max_failure_ratio: Option<f64>,
    /// Which goes first: start-first, stop-first, or auto: the new task where both can run
    #[arg(long, value_name = "ORDER", value_parser = order)]
    update_order: Option<UpdateOrder>,
}

/// Flags about rollbacks.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Rollbacks")]
pub(crate) struct RollbackOptions {
    /// How many tasks are put back at once; 0 for all
    #[arg(long, value_name = "NUMBER")]
    rollback_parallelism: Option<u64>,
    /// The pause between two batches
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    rollback_delay: Option<u64>,
    /// What is done when too many fail: pause, continue
    #[arg(long, value_name = "ACTION", value_parser = action_of_rollback)]
    rollback_failure_action: Option<FailureAction>,
    /// How long a task is watched for failure
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    rollback_monitor: Option<u64>,
    /// Which part may fail, from 0 to 1
    #[arg(long, value_name = "RATIO", value_parser = ratio)]
    rollback_max_failure_ratio: Option<f64>,
    /// Which goes first: start-first, stop-first, auto
    #[arg(long, value_name = "ORDER", value_parser = order)]
    rollback_order: Option<UpdateOrder>,
}

impl UpdateOptions {
    pub(super) fn apply(&self, config: &mut Option<UpdateConfig>) {
        Given {
            parallelism: self.update_parallelism,
            delay: self.update_delay,
            action: self.update_failure_action,
            monitor: self.update_monitor,
            ratio: self.update_max_failure_ratio,
            order: self.update_order,
        }
        .apply(config);
    }
}

impl RollbackOptions {
    pub(super) fn apply(&self, config: &mut Option<UpdateConfig>) {
        Given {
            parallelism: self.rollback_parallelism,
            delay: self.rollback_delay,
            action: self.rollback_failure_action,
            monitor: self.rollback_monitor,
            ratio: self.rollback_max_failure_ratio,
            order: self.rollback_order,
        }
        .apply(config);
    }
}

#[derive(Debug, Default, PartialEq)]
struct Given {
    parallelism: Option<u64>,
    delay: Option<u64>,
    action: Option<FailureAction>,
    monitor: Option<u64>,
    ratio: Option<f64>,
    order: Option<UpdateOrder>,
}

impl Given {
    /// One at a time, unless it is said.
    fn apply(self, config: &mut Option<UpdateConfig>) {
        if self == Given::default() {
            return;
        }
        let config = config.get_or_insert(UpdateConfig {
            parallelism: 1,
            ..UpdateConfig::default()
        });
        let numbers = [
            (self.parallelism, &mut config.parallelism),
            (self.delay, &mut config.delay_ms),
            (self.monitor, &mut config.monitor_ms),
        ];
        for (given, field) in numbers {
            if let Some(given) = given {
                *field = given;
            }
        }
        if let Some(action) = self.action {
            config.failure_action = action.into();
        }
        if let Some(ratio) = self.ratio {
            config.max_failure_ratio = ratio;
        }
        if let Some(order) = self.order {
            config.order = order.into();
        }
    }
}

fn action(word: &str) -> Result<FailureAction, String> {
    match word {
        "pause" => Ok(FailureAction::Pause),
        "continue" => Ok(FailureAction::Continue),
        "rollback" => Ok(FailureAction::Rollback),
        _ => Err(format!("{word:?} is none of pause, continue and rollback")),
    }
}

fn action_of_rollback(word: &str) -> Result<FailureAction, String> {
    match action(word) {
        Ok(FailureAction::Rollback) | Err(_) => {
            Err(format!("{word:?} is neither pause nor continue"))
        }
        action => action,
    }
}

fn order(word: &str) -> Result<UpdateOrder, String> {
    match word {
        "auto" => Ok(UpdateOrder::Auto),
        "start-first" => Ok(UpdateOrder::StartFirst),
        "stop-first" => Ok(UpdateOrder::StopFirst),
        _ => Err(format!(
            "{word:?} is none of start-first, stop-first and auto"
        )),
    }
}

/// The action as it is typed.
pub(crate) fn action_word(action: FailureAction) -> &'static str {
    match action {
        FailureAction::Pause => "pause",
        FailureAction::Continue => "continue",
        FailureAction::Rollback => "rollback",
    }
}

/// The order as it is typed.
pub(crate) fn order_word(order: UpdateOrder) -> &'static str {
    match order {
        UpdateOrder::Auto => "auto",
        UpdateOrder::StartFirst => "start-first",
        UpdateOrder::StopFirst => "stop-first",
    }
}
