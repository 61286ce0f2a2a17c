//! `minictl network ls`.

use engine::Network;
use serde_json::{Value, json};

use crate::container::view::moment;
use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::output::filter;
use crate::output::format::{Columns, listing};
use crate::output::{joined, short_id};

/// List networks
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl network ls --format '{{.Name}}'")]
pub(crate) struct Args {
    /// Only the ids
    #[arg(short, long)]
    quiet: bool,
    /// Don't cut ids
    #[arg(long)]
    no_trunc: bool,
    /// table, json, or a template such as '{{.Name}}'
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// name=, id=, label=, driver=
    #[arg(short, long = "filter", value_name = "FILTER")]
    filters: Vec<String>,
}

const COLUMNS: Columns = Columns {
    all: &[
        ("ID", "NETWORK ID"),
        ("Name", "NAME"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("Internal", "INTERNAL"),
        ("Labels", "LABELS"),
        ("CreatedAt", "CREATED AT"),
        ("Subnet", "SUBNET"),
    ],
    shown: &["ID", "Name", "Driver", "Scope"],
};

/// Prints the rows.
pub(crate) fn list(args: Args, context: &Context) -> Outcome {
    let filters = filter::parse_all(&args.filters, &["name", "id", "label", "driver"])?;
    let mut networks = context.engine()?.networks()?;
    networks.retain(|network| {
        filter::passes(&filters, |key, value| match key {
            "name" => network.name.contains(value),
            "id" => network.id.starts_with(value),
            "driver" => network.driver.to_string() == value,
            _ => filter::has_label(&network.labels, value),
        })
    });
    if args.quiet && args.format.is_none() {
        let ids = networks
            .iter()
            .map(|network| format!("{}\n", short_id(&network.id, args.no_trunc)));
        print(&ids.collect::<String>())?;
        return Ok(0);
    }
    let rows: Vec<Value> = networks
        .iter()
        .map(|network| row(network, args.no_trunc))
        .collect();
    print(&listing(&rows, &COLUMNS, args.format.as_deref())?)?;
    Ok(0)
}

fn row(network: &Network, full: bool) -> Value {
    json!({
        "ID": short_id(&network.id, full),
        "Name": network.name,
        "Driver": network.driver.to_string(),
        "Scope": "local",
        "Internal": network.internal.to_string(),
        "Labels": joined(&network.labels),
        "CreatedAt": moment(network.created),
        "Subnet": network.subnet.to_string(),
    })
}
