//! What a `kill -9` or a reboot has left is put in order by the next command. When nothing is wrong that costs one look
//! into two directories.

use std::fs;

use crate::engine::Engine;
use crate::error::Result;
use crate::host;
use crate::id;
use crate::json;
use crate::lock::{self, Lock};
use crate::records;
use crate::remove;
use crate::volume;

/// Exit code of a container whose monitor was killed: the kernel killed its processes along with it.
const KILLED: i32 = 137;
/// Exit code of a container that was running when the host went down: nobody knows.
const UNKNOWN: i32 = 255;

/// What was put in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HealReport {
    /// Ids of containers that something was done about.
    pub healed: Vec<String>,
    /// What could not be put in order, one sentence each; the next command tries again.
    pub problems: Vec<String>,
}

/// Puts everything in order.
pub(crate) fn heal(engine: &Engine) -> Result<HealReport> {
    let mut report = HealReport::default();
    let boot = host::boot_id();
    let mark = engine.layout.boot_mark();
    let fresh = fs::read_to_string(&mark).is_ok_and(|checked| checked == boot);
    unfinished(engine, &mut report)?;
    dead(engine, &mut report)?;
    if !report.healed.is_empty() || !fresh {
        thorough(engine, !fresh, &mut report)?;
        if !fresh && report.problems.is_empty() {
            json::write_bytes(&mark, boot.as_bytes(), json::Durable::No)?;
        }
    }
    Ok(report)
}

/// Directories without a record whose maker or remover is gone.
fn unfinished(engine: &Engine, report: &mut HealReport) -> Result<()> {
    let layout = &engine.layout;
    for id in records::ids(layout)? {
        if layout.record(&id).exists() {
            continue;
        }
        if let Some(_lock) = Lock::attempt(&layout.container(&id))?
            && !layout.record(&id).exists()
        {
            let result = remove::half_made(engine, &id);
            note(report, id, result);
        }
    }
    Ok(())
}

/// Directories below /run whose monitor is gone.
fn dead(engine: &Engine, report: &mut HealReport) -> Result<()> {
    let layout = &engine.layout;
    for id in json::names(&layout.run_containers())? {
        if !id::is_id(&id) {
            continue;
        }
        let directory = layout.container(&id);
        match Lock::attempt(&directory)? {
            // Being started or cleaned up right now.
            None if directory.exists() => {}
            None => {
                let result = remove::tear_down(engine, &id);
                note(report, id, result);
            }
            Some(_lock) => {
                if layout.run_container(&id).exists() && !lock::is_held(&layout.monitor_lock(&id))?
                {
                    let result = remove::lost(
                        engine,
                        &id,
                        KILLED,
                        "the monitor of the container was killed",
                    );
                    note(report, id, result);
                }
            }
        }
    }
    Ok(())
}

/// What only a reboot or a death leaves.
fn thorough(engine: &Engine, after_boot: bool, report: &mut HealReport) -> Result<()> {
    let layout = &engine.layout;
    if after_boot {
        for id in records::ids(layout)? {
            if !layout.started_mark(&id).exists() || layout.run_container(&id).exists() {
                continue;
            }
            if let Some(_lock) = Lock::attempt(&layout.container(&id))?
                && layout.started_mark(&id).exists()
                && !layout.run_container(&id).exists()
            {
                let result = remove::lost(
                    engine,
                    &id,
                    UNKNOWN,
                    "the host went down while the container was running",
                );
                note(report, id, result);
            }
        }
        for name in json::names(&layout.names())? {
            if let Some(owner) = records::owner(layout, &name)?
                && !layout.container(&owner).exists()
            {
                records::drop_name(layout, &name, &owner)?;
            }
        }
        volume::sweep(&layout.volumes())?;
    }
    // An endpoint belongs to a container from the moment its directory below /run is there.
    let is_live = |id: &str| layout.run_container(id).exists();
    match engine.networks.heal(&is_live) {
        Ok(_) => {}
        Err(error) => report
            .problems
            .push(format!("network: {}", with_causes(&error))),
    }
    Ok(())
}

fn note(report: &mut HealReport, id: String, result: Result<()>) {
    if let Err(error) = result {
        report.problems.push(format!(
            "container {}: {}",
            crate::container::short(&id),
            with_causes(&error)
        ));
    }
    report.healed.push(id);
}

/// An error and its causes on one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
