//! `minictl node ls`.

use api::v1::{ListNodesRequest, NodeView};
use model::{Node, NodeRole};
use serde_json::{Value, json};

use crate::cluster::words::even;
use crate::context::Context;
use crate::failure::{Outcome, complain, print};
use crate::output::filter::{Filter, has_label, parse_all, passes};
use crate::output::format::{Columns, listing};
use crate::remote::Client;

const COLUMNS: Columns = Columns {
    all: &[
        ("ID", "ID"),
        ("Hostname", "HOSTNAME"),
        ("Status", "STATUS"),
        ("Availability", "AVAILABILITY"),
        ("ManagerStatus", "MANAGER STATUS"),
        ("EngineVersion", "ENGINE VERSION"),
        ("Self", "SELF"),
        ("Role", "ROLE"),
        ("Address", "ADDRESS"),
        ("Labels", "LABELS"),
    ],
    shown: &[
        "ID",
        "Hostname",
        "Status",
        "Availability",
        "ManagerStatus",
        "EngineVersion",
    ],
};
const FILTERS: &[&str] = &[
    "id",
    "name",
    "role",
    "label",
    "node.label",
    "availability",
    "membership",
];

/// List the nodes of the cluster
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl node ls")]
pub(crate) struct Args {
    /// Print ids alone
    #[arg(short, long)]
    quiet: bool,
    /// Show those alone that fit: id, name, role, label, availability
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// json, table TEMPLATE or a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Lists them.
pub(crate) fn list(args: &Args, context: &Context) -> Outcome {
    let filters = parse_all(&args.filter, FILTERS)?;
    let client = Client::of(context)?;
    let nodes = client
        .ask(ListNodesRequest {}, |channel, request| async move {
            api::control(channel).list_nodes(request).await
        })?
        .nodes;
    // Through a manager's port the daemon tells nothing of its host.
    let own = client.host_at_once().map(|host| host.node_id);
    let own = own.unwrap_or_default();
    let mut fitting: Vec<(&NodeView, &Node)> = nodes
        .iter()
        .filter_map(|view| Some((view, view.node.as_ref()?)))
        .filter(|(_, node)| fits(&filters, node))
        .collect();
    fitting.sort_by(|(_, one), (_, other)| {
        (&one.description.hostname, &one.id).cmp(&(&other.description.hostname, &other.id))
    });
    if args.quiet {
        for (_, node) in fitting {
            print(&format!("{}\n", node.id))?;
        }
        return Ok(0);
    }
    let plain = args.format.is_none();
    let rows: Vec<Value> = fitting
        .iter()
        .map(|(view, node)| row(view, node, node.id == own, plain))
        .collect();
    print(&listing(&rows, &COLUMNS, args.format.as_deref())?)?;
    let managers = nodes
        .iter()
        .filter_map(|view| view.node.as_ref())
        .filter(|node| node.spec.role() == NodeRole::Manager)
        .count();
    if let Some(cost) = even(managers).filter(|_| plain && filters.is_empty()) {
        complain(&format!("warning: {cost}"));
    }
    Ok(0)
}

fn fits(filters: &[Filter], node: &Node) -> bool {
    passes(filters, |key, value| match key {
        "id" => node.id.starts_with(value),
        "name" => node.description.hostname.starts_with(value),
        "role" => node.spec.role().to_string() == value,
        "availability" => node.spec.availability().to_string() == value,
        "membership" => value == "accepted",
        _ => {
            has_label(&node.spec.labels, value)
                || key == "label" && has_label(&node.description.labels, value)
        }
    })
}

fn row(view: &NodeView, node: &Node, own: bool, plain: bool) -> Value {
    let manager = match (
        node.spec.role() == NodeRole::Manager || node.member.is_some(),
        view.leader,
        view.reachable,
    ) {
        (false, _, _) => "",
        (_, true, _) => "Leader",
        (_, _, true) => "Reachable",
        (_, _, false) => "Unreachable",
    };
    let id = if own && plain {
        format!("{} *", node.id)
    } else {
        node.id.clone()
    };
    json!({
        "ID": id,
        "Hostname": node.description.hostname,
        "Status": capital(&node.status.state().to_string()),
        "Availability": capital(&node.spec.availability().to_string()),
        "ManagerStatus": manager,
        "EngineVersion": node.description.version,
        "Self": own,
        "Role": node.spec.role().to_string(),
        "Address": node.status.address,
        "Labels": crate::output::joined(&node.spec.labels),
    })
}

/// The word with a capital, as Docker prints it.
fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
