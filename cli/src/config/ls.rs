//! `minictl config ls`.

use api::v1::ListConfigsRequest;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::output::age::ago;
use crate::output::filter::{has_label, parse_all, passes};
use crate::output::format::{Columns, listing};
use crate::remote::Client;

const COLUMNS: Columns = Columns {
    all: &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("CreatedAt", "CREATED"),
        ("UpdatedAt", "UPDATED"),
        ("Labels", "LABELS"),
    ],
    shown: &["ID", "Name", "CreatedAt", "UpdatedAt"],
};

/// List configuration files
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl config ls")]
pub(crate) struct Args {
    /// Print ids alone
    #[arg(short, long)]
    quiet: bool,
    /// Show those alone that fit: id, name, label
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// json, table TEMPLATE or a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Lists them.
pub(crate) fn list(args: &Args, context: &Context) -> Outcome {
    let filters = parse_all(&args.filter, &["id", "name", "label"])?;
    let asked = ListConfigsRequest {};
    let mut configs = Client::of(context)?
        .ask(asked, |channel, request| async move {
            api::control(channel).list_configs(request).await
        })?
        .configs;
    configs.sort_by(|one, other| one.spec.name.cmp(&other.spec.name));
    configs.retain(|config| {
        passes(&filters, |key, value| match key {
            "id" => config.id.starts_with(value),
            "name" => config.spec.name.starts_with(value),
            _ => has_label(&config.spec.labels, value),
        })
    });
    if args.quiet {
        for config in configs {
            print(&format!("{}\n", config.id))?;
        }
        return Ok(0);
    }
    let now = Timestamp::now();
    let when = |ms| ago(Timestamp::from_millisecond(ms).unwrap_or_default(), now);
    let rows: Vec<Value> = configs
        .iter()
        .map(|config| {
            json!({
                "ID": config.id,
                "Name": config.spec.name,
                "CreatedAt": when(config.meta.created_ms),
                "UpdatedAt": when(config.meta.updated_ms),
                "Labels": crate::output::joined(&config.spec.labels),
            })
        })
        .collect();
    print(&listing(&rows, &COLUMNS, args.format.as_deref())?)?;
    Ok(0)
}
