//! `minictl kill`: a signal to the first process.

use crate::context::Context;
use crate::failure::{Outcome, for_each, print};

/// Send a signal to running containers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl kill -s HUP web")]
pub(crate) struct Args {
    /// Signal: KILL, SIGHUP, 15
    #[arg(short, long, value_name = "SIGNAL", default_value = "KILL")]
    signal: String,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Signals each and prints its name.
pub(crate) fn kill(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    for_each(&args.containers, |name| {
        engine.kill(name, Some(&args.signal))?;
        print(&format!("{name}\n"))
    })
}
