//! `minictl lab logs`.

use std::io;

use super::Which;
use crate::failure::Outcome;

/// Show what a node's daemon has printed
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl lab logs -f node1")]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// Go on with what it prints from now, until the lab is taken down
    #[arg(short, long)]
    follow: bool,
    /// The node's name
    node: String,
}

/// Copies the log to standard output.
pub(crate) fn logs(args: Args) -> Outcome {
    let lab = args.which.lab()?;
    let node = lab.plan().node(&args.node)?;
    let log = lab.plan().log(&node.name);
    ::lab::copy_log(&log, args.follow, &mut io::stdout().lock())?;
    Ok(0)
}
