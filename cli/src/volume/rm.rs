//! `minictl volume rm`: a volume and all that is in it.

use crate::context::Context;
use crate::failure::{Outcome, for_each, print};

/// Remove volumes
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl volume rm data")]
pub(crate) struct Args {
    /// Don't complain of what isn't there
    #[arg(short, long)]
    force: bool,
    /// Names
    #[arg(required = true, value_name = "VOLUME")]
    volumes: Vec<String>,
}

/// Removes each and prints its name.
pub(crate) fn remove(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    for_each(&args.volumes, |name| {
        engine.remove_volume(name, args.force)?;
        print(&format!("{name}\n"))
    })
}
