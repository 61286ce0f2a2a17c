//! `minictl network ls`: the networks of this host, and those of the cluster where a manager tells of them.

use engine::Network;
use serde_json::{Value, json};

use crate::container::view::moment;
use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::network::cluster;
use crate::network::predefined::PREDEFINED;
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
    /// name=, id=, label=, driver=, scope=
    #[arg(short, long = "filter", value_name = "FILTER")]
    filters: Vec<String>,
}

/// The label of a network that a task of the cluster needs here.
pub(super) const OF_CLUSTER: &str = "mini.network.id";

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
    let filters = filter::parse_all(&args.filters, &["name", "id", "label", "driver", "scope"])?;
    let networks = context.engine()?.networks()?;
    let of_cluster = cluster::all(context);
    // What this host has of one of the cluster's is told by that.
    let is_shown = |network: &&Network| {
        let of = network.labels.get(OF_CLUSTER);
        !of_cluster.iter().any(|network| Some(&network.id) == of)
    };
    let mut rows: Vec<Value> = networks
        .iter()
        .filter(is_shown)
        .map(|network| row(network, args.no_trunc))
        .collect();
    rows.extend(
        PREDEFINED
            .iter()
            .map(|network| network.row(short_id(network.id, args.no_trunc))),
    );
    rows.extend(
        of_cluster
            .iter()
            .map(|network| cluster::row(network, args.no_trunc)),
    );
    rows.sort_by(|a, b| text(a, "Name").cmp(text(b, "Name")));
    rows.retain(|row| {
        let id = text(row, "ID");
        let local = networks.iter().find(|network| network.id.starts_with(id));
        let shared = of_cluster.iter().find(|network| network.id.starts_with(id));
        let labels = local
            .map(|network| &network.labels)
            .or(shared.map(|network| &network.spec.labels));
        filter::passes(&filters, |key, value| match key {
            "name" => text(row, "Name").contains(value),
            "id" => id.starts_with(short_id(value, args.no_trunc)),
            "driver" => text(row, "Driver") == value,
            "scope" => text(row, "Scope") == value,
            _ => labels.is_some_and(|labels| filter::has_label(labels, value)),
        })
    });
    if args.quiet && args.format.is_none() {
        print(
            &rows
                .iter()
                .map(|row| format!("{}\n", text(row, "ID")))
                .collect::<String>(),
        )?;
        return Ok(0);
    }
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

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().unwrap_or_default()
}
