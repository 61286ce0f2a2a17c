//! `minictl lab start`.

use super::{Which, for_nodes};
use crate::failure::Outcome;

/// Start the daemons of nodes again
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl lab start node2")]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// The nodes' names
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
}

/// Starts each on the data it had and returns when it listens.
pub(crate) fn start(args: Args) -> Outcome {
    for_nodes(&args.which, &args.nodes, |lab, node| lab.start(node))
}
