//! `minictl unpause`: out of the freezer.

use crate::context::Context;
use crate::failure::{Outcome, for_each, print};

/// Let frozen containers go on
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl unpause web")]
pub(crate) struct Args {
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Thaws each and prints its name.
pub(crate) fn unpause(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    for_each(&args.containers, |name| {
        engine.unpause(name)?;
        print(&format!("{name}\n"))
    })
}
