//! `minictl system df`: what lies on the disk, and what of it could go.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use engine::{Container, Engine, MountKind};
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::{Failure, Outcome, print};
use crate::output::format::{Columns, listing};
use crate::output::size::decimal;

/// Show what images, containers and volumes take up on the disk
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl system df")]
pub(crate) struct Args {
    /// table, json, or a template such as '{{.Type}} {{.Size}}'
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

const COLUMNS: Columns = Columns {
    all: &[
        ("Type", "TYPE"),
        ("TotalCount", "TOTAL"),
        ("Active", "ACTIVE"),
        ("Size", "SIZE"),
        ("Reclaimable", "RECLAIMABLE"),
    ],
    shown: &["Type", "TotalCount", "Active", "Size", "Reclaimable"],
};

/// Prints a row for images, containers and volumes.
pub(crate) fn df(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    let containers = engine.containers(true)?;
    let rows = [
        row("Images", &images(&engine, &containers)?),
        row("Containers", &writable_layers(&engine, &containers)),
        row("Local Volumes", &volumes(&engine, &containers)?),
    ];
    print(&listing(&rows, &COLUMNS, args.format.as_deref())?)?;
    Ok(0)
}

/// One thing on the disk: its bytes, and whether something uses it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Usage {
    bytes: u64,
    active: bool,
}

fn images(engine: &Engine, containers: &[Container]) -> Result<Vec<Usage>, Failure> {
    let used = |id: &str| {
        containers
            .iter()
            .any(|container| container.record.image_id == id)
    };
    let usage = |image: &engine::ImageSummary| Usage {
        bytes: image.size,
        active: used(&image.id.to_string()),
    };
    Ok(engine.images()?.iter().map(usage).collect())
}

fn writable_layers(engine: &Engine, containers: &[Container]) -> Vec<Usage> {
    let layers = engine.config().data_root.join("images/active");
    let usage = |container: &Container| Usage {
        bytes: taken(&layers.join(container.id()).join("upper")),
        active: container.is_alive(),
    };
    containers.iter().map(usage).collect()
}

fn volumes(engine: &Engine, containers: &[Container]) -> Result<Vec<Usage>, Failure> {
    let used = |volume: &str| {
        let mounts = containers
            .iter()
            .flat_map(|container| &container.record.mounts);
        mounts
            .into_iter()
            .any(|mount| matches!(&mount.kind, MountKind::Volume { name, .. } if name == volume))
    };
    let usage = |volume: &engine::Volume| Usage {
        bytes: taken(&volume.path),
        active: used(&volume.name),
    };
    Ok(engine.volumes()?.iter().map(usage).collect())
}

fn row(kind: &str, things: &[Usage]) -> Value {
    let size: u64 = things.iter().map(|thing| thing.bytes).sum();
    let free: u64 = things
        .iter()
        .filter(|thing| !thing.active)
        .map(|thing| thing.bytes)
        .sum();
    let share = (free * 100)
        .checked_div(size)
        .map_or_else(String::new, |share| format!(" ({share}%)"));
    json!({
        "Type": kind,
        "TotalCount": things.len().to_string(),
        "Active": things.iter().filter(|thing| thing.active).count().to_string(),
        "Size": decimal(size),
        "Reclaimable": format!("{}{share}", decimal(free)),
    })
}

/// The bytes a directory takes on the disk; what can't be read, or goes while we look, counts as nothing.
fn taken(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => metadata.blocks() * 512 + taken(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    };
    entries.map(bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_uses_is_reclaimable() {
        fn check(things: &[(u64, bool)], expected: [&str; 4]) {
            let things: Vec<Usage> = things
                .iter()
                .map(|(bytes, active)| Usage {
                    bytes: *bytes,
                    active: *active,
                })
                .collect();
            let row = row("Images", &things);
            assert_eq!(
                [
                    &row["TotalCount"],
                    &row["Active"],
                    &row["Size"],
                    &row["Reclaimable"]
                ],
                expected
            );
        }
        check(&[], ["0", "0", "0B", "0B"]);
        check(
            &[(1000, true), (3000, false)],
            ["2", "1", "4kB", "3kB (75%)"],
        );
    }
}
