//! `minictl cluster init`.

use api::v1::host_client::HostClient;
use api::v1::{InitReply, InitRequest};
use model::{Availability, ClusterSpec};

use super::settings::Settings;
use super::words::{availability, join_command};
use crate::context::Context;
use crate::failure::{Failure, Outcome, print};
use crate::remote::Client;

/// Make a cluster, with this host as its first manager
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  minictl cluster init
  minictl cluster init --advertise-addr 10.0.0.1
  minictl cluster init --autolock")]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    settings: Settings,
    /// Range that networks are cut from, such as 10.20.0.0/16; may be given several times
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    default_addr_pool: Vec<String>,
    /// Prefix length of such a network
    #[arg(long, value_name = "BITS")]
    default_addr_pool_mask_length: Option<u32>,
    /// On a manager whose cluster has lost its majority: go on with this manager alone, and everything it knows
    #[arg(long)]
    force_new_cluster: bool,
}

/// Where this host listens, and where it is found.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// Where others find this host: an address or an interface, with a port or without [default: its only address]
    #[arg(
        long,
        value_name = "ADDRESS[:PORT]",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) advertise_addr: String,
    /// What this host listens on [default: 0.0.0.0:2377]
    #[arg(
        long,
        value_name = "ADDRESS[:PORT]",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) listen_addr: String,
    /// Whether this host is given tasks: active, pause or drain
    #[arg(long, value_name = "WORD", default_value = "active", value_parser = availability)]
    pub(crate) availability: Availability,
}

/// Makes the cluster and says how others join.
pub(crate) fn init(args: Args, context: &Context) -> Outcome {
    let mut spec = ClusterSpec::standard();
    args.settings.apply(&mut spec);
    if !args.default_addr_pool.is_empty() {
        spec.address_pools = args.default_addr_pool;
    }
    if let Some(length) = args.default_addr_pool_mask_length {
        spec.subnet_length = length;
    }
    let made = found(
        &Client::of(context)?,
        &args.place,
        spec,
        args.force_new_cluster,
    )?;
    print(&said(&made))?;
    Ok(0)
}

/// Makes a cluster on the daemon.
pub(crate) fn found(
    client: &Client,
    place: &Place,
    spec: ClusterSpec,
    force: bool,
) -> Result<InitReply, Failure> {
    let asked = InitRequest {
        advertise_address: place.advertise_addr.clone(),
        listen_address: place.listen_addr.clone(),
        force_new_cluster: force,
        spec: Some(spec),
        availability: place.availability.into(),
    };
    // Not repeated: a second cluster is not the first.
    client.carry_out(async |channel| {
        HostClient::new(channel)
            .init(asked)
            .await
            .map(tonic::Response::into_inner)
    })
}

/// What is told of a new cluster.
pub(super) fn said(made: &InitReply) -> String {
    let mut text = format!(
        "Cluster initialized: current node ({}) is now a manager.\n\n",
        made.node_id
    );
    text.push_str("To add a worker to this cluster, run the following command:\n\n");
    text.push_str(&join_command(&made.worker_token, &made.address));
    text.push_str("\nTo add a manager to this cluster, run 'minictl cluster join-token manager' and follow the instructions.\n");
    if !made.unlock_key.is_empty() {
        text.push_str(&unlocking(&made.unlock_key));
    }
    text
}

/// What is told of an unlock key.
pub(super) fn unlocking(key: &str) -> String {
    format!(
        "\nTo unlock a manager after it restarts, run the `minictl cluster unlock` command and provide the following key:\n\n    {key}\n\n\
         Keep it where no manager is: without it a locked manager cannot be started again.\n"
    )
}
