//! The installation as a whole: one file per verb.

pub(crate) mod cluster;
pub(crate) mod df;
pub(crate) mod host;
pub(crate) mod info;
pub(crate) mod prune;
pub(crate) mod version;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Outcome;

/// `minictl system ...`
#[derive(Debug, Subcommand)]
pub(crate) enum SystemCommand {
    Df(df::Args),
    Info(info::Args),
    Prune(prune::Args),
}

/// Carries the verb out.
pub(crate) fn perform(command: SystemCommand, context: &Context) -> Outcome {
    match command {
        SystemCommand::Df(args) => df::df(args, context),
        SystemCommand::Info(args) => info::info(args, context),
        SystemCommand::Prune(args) => prune::prune(args, context),
    }
}
