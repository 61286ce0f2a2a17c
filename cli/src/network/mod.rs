//! Networks: one file per verb.

mod cluster;
pub(crate) mod create;
pub(crate) mod inspect;
pub(crate) mod ls;
pub(crate) mod predefined;
pub(crate) mod rm;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Outcome;

/// `minictl network ...`
#[derive(Debug, Subcommand)]
pub(crate) enum NetworkCommand {
    #[command(visible_alias = "list")]
    Ls(ls::Args),
    Create(create::Args),
    #[command(visible_alias = "remove")]
    Rm(rm::Args),
    Inspect(inspect::Args),
}

/// Carries the verb out.
pub(crate) fn perform(command: NetworkCommand, context: &Context) -> Outcome {
    match command {
        NetworkCommand::Ls(args) => ls::list(args, context),
        NetworkCommand::Create(args) => create::create(args, context),
        NetworkCommand::Rm(args) => rm::remove(args, context),
        NetworkCommand::Inspect(args) => inspect::inspect(args, context),
    }
}
