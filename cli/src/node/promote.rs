//! `minictl node promote`.

use model::NodeRole;

use crate::context::Context;
use crate::failure::Outcome;

/// Make nodes managers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl node promote node2")]
pub(crate) struct Args {
    /// Names or ids
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
}

/// Promotes them.
pub(crate) fn promote(args: &Args, context: &Context) -> Outcome {
    super::give_role(
        context,
        &args.nodes,
        NodeRole::Manager,
        "is already a manager.",
        "promoted to a manager in the cluster.",
    )
}
