//! `minictl network create`: a bridge of one's own.

use engine::NetworkSpec;

use crate::context::Context;
use crate::failure::{Failure, Outcome, print};
use crate::network::predefined;

/// Make a network
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl network create --subnet 10.20.0.0/24 backend")]
pub(crate) struct Args {
    /// Driver; only `bridge` for now
    #[arg(short, long, value_name = "DRIVER", default_value = "bridge", value_parser = ["bridge"])]
    driver: String,
    /// Addresses of the network: 10.20.0.0/24 (the next free ones without this)
    #[arg(long, value_name = "CIDR")]
    subnet: Option<String>,
    /// The host's own address on it (the first of the subnet without this)
    #[arg(long, value_name = "ADDRESS")]
    gateway: Option<String>,
    /// No way out of the network
    #[arg(long)]
    internal: bool,
    /// Label: KEY=VALUE
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// Option of the driver: KEY=VALUE
    #[arg(short, long = "opt", value_name = "OPTION")]
    options: Vec<String>,
    /// The network's name
    name: String,
}

/// Creates the network and prints its id.
pub(crate) fn create(args: Args, context: &Context) -> Outcome {
    let subnet = args.subnet.as_deref().map(|text| {
        text.parse().map_err(|_| {
            Failure::new(format!(
                "invalid --subnet {text:?}: write it as 10.20.0.0/24"
            ))
        })
    });
    let gateway = args.gateway.as_deref().map(|text| {
        text.parse()
            .map_err(|_| Failure::new(format!("invalid --gateway {text:?}: write it as 10.20.0.1")))
    });
    if predefined::find(&args.name).is_some() {
        return Err(Failure::new(format!(
            "{} is a predefined network: choose another name",
            args.name
        )));
    }
    let spec = NetworkSpec {
        name: args.name,
        subnet: subnet.transpose()?,
        gateway: gateway.transpose()?,
        internal: args.internal,
        labels: crate::output::pairs(&args.labels),
        options: crate::output::pairs(&args.options),
    };
    let network = context.engine()?.create_network(&spec)?;
    print(&format!("{}\n", network.id))?;
    Ok(0)
}
