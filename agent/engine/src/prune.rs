//! What is not used any more.

use std::collections::BTreeSet;

use crate::container::Status;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::records;
use crate::remove::{self, uses};
use crate::volume;

/// What to remove.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PruneSpec {
    /// Containers that don't run.
    pub containers: bool,
    /// Networks that no container uses.
    pub networks: bool,
    /// Anonymous volumes that no container uses.
    pub volumes: bool,
    /// Named ones too.
    pub all_volumes: bool,
    /// Images without a name that no container uses.
    pub images: bool,
    /// Named ones too.
    pub all_images: bool,
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PruneReport {
    /// Ids.
    pub containers: Vec<String>,
    /// Names.
    pub networks: Vec<String>,
    /// Names.
    pub volumes: Vec<String>,
    /// References and ids.
    pub images: Vec<String>,
    /// Bytes.
    pub space: u64,
}

/// Removes what is not used. What is taken into use meanwhile stays.
pub(crate) fn prune(engine: &Engine, spec: &PruneSpec) -> Result<PruneReport> {
    let mut report = PruneReport::default();
    if spec.containers {
        containers(engine, &mut report)?;
    }
    if spec.networks {
        networks(engine, &mut report)?;
    }
    if spec.volumes || spec.all_volumes {
        volumes(engine, spec.all_volumes, &mut report)?;
    }
    if spec.images || spec.all_images {
        crate::picture::prune(engine, spec.all_images, &mut report)?;
    }
    Ok(report)
}

fn containers(engine: &Engine, report: &mut PruneReport) -> Result<()> {
    let layout = &engine.layout;
    for record in records::all(layout)? {
        let state = records::observe(layout, &engine.runtime, &record.id)?;
        if !matches!(state.status, Status::Created | Status::Exited) {
            continue;
        }
        let space = size(engine, layout, &record.id)?;
        match remove::remove(engine, &record.id, false, false) {
            Ok(()) => {
                report.containers.push(record.id);
                report.space += space;
            }
            // Removed or started by somebody else meanwhile.
            Err(Error::NotFound { .. } | Error::State { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    engine.networks.sweep()?;
    Ok(())
}

fn size(engine: &Engine, layout: &Layout, id: &str) -> Result<u64> {
    let upper = engine
        .store()?
        .snapshot(id)?
        .map_or(0, |snapshot| volume::size(&snapshot.upper));
    Ok(upper + volume::size(&layout.container(id)))
}

fn networks(engine: &Engine, report: &mut PruneReport) -> Result<()> {
    let wanted: BTreeSet<String> = records::all(&engine.layout)?
        .iter()
        .flat_map(|record| record.spec.networks.clone())
        .filter_map(|attach| match attach {
            crate::parse::network::NetworkAttach::Network(endpoint) => Some(endpoint.network),
            _ => None,
        })
        .collect();
    for network in engine.networks.list()? {
        if network.default
            || wanted.contains(&network.name)
            || wanted.iter().any(|id| network.id.starts_with(id.as_str()))
        {
            continue;
        }
        match engine.networks.remove(&network.name) {
            Ok(_) => report.networks.push(network.name),
            Err(network::Error::InUse { .. } | network::Error::NetworkNotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn volumes(engine: &Engine, all: bool, report: &mut PruneReport) -> Result<()> {
    let volumes = engine.layout.volumes();
    let used = records::all(&engine.layout)?;
    for volume in volume::list(&volumes)? {
        let anonymous = volume.anonymous_of.is_some();
        if used.iter().any(|record| uses(record, &volume.name))
            || !(all || anonymous)
            || in_making(engine, &volume)
        {
            continue;
        }
        report.space += volume::size(&volume.path);
        volume::remove(&volumes, &volume.name)?;
        report.volumes.push(volume.name);
    }
    volume::sweep(&volumes)
}

/// An anonymous volume is made before the record of its container is.
fn in_making(engine: &Engine, volume: &volume::Volume) -> bool {
    volume
        .anonymous_of
        .as_deref()
        .is_some_and(|id| engine.layout.container(id).exists())
}
