//! `minictl stack services`.

use super::get;
use crate::context::Context;
use crate::failure::Outcome;
use crate::remote::Client;
use crate::service::view::{ListingArgs, show};

/// List the services of a stack
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl stack services blog")]
pub(crate) struct Args {
    #[command(flatten)]
    listing: ListingArgs,
    /// Its name
    #[arg(value_name = "STACK")]
    stack: String,
}

/// Lists them.
pub(crate) fn list(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    show(get(&client, &args.stack)?.services, &args.listing)
}
