//! `minictl node rm`.

use api::v1::RemoveNodeRequest;

use crate::context::Context;
use crate::failure::{Outcome, for_each, print};
use crate::remote::Client;

/// Remove nodes from the cluster; their certificates are worth nothing any more
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl node rm --force node2")]
pub(crate) struct Args {
    /// Even those that are there and ready
    #[arg(short, long)]
    force: bool,
    /// Names or ids
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
}

/// Removes them.
pub(crate) fn remove(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    for_each(&args.nodes, |name| {
        let asked = RemoveNodeRequest {
            node: super::resolve(&client, name)?,
            force: args.force,
        };
        client.ask(asked, |channel, request| async move {
            api::control(channel).remove_node(request).await
        })?;
        print(&format!("{name}\n"))
    })
}
