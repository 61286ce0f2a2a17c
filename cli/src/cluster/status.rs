//! `minictl cluster status`.

use api::v1::{GetStatusRequest, ManagerStatus, StatusReply};
use serde_json::{Value, json};

use super::words::{even, tolerance};
use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::output::format::{Columns, listing};
use crate::remote::Client;

const COLUMNS: Columns = Columns {
    all: &[
        ("Manager", "MANAGER"),
        ("ID", "ID"),
        ("Address", "ADDRESS"),
        ("Role", "ROLE"),
        ("Reachable", "REACHABLE"),
        ("Term", "TERM"),
        ("Last", "LAST"),
        ("Committed", "COMMITTED"),
        ("Applied", "APPLIED"),
        ("Snapshot", "SNAPSHOT"),
        ("Version", "VERSION"),
    ],
    shown: &[
        "Manager",
        "Address",
        "Role",
        "Reachable",
        "Term",
        "Last",
        "Committed",
        "Applied",
        "Snapshot",
        "Version",
    ],
};

/// Show how the managers agree: term, leader, how far each is, how many may be lost
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl cluster status")]
pub(crate) struct Args {
    /// json, table TEMPLATE or a template, one line a manager
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Prints it.
pub(crate) fn status(args: &Args, context: &Context) -> Outcome {
    let reply: StatusReply = Client::of(context)?
        .ask(GetStatusRequest {}, |channel, request| async move {
            api::control(channel).get_status(request).await
        })?;
    let mut rows: Vec<Value> = reply.managers.iter().map(row).collect();
    rows.sort_by_key(|row| row["Manager"].to_string());
    if args.format.is_none() {
        print(&format!("{}\n\n", summary(&reply)))?;
    }
    print(&listing(&rows, &COLUMNS, args.format.as_deref())?)?;
    Ok(0)
}

fn summary(reply: &StatusReply) -> String {
    let voters = reply.managers.iter().filter(|manager| manager.voter);
    let (all, reachable) = voters.fold((0, 0), |(all, reachable), manager| {
        (all + 1, reachable + usize::from(manager.reachable))
    });
    let mut text = format!(
        "Cluster {}, term {}: {}",
        reply.cluster_id,
        reply.term,
        tolerance(all, reachable)
    );
    if let Some(cost) = even(all) {
        text.push_str(&format!("\n{cost}"));
    }
    text
}

fn row(manager: &ManagerStatus) -> Value {
    let role = match (manager.leader, manager.voter) {
        (true, _) => "leader",
        (false, true) => "follower",
        (false, false) => "learner",
    };
    // What was not answered is not known.
    let known = |number: u64| {
        if manager.reachable {
            json!(number)
        } else {
            Value::Null
        }
    };
    json!({
        "Manager": manager.hostname,
        "ID": manager.node_id,
        "Address": manager.address,
        "Role": role,
        "Reachable": if manager.reachable { "yes" } else { "no" },
        "Term": known(manager.term),
        "Last": known(manager.last_index),
        "Committed": known(manager.committed),
        "Applied": known(manager.applied),
        "Snapshot": known(manager.snapshot),
        "Version": manager.version,
    })
}
