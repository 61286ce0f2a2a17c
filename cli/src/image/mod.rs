//! Images: one file per verb.

pub(crate) mod inspect;
pub(crate) mod ls;
pub(crate) mod prune;
pub(crate) mod pull;
pub(crate) mod rm;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Outcome;

/// `minictl image ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    #[command(visible_alias = "list")]
    Ls(ls::Args),
    Pull(pull::Args),
    #[command(visible_alias = "remove")]
    Rm(rm::Args),
    Inspect(inspect::Args),
    Prune(prune::Args),
}

/// Carries the verb out.
pub(crate) fn perform(command: ImageCommand, context: &Context) -> Outcome {
    match command {
        ImageCommand::Ls(args) => ls::list(args, context),
        ImageCommand::Pull(args) => pull::pull(args, context),
        ImageCommand::Rm(args) => rm::remove(args, context),
        ImageCommand::Inspect(args) => inspect::inspect(args, context),
        ImageCommand::Prune(args) => prune::prune(args, context),
    }
}
