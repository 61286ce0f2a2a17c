//! `minictl container prune`: containers that don't run.

use engine::PruneSpec;

use crate::context::Context;
use crate::failure::Outcome;
use crate::system::prune::carry_out;

/// Remove all stopped containers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl container prune -f")]
pub(crate) struct Args {
    /// Don't ask
    #[arg(short, long)]
    force: bool,
}

/// Asks, removes, and tells what went.
pub(crate) fn prune(args: Args, context: &Context) -> Outcome {
    let spec = PruneSpec {
        containers: true,
        ..PruneSpec::default()
    };
    carry_out(
        &spec,
        args.force,
        "This will remove all stopped containers.",
        context,
    )
}
