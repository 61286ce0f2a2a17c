//! `minictl secret rm`.

use api::v1::RemoveSecretRequest;

use crate::context::Context;
use crate::failure::{Outcome, for_each, print};
use crate::remote::Client;

/// Remove secrets that no service is given
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl secret rm db_password")]
pub(crate) struct Args {
    /// Names or ids
    #[arg(required = true, value_name = "SECRET")]
    secrets: Vec<String>,
}

/// Removes them.
pub(crate) fn remove(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    for_each(&args.secrets, |name| {
        let asked = RemoveSecretRequest {
            secret: name.to_owned(),
        };
        client.ask(asked, |channel, request| async move {
            api::control(channel).remove_secret(request).await
        })?;
        print(&format!("{name}\n"))
    })
}
