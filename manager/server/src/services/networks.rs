//! Networks of the cluster.

use api::v1::{CreateNetworkRequest, ListNetworksReply, NetworkReply, RemoveNetworkReply};
use ipnet::IpNet;
use model::{Network, NetworkSpec, TaskSpec};
use store::Change;
use tonic::Status;

use super::find::find;
use super::uses;
use crate::manager::{Manager, SERVICES};

/// Names of networks that each node has of its own.
const TAKEN: [&str; 3] = ["host", "none", "bridge"];

pub(crate) async fn create(
    manager: &Manager,
    request_id: &str,
    asked: CreateNetworkRequest,
) -> Result<NetworkReply, Status> {
    let spec = asked
        .spec
        .ok_or_else(|| Status::invalid_argument("no spec was given"))?;
    check(&spec)?;
    let name = spec.name.clone();
    manager
        .change(request_id, |view| {
            Manager::require_level(view, SERVICES)?;
            Ok(vec![Change::create(Network {
                id: identity::new_id(),
                spec: spec.clone(),
                ..Network::default()
            })])
        })
        .await?;
    let view = manager.replica().view();
    Ok(show(find(view.networks(), &name)?))
}

pub(crate) async fn get(manager: &Manager, wanted: &str) -> Result<NetworkReply, Status> {
    let view = manager.read().await?;
    Ok(show(find(view.networks(), wanted)?))
}

pub(crate) async fn list(manager: &Manager) -> Result<ListNetworksReply, Status> {
    let view = manager.read().await?;
    let networks = view.networks().iter().map(|network| (**network).clone());
    Ok(ListNetworksReply {
        networks: networks.collect(),
    })
}

pub(crate) async fn remove(
    manager: &Manager,
    request_id: &str,
    wanted: &str,
) -> Result<RemoveNetworkReply, Status> {
    manager
        .change(request_id, |view| {
            let network = find(view.networks(), wanted)?;
            uses::refuse_if_used(view, &**network, is_used)?;
            Ok(vec![Change::remove(&**network)])
        })
        .await?;
    Ok(RemoveNetworkReply {})
}

fn is_used(task: &TaskSpec, network: &Network) -> bool {
    let mut attached = task.networks.iter();
    attached.any(|attachment| {
        attachment.network == network.spec.name || attachment.network == network.id
    })
}

fn show(network: &Network) -> NetworkReply {
    NetworkReply {
        network: Some(network.clone()),
    }
}

fn check(spec: &NetworkSpec) -> Result<(), Status> {
    super::check_name("network", &spec.name)?;
    if TAKEN.contains(&spec.name.as_str()) {
        return Err(Status::invalid_argument(format!(
            "every node has a network `{}` of its own; choose another name",
            spec.name
        )));
    }
    for subnet in &spec.subnets {
        if subnet.parse::<IpNet>().is_err() {
            return Err(Status::invalid_argument(format!(
                "`{subnet}` is no subnet: write it like 10.10.0.0/24"
            )));
        }
    }
    Ok(())
}
