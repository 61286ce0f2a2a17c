//! `minictl stack ps`.

use super::get;
use crate::context::Context;
use crate::failure::Outcome;
use crate::remote::Client;
use crate::task::view::{ListingArgs, show, tasks};

/// List the tasks of stacks: where each runs, and what it waits for
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl stack ps --filter desired-state=ready blog")]
pub(crate) struct Args {
    #[command(flatten)]
    listing: ListingArgs,
    /// Their names
    #[arg(required = true, value_name = "STACK")]
    stacks: Vec<String>,
}

/// Lists them.
pub(crate) fn list(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    let mut found = Vec::new();
    for name in &args.stacks {
        get(&client, name)?;
        found.extend(tasks(&client, "", "", name)?);
    }
    show(found, &args.listing)
}
