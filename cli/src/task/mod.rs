//! Tasks, the single attempts to run a service's containers: one file per verb.

mod inspect;
mod ls;
pub(crate) mod view;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Outcome;

/// `minictl task ...`
#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    #[command(visible_aliases = ["ps", "list"])]
    Ls(ls::Args),
    Inspect(inspect::Args),
}

/// Carries the verb out.
pub(crate) fn perform(command: TaskCommand, context: &Context) -> Outcome {
    match command {
        TaskCommand::Ls(args) => ls::list(&args, context),
        TaskCommand::Inspect(args) => inspect::inspect(&args, context),
    }
}
