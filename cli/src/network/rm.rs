//! `minictl network rm`: a network that nothing is connected to.

use crate::context::Context;
use crate::failure::{Failure, Outcome, for_each, print};
use crate::network::ls::OF_CLUSTER;
use crate::network::{cluster, predefined};

/// Remove networks
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl network rm backend")]
pub(crate) struct Args {
    /// Don't complain of what isn't there
    #[arg(short, long)]
    force: bool,
    /// Names or ids
    #[arg(required = true, value_name = "NETWORK")]
    networks: Vec<String>,
}

/// Removes each and prints its name.
pub(crate) fn remove(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    for_each(&args.networks, |name| {
        if predefined::find(name).is_some() {
            return Err(Failure::new(format!(
                "{name} is a predefined network: it can't be removed"
            )));
        }
        // What this host has of one of the cluster's goes with that.
        let local = engine.network(name).ok();
        let shared = local.and_then(|network| network.labels.get(OF_CLUSTER).cloned());
        if let Some(removed) = shared.and_then(|id| cluster::remove(context, &id)) {
            removed?;
            return print(&format!("{name}\n"));
        }
        match engine.remove_network(name) {
            Err(error) if error.kind() == engine::ErrorKind::NotFound => {
                match cluster::remove(context, name) {
                    Some(removed) => removed?,
                    None if args.force => return Ok(()),
                    None => return Err(error.into()),
                }
            }
            other => drop(other?),
        }
        print(&format!("{name}\n"))
    })
}
