//! How many replicas a service should have, from what its tasks use.

use std::collections::BTreeMap;

use model::{Autoscale, Autoscaled, Replicated, Resources, Service, ServiceMode, Task, TaskState};
use store::{Change, View};

#[cfg(test)]
mod tests;

/// The pause between two changes when none is said.
const COOLDOWN_MS: u64 = 60_000;
/// Nothing is done while the use is this near to its target.
const TOLERANCE: f64 = 0.1;
/// What a quotient of two floating-point numbers may be off.
const ROUNDING: f64 = 1e-9;

/// What one task uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Processors.
    pub cpus: f64,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Requests that it answers in a second.
    pub requests_per_second: f64,
}

/// The number of replicas that a service should have from now on, and why; none when it should stay as it is.
///
/// `usage` is by task id. Nothing is decided while a rollout moves or a gate is waited at; by use, only when every replica runs.
pub fn decide(
    view: &View,
    service: &Service,
    usage: &BTreeMap<String, Usage>,
    now_ms: i64,
) -> Option<Autoscaled> {
    let scale = service.spec.autoscale.as_ref()?;
    let Some(ServiceMode::Replicated(mode)) = &service.spec.mode else {
        return None;
    };
    let moves = |rollout: &model::Rollout| rollout.state().moves();
    if service.removing || service.waiting.is_some() || service.rollout.as_ref().is_some_and(moves)
    {
        return None;
    }
    let from = mode.replicas;
    let limits = Limits::of(scale);
    let (to, reason) = match limits.outside(from) {
        Some(decided) => decided,
        None => by_use(view, service, scale, from, limits, usage, now_ms)?,
    };
    (to != from).then(|| Autoscaled {
        at_ms: now_ms,
        from,
        to,
        reason: format!("{reason}: {from} -> {to}"),
    })
}

/// The change by which a service gets the number of replicas that was decided upon. What a rollback returns to stays as it was.
pub fn apply(service: &Service, decided: Autoscaled) -> Change {
    let mut scaled = service.clone();
    scaled.spec.mode = Some(ServiceMode::Replicated(Replicated {
        replicas: decided.to,
    }));
    scaled.autoscaled = Some(decided);
    Change::update(scaled)
}

#[derive(Clone, Copy)]
struct Limits {
    min: u64,
    max: u64,
}

impl Limits {
    /// A service of no task has no use to be judged by: one is always left.
    fn of(scale: &Autoscale) -> Limits {
        let min = scale.min.max(1);
        let max = if scale.max == 0 { u64::MAX } else { scale.max };
        Limits {
            min,
            max: max.max(min),
        }
    }

    fn outside(self, replicas: u64) -> Option<(u64, String)> {
        if replicas < self.min {
            Some((self.min, format!("at least {}", self.min)))
        } else if replicas > self.max {
            Some((self.max, format!("at most {}", self.max)))
        } else {
            None
        }
    }
}

fn by_use(
    view: &View,
    service: &Service,
    scale: &Autoscale,
    replicas: u64,
    limits: Limits,
    usage: &BTreeMap<String, Usage>,
    now_ms: i64,
) -> Option<(u64, String)> {
    let cooldown = match scale.cooldown_ms {
        0 => COOLDOWN_MS,
        asked => asked,
    };
    if let Some(last) = &service.autoscaled
        && now_ms.saturating_sub(last.at_ms) < i64::try_from(cooldown).unwrap_or(i64::MAX)
    {
        return None;
    }
    let running: Vec<&Task> = view
        .tasks_of(&service.id)
        .map(|task| &**task)
        .filter(|task| task.is_wanted() && task.status.state() == TaskState::Running)
        .collect();
    if running.len() as u64 != replicas {
        return None;
    }
    let reports: Vec<&Usage> = running
        .iter()
        .filter_map(|task| usage.get(&task.id))
        .collect();
    if reports.is_empty() {
        return None;
    }
    let mean = |of: fn(&Usage) -> f64| {
        reports.iter().map(|usage| of(usage)).sum::<f64>() / reports.len() as f64
    };
    let (ratio, reason) = measures(
        scale,
        &service.spec.task.resources,
        mean(|usage| usage.cpus),
        mean(|usage| usage.memory_bytes as f64),
        mean(|usage| usage.requests_per_second),
    )
    .into_iter()
    .max_by(|one, other| one.0.total_cmp(&other.0))?;
    if (ratio - 1.0).abs() <= TOLERANCE + ROUNDING {
        return None;
    }
    let wanted = (replicas as f64 * ratio - ROUNDING).ceil().max(0.0) as u64;
    let to = wanted
        .max(replicas.div_ceil(2))
        .clamp(limits.min, limits.max);
    Some((to, reason))
}

/// Of each target: the mean use in parts of it, and that in words.
fn measures(
    scale: &Autoscale,
    resources: &model::ResourceSpec,
    cpus: f64,
    memory: f64,
    requests: f64,
) -> Vec<(f64, String)> {
    let mut found = Vec::new();
    let whole =
        |of: fn(&Resources) -> i64| match (of(&resources.reservations), of(&resources.limits)) {
            (reserved, _) if reserved > 0 => Some(reserved as f64),
            (_, limit) if limit > 0 => Some(limit as f64),
            _ => None,
        };
    if scale.cpu > 0.0 {
        let of = whole(|resources| resources.nano_cpus).map_or(1.0, |nano| nano / 1e9);
        found.push(share("cpu", cpus / of, scale.cpu, &processors(of)));
    }
    if scale.memory > 0.0
        && let Some(of) = whole(|resources| resources.memory_bytes)
    {
        found.push(share("memory", memory / of, scale.memory, &mebibytes(of)));
    }
    if scale.requests_per_second > 0.0 {
        let target = scale.requests_per_second;
        found.push((
            requests / target,
            format!(
                "{}/s requests a task, target {}/s",
                rounded(requests),
                rounded(target)
            ),
        ));
    }
    found.retain(|(ratio, _)| ratio.is_finite());
    found
}

fn share(what: &str, used: f64, target: f64, of: &str) -> (f64, String) {
    let percent = |part: f64| (part * 100.0).round();
    (
        used / target,
        format!(
            "{what} {}% of {of}, target {}%",
            percent(used),
            percent(target)
        ),
    )
}

fn processors(of: f64) -> String {
    let unit = if of == 1.0 { "cpu" } else { "cpus" };
    format!("{} {unit}", (of * 100.0).round() / 100.0)
}

fn mebibytes(of: f64) -> String {
    format!("{} MiB", rounded(of / 1_048_576.0))
}

/// With one digit after the point where the number is small.
fn rounded(number: f64) -> f64 {
    if number < 10.0 {
        (number * 10.0).round() / 10.0
    } else {
        number.round()
    }
}
