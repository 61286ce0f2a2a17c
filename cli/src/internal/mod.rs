//! What our own processes call, never a person.

mod cleanup;
mod dial_stdio;
mod resolver;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Outcome;

/// `minictl internal ...`
#[derive(Debug, Subcommand)]
pub(crate) enum InternalCommand {
    Cleanup(cleanup::Args),
    Resolver(resolver::Args),
    DialStdio(dial_stdio::Args),
    LabHost(crate::lab::host::Args),
}

/// Carries the verb out.
pub(crate) fn perform(command: InternalCommand, context: &Context) -> Outcome {
    match command {
        InternalCommand::Cleanup(args) => cleanup::cleanup(args, context),
        InternalCommand::Resolver(args) => resolver::resolver(args, context),
        InternalCommand::DialStdio(args) => dial_stdio::dial(&args, context),
        InternalCommand::LabHost(args) => crate::lab::host::hold(args),
    }
}
