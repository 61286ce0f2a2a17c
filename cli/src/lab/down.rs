//! `minictl lab down`.

use super::Which;
use crate::failure::{Outcome, print};

/// Take a lab down: its processes, namespaces, cgroups and files
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl lab down --name other")]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
}

/// Takes it down, in whatever state it is, and prints its name.
pub(crate) fn down(args: Args) -> Outcome {
    args.which.labs()?.down(&args.which.name)?;
    print(&format!("{}\n", args.which.name))?;
    Ok(0)
}
