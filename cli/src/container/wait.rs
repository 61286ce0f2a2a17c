//! `minictl wait`: exit codes, when they are known.

use crate::context::Context;
use crate::failure::{Outcome, for_each, print};

/// Wait until containers end, and print their exit codes
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl wait job")]
pub(crate) struct Args {
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Waits for each in turn.
pub(crate) fn wait(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    for_each(&args.containers, |name| {
        let status = engine.wait(name)?;
        print(&format!("{}\n", status.exit_code))
    })
}
