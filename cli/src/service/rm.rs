//! `minictl service rm`.

use api::v1::RemoveServiceRequest;

use crate::context::Context;
use crate::failure::{Outcome, for_each, print};
use crate::remote::Client;

/// Remove services; their tasks are ended
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl service rm web")]
pub(crate) struct Args {
    /// Names or ids
    #[arg(required = true, value_name = "SERVICE")]
    services: Vec<String>,
}

/// Removes each and prints its name.
pub(crate) fn remove(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    for_each(&args.services, |name| {
        let asked = RemoveServiceRequest {
            service: name.to_owned(),
        };
        client.ask(asked, |channel, request| async move {
            api::control(channel).remove_service(request).await
        })?;
        print(&format!("{name}\n"))
    })
}
