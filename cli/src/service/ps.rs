//! `minictl service ps`.

use super::get;
use crate::context::Context;
use crate::failure::Outcome;
use crate::remote::Client;
use crate::task::view::{ListingArgs, show, tasks};

/// List the tasks of services: where each ran, and why it ended
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  minictl service ps web
  minictl service ps --no-trunc --filter desired-state=running web")]
pub(crate) struct Args {
    #[command(flatten)]
    listing: ListingArgs,
    /// Names or ids
    #[arg(required = true, value_name = "SERVICE")]
    services: Vec<String>,
}

/// Lists them.
pub(crate) fn list(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    let mut found = Vec::new();
    for name in &args.services {
        let (service, _) = get(&client, name)?;
        found.extend(tasks(&client, "", &service.id, "")?);
    }
    show(found, &args.listing)
}
