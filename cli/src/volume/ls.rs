//! `minictl volume ls`.

use engine::Volume;
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::output::filter;
use crate::output::format::{Columns, listing};
use crate::output::joined;

/// List volumes
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl volume ls -f label=app=shop")]
pub(crate) struct Args {
    /// Only the names
    #[arg(short, long)]
    quiet: bool,
    /// table, json, or a template such as '{{.Name}}'
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// name=, label=
    #[arg(short, long = "filter", value_name = "FILTER")]
    filters: Vec<String>,
}

const COLUMNS: Columns = Columns {
    all: &[
        ("Driver", "DRIVER"),
        ("Name", "VOLUME NAME"),
        ("Labels", "LABELS"),
        ("Mountpoint", "MOUNTPOINT"),
        ("Scope", "SCOPE"),
    ],
    shown: &["Driver", "Name"],
};

/// Prints the rows.
pub(crate) fn list(args: Args, context: &Context) -> Outcome {
    let filters = filter::parse_all(&args.filters, &["name", "label"])?;
    let mut volumes = context.engine()?.volumes()?;
    volumes.retain(|volume| {
        filter::passes(&filters, |key, value| match key {
            "name" => volume.name.contains(value),
            _ => filter::has_label(&volume.labels, value),
        })
    });
    if args.quiet && args.format.is_none() {
        print(
            &volumes
                .iter()
                .map(|volume| format!("{}\n", volume.name))
                .collect::<String>(),
        )?;
        return Ok(0);
    }
    let rows: Vec<Value> = volumes.iter().map(row).collect();
    print(&listing(&rows, &COLUMNS, args.format.as_deref())?)?;
    Ok(0)
}

fn row(volume: &Volume) -> Value {
    json!({
        "Driver": "local",
        "Name": volume.name,
        "Labels": joined(&volume.labels),
        "Mountpoint": volume.path,
        "Scope": "local",
    })
}
