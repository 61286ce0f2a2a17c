//! What compose files have no words for: gates, automatic scaling, schedules.

use model::{Autoscale, GateSpec, ServiceMode};

use super::{cron, deploy};
use crate::error::Result;
use crate::values;
use crate::view::{Fields, View};

/// An extension of the service, or of its `deploy`.
fn either<'a>(fields: &Fields<'a>, deploy: &Fields<'a>, key: &'static str) -> Option<View<'a>> {
    let (outer, inner) = (fields.get(key), deploy.get(key));
    outer.or(inner)
}

pub(super) fn gate<'a>(
    fields: &Fields<'a>,
    deploy: &Fields<'a>,
    mode: &ServiceMode,
) -> Result<GateSpec> {
    let always = either(fields, deploy, "x-gate");
    let always = always
        .map(|view| view.choice(&[("always", true)]))
        .transpose()?;
    let timeout = either(fields, deploy, "x-gate-timeout");
    let timeout = timeout.map(|view| view.milliseconds()).transpose()?;
    let least = either(fields, deploy, "x-min-healthy");
    let min_healthy = match least {
        None => 0,
        Some(view) => {
            let number = view.number::<u64>()?;
            if let ServiceMode::Replicated(replicated) = mode
                && number > replicated.replicas
            {
                return Err(view.fault(format!(
                    "{number} tasks can never be healthy: the service has {}",
                    replicated.replicas
                )));
            }
            number
        }
    };
    Ok(GateSpec {
        always: always.unwrap_or(false),
        timeout_ms: timeout.unwrap_or(0),
        min_healthy,
    })
}

pub(super) fn autoscale<'a>(
    fields: &Fields<'a>,
    deploy: &Fields<'a>,
    mode: &ServiceMode,
) -> Result<Option<Autoscale>> {
    let Some(view) = either(fields, deploy, "x-autoscale") else {
        return Ok(None);
    };
    let ServiceMode::Replicated(replicated) = mode else {
        return Err(view.fault("only a replicated service can be scaled"));
    };
    let keys = view.fields()?;
    let part = |view: &View<'_>| view.read(values::part);
    let scale = Autoscale {
        min: keys.maybe("min", View::number)?.unwrap_or(1),
        max: keys.or_default("max", View::number)?,
        cpu: keys.or_default("cpu", part)?,
        memory: keys.or_default("memory", part)?,
        requests_per_second: keys.or_default("requests_per_second", rate)?,
        cooldown_ms: keys.or_default("cooldown", View::milliseconds)?,
    };
    keys.finish()?;
    if scale.min == 0 || scale.max < scale.min {
        return Err(view.fault(format!(
            "`min` must be at least 1 and `max` at least `min`; they are {} and {}",
            scale.min, scale.max
        )));
    }
    if scale.cpu == 0.0 && scale.memory == 0.0 && scale.requests_per_second == 0.0 {
        return Err(view.fault("must have a target: `cpu`, `memory` or `requests_per_second`"));
    }
    let written = fields.get("scale").or_else(|| deploy.get("replicas"));
    if let Some(written) = written
        && !(scale.min..=scale.max).contains(&replicated.replicas)
    {
        return Err(written.fault(format!(
            "{} is not between `min` and `max` of `x-autoscale`, {} and {}",
            replicated.replicas, scale.min, scale.max
        )));
    }
    Ok(Some(scale))
}

fn rate(view: &View<'_>) -> Result<f64> {
    view.read(|text| match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate.is_finite() => Ok(rate),
        _ => Err(format!("`{text}` is no rate; write it like 100")),
    })
}

pub(super) fn schedule<'a>(
    fields: &Fields<'a>,
    deploy: &Fields<'a>,
    mode: &ServiceMode,
) -> Result<String> {
    let Some(view) = either(fields, deploy, "x-schedule") else {
        return Ok(String::new());
    };
    if !deploy::is_job(mode) {
        return Err(view.fault(
            "only a job has a schedule: add `mode: replicated-job` or `mode: global-job` to `deploy`",
        ));
    }
    view.read(cron::check)?;
    view.string()
}
