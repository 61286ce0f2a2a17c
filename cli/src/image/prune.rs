//! `minictl image prune`: images that nothing uses.

use engine::PruneSpec;

use crate::context::Context;
use crate::failure::Outcome;
use crate::system::prune::carry_out;

/// Remove images that no container uses
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl image prune -af")]
pub(crate) struct Args {
    /// All of them, not only those without a name
    #[arg(short, long)]
    all: bool,
    /// Don't ask
    #[arg(short, long)]
    force: bool,
}

/// Asks, removes, and tells what went.
pub(crate) fn prune(args: Args, context: &Context) -> Outcome {
    let spec = PruneSpec {
        images: true,
        all_images: args.all,
        ..PruneSpec::default()
    };
    let which = if args.all {
        "images without at least one container"
    } else {
        "dangling images"
    };
    carry_out(
        &spec,
        args.force,
        &format!("This will remove all {which}."),
        context,
    )
}
