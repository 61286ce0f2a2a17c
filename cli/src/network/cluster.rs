//! Networks of the cluster, beside those of this host. Where no daemon answers there are none, and nobody waits to hear that.

use std::time::Duration;

use api::v1::control_client::ControlClient;
use api::v1::host_client::HostClient;
use api::v1::{GetHostRequest, GetNetworkRequest, ListNetworksRequest, RemoveNetworkRequest};
use model::{Network, NodeRole};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::container::view::moment;
use crate::context::Context;
use crate::failure::{Failure, complain};
use crate::output::age::moment_of;
use crate::output::{joined, short_id};
use crate::remote::{Client, Endpoint};

/// A daemon that answers does so well within this.
const PATIENCE: Duration = Duration::from_secs(3);

/// The manager that can be asked, if there is one behind the socket of the command line.
fn manager(context: &Context) -> Option<Client> {
    let endpoint = context.endpoint().ok()?;
    if matches!(&endpoint, Endpoint::Unix(path) if !path.exists()) {
        return None;
    }
    let client = Client::to(endpoint).ok()?;
    let asked = client.run(async {
        let mut host = HostClient::new(client.channel());
        tokio::time::timeout(PATIENCE, host.get_host(GetHostRequest {})).await
    });
    let host = asked.ok()?.ok()?.into_inner();
    // Only a manager counts the nodes.
    (host.role() == NodeRole::Manager && host.nodes > 0).then_some(client)
}

/// One question, asked once; nothing where nobody can be asked.
fn once<A>(
    context: &Context,
    ask: impl AsyncFnOnce(ControlClient<tonic::transport::Channel>) -> Result<A, Status>,
) -> Option<Result<A, Failure>> {
    let client = manager(context)?;
    let control = api::control(client.channel());
    let answer = client.run(async { tokio::time::timeout(PATIENCE, ask(control)).await });
    let answer = answer.unwrap_or_else(|_| Err(Status::unavailable("the managers do not answer")));
    match answer {
        Ok(answer) => Some(Ok(answer)),
        Err(status) if status.code() == Code::NotFound => None,
        Err(status) => Some(Err(client.failure(&status))),
    }
}

/// All of them. That they can't be listed is told, and no reason not to list the others.
pub(super) fn all(context: &Context) -> Vec<Network> {
    let listed = once(context, async |mut control| {
        let reply = control.list_networks(ListNetworksRequest {}).await?;
        Ok(reply.into_inner().networks)
    });
    match listed {
        None => Vec::new(),
        Some(Ok(networks)) => networks,
        Some(Err(failure)) => {
            complain(&format!(
                "the cluster's networks are not shown: {}",
                failure.into_message()
            ));
            Vec::new()
        }
    }
}

/// The network of this name or id; nothing where there is none.
pub(super) fn find(context: &Context, name: &str) -> Option<Result<Value, Failure>> {
    let found = once(context, async |mut control| {
        let asked = GetNetworkRequest {
            network: name.to_owned(),
        };
        let reply = control.get_network(asked).await?;
        Ok(reply.into_inner().network.unwrap_or_default())
    })?;
    Some(found.map(|network| object(&network)))
}

/// Removes the network of this name or id; nothing where there is none.
pub(super) fn remove(context: &Context, name: &str) -> Option<Result<(), Failure>> {
    once(context, async |mut control| {
        let asked = RemoveNetworkRequest {
            network: name.to_owned(),
        };
        control.remove_network(asked).await?;
        Ok(())
    })
}

/// In the shape of `network inspect`.
fn object(network: &Network) -> Value {
    let config: Vec<Value> = match network.subnet.as_str() {
        "" => Vec::new(),
        subnet => vec![json!({ "Subnet": subnet })],
    };
    json!({
        "Name": network.spec.name,
        "Id": network.id,
        "Created": moment_of(network.meta.created_ms),
        "Scope": "swarm",
        "Driver": "overlay",
        "EnableIPv6": network.spec.ipv6,
        "Internal": network.spec.internal,
        "Attachable": network.spec.attachable,
        "Encrypted": network.spec.encrypted,
        "IPAM": { "Driver": "default", "Config": config },
        "VNI": network.vni,
        "Labels": network.spec.labels,
        "Options": network.spec.options,
        "StackID": network.stack_id,
        "Trouble": network.trouble,
    })
}

/// In the shape of a row of `network ls`.
pub(super) fn row(network: &Network, full: bool) -> Value {
    let created = jiff::Timestamp::from_millisecond(network.meta.created_ms).unwrap_or_default();
    json!({
        "ID": short_id(&network.id, full),
        "Name": network.spec.name,
        "Driver": "overlay",
        "Scope": "swarm",
        "Internal": network.spec.internal.to_string(),
        "Labels": joined(&network.spec.labels),
        "CreatedAt": moment(created),
        "Subnet": network.subnet,
    })
}

#[cfg(test)]
mod tests {
    use model::NetworkSpec;

    use super::*;

    #[test]
    fn networks_of_the_cluster_are_overlays() {
        let network = Network {
            id: "0123456789abcdef".to_owned(),
            spec: NetworkSpec {
                name: "back".to_owned(),
                ..NetworkSpec::default()
            },
            subnet: "10.0.1.0/24".to_owned(),
            ..Network::default()
        };
        let row = row(&network, false);
        assert_eq!(
            (&row["Driver"], &row["Scope"]),
            (&json!("overlay"), &json!("swarm"))
        );
        assert_eq!(row["ID"], "0123456789ab");
        let object = object(&network);
        assert_eq!(object["IPAM"]["Config"][0]["Subnet"], "10.0.1.0/24");
    }
}
