//! `minictl volume prune`: volumes that nothing uses.

use engine::PruneSpec;

use crate::context::Context;
use crate::failure::Outcome;
use crate::system::prune::carry_out;

/// Remove unnamed volumes that no container uses
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl volume prune -f")]
pub(crate) struct Args {
    /// Named ones too
    #[arg(short, long)]
    all: bool,
    /// Don't ask
    #[arg(short, long)]
    force: bool,
}

/// Asks, removes, and tells what went.
pub(crate) fn prune(args: Args, context: &Context) -> Outcome {
    let spec = PruneSpec {
        volumes: true,
        all_volumes: args.all,
        ..PruneSpec::default()
    };
    let which = if args.all {
        "volumes"
    } else {
        "anonymous volumes"
    };
    carry_out(
        &spec,
        args.force,
        &format!("This will remove all {which} not used by at least one container."),
        context,
    )
}
