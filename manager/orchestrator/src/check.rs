//! Whether a service can be meant as it is asked for. What cannot is refused with what to write in its place; what will not do what
//! one expects is let through with a warning.

mod container;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use model::{
    Autoscale, EndpointMode, MountKind, PortProtocol, PortSpec, PublishMode, RestartCondition,
    ServiceMode, ServiceSpec, UpdateConfig,
};
use store::View;

use crate::constraint::{Constraint, Key};
use crate::schedule::Schedule;

/// A name of a stack, a separator and a name of a service within it: labels of the DNS have 63 letters.
const LONGEST_NAME: usize = 63 + 1 + 63;
/// More tasks than any cluster runs: somebody's mistake.
const MOST_REPLICAS: u64 = 1_000_000;

/// Warnings about a service; the error says what to change. Networks, secrets and configs are looked up in the view.
pub fn service(view: &View, spec: &ServiceSpec) -> Result<Vec<String>, String> {
    let named = |error: String| match spec.name.as_str() {
        "" => error,
        name => format!("service `{name}`: {error}"),
    };
    let mut warnings = Vec::new();
    all(view, spec, &mut warnings).map_err(named)?;
    Ok(warnings.into_iter().map(named).collect())
}

fn all(view: &View, spec: &ServiceSpec, warnings: &mut Vec<String>) -> Result<(), String> {
    name(&spec.name)?;
    mode(spec)?;
    container::check(view, &spec.task.container)?;
    container::resources(&spec.task.resources)?;
    placement(spec, warnings)?;
    networks(view, spec, warnings)?;
    ports(view, spec, warnings)?;
    restart(spec, warnings);
    for (what, config) in [("update", &spec.update), ("rollback", &spec.rollback)] {
        if let Some(config) = config {
            update(what, config, spec, warnings)?;
        }
    }
    dependencies(spec)?;
    gate(spec)?;
    if let Some(autoscale) = &spec.autoscale {
        autoscaling(autoscale, spec, warnings)?;
    }
    schedule(spec)?;
    container::warn(spec, warnings);
    Ok(())
}

fn name(name: &str) -> Result<(), String> {
    let letters = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    if name.is_empty() {
        return Err("a service needs a name".to_owned());
    }
    if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) || !name.chars().all(letters)
    {
        return Err(
            "its name must begin with a letter or a digit and go on with letters, digits and any of _ . -"
                .to_owned(),
        );
    }
    if name.len() > LONGEST_NAME {
        return Err(format!(
            "its name has {} letters, choose one of {LONGEST_NAME} at most",
            name.len()
        ));
    }
    Ok(())
}

fn mode(spec: &ServiceSpec) -> Result<(), String> {
    let few = |what: &str, number: u64| match number > MOST_REPLICAS {
        true => Err(format!(
            "{what} is {number}, choose {MOST_REPLICAS} at most"
        )),
        false => Ok(()),
    };
    match &spec.mode {
        None => Err(
            "it has no mode, choose replicated, global, replicated-job or global-job".to_owned(),
        ),
        Some(ServiceMode::Replicated(mode)) => few("the number of replicas", mode.replicas),
        Some(ServiceMode::ReplicatedJob(mode)) => {
            few("the number of completions", mode.completions)
        }
        Some(ServiceMode::Global(_) | ServiceMode::GlobalJob(_)) => Ok(()),
    }
}

fn is_job(spec: &ServiceSpec) -> bool {
    matches!(
        spec.mode,
        Some(ServiceMode::ReplicatedJob(_) | ServiceMode::GlobalJob(_))
    )
}

fn is_global(spec: &ServiceSpec) -> bool {
    matches!(
        spec.mode,
        Some(ServiceMode::Global(_) | ServiceMode::GlobalJob(_))
    )
}

fn placement(spec: &ServiceSpec, warnings: &mut Vec<String>) -> Result<(), String> {
    let placement = &spec.task.placement;
    for expression in &placement.constraints {
        Constraint::parse(expression)?;
    }
    for preference in &placement.preferences {
        Key::parse(&preference.over).map_err(|error| format!("spread preference: {error}"))?;
    }
    if placement.max_replicas_per_node > 0 && is_global(spec) {
        return Err(
            "max replicas per node is for replicated services, a global one has one task on each node: take it out"
                .to_owned(),
        );
    }
    if !placement.preferences.is_empty() && is_global(spec) {
        warnings.push("spread preferences do nothing for a global service".to_owned());
    }
    if placement.rebalance && !matches!(spec.mode, Some(ServiceMode::Replicated(_))) {
        return Err("rebalancing is for replicated services, take it out".to_owned());
    }
    let mut mounts = spec.task.container.mounts.iter();
    let volume = mounts.find(|mount| mount.kind() == MountKind::Volume && !mount.source.is_empty());
    if placement.rebalance
        && let Some(volume) = volume
    {
        warnings.push(format!(
            "rebalancing moves no task of it: their data is in volume `{}` of their nodes",
            volume.source
        ));
    }
    Ok(())
}

fn networks(view: &View, spec: &ServiceSpec, warnings: &mut Vec<String>) -> Result<(), String> {
    let attached = &spec.task.networks;
    let mut seen = BTreeSet::new();
    for attachment in attached {
        let name = attachment.network.as_str();
        let id = match name {
            "" => return Err("a network needs a name".to_owned()),
            "host" | "none" if attached.len() > 1 => {
                return Err(format!(
                    "network `{name}` goes with no other one, take it or the others out"
                ));
            }
            "host" | "none" => name,
            name => match view
                .networks()
                .named(name)
                .or_else(|| view.networks().get(name))
            {
                Some(network) => network.id.as_str(),
                None => {
                    return Err(format!(
                        "network `{name}` does not exist, make it with `minictl network create` or name another one"
                    ));
                }
            },
        };
        if !seen.insert(id) {
            return Err(format!("network `{name}` is named twice, once is enough"));
        }
    }
    let of_the_node = attached
        .iter()
        .map(|attachment| attachment.network.as_str())
        .find(|name| matches!(*name, "host" | "none"));
    if let Some(name) = of_the_node
        && !spec.endpoint.ports.is_empty()
    {
        warnings.push(format!("its ports are not published on network `{name}`"));
    }
    Ok(())
}

fn ports(view: &View, spec: &ServiceSpec, warnings: &mut Vec<String>) -> Result<(), String> {
    let mut published = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for port in &spec.endpoint.ports {
        if !(1..=65_535).contains(&port.target) {
            return Err(format!(
                "port {} of the container is none, choose one from 1 to 65535",
                port.target
            ));
        }
        if port.published > 65_535 {
            return Err(format!(
                "published port {} is none, choose one from 1 to 65535, or 0 for any",
                port.published
            ));
        }
        if port.published != 0 && !published.insert((port.protocol, port.published)) {
            return Err(format!(
                "port {} is published twice, choose another one",
                words(port)
            ));
        }
        if !seen.insert((port.protocol, port.target, port.published, port.mode)) {
            return Err(format!(
                "port {}/{} of the container is published twice in the same way, once is enough",
                port.target,
                protocol(port)
            ));
        }
        if port.mode() == PublishMode::Ingress {
            if spec.endpoint.mode() == EndpointMode::Dnsrr {
                return Err(format!(
                    "port {} is published on every node, which endpoint mode dnsrr has no address for: use mode=host or endpoint mode vip",
                    words(port)
                ));
            }
            warnings.push(format!(
                "port {} is published on every node only once the cluster network carries services across hosts; for now use mode=host",
                words(port)
            ));
            if let Some(other) = holder(view, spec, port) {
                warnings.push(format!(
                    "port {} is published by service `{other}`: its tasks wait until that is over",
                    words(port)
                ));
            }
        }
    }
    Ok(())
}

/// `80`, `53/udp`; the container's where the other is chosen later.
fn words(port: &PortSpec) -> String {
    let number = match port.published {
        0 => port.target,
        published => published,
    };
    match port.protocol() {
        PortProtocol::Tcp => number.to_string(),
        _ => format!("{number}/{}", protocol(port)),
    }
}

fn protocol(port: &PortSpec) -> &'static str {
    match port.protocol() {
        PortProtocol::Tcp => "tcp",
        PortProtocol::Udp => "udp",
        PortProtocol::Sctp => "sctp",
    }
}

/// Another service that has a port on every node.
fn holder<'a>(view: &'a View, spec: &ServiceSpec, port: &PortSpec) -> Option<&'a str> {
    let same = |held: &PortSpec| {
        port.published != 0
            && held.mode() == PublishMode::Ingress
            && (held.protocol, held.published) == (port.protocol, port.published)
    };
    let other = view.services().iter().find(|service| {
        service.spec.name != spec.name
            && !service.removing
            && service.allocation.ports.iter().any(same)
    });
    other.map(|service| service.spec.name.as_str())
}

fn restart(spec: &ServiceSpec, warnings: &mut Vec<String>) {
    let restart = &spec.task.restart;
    let paced = restart.max_attempts > 0 || restart.window_ms > 0 || restart.delay_ms > 0;
    if restart.condition() == RestartCondition::None && paced {
        warnings.push(
            "restart delay, attempts and window do nothing where tasks are never restarted"
                .to_owned(),
        );
    }
    if restart.window_ms > 0 && restart.max_attempts == 0 {
        warnings
            .push("a restart window does nothing without a number of restart attempts".to_owned());
    }
}

fn update(
    what: &str,
    config: &UpdateConfig,
    spec: &ServiceSpec,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    if !(0.0..=1.0).contains(&config.max_failure_ratio) {
        return Err(format!(
            "max failure ratio of its {what} is {}, choose one from 0 to 1",
            config.max_failure_ratio
        ));
    }
    if what == "rollback" && config.failure_action() == model::FailureAction::Rollback {
        return Err(
            "a rollback that fails cannot be rolled back, choose pause or continue as its failure action"
                .to_owned(),
        );
    }
    if is_job(spec) {
        warnings.push(format!(
            "the {what} config does nothing for a job, an update starts it anew"
        ));
    }
    Ok(())
}

fn dependencies(spec: &ServiceSpec) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for dependency in &spec.depends_on {
        let name = dependency.service.as_str();
        if name.is_empty() {
            return Err("a dependency needs the name of a service".to_owned());
        }
        if name == spec.name {
            return Err(format!(
                "dependency cycle detected: {name} -> {name}, take it out of what it depends on"
            ));
        }
        if !seen.insert(name) {
            return Err(format!("it depends on `{name}` twice, once is enough"));
        }
    }
    Ok(())
}

fn gate(spec: &ServiceSpec) -> Result<(), String> {
    let most = match (&spec.mode, &spec.autoscale) {
        (Some(ServiceMode::Replicated(_)), Some(autoscale)) => autoscale.max,
        (Some(ServiceMode::Replicated(mode)), None) => mode.replicas,
        _ => return Ok(()),
    };
    if most > 0 && spec.gate.min_healthy > most {
        return Err(format!(
            "min healthy is {} of {most} replicas, choose {most} at most",
            spec.gate.min_healthy
        ));
    }
    Ok(())
}

fn autoscaling(
    autoscale: &Autoscale,
    spec: &ServiceSpec,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    let Some(ServiceMode::Replicated(mode)) = &spec.mode else {
        return Err("autoscaling is for replicated services, take it out".to_owned());
    };
    let (min, max) = (autoscale.min, autoscale.max);
    if max == 0 || max > MOST_REPLICAS {
        return Err(format!(
            "autoscaling needs a max from 1 to {MOST_REPLICAS}, not {max}"
        ));
    }
    if min > max {
        return Err(format!(
            "autoscaling has a min of {min} above its max of {max}, choose a min of {max} at most"
        ));
    }
    let targets = [
        ("cpu", autoscale.cpu),
        ("memory", autoscale.memory),
        ("requests per second", autoscale.requests_per_second),
    ];
    for (what, target) in targets {
        if !target.is_finite() || target < 0.0 {
            return Err(format!(
                "autoscaling target {what} is {target}, choose a number above 0"
            ));
        }
    }
    if targets.iter().all(|(_, target)| *target == 0.0) {
        return Err(
            "autoscaling has no target, give it one of cpu, memory or requests per second"
                .to_owned(),
        );
    }
    let resources = &spec.task.resources;
    let memory = resources
        .reservations
        .memory_bytes
        .max(resources.limits.memory_bytes);
    if autoscale.memory > 0.0 && memory == 0 {
        return Err(
            "autoscaling by memory needs a memory reservation or limit to be a part of".to_owned(),
        );
    }
    if autoscale.requests_per_second > 0.0 {
        warnings.push(
            "requests are counted only once the cluster network carries services across hosts; for now use autoscaling target cpu or memory"
                .to_owned(),
        );
    }
    if mode.replicas < min || mode.replicas > max {
        warnings.push(format!(
            "{} replicas are outside of what autoscaling keeps to, {min} to {max}",
            mode.replicas
        ));
    }
    Ok(())
}

fn schedule(spec: &ServiceSpec) -> Result<(), String> {
    if spec.schedule.is_empty() {
        return Ok(());
    }
    if !is_job(spec) {
        return Err(
            "a schedule is for jobs, choose mode replicated-job or global-job, or take it out"
                .to_owned(),
        );
    }
    Schedule::parse(&spec.schedule)
        .map(drop)
        .map_err(|error| format!("schedule `{}`: {error}", spec.schedule))
}
