//! `minictl network create`: a bridge of one's own, or a network of the cluster.

use api::v1::CreateNetworkRequest;
use engine::NetworkSpec;

use crate::context::Context;
use crate::failure::{Failure, Outcome, print};
use crate::network::predefined;
use crate::output::pairs;
use crate::remote::Client;

/// Make a network
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  minictl network create --subnet 10.20.0.0/24 backend
  minictl network create -d overlay shared

A network of the cluster (--driver overlay, --scope swarm or --attachable) is for services, on whatever node.")]
pub(crate) struct Args {
    /// bridge (of this host, the usual one) or overlay (of the cluster)
    #[arg(short, long, value_name = "DRIVER", value_parser = ["bridge", "overlay"])]
    driver: Option<String>,
    /// local (this host) or swarm (the cluster)
    #[arg(long, value_name = "SCOPE", value_parser = ["local", "swarm"])]
    scope: Option<String>,
    /// Of the cluster: containers that belong to no service may join too
    #[arg(long)]
    attachable: bool,
    /// Of the cluster: with IPv6
    #[arg(long)]
    ipv6: bool,
    /// Addresses of the network: 10.20.0.0/24 (the next free ones without this)
    #[arg(long = "subnet", value_name = "CIDR")]
    subnets: Vec<String>,
    /// The host's own address on it (the first of the subnet without this)
    #[arg(long, value_name = "ADDRESS")]
    gateway: Option<String>,
    /// No way out of the network
    #[arg(long)]
    internal: bool,
    /// Label: KEY=VALUE
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// Option of the driver: KEY=VALUE; of the cluster `encrypted`
    #[arg(short, long = "opt", value_name = "OPTION")]
    options: Vec<String>,
    /// The network's name
    name: String,
}

/// Creates the network and prints its id.
pub(crate) fn create(args: Args, context: &Context) -> Outcome {
    if predefined::find(&args.name).is_some() {
        return Err(Failure::new(format!(
            "{} is a predefined network: choose another name",
            args.name
        )));
    }
    match args.is_of_cluster()? {
        true => of_cluster(args, context),
        false => of_host(args, context),
    }
}

impl Args {
    fn is_of_cluster(&self) -> Result<bool, Failure> {
        let (driver, scope) = (self.driver.as_deref(), self.scope.as_deref());
        let cluster = driver == Some("overlay") || scope == Some("swarm") || self.attachable;
        let host = driver == Some("bridge") || scope == Some("local");
        match (cluster, host) {
            (true, true) => Err(Failure::new(
                "a network is of this host (--driver bridge, --scope local) or of the cluster (--driver overlay, --scope \
                 swarm, --attachable), not both",
            )),
            (false, _) if self.ipv6 => Err(Failure::new(
                "--ipv6 is for networks of the cluster: give --driver overlay too",
            )),
            _ => Ok(cluster),
        }
    }
}

fn of_host(args: Args, context: &Context) -> Outcome {
    if args.subnets.len() > 1 {
        return Err(Failure::new("a network of this host has one --subnet"));
    }
    let subnet = args.subnets.first().map(|text| {
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
    let spec = NetworkSpec {
        name: args.name,
        subnet: subnet.transpose()?,
        gateway: gateway.transpose()?,
        internal: args.internal,
        labels: pairs(&args.labels),
        options: pairs(&args.options),
    };
    let network = context.engine()?.create_network(&spec)?;
    print(&format!("{}\n", network.id))?;
    Ok(0)
}

fn of_cluster(args: Args, context: &Context) -> Outcome {
    if args.gateway.is_some() {
        return Err(Failure::new(
            "--gateway is for networks of this host: the managers choose the addresses of the cluster's",
        ));
    }
    let asked = CreateNetworkRequest {
        spec: Some(spec_of_cluster(args)),
    };
    let reply = Client::of(context)?.ask(asked, |channel, request| async move {
        api::control(channel).create_network(request).await
    })?;
    print(&format!("{}\n", reply.network.unwrap_or_default().id))?;
    Ok(0)
}

fn spec_of_cluster(args: Args) -> model::NetworkSpec {
    let mut options = pairs(&args.options);
    let encrypted = options.remove("encrypted");
    model::NetworkSpec {
        name: args.name,
        labels: pairs(&args.labels),
        internal: args.internal,
        attachable: args.attachable,
        ipv6: args.ipv6,
        subnets: args.subnets,
        encrypted: encrypted.is_some_and(|value| value != "false"),
        options,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    #[command(no_binary_name = true)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn read(line: &str) -> Args {
        Line::try_parse_from(line.split(' ')).unwrap().args
    }

    #[test]
    fn the_flags_say_whose_network_it_is() {
        fn check(line: &str, expected: Option<bool>) {
            assert_eq!(read(line).is_of_cluster().ok(), expected, "{line}");
        }
        check("n", Some(false));
        check("-d bridge n", Some(false));
        check("-d overlay n", Some(true));
        check("--scope swarm n", Some(true));
        check("--attachable n", Some(true));
        check("-d bridge --attachable n", None);
        check("-d overlay --scope local n", None);
        check("--ipv6 n", None);
    }

    #[test]
    fn encryption_is_an_option_of_the_driver() {
        let spec = spec_of_cluster(read(
            "-d overlay --opt encrypted -o mtu=1400 --subnet 10.9.0.0/16 n",
        ));
        assert!(spec.encrypted);
        assert_eq!(spec.options.get("mtu").map(String::as_str), Some("1400"));
        assert_eq!(
            (spec.options.len(), spec.subnets.as_slice()),
            (1, &["10.9.0.0/16".to_owned()][..])
        );
    }
}
