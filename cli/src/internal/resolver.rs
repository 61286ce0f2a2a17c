//! `minictl internal resolver`: names on user-made networks.

use crate::context::Context;
use crate::failure::Outcome;

/// Answer names until the last endpoint is gone
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Serves until no network needs it.
pub(crate) fn resolver(_: Args, context: &Context) -> Outcome {
    context.engine_as_it_is()?.serve_names()?;
    Ok(0)
}
