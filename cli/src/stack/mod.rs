//! Stacks, services that are deployed together: one file per verb.

mod config;
mod down;
mod history;
mod logs;
mod ls;
mod plan;
mod ps;
mod rollback;
mod services;
mod source;
mod up;

use api::v1::{GetStackRequest, StackView};
use clap::Subcommand;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::remote::Client;

/// `minictl stack ...`
#[derive(Debug, Subcommand)]
pub(crate) enum StackCommand {
    #[command(visible_alias = "deploy")]
    Up(up::Args),
    Plan(plan::Args),
    #[command(visible_alias = "list")]
    Ls(ls::Args),
    Ps(ps::Args),
    Services(services::Args),
    Config(config::Args),
    History(history::Args),
    Logs(logs::Args),
    Rollback(rollback::Args),
    #[command(visible_aliases = ["rm", "remove"])]
    Down(down::Args),
}

/// Carries the verb out.
pub(crate) fn perform(command: StackCommand, context: &Context) -> Outcome {
    match command {
        StackCommand::Up(args) => up::up(&args, context),
        StackCommand::Plan(args) => plan::plan(&args, context),
        StackCommand::Ls(args) => ls::list(&args, context),
        StackCommand::Ps(args) => ps::list(&args, context),
        StackCommand::Services(args) => services::list(&args, context),
        StackCommand::Config(args) => config::config(&args),
        StackCommand::History(args) => history::history(&args, context),
        StackCommand::Logs(args) => logs::logs(&args, context),
        StackCommand::Rollback(args) => rollback::roll_back(&args, context),
        StackCommand::Down(args) => down::down(&args, context),
    }
}

/// A stack, its services and its deployments.
fn get(client: &Client, name: &str) -> Result<StackView, Failure> {
    let asked = GetStackRequest {
        stack: name.to_owned(),
    };
    client.ask(asked, |channel, request| async move {
        api::control(channel).get_stack(request).await
    })
}
