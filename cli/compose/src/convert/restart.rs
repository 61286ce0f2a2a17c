//! When a task that has ended is started again.

use model::{RestartCondition, RestartPolicy};

use crate::error::Result;
use crate::view::{Fields, View};

/// The policy, and whether the file says under which condition.
pub(super) fn policy(fields: &Fields<'_>, deploy: &Fields<'_>) -> Result<(RestartPolicy, bool)> {
    let short = fields.get("restart");
    let Some(view) = deploy.get("restart_policy") else {
        return match short {
            Some(view) => Ok((of_word(&view)?, true)),
            None => Ok((RestartPolicy::default(), false)),
        };
    };
    if let Some(short) = short {
        of_word(&short)?;
        short.warn("`deploy.restart_policy` counts in place of it");
    }
    let fields = view.fields()?;
    let conditions = [
        ("any", RestartCondition::Any),
        ("on-failure", RestartCondition::OnFailure),
        ("none", RestartCondition::None),
    ];
    let condition = fields.maybe("condition", |view| view.choice(&conditions))?;
    let policy = RestartPolicy {
        condition: condition.unwrap_or(RestartCondition::Any) as i32,
        delay_ms: fields.or_default("delay", View::milliseconds)?,
        max_attempts: fields.or_default("max_attempts", View::number)?,
        window_ms: fields.or_default("window", View::milliseconds)?,
    };
    fields.finish()?;
    Ok((policy, condition.is_some()))
}

/// `restart`: no, always, on-failure, on-failure:3, unless-stopped.
fn of_word(view: &View<'_>) -> Result<RestartPolicy> {
    let text = view.text()?;
    let policy = |condition, max_attempts| RestartPolicy {
        condition: condition as i32,
        max_attempts,
        ..RestartPolicy::default()
    };
    if let Some(attempts) = text.strip_prefix("on-failure:") {
        return match attempts.parse() {
            Ok(attempts) => Ok(policy(RestartCondition::OnFailure, attempts)),
            Err(_) => Err(view.fault(format!("`{attempts}` is no number of attempts"))),
        };
    }
    let condition = view.choice(&[
        ("no", RestartCondition::None),
        ("always", RestartCondition::Any),
        ("on-failure", RestartCondition::OnFailure),
        ("unless-stopped", RestartCondition::Any),
        // What a reader of YAML 1.1 makes of a bare `no`.
        ("false", RestartCondition::None),
    ])?;
    Ok(policy(condition, 0))
}
