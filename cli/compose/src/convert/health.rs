//! How it is found out whether a task does its work.

use model::HealthCheck;

use crate::error::Result;
use crate::tree::Value;
use crate::view::View;

pub(super) fn check(view: &View<'_>) -> Result<HealthCheck> {
    let fields = view.fields()?;
    let disabled = fields.or_default("disable", View::boolean)?;
    let mut check = HealthCheck {
        test: fields.or_default("test", test)?,
        interval_ms: fields.or_default("interval", View::milliseconds)?,
        timeout_ms: fields.or_default("timeout", View::milliseconds)?,
        retries: fields.or_default("retries", View::number)?,
        start_period_ms: fields.or_default("start_period", View::milliseconds)?,
        start_interval_ms: fields.or_default("start_interval", View::milliseconds)?,
    };
    fields.finish()?;
    if disabled {
        check.test = vec!["NONE".to_owned()];
    }
    Ok(check)
}

fn test(view: &View<'_>) -> Result<Vec<String>> {
    if let Value::Scalar(scalar) = &view.node.value {
        return Ok(match scalar.text.as_str() {
            "" => Vec::new(),
            "NONE" => vec!["NONE".to_owned()],
            line => vec!["CMD-SHELL".to_owned(), line.to_owned()],
        });
    }
    let words = view.strings()?;
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["NONE"] | ["CMD-SHELL", _] | ["CMD", _, ..] => Ok(words),
        ["CMD"] => Err(view.fault("`CMD` must be followed by the words of a command")),
        ["CMD-SHELL", ..] => {
            Err(view.fault("`CMD-SHELL` must be followed by one line for the shell"))
        }
        ["NONE", ..] => Err(view.fault("`NONE` must stand alone")),
        [first, ..] => Err(view.fault(format!(
            "must begin with `CMD`, `CMD-SHELL` or `NONE`, and begins with `{first}`"
        ))),
    }
}

/// Whether it says that nothing is asked.
pub(super) fn is_disabled(check: &HealthCheck) -> bool {
    check.test.first().is_some_and(|word| word == "NONE")
}
