//! `minictl cluster join`.

use api::v1::host_client::HostClient;
use api::v1::{JoinReply, JoinRequest};
use model::NodeRole;

use super::init::Place;
use super::words::even;
use crate::context::Context;
use crate::failure::{Failure, Outcome, complain, print};
use crate::remote::Client;

/// Join this host to a cluster
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example: minictl cluster join --token MINITKN-1-… 192.0.2.1:2377

The token and the address are printed by `minictl cluster join-token worker` (or manager) on a manager.")]
pub(crate) struct Args {
    /// Token that lets this host in, as a worker or as a manager
    #[arg(long, value_name = "TOKEN")]
    token: String,
    #[command(flatten)]
    place: Place,
    /// Managers of the cluster; the first that answers lets this host in
    #[arg(required = true, value_name = "HOST:PORT")]
    managers: Vec<String>,
}

/// Joins, and says as what.
pub(crate) fn join(args: Args, context: &Context) -> Outcome {
    let joined = enter(
        &Client::of(context)?,
        &args.place,
        args.token,
        args.managers,
    )?;
    print(&format!(
        "This node joined a cluster as a {}.\n",
        joined.role()
    ))?;
    if joined.role() == NodeRole::Manager
        && let Some(cost) = even(joined.managers as usize)
    {
        complain(&format!("warning: {cost}"));
    }
    Ok(0)
}

/// Joins the daemon to a cluster.
pub(crate) fn enter(
    client: &Client,
    place: &Place,
    token: String,
    managers: Vec<String>,
) -> Result<JoinReply, Failure> {
    let asked = JoinRequest {
        token,
        manager_addresses: managers,
        advertise_address: place.advertise_addr.clone(),
        listen_address: place.listen_addr.clone(),
        availability: place.availability.into(),
    };
    client.carry_out(async |channel| {
        HostClient::new(channel)
            .join(asked)
            .await
            .map(tonic::Response::into_inner)
    })
}
