//! Secrets that the cluster keeps for services: one file per verb. None of them prints what a secret holds; nobody could give it
//! to them.

mod create;
mod inspect;
mod ls;
mod rm;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Outcome;

/// `minictl secret ...`
#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    Create(create::Args),
    #[command(visible_alias = "list")]
    Ls(ls::Args),
    Inspect(inspect::Args),
    #[command(visible_alias = "remove")]
    Rm(rm::Args),
}

/// Carries the verb out.
pub(crate) fn perform(command: SecretCommand, context: &Context) -> Outcome {
    match command {
        SecretCommand::Create(args) => create::create(&args, context),
        SecretCommand::Ls(args) => ls::list(&args, context),
        SecretCommand::Inspect(args) => inspect::inspect(&args, context),
        SecretCommand::Rm(args) => rm::remove(&args, context),
    }
}
