//! What is done when a task has ended.

use clap::Args;
use model::{RestartCondition, RestartPolicy};

use super::super::values::milliseconds;

/// Flags about restarts.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Restart")]
pub(crate) struct RestartOptions {
    /// When another task is started in place of one that ended: any, on-failure, none
    #[arg(long, value_name = "CONDITION", value_parser = condition)]
    restart_condition: Option<RestartCondition>,
    /// The pause before that: 5s
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    restart_delay: Option<u64>,
    /// How often at most; 0 for any number
    #[arg(long, value_name = "NUMBER")]
    restart_max_attempts: Option<u64>,
    /// The time in which attempts are counted
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    restart_window: Option<u64>,
}

fn condition(word: &str) -> Result<RestartCondition, String> {
    match word {
        "any" => Ok(RestartCondition::Any),
        "on-failure" => Ok(RestartCondition::OnFailure),
        "none" => Ok(RestartCondition::None),
        _ => Err(format!("{word:?} is none of any, on-failure and none")),
    }
}

/// The condition as it is typed.
pub(crate) fn word(condition: RestartCondition) -> &'static str {
    match condition {
        RestartCondition::Any => "any",
        RestartCondition::OnFailure => "on-failure",
        RestartCondition::None => "none",
    }
}

impl RestartOptions {
    pub(super) fn apply(&self, policy: &mut RestartPolicy) {
        if let Some(condition) = self.restart_condition {
            policy.condition = condition.into();
        }
        let numbers = [
            (self.restart_delay, &mut policy.delay_ms),
            (self.restart_max_attempts, &mut policy.max_attempts),
            (self.restart_window, &mut policy.window_ms),
        ];
        for (given, field) in numbers {
            if let Some(given) = given {
                *field = given;
            }
        }
    }
}
