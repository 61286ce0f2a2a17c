//! `minictl config rm`.

use api::v1::RemoveConfigRequest;

use crate::context::Context;
use crate::failure::{Outcome, for_each, print};
use crate::remote::Client;

/// Remove configuration files
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl config rm nginx.conf")]
pub(crate) struct Args {
    /// Names or ids
    #[arg(required = true, value_name = "CONFIG")]
    configs: Vec<String>,
}

/// Removes them.
pub(crate) fn remove(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    for_each(&args.configs, |name| {
        let asked = RemoveConfigRequest {
            config: name.to_owned(),
        };
        client.ask(asked, |channel, request| async move {
            api::control(channel).remove_config(request).await
        })?;
        print(&format!("{name}\n"))
    })
}
