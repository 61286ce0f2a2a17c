//! `minictl node ps`.

use api::v1::ListTasksRequest;
use api::v1::control_client::ControlClient;
use jiff::Timestamp;
use model::Task;
use serde_json::{Value, json};

use super::{SELF, get};
use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::output::age::ago;
use crate::output::format::{Columns, listing};
use crate::remote::Client;

const COLUMNS: Columns = Columns {
    all: &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("Image", "IMAGE"),
        ("Node", "NODE"),
        ("DesiredState", "DESIRED STATE"),
        ("CurrentState", "CURRENT STATE"),
        ("Error", "ERROR"),
    ],
    shown: &[
        "ID",
        "Name",
        "Image",
        "Node",
        "DesiredState",
        "CurrentState",
        "Error",
    ],
};

/// List the tasks of nodes
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl node ps node2")]
pub(crate) struct Args {
    /// Print ids alone
    #[arg(short, long)]
    quiet: bool,
    /// json, table TEMPLATE or a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names or ids; self is the node of this host
    #[arg(value_name = "NODE", default_value = SELF)]
    nodes: Vec<String>,
}

/// Lists them.
pub(crate) fn tasks(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    let mut rows: Vec<Value> = Vec::new();
    for name in &args.nodes {
        let (node, _) = get(&client, name)?;
        let asked = ListTasksRequest {
            node: node.id.clone(),
        };
        let tasks = client
            .ask(asked, |channel, request| async move {
                ControlClient::new(channel).list_tasks(request).await
            })?
            .tasks;
        rows.extend(
            tasks
                .iter()
                .map(|task| row(task, &node.description.hostname)),
        );
    }
    if args.quiet {
        for row in rows {
            print(&format!("{}\n", row["ID"].as_str().unwrap_or_default()))?;
        }
        return Ok(0);
    }
    print(&listing(&rows, &COLUMNS, args.format.as_deref())?)?;
    Ok(0)
}

fn row(task: &Task, node: &str) -> Value {
    let since = Timestamp::from_millisecond(task.status.at_ms).unwrap_or_default();
    json!({
        "ID": task.id.get(..12).unwrap_or(&task.id),
        "Name": task.name,
        "Image": task.spec.image,
        "Node": node,
        "DesiredState": task.desired_state().to_string(),
        "CurrentState": format!("{} {}", task.status.state(), ago(since, Timestamp::now())),
        "Error": task.status.error,
    })
}
