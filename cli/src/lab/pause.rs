//! `minictl lab pause`.

use super::{Which, for_nodes};
use crate::failure::Outcome;

/// Stop the daemons of nodes with SIGSTOP: they neither answer nor end
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl lab pause node2")]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// The nodes' names
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
}

/// Stops each.
pub(crate) fn pause(args: Args) -> Outcome {
    for_nodes(&args.which, &args.nodes, |lab, node| lab.pause(node))
}
