//! `deploy`: how many, where, and how they are replaced.

use model::{
    EndpointMode, EndpointSpec, FailureAction, Global, GlobalJob, Placement, PortSpec, PublishMode,
    Replicated, ReplicatedJob, ServiceMode, SpreadPreference, UpdateConfig, UpdateOrder,
};

use crate::error::Result;
use crate::values;
use crate::view::{Fields, View};

#[derive(Clone, Copy)]
enum Kind {
    Replicated,
    Global,
    ReplicatedJob,
    GlobalJob,
}

pub(super) fn mode(fields: &Fields<'_>, deploy: &Fields<'_>) -> Result<ServiceMode> {
    let kind = deploy.maybe("mode", |view| {
        view.choice(&[
            ("replicated", Kind::Replicated),
            ("global", Kind::Global),
            ("replicated-job", Kind::ReplicatedJob),
            ("global-job", Kind::GlobalJob),
        ])
    })?;
    let scale = fields.get("scale");
    let replicas = deploy.get("replicas");
    let number = match (&replicas, &scale) {
        (Some(replicas), Some(scale)) if replicas.number::<u64>()? != scale.number::<u64>()? => {
            return Err(scale.fault("`scale` and `deploy.replicas` say two different numbers"));
        }
        (Some(view), _) | (None, Some(view)) => Some(view.number::<u64>()?),
        (None, None) => None,
    };
    let kind = kind.unwrap_or(Kind::Replicated);
    if let (Kind::Global | Kind::GlobalJob, Some(view)) = (kind, replicas.or(scale)) {
        return Err(view.fault("a global service has one task on each node, and no number of them"));
    }
    let number = number.unwrap_or(1);
    Ok(match kind {
        Kind::Replicated => ServiceMode::Replicated(Replicated { replicas: number }),
        Kind::Global => ServiceMode::Global(Global {}),
        Kind::ReplicatedJob => ServiceMode::ReplicatedJob(ReplicatedJob {
            completions: number,
            concurrent: 0,
        }),
        Kind::GlobalJob => ServiceMode::GlobalJob(GlobalJob {}),
    })
}

pub(super) fn is_job(mode: &ServiceMode) -> bool {
    matches!(
        mode,
        ServiceMode::ReplicatedJob(_) | ServiceMode::GlobalJob(_)
    )
}

pub(super) fn endpoint(
    deploy: &Fields<'_>,
    ports: Vec<PortSpec>,
    fields: &Fields<'_>,
) -> Result<EndpointSpec> {
    let mode = deploy.maybe("endpoint_mode", |view| {
        let modes = [("vip", EndpointMode::Vip), ("dnsrr", EndpointMode::Dnsrr)];
        view.choice(&modes)
    })?;
    let mode = mode.unwrap_or(EndpointMode::Vip);
    let ingress = |port: &PortSpec| port.mode == PublishMode::Ingress as i32;
    if mode == EndpointMode::Dnsrr
        && ports.iter().any(ingress)
        && let Some(view) = fields.get("ports")
    {
        return Err(view.fault(
            "a service with `endpoint_mode: dnsrr` has no address that every node could lead to: publish with `mode: host`",
        ));
    }
    Ok(EndpointSpec {
        mode: mode as i32,
        ports,
    })
}

pub(super) fn update(deploy: &Fields<'_>) -> Result<Option<UpdateConfig>> {
    let actions = [
        ("pause", FailureAction::Pause),
        ("continue", FailureAction::Continue),
        ("rollback", FailureAction::Rollback),
    ];
    deploy.maybe("update_config", |view| config(view, &actions))
}

pub(super) fn rollback(deploy: &Fields<'_>) -> Result<Option<UpdateConfig>> {
    let actions = [
        ("pause", FailureAction::Pause),
        ("continue", FailureAction::Continue),
    ];
    deploy.maybe("rollback_config", |view| config(view, &actions))
}

fn config(view: &View<'_>, actions: &[(&str, FailureAction)]) -> Result<UpdateConfig> {
    let fields = view.fields()?;
    let orders = [
        ("start-first", UpdateOrder::StartFirst),
        ("stop-first", UpdateOrder::StopFirst),
    ];
    let order = fields.maybe("order", |view| view.choice(&orders))?;
    let action = fields.maybe("failure_action", |view| view.choice(actions))?;
    let config = UpdateConfig {
        parallelism: fields.maybe("parallelism", View::number)?.unwrap_or(1),
        delay_ms: fields.or_default("delay", View::milliseconds)?,
        failure_action: action.unwrap_or(FailureAction::Pause) as i32,
        monitor_ms: fields.or_default("monitor", View::milliseconds)?,
        max_failure_ratio: fields
            .or_default("max_failure_ratio", |view| view.read(values::ratio))?,
        order: order.unwrap_or(UpdateOrder::Auto) as i32,
    };
    fields.finish()?;
    Ok(config)
}

pub(super) fn placement(fields: &Fields<'_>, deploy: &Fields<'_>) -> Result<Placement> {
    let wide = fields.maybe("x-rebalance", View::boolean)?;
    let Some(view) = deploy.get("placement") else {
        return Ok(Placement {
            rebalance: wide.unwrap_or(false),
            ..Placement::default()
        });
    };
    let fields = view.fields()?;
    let placement = Placement {
        constraints: fields.or_default("constraints", constraints)?,
        preferences: fields.or_default("preferences", preferences)?,
        max_replicas_per_node: fields.or_default("max_replicas_per_node", View::number)?,
        platforms: Vec::new(),
        rebalance: fields
            .maybe("x-rebalance", View::boolean)?
            .or(wide)
            .unwrap_or(false),
    };
    fields.finish()?;
    Ok(placement)
}

fn constraints(view: &View<'_>) -> Result<Vec<String>> {
    let constraint = |item: &View<'_>| {
        let text = item.text()?;
        let sides = text.split_once("!=").or_else(|| text.split_once("=="));
        match sides {
            Some((key, value)) if !key.trim().is_empty() && !value.trim().is_empty() => {
                Ok(text.to_owned())
            }
            _ => Err(item.fault(format!(
                "`{text}` is no constraint; write it like node.labels.disk == ssd"
            ))),
        }
    };
    view.items()?.iter().map(constraint).collect()
}

fn preferences(view: &View<'_>) -> Result<Vec<SpreadPreference>> {
    let preference = |item: &View<'_>| {
        let fields = item.fields()?;
        let over = fields.maybe("spread", View::string)?;
        let max_skew = fields.or_default("x-max-skew", View::number)?;
        fields.finish()?;
        match over {
            Some(over) => Ok(SpreadPreference { over, max_skew }),
            None => Err(item.fault("must say what to spread over: `spread: node.labels.zone`")),
        }
    };
    view.items()?.iter().map(preference).collect()
}
