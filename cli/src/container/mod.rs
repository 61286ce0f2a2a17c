//! Containers: one file per verb.

pub(crate) mod attach;
pub(crate) mod create;
pub(crate) mod exec;
pub(crate) mod foreground;
pub(crate) mod inspect;
pub(crate) mod kill;
pub(crate) mod logs;
pub(crate) mod options;
pub(crate) mod pause;
pub(crate) mod port;
pub(crate) mod prune;
pub(crate) mod ps;
pub(crate) mod rename;
pub(crate) mod request;
pub(crate) mod restart;
pub(crate) mod rm;
pub(crate) mod run;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod start;
pub(crate) mod stats;
pub(crate) mod stop;
pub(crate) mod top;
pub(crate) mod unpause;
pub(crate) mod view;
pub(crate) mod wait;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Outcome;

/// `minictl container ...`; all but `prune` stand at the top too.
#[derive(Debug, Subcommand)]
pub(crate) enum ContainerCommand {
    Run(Box<run::Args>),
    Create(Box<create::Args>),
    Start(start::Args),
    Stop(stop::Args),
    Restart(restart::Args),
    Kill(kill::Args),
    Pause(pause::Args),
    Unpause(unpause::Args),
    #[command(visible_alias = "remove")]
    Rm(rm::Args),
    Rename(rename::Args),
    #[command(visible_aliases = ["list", "ps"])]
    Ls(ps::Args),
    Logs(logs::Args),
    Exec(exec::Args),
    Attach(attach::Args),
    Wait(wait::Args),
    Inspect(inspect::Args),
    Stats(stats::Args),
    Top(top::Args),
    Port(port::Args),
    Prune(prune::Args),
}

/// Carries the verb out.
pub(crate) fn perform(command: ContainerCommand, context: &Context) -> Outcome {
    match command {
        ContainerCommand::Run(args) => run::run(*args, context),
        ContainerCommand::Create(args) => create::create(*args, context),
        ContainerCommand::Start(args) => start::start(args, context),
        ContainerCommand::Stop(args) => stop::stop(args, context),
        ContainerCommand::Restart(args) => restart::restart(args, context),
        ContainerCommand::Kill(args) => kill::kill(args, context),
        ContainerCommand::Pause(args) => pause::pause(args, context),
        ContainerCommand::Unpause(args) => unpause::unpause(args, context),
        ContainerCommand::Rm(args) => rm::remove(args, context),
        ContainerCommand::Rename(args) => rename::rename(args, context),
        ContainerCommand::Ls(args) => ps::list(args, context),
        ContainerCommand::Logs(args) => logs::logs(args, context),
        ContainerCommand::Exec(args) => exec::exec(args, context),
        ContainerCommand::Attach(args) => attach::attach(args, context),
        ContainerCommand::Wait(args) => wait::wait(args, context),
        ContainerCommand::Inspect(args) => inspect::inspect(args, context),
        ContainerCommand::Stats(args) => stats::stats(args, context),
        ContainerCommand::Top(args) => top::top(args, context),
        ContainerCommand::Port(args) => port::port(args, context),
        ContainerCommand::Prune(args) => prune::prune(args, context),
    }
}
