//! `minictl lab heal`.

use super::Which;
use crate::failure::Outcome;

/// End every partition
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl lab heal")]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
}

/// Lets everything through again.
pub(crate) fn heal(args: Args) -> Outcome {
    args.which.lab()?.heal()?;
    Ok(0)
}
