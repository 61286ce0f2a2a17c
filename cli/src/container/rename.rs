//! `minictl rename`: another name for the same container.

use crate::context::Context;
use crate::failure::Outcome;

/// Give a container another name
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl rename web web-old")]
pub(crate) struct Args {
    /// Name or id
    container: String,
    /// The name it gets
    new_name: String,
}

/// Renames and prints nothing.
pub(crate) fn rename(args: Args, context: &Context) -> Outcome {
    context.engine()?.rename(&args.container, &args.new_name)?;
    Ok(0)
}
