//! `minictl lab unpause`.

use super::{Which, for_nodes};
use crate::failure::Outcome;

/// Let stopped daemons go on
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl lab unpause node2")]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// The nodes' names
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
}

/// Lets each go on.
pub(crate) fn unpause(args: Args) -> Outcome {
    for_nodes(&args.which, &args.nodes, |lab, node| lab.unpause(node))
}
