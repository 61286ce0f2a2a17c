//! `minictl service ls`.

use api::v1::ListServicesRequest;

use super::view::{ListingArgs, show};
use crate::context::Context;
use crate::failure::Outcome;
use crate::remote::Client;

/// List services
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl service ls --filter mode=global")]
pub(crate) struct Args {
    #[command(flatten)]
    listing: ListingArgs,
}

/// Lists them.
pub(crate) fn list(args: &Args, context: &Context) -> Outcome {
    let asked = ListServicesRequest::default();
    let reply = Client::of(context)?.ask(asked, |channel, request| async move {
        api::control(channel).list_services(request).await
    })?;
    show(reply.services, &args.listing)
}
