//! `minictl node ps`.

use super::{SELF, get};
use crate::context::Context;
use crate::failure::Outcome;
use crate::remote::Client;
use crate::task::view::{ListingArgs, show, tasks};

/// List the tasks of nodes
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl node ps node2")]
pub(crate) struct Args {
    #[command(flatten)]
    listing: ListingArgs,
    /// Names or ids; self is the node of this host
    #[arg(value_name = "NODE", default_value = SELF)]
    nodes: Vec<String>,
}

/// Lists them.
pub(crate) fn list(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    let mut found = Vec::new();
    for name in &args.nodes {
        let (node, _) = get(&client, name)?;
        found.extend(tasks(&client, &node.id, "", "")?);
    }
    show(found, &args.listing)
}
