//! `minictl lab kill`.

use super::{Which, for_nodes};
use crate::failure::Outcome;

/// End the daemons of nodes with SIGKILL
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl lab kill node2")]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// The nodes' names
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
}

/// Ends each; containers go on, as on a machine whose daemon died.
pub(crate) fn kill(args: Args) -> Outcome {
    for_nodes(&args.which, &args.nodes, |lab, node| lab.kill(node))
}
