//! `minictl secret ls`.

use api::v1::ListSecretsRequest;
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

/// List secrets
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl secret ls --filter label=env=prod")]
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
    let mut secrets = Client::of(context)?
        .ask(ListSecretsRequest {}, |channel, request| async move {
            api::control(channel).list_secrets(request).await
        })?
        .secrets;
    secrets.sort_by(|one, other| one.spec.name.cmp(&other.spec.name));
    secrets.retain(|secret| {
        passes(&filters, |key, value| match key {
            "id" => secret.id.starts_with(value),
            "name" => secret.spec.name.starts_with(value),
            _ => has_label(&secret.spec.labels, value),
        })
    });
    if args.quiet {
        for secret in secrets {
            print(&format!("{}\n", secret.id))?;
        }
        return Ok(0);
    }
    let now = Timestamp::now();
    let when = |ms| ago(Timestamp::from_millisecond(ms).unwrap_or_default(), now);
    let rows: Vec<Value> = secrets
        .iter()
        .map(|secret| {
            json!({
                "ID": secret.id,
                "Name": secret.spec.name,
                "CreatedAt": when(secret.meta.created_ms),
                "UpdatedAt": when(secret.meta.updated_ms),
                "Labels": crate::output::joined(&secret.spec.labels),
            })
        })
        .collect();
    print(&listing(&rows, &COLUMNS, args.format.as_deref())?)?;
    Ok(0)
}
