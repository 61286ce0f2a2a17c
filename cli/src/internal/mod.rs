//! What our own processes call, never a person.

mod cleanup;
mod resolver;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Outcome;

/// `minictl internal ...`
#[derive(Debug, Subcommand)]
pub(crate) enum InternalCommand {
    Cleanup(cleanup::Args),
    Resolver(resolver::Args),
}

/// Carries the verb out.
pub(crate) fn perform(command: InternalCommand, context: &Context) -> Outcome {
    match command {
        InternalCommand::Cleanup(args) => cleanup::cleanup(args, context),
        InternalCommand::Resolver(args) => resolver::resolver(args, context),
    }
}
