//! `minictl stack ls`.

use api::v1::{ListStacksRequest, StackView};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::output::age::ago;
use crate::output::format::{Columns, listing};
use crate::remote::Client;

const COLUMNS: Columns = Columns {
    all: &[
        ("Name", "NAME"),
        ("Services", "SERVICES"),
        ("State", "STATE"),
        ("Deployment", "DEPLOYMENT"),
        ("UpdatedAt", "DEPLOYED"),
        ("ID", "ID"),
    ],
    shown: &["Name", "Services", "State", "Deployment", "UpdatedAt"],
};

/// List stacks
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl stack ls")]
pub(crate) struct Args {
    /// Print names alone
    #[arg(short, long)]
    quiet: bool,
    /// json, table TEMPLATE or a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Lists them.
pub(crate) fn list(args: &Args, context: &Context) -> Outcome {
    let reply = Client::of(context)?.ask(ListStacksRequest {}, |channel, request| async move {
        api::control(channel).list_stacks(request).await
    })?;
    let mut rows: Vec<Value> = reply.stacks.iter().map(row).collect();
    rows.sort_by_cached_key(|row| row["Name"].as_str().unwrap_or_default().to_owned());
    if args.quiet {
        for row in rows {
            print(&format!("{}\n", row["Name"].as_str().unwrap_or_default()))?;
        }
        return Ok(0);
    }
    print(&listing(&rows, &COLUMNS, args.format.as_deref())?)?;
    Ok(0)
}

fn row(view: &StackView) -> Value {
    let stack = view.stack.clone().unwrap_or_default();
    let updated = Timestamp::from_millisecond(stack.meta.updated_ms).unwrap_or_default();
    json!({
        "Name": stack.name,
        "Services": view.services.len(),
        "State": state(stack.removing, view.converged, view.failed),
        "Deployment": stack.deployment,
        "UpdatedAt": ago(updated, Timestamp::now()),
        "ID": stack.id,
    })
}

fn state(removing: bool, converged: bool, failed: bool) -> &'static str {
    match (removing, converged, failed) {
        (true, ..) => "removing",
        (_, true, _) => "converged",
        (.., true) => "degraded",
        _ => "converging",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_all_their_fields() {
        let row = row(&StackView::default());
        for (field, _) in COLUMNS.all {
            assert!(row.get(field).is_some(), "{field}");
        }
        assert_eq!(row["State"], "converging");
        assert_eq!(state(false, false, true), "degraded");
        assert_eq!(state(true, true, false), "removing");
    }
}
