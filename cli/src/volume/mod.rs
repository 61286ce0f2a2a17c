//! Volumes: one file per verb.

pub(crate) mod create;
pub(crate) mod inspect;
pub(crate) mod ls;
pub(crate) mod prune;
pub(crate) mod rm;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Outcome;

/// `minictl volume ...`
#[derive(Debug, Subcommand)]
pub(crate) enum VolumeCommand {
    #[command(visible_alias = "list")]
    Ls(ls::Args),
    Create(create::Args),
    #[command(visible_alias = "remove")]
    Rm(rm::Args),
    Inspect(inspect::Args),
    Prune(prune::Args),
}

/// Carries the verb out.
pub(crate) fn perform(command: VolumeCommand, context: &Context) -> Outcome {
    match command {
        VolumeCommand::Ls(args) => ls::list(args, context),
        VolumeCommand::Create(args) => create::create(args, context),
        VolumeCommand::Rm(args) => rm::remove(args, context),
        VolumeCommand::Inspect(args) => inspect::inspect(args, context),
        VolumeCommand::Prune(args) => prune::prune(args, context),
    }
}
