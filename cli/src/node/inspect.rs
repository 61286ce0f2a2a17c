//! `minictl node inspect`.

use api::v1::NodeView;
use jiff::Timestamp;
use model::{Node, NodeRole};
use serde_json::{Value, json};

use super::get;
use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::output::size::binary;
use crate::output::table::Table;
use crate::output::template::Template;
use crate::remote::Client;

/// Show everything about nodes
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl node inspect node2")]
pub(crate) struct Args {
    /// A template, such as '{{.Status.Addr}}'
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// For people instead of JSON
    #[arg(long)]
    pretty: bool,
    /// Names or ids; self is the node of this host
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
}

/// Prints it.
pub(crate) fn inspect(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    let mut objects = Vec::new();
    for name in &args.nodes {
        let (node, view) = get(&client, name)?;
        if args.pretty {
            print(&pretty(&node, &view))?;
            continue;
        }
        let object = object(&node, &view);
        match args.format.as_deref() {
            Some(template) if template != "json" => print(&format!(
                "{}\n",
                Template::parse(template)?.render(&object)?
            ))?,
            _ => objects.push(object),
        }
    }
    if !objects.is_empty() {
        let text = serde_json::to_string_pretty(&objects).map_err(std::io::Error::from)?;
        print(&format!("{text}\n"))?;
    }
    Ok(0)
}

fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms)
        .unwrap_or_default()
        .to_string()
}

/// In Docker's names.
fn object(node: &Node, view: &NodeView) -> Value {
    let mut object = json!({
        "ID": node.id,
        "Version": { "Index": node.meta.version },
        "CreatedAt": time(node.meta.created_ms),
        "UpdatedAt": time(node.meta.updated_ms),
        "Spec": {
            "Labels": node.spec.labels,
            "Role": node.spec.role().to_string(),
            "Availability": node.spec.availability().to_string(),
        },
        "Description": {
            "Hostname": node.description.hostname,
            "Platform": { "Architecture": node.description.platform.architecture, "OS": node.description.platform.os },
            "Resources": { "NanoCPUs": node.description.resources.nano_cpus, "MemoryBytes": node.description.resources.memory_bytes },
            "Engine": { "EngineVersion": node.description.version, "Labels": node.description.labels },
        },
        "Status": { "State": node.status.state().to_string(), "Message": node.status.message, "Addr": node.status.address },
        "Certificate": { "Serial": node.certificate.serial, "Role": node.certificate.role().to_string(), "NotAfter": time(node.certificate.not_after_ms) },
    });
    if let Some(place) = &node.member {
        object["ManagerStatus"] = json!({
            "Leader": view.leader,
            "Reachability": if view.leader || view.reachable { "reachable" } else { "unreachable" },
            "Addr": place.address,
            "RaftID": place.raft_id.to_string(),
        });
    }
    object
}

fn pretty(node: &Node, view: &NodeView) -> String {
    let mut table = Table::bare();
    table.row(["ID:", &node.id]);
    table.row(["Hostname:", &node.description.hostname]);
    table.row(["Joined at:", &time(node.meta.created_ms)]);
    table.row(["Status:", &node.status.state().to_string()]);
    if !node.status.message.is_empty() {
        table.row(["  Message:", &node.status.message]);
    }
    table.row(["Availability:", &node.spec.availability().to_string()]);
    table.row(["Address:", &node.status.address]);
    table.row(["Labels:", &crate::output::joined(&node.spec.labels)]);
    if node.spec.role() == NodeRole::Manager || node.member.is_some() {
        let place = node.member.clone().unwrap_or_default();
        table.row([
            "Manager:",
            if view.leader {
                "leader"
            } else if view.reachable {
                "reachable"
            } else {
                "unreachable"
            },
        ]);
        table.row(["  Address:", &place.address]);
    }
    table.row([
        "Platform:",
        &format!(
            "{}/{}",
            node.description.platform.os, node.description.platform.architecture
        ),
    ]);
    table.row([
        "CPUs:",
        &(node.description.resources.nano_cpus / 1_000_000_000).to_string(),
    ]);
    table.row([
        "Memory:",
        &binary(u64::try_from(node.description.resources.memory_bytes).unwrap_or(0)),
    ]);
    table.row(["Version:", &node.description.version]);
    table.row(["Certificate until:", &time(node.certificate.not_after_ms)]);
    format!("{table}\n")
}
