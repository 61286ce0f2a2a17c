//! `minictl internal cleanup`: what a monitor becomes when its container has ended.

use crate::context::Context;
use crate::failure::Outcome;

/// Take down what a container that has ended still holds
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The container's whole id
    id: String,
}

/// Takes network, lease and record down.
pub(crate) fn cleanup(args: Args, context: &Context) -> Outcome {
    context.engine_as_it_is()?.cleanup(&args.id)?;
    Ok(0)
}
