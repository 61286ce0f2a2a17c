//! `minictl service inspect`.

mod object;
mod pretty;
mod spec;

use api::v1::ListNetworksRequest;

use super::get;
use crate::container::inspect::several;
use crate::context::Context;
use crate::failure::{Outcome, for_each, print};
use crate::remote::Client;

/// Show everything about services
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  minictl service inspect --pretty web
  minictl service inspect -f '{{.Spec.TaskTemplate.ContainerSpec.Image}}' web")]
pub(crate) struct Args {
    /// json, or a template such as '{{.UpdateStatus.State}}'
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// For people instead of JSON
    #[arg(long, conflicts_with = "format")]
    pretty: bool,
    /// Names or ids
    #[arg(required = true, value_name = "SERVICE")]
    services: Vec<String>,
}

/// Prints those that are there; 1 when one is not.
pub(crate) fn inspect(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    if args.pretty {
        let networks = client.ask(ListNetworksRequest {}, |channel, request| async move {
            api::control(channel).list_networks(request).await
        });
        // Without names of networks their ids will do.
        let networks = networks.map(|reply| reply.networks).unwrap_or_default();
        return for_each(&args.services, |name| {
            let (service, view) = get(&client, name)?;
            print(&pretty::text(&service, &view, &networks))
        });
    }
    several(&args.services, args.format.as_deref(), |name| {
        let (service, view) = get(&client, name)?;
        Ok(object::of(&service, &view))
    })
}
