//! `minictl pause`: the freezer.

use crate::context::Context;
use crate::failure::{Outcome, for_each, print};

/// Freeze all processes of containers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl pause web")]
pub(crate) struct Args {
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Freezes each and prints its name.
pub(crate) fn pause(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    for_each(&args.containers, |name| {
        engine.pause(name)?;
        print(&format!("{name}\n"))
    })
}
