//! What a task needs, and what it must not exceed: in `deploy.resources`, or in the older keys of a service.

use model::{ResourceSpec, Resources};

use crate::error::Result;
use crate::values;
use crate::view::{Fields, View};

pub(super) struct Wanted {
    pub(super) spec: ResourceSpec,
    /// Most memory and swap together; -1 for any amount, 0 for the usual one.
    pub(super) swap: i64,
}

pub(super) fn resources(fields: &Fields<'_>, deploy: &Fields<'_>) -> Result<Wanted> {
    let mut limits = Part::default();
    let mut reservations = Part::default();
    if let Some(view) = deploy.get("resources") {
        let fields = view.fields()?;
        limits = fields.or_default("limits", |view| part(view, true))?;
        reservations = fields.or_default("reservations", |view| part(view, false))?;
        fields.finish()?;
    }
    let pids = |view: &View<'_>| view.number::<i64>().map(|pids| pids.max(0));
    let short = |key, said: i64, read: fn(&View<'_>) -> Result<i64>| {
        let Some(view) = fields.get(key) else {
            return Ok(said);
        };
        let value = read(&view)?;
        match said == 0 || said == value {
            true => Ok(value),
            false => Err(view.fault("`deploy.resources` says something else of it")),
        }
    };
    let quota = quota(fields)?;
    let limits = Part {
        cpus: short("cpus", limits.cpus, cpus)?,
        memory: short("mem_limit", limits.memory, memory)?,
        pids: short("pids_limit", limits.pids, pids)?,
    };
    let memory = short("mem_reservation", reservations.memory, memory)?;
    let limit_cpus = if limits.cpus == 0 { quota } else { limits.cpus };
    let exceeded = |set_aside: i64, limit: i64| limit > 0 && set_aside > limit;
    if exceeded(reservations.cpus, limit_cpus) || exceeded(memory, limits.memory) {
        let why = "more is set aside in `reservations` than `limits` allow";
        let view = deploy.get("resources");
        return Err(view.as_ref().unwrap_or(&fields.view).fault(why));
    }
    let swap = fields.or_default("memswap_limit", |view| match view.text()? {
        "-1" => Ok(-1),
        _ => self::memory(view),
    })?;
    Ok(Wanted {
        spec: ResourceSpec {
            reservations: Resources {
                nano_cpus: reservations.cpus,
                memory_bytes: memory,
            },
            limits: Resources {
                nano_cpus: limit_cpus,
                memory_bytes: limits.memory,
            },
            pids: limits.pids,
        },
        swap,
    })
}

#[derive(Default)]
struct Part {
    cpus: i64,
    memory: i64,
    pids: i64,
}

fn part(view: &View<'_>, limits: bool) -> Result<Part> {
    let fields = view.fields()?;
    let mut part = Part {
        cpus: fields.or_default("cpus", cpus)?,
        memory: fields.or_default("memory", memory)?,
        pids: 0,
    };
    if limits {
        part.pids = fields.or_default("pids", View::number::<i64>)?.max(0);
    } else {
        fields.unsupported(&[
            ("devices", "devices are not reserved; a task is given those of `devices`"),
            ("generic_resources", "resources of one's own are not reserved; label the nodes that have them, and constrain the service to those"),
        ]);
    }
    fields.finish()?;
    Ok(part)
}

fn cpus(view: &View<'_>) -> Result<i64> {
    view.read(values::nano_cpus)
}

fn memory(view: &View<'_>) -> Result<i64> {
    let bytes = view.bytes()?;
    i64::try_from(bytes).map_err(|_| view.fault("is more than there can be"))
}

/// `cpu_quota` in each `cpu_period`, both in microseconds.
fn quota(fields: &Fields<'_>) -> Result<i64> {
    let period = fields.maybe("cpu_period", View::number::<i64>)?;
    let quota = fields.or_default("cpu_quota", View::number::<i64>)?;
    let period = i128::from(period.filter(|period| *period > 0).unwrap_or(100_000));
    let nano = i128::from(quota.max(0)) * 1_000_000_000 / period;
    Ok(i64::try_from(nano).unwrap_or(i64::MAX))
}
