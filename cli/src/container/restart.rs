//! `minictl restart`: stop, then start.

use crate::context::Context;
use crate::failure::{Outcome, for_each, print};

/// Stop and start containers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl restart web")]
pub(crate) struct Args {
    /// Seconds to wait before SIGKILL (-1: forever; else the container's own, 10 as a rule)
    #[arg(
        short,
        long,
        visible_alias = "timeout",
        value_name = "SECONDS",
        allow_negative_numbers = true
    )]
    time: Option<i64>,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Restarts each and prints its name.
pub(crate) fn restart(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    for_each(&args.containers, |name| {
        engine.restart(name, args.time)?;
        print(&format!("{name}\n"))
    })
}
