//! `minictl stop`: the stop signal, then SIGKILL when the time is over.

use crate::context::Context;
use crate::failure::{Outcome, for_each, print};

/// Stop running containers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl stop -t 30 db")]
pub(crate) struct Args {
    /// Seconds to wait before SIGKILL (-1: forever; else the container's own, 10 as a rule)
    #[arg(
        short,
        long,
        visible_alias = "timeout",
        value_name = "SECONDS",
        allow_negative_numbers = true
    )]
    pub(crate) time: Option<i64>,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
}

/// Stops each and prints its name.
pub(crate) fn stop(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    for_each(&args.containers, |name| {
        engine.stop(name, args.time)?;
        print(&format!("{name}\n"))
    })
}
