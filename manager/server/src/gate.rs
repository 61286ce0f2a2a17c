//! Who asks, and may they? Checked on every request: a connection outlives what was true when it was made.

use std::net::SocketAddr;

use api::metadata;
use http::HeaderMap;
use identity::{Peer, Role};
use model::NodeRole;
use store::View;
use tonic::Status;

/// Who may call a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody who can reach the port.
    Anybody,
    /// Nodes of this cluster.
    Nodes,
    /// Managers of this cluster.
    Managers,
    /// Nobody over the network.
    Nobody,
}

/// Who may call what, by the path of the request.
pub(crate) fn access(path: &str) -> Access {
    match path.split('/').nth(1) {
        Some("mini.v1.Authority") => Access::Anybody,
        Some("mini.v1.Dispatcher") => Access::Nodes,
        Some("mini.v1.Raft" | "mini.v1.Membership" | "mini.v1.Control") => Access::Managers,
        _ => Access::Nobody,
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The node; none for a person on a manager's socket, and for a joiner.
    pub(crate) node: Option<(String, Role)>,
    /// The address that it came from; none for a person.
    pub(crate) address: Option<String>,
    /// Whether another manager passed it on.
    pub(crate) forwarded: bool,
}

impl Caller {
    /// A person on this manager's own socket.
    pub(crate) fn person() -> Self {
        Caller {
            node: None,
            address: None,
            forwarded: false,
        }
    }

    /// The id of the node that asks.
    pub(crate) fn node_id(&self) -> Result<&str, Status> {
        self.node
            .as_ref()
            .map(|(id, _)| id.as_str())
            .ok_or_else(|| {
                Status::permission_denied("only a node may ask this, with its certificate")
            })
    }
}

/// What a connection tells.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) peer: Option<Peer>,
    pub(crate) address: SocketAddr,
}

/// Lets a request in, or says why not.
pub(crate) fn admit(
    path: &str,
    connection: &Connection,
    headers: &HeaderMap,
    cluster_id: &str,
    view: &View,
    now_ms: i64,
) -> Result<Caller, Status> {
    let access = access(path);
    let denied = |reason: String| Status::permission_denied(reason);
    if let Some(peer) = &connection.peer {
        check_peer(peer, cluster_id, view, now_ms)?;
    }
    let role = connection.peer.as_ref().map(|peer| peer.role);
    let allowed = match access {
        Access::Anybody => true,
        Access::Nodes => role.is_some(),
        Access::Managers => {
            role == Some(Role::Manager)
                && connection
                    .peer
                    .as_ref()
                    .is_some_and(|peer| is_manager(&peer.node_id, view))
        }
        Access::Nobody => false,
    };
    if !allowed {
        let who = role.map_or_else(
            || "a caller without a certificate".to_owned(),
            |role| format!("a {role}"),
        );
        return Err(denied(format!("{who} may not call {path}")));
    }
    let header = |key: &str| {
        headers
            .get(key)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    if headers.contains_key(metadata::FORWARDED_BY) {
        if role != Some(Role::Manager)
            || !connection
                .peer
                .as_ref()
                .is_some_and(|peer| is_manager(&peer.node_id, view))
        {
            return Err(denied("only a manager may pass a request on".to_owned()));
        }
        let node = match header(metadata::CALLER_NODE) {
            "" => None,
            id => Some((
                id.to_owned(),
                header(metadata::CALLER_ROLE)
                    .parse()
                    .map_err(|error| denied(format!("{error}")))?,
            )),
        };
        let address = Some(header(metadata::CALLER_ADDRESS))
            .filter(|address| !address.is_empty())
            .map(str::to_owned);
        return Ok(Caller {
            node,
            address,
            forwarded: true,
        });
    }
    let node = connection
        .peer
        .as_ref()
        .map(|peer| (peer.node_id.clone(), peer.role));
    Ok(Caller {
        node,
        address: Some(connection.address.ip().to_canonical().to_string()),
        forwarded: false,
    })
}

/// Tells whether a certificate still counts.
fn check_peer(peer: &Peer, cluster_id: &str, view: &View, now_ms: i64) -> Result<(), Status> {
    let refused = |reason: String| Status::unauthenticated(reason);
    if peer.cluster_id != cluster_id {
        return Err(refused(format!(
            "node {} belongs to the cluster {}, this is {cluster_id}",
            peer.node_id, peer.cluster_id
        )));
    }
    if peer.not_after.as_millisecond() < now_ms {
        return Err(refused(format!(
            "the certificate of node {} ended on {}; let it join again",
            peer.node_id, peer.not_after
        )));
    }
    let Some(cluster) = view.cluster() else {
        // A manager that is only just joining knows nobody yet.
        return Ok(());
    };
    if cluster
        .revoked
        .iter()
        .any(|revoked| revoked.node_id == peer.node_id)
        || view.nodes().get(&peer.node_id).is_none()
    {
        return Err(refused(format!(
            "node {} was removed from the cluster",
            peer.node_id
        )));
    }
    Ok(())
}

/// Whether the cluster wants that node to be a manager; its certificate may be older than a demotion.
fn is_manager(node_id: &str, view: &View) -> bool {
    view.cluster().is_none()
        || view
            .nodes()
            .get(node_id)
            .is_some_and(|node| node.spec.role() == NodeRole::Manager || node.member.is_some())
}
