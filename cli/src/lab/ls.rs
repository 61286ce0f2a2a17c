//! `minictl lab ls`.

use ::lab::NodeView;
use serde_json::{Value, json};

use super::Which;
use crate::failure::{Outcome, print};
use crate::output::format::{Columns, listing};

/// List a lab's nodes
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl lab ls --format '{{.Node}} {{.State}}'")]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// Only the names
    #[arg(short, long)]
    quiet: bool,
    /// table, json, or a template such as '{{.Node}}'
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

const COLUMNS: Columns = Columns {
    all: &[
        ("Node", "NODE"),
        ("Role", "ROLE"),
        ("Address", "ADDRESS"),
        ("PID", "PID"),
        ("State", "STATE"),
        ("Socket", "SOCKET"),
        ("CutOffFrom", "CUT OFF FROM"),
    ],
    shown: &["Node", "Role", "Address", "PID", "State", "Socket"],
};

/// Prints the rows.
pub(crate) fn list(args: Args) -> Outcome {
    let nodes = args.which.lab()?.nodes()?;
    if args.quiet && args.format.is_none() {
        let names = nodes.iter().map(|view| format!("{}\n", view.node.name));
        print(&names.collect::<String>())?;
        return Ok(0);
    }
    let rows: Vec<Value> = nodes.iter().map(row).collect();
    print(&listing(&rows, &COLUMNS, args.format.as_deref())?)?;
    Ok(0)
}

fn row(view: &NodeView) -> Value {
    json!({
        "Node": view.node.name,
        "Role": view.node.role.to_string(),
        "Address": view.node.address.to_string(),
        "PID": view.pid.map(|pid| pid.to_string()).unwrap_or_default(),
        "State": view.condition.to_string(),
        "Socket": view.socket.display().to_string(),
        "CutOffFrom": view.cut_off_from.join(","),
    })
}
