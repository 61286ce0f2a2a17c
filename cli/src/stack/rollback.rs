//! `minictl stack rollback`.

use api::v1::RollbackStackRequest;

use super::plan::{exit_code, text};
use super::up::{StayArgs, follow};
use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::remote::Client;
use crate::service::warn;

/// Return a whole stack to an earlier deployment, and stay until it runs
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  minictl stack rollback blog
  minictl stack rollback --to 3 blog
  minictl stack rollback --dry-run blog

It is a deployment of its own, so that it can be returned from. Exit codes are those of stack up.")]
pub(crate) struct Args {
    /// Number of the deployment (the one before the newest without this)
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        hide_default_value = true
    )]
    to: u64,
    #[command(flatten)]
    stay: StayArgs,
    /// Change nothing: print what would be changed
    #[arg(long)]
    dry_run: bool,
    /// Its name
    #[arg(value_name = "STACK")]
    stack: String,
}

/// Deploys it again, and stays.
pub(crate) fn roll_back(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    let asked = RollbackStackRequest {
        stack: args.stack.clone(),
        to: args.to,
        plan: args.dry_run,
    };
    let reply = client.ask(asked, |channel, request| async move {
        api::control(channel).rollback_stack(request).await
    })?;
    reply.warnings.iter().for_each(|warning| warn(warning));
    if args.dry_run {
        print(&text(&reply.changes))?;
        return Ok(exit_code(&reply.changes));
    }
    follow(&client, &args.stack, &reply, args.stay)
}
