//! Who asks, and may they? Checked on every request: a connection outlives what was true when it was made.

use std::net::SocketAddr;

use api::metadata;
use http::HeaderMap;
use identity::{Peer, Role};
use model::{NodeRole, Revocation};
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
    /// Managers of this cluster, as far as this one can know: it may be behind, and only they can tell it the rest.
    Peers,
    /// Nobody over the network.
    Nobody,
}

/// Who may call what, by the path of the request.
pub(crate) fn access(path: &str) -> Access {
    match path.split('/').nth(1) {
        Some("mini.v1.Authority") => Access::Anybody,
        Some("mini.v1.Dispatcher") => Access::Nodes,
        Some("mini.v1.Raft") => Access::Peers,
        Some("mini.v1.Membership" | "mini.v1.Control") => Access::Managers,
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

/// Why a request is not let in.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Nothing could change that.
    Final(Status),
    /// So it is as far as this manager has heard; one that has heard more may know that the node came, or was promoted.
    ByView(Status, Caller),
}

impl Refusal {
    /// What the caller is told.
    pub(crate) fn into_status(self) -> Status {
        match self {
            Refusal::Final(status) | Refusal::ByView(status, _) => status,
        }
    }
}

/// Lets a request in, or says why not.
pub(crate) fn admit(
    path: &str,
    connection: &Connection,
    headers: &HeaderMap,
    cluster_id: &str,
    view: &View,
    now_ms: i64,
) -> Result<Caller, Refusal> {
    let peer = connection.peer.as_ref();
    if let Some(peer) = peer {
        check_certificate(peer, cluster_id, now_ms).map_err(Refusal::Final)?;
    }
    let direct = Caller {
        node: peer.map(|peer| (peer.node_id.clone(), peer.role)),
        address: Some(connection.address.ip().to_canonical().to_string()),
        forwarded: false,
    };
    if !headers.contains_key(metadata::FORWARDED_BY) {
        return check(path, direct, peer, view);
    }
    // Who passes a request on has to be a manager, and who it is passed on for must be allowed what is asked.
    check(PASSING_ON, direct, peer, view)?;
    let caller = carried(headers).map_err(Refusal::Final)?;
    if caller.node.is_none() {
        return Ok(caller);
    }
    check(path, caller, None, view)
}

/// What a manager does that passes a request on; people read it in a refusal.
const PASSING_ON: &str = "/mini.v1.Membership/PassOn";

/// For whom a request is passed on.
fn carried(headers: &HeaderMap) -> Result<Caller, Status> {
    let header = |key: &str| {
        let value = headers.get(key).and_then(|value| value.to_str().ok());
        value.filter(|value| !value.is_empty())
    };
    let role = |id: &str| {
        let role = header(metadata::CALLER_ROLE).unwrap_or_default().parse();
        role.map(|role| (id.to_owned(), role))
            .map_err(|error| Status::permission_denied(format!("{error}")))
    };
    Ok(Caller {
        node: header(metadata::CALLER_NODE).map(role).transpose()?,
        address: header(metadata::CALLER_ADDRESS).map(str::to_owned),
        forwarded: true,
    })
}

/// Checks what a caller may. `certificate` is what it showed, if it showed it here.
fn check(
    path: &str,
    caller: Caller,
    certificate: Option<&Peer>,
    view: &View,
) -> Result<Caller, Refusal> {
    let access = access(path);
    let (node_id, vouched) = match &caller.node {
        Some((id, role)) => (id.as_str(), *role),
        None if access == Access::Anybody => return Ok(caller),
        None => {
            let reason = format!("a caller without a certificate may not call {path}");
            return Err(Refusal::Final(Status::permission_denied(reason)));
        }
    };
    let removed =
        || Status::unauthenticated(format!("node {node_id} was removed from the cluster"));
    let wanted = match standing(node_id, view) {
        // The newest there is speaks for itself: a manager that is behind must let in who leads by now, or it would never hear of it.
        _ if access == Access::Peers
            && certificate.is_some_and(|certificate| is_news(certificate, view)) =>
        {
            vouched
        }
        Standing::Revoked => return Err(Refusal::Final(removed())),
        Standing::Unknown => return Err(Refusal::ByView(removed(), caller)),
        Standing::Wanted(role) => role,
        Standing::NothingKnown => vouched,
    };
    let denied = || Status::permission_denied(format!("a {vouched} may not call {path}"));
    match access {
        Access::Anybody | Access::Nodes => Ok(caller),
        Access::Nobody => Err(Refusal::Final(denied())),
        Access::Managers | Access::Peers => match (vouched, wanted) {
            (Role::Manager, Role::Manager) => Ok(caller),
            (Role::Manager, Role::Worker) => Err(Refusal::ByView(denied(), caller)),
            (Role::Worker, _) => Err(Refusal::Final(denied())),
        },
    }
}

/// Tells whether a certificate is one of this cluster's and still lives.
fn check_certificate(peer: &Peer, cluster_id: &str, now_ms: i64) -> Result<(), Status> {
    let refused = |reason: String| Err(Status::unauthenticated(reason));
    if peer.cluster_id != cluster_id {
        return refused(format!(
            "node {} belongs to the cluster {}, this is {cluster_id}",
            peer.node_id, peer.cluster_id
        ));
    }
    if peer.not_after.as_millisecond() < now_ms {
        return refused(format!(
            "the certificate of node {} ended on {}; let it join again",
            peer.node_id, peer.not_after
        ));
    }
    Ok(())
}

/// What a view tells of a node.
enum Standing {
    /// It tells of nobody: the manager is only just joining.
    NothingKnown,
    /// It was removed.
    Revoked,
    /// It was removed long ago, or has come since.
    Unknown,
    /// What the cluster wants it to be; it stays a manager until its place in the group is given up.
    Wanted(Role),
}

fn standing(node_id: &str, view: &View) -> Standing {
    let Some(cluster) = view.cluster() else {
        return Standing::NothingKnown;
    };
    let is_it = |revoked: &Revocation| revoked.node_id == node_id;
    match view.nodes().get(node_id) {
        _ if cluster.revoked.iter().any(is_it) => Standing::Revoked,
        None => Standing::Unknown,
        Some(node) if node.spec.role() == NodeRole::Manager || node.member.is_some() => {
            Standing::Wanted(Role::Manager)
        }
        Some(_) => Standing::Wanted(Role::Worker),
    }
}

/// Whether a certificate was issued after all that a view tells of its node.
fn is_news(certificate: &Peer, view: &View) -> bool {
    let issued_at = certificate.not_before.as_millisecond();
    match standing(&certificate.node_id, view) {
        Standing::Revoked => false,
        Standing::Unknown | Standing::NothingKnown => true,
        Standing::Wanted(_) => view.nodes().get(&certificate.node_id).is_some_and(|node| {
            let known = &node.certificate;
            known.serial != certificate.serial && known.not_before_ms <= issued_at
        }),
    }
}

#[cfg(test)]
mod tests;
