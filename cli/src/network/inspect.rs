//! `minictl network inspect`.

use std::collections::BTreeMap;

use engine::{Engine, ErrorKind};
use serde_json::{Value, json};

use crate::container::inspect::several;
use crate::context::Context;
use crate::failure::Outcome;
use crate::network::{cluster, predefined};

/// Show everything about networks, and who is connected
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl network inspect backend")]
pub(crate) struct Args {
    /// json, or a template such as '{{.Name}}'
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names or ids
    #[arg(required = true, value_name = "NETWORK")]
    networks: Vec<String>,
}

/// Prints those that are there; 1 when one is not.
pub(crate) fn inspect(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    several(
        &args.networks,
        args.format.as_deref(),
        |name| match object_of(&engine, name) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                cluster::find(context, name).unwrap_or_else(|| Err(error.into()))
            }
            found => Ok(found?),
        },
    )
}

/// The network of this host of this name, in Docker's shape.
pub(crate) fn object_of(engine: &Engine, name: &str) -> Result<Value, engine::Error> {
    if let Some(network) = predefined::find(name) {
        return Ok(network.object());
    }
    let network = engine.network(name)?;
    let mut connected: BTreeMap<String, Value> = BTreeMap::new();
    for container in engine.containers(false)? {
        for endpoint in container
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.network_id == network.id)
        {
            let object = json!({
                "Name": container.name(),
                "IPv4Address": format!("{}/{}", endpoint.ip, endpoint.prefix_len),
                "MacAddress": endpoint.mac,
            });
            connected.insert(container.id().to_owned(), object);
        }
    }
    Ok(json!({
        "Name": network.name,
        "Id": network.id,
        "Created": network.created,
        "Scope": "local",
        "Driver": network.driver.to_string(),
        "Internal": network.internal,
        "IPAM": { "Driver": "default", "Config": [{ "Subnet": network.subnet.to_string(), "Gateway": network.gateway }] },
        "Bridge": network.bridge,
        "MTU": network.mtu,
        "Labels": network.labels,
        "Options": network.options,
        "Containers": connected,
    }))
}
