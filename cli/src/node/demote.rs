//! `minictl node demote`.

use model::NodeRole;

use crate::context::Context;
use crate::failure::Outcome;

/// Make managers workers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl node demote node2")]
pub(crate) struct Args {
    /// Names or ids
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
}

/// Demotes them.
pub(crate) fn demote(args: &Args, context: &Context) -> Outcome {
    super::give_role(
        context,
        &args.nodes,
        NodeRole::Worker,
        "is already a worker.",
        "demoted in the cluster.",
    )
}
