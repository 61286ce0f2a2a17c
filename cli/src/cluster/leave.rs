//! `minictl cluster leave`.

use api::v1::LeaveRequest;
use api::v1::host_client::HostClient;

use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::remote::Client;

/// Let this host leave its cluster
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl cluster leave --force")]
pub(crate) struct Args {
    /// Even if it is a manager, or can tell nobody
    #[arg(short, long)]
    force: bool,
}

/// Leaves.
pub(crate) fn leave(args: &Args, context: &Context) -> Outcome {
    let asked = LeaveRequest { force: args.force };
    Client::of(context)?.carry_out(async |channel| HostClient::new(channel).leave(asked).await)?;
    print("Node left the cluster.\n")?;
    Ok(0)
}
