//! `minictl stack config`.

use super::source::Files;
use crate::failure::{Outcome, print};

/// Print what compose files come to: merged, with all variables replaced
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl stack config -c compose.yaml -c production.yaml")]
pub(crate) struct Args {
    #[command(flatten)]
    files: Files,
}

/// Prints it; no cluster is asked.
pub(crate) fn config(args: &Args) -> Outcome {
    let text = args.files.with_name(compose::render)?;
    print(&text)?;
    Ok(0)
}
