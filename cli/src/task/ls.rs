//! `minictl task ls`.

use super::view::{ListingArgs, show, tasks};
use crate::context::Context;
use crate::failure::Outcome;
use crate::remote::Client;

/// List tasks: where each ran, and why it ended
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl task ls --filter desired-state=running")]
pub(crate) struct Args {
    /// Of this service alone
    #[arg(
        long,
        value_name = "SERVICE",
        default_value = "",
        hide_default_value = true
    )]
    service: String,
    /// Of this stack alone
    #[arg(
        long,
        value_name = "STACK",
        default_value = "",
        hide_default_value = true
    )]
    stack: String,
    /// Of this node alone
    #[arg(
        long,
        value_name = "NODE",
        default_value = "",
        hide_default_value = true
    )]
    node: String,
    #[command(flatten)]
    listing: ListingArgs,
}

/// Lists them.
pub(crate) fn list(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    let found = tasks(&client, &args.node, &args.service, &args.stack)?;
    show(found, &args.listing)
}
