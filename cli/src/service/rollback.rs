//! `minictl service rollback`.

use api::v1::RollbackServiceRequest;

use super::{Changed, Waiting, warn};
use crate::context::Context;
use crate::converge::{Ended, tell};
use crate::failure::{Outcome, print};
use crate::remote::Client;

/// Return a service to what was wanted of it before the last update
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl service rollback web")]
pub(crate) struct Args {
    #[command(flatten)]
    waiting: Waiting,
    /// Name or id
    #[arg(value_name = "SERVICE")]
    service: String,
}

/// Begins it, and stays until it is done.
pub(crate) fn roll_back(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    return_to_previous(&client, &args.service, args.waiting)
}

/// The same for `service update --rollback`.
pub(super) fn return_to_previous(client: &Client, name: &str, waiting: Waiting) -> Outcome {
    let asked = RollbackServiceRequest {
        service: name.to_owned(),
    };
    let reply = client.ask(asked, |channel, request| async move {
        api::control(channel).rollback_service(request).await
    })?;
    reply.warnings.iter().for_each(|warning| warn(warning));
    print(&format!("{name}\n"))?;
    let view = reply.service.unwrap_or_default();
    let begun = Changed {
        service: view.service.unwrap_or_default(),
        before: None,
    };
    let ended = match waiting.with(client, &begun)? {
        // That is what was asked for.
        Ended::RolledBack(_) => Ended::Converged,
        ended => ended,
    };
    tell(&format!("rollback of service {name}"), &ended)
}
