//! `minictl rm`: containers and their writable layers go.

use crate::context::Context;
use crate::failure::{Outcome, for_each, print};

/// Remove containers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl rm -f web")]
pub(crate) struct Args {
    /// Kill what runs; don't complain of what isn't there
    #[arg(short, long)]
    force: bool,
    /// Remove the unnamed volumes too
    #[arg(short, long)]
    volumes: bool,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Removes each and prints its name.
pub(crate) fn remove(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    for_each(&args.containers, |name| {
        match engine.remove(name, args.force, args.volumes) {
            Err(error) if args.force && error.kind() == engine::ErrorKind::NotFound => {
                return Ok(());
            }
            other => other?,
        }
        print(&format!("{name}\n"))
    })
}
