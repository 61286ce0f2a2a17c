//! Configuration files that the cluster keeps: one file per verb.

mod create;
mod inspect;
mod ls;
mod rm;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Outcome;

/// `minictl config ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    Create(create::Args),
    #[command(visible_alias = "list")]
    Ls(ls::Args),
    Inspect(inspect::Args),
    #[command(visible_alias = "remove")]
    Rm(rm::Args),
}

/// Carries the verb out.
pub(crate) fn perform(command: ConfigCommand, context: &Context) -> Outcome {
    match command {
        ConfigCommand::Create(args) => create::create(&args, context),
        ConfigCommand::Ls(args) => ls::list(&args, context),
        ConfigCommand::Inspect(args) => inspect::inspect(&args, context),
        ConfigCommand::Rm(args) => rm::remove(&args, context),
    }
}
