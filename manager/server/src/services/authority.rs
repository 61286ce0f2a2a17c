//! Certificates: whoever has a join token becomes a node; a node gets the certificate of the role that the cluster wants of it.

use std::time::Instant;

use api::v1::authority_server::Authority as Service;
use api::v1::{GetRootsReply, GetRootsRequest, IssueReply, IssueRequest};
use identity::{JoinToken, Role, RootCa, TrustBundle, Validity, peer};
use jiff::{SignedDuration, Timestamp};
use model::{Certificate, Cluster, Node, NodeRole, NodeSpec, NodeState, NodeStatus};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use store::{Change, View};
use tonic::{Request, Response, Status};

use super::{caller, request_id};
use crate::dispatcher::held_role;
use crate::failure;
use crate::manager::{Manager, manager_addresses};

pub(crate) struct Authority(pub(crate) Manager);

#[tonic::async_trait]
impl Service for Authority {
    async fn get_roots(
        &self,
        _: Request<GetRootsRequest>,
    ) -> Result<Response<GetRootsReply>, Status> {
        let view = self.0.replica().view();
        let roots_pem = view.cluster().map_or_else(
            || self.0.tls().bundle().pem().to_owned(),
            |cluster| cluster.root.bundle_pem.clone(),
        );
        Ok(Response::new(GetRootsReply { roots_pem }))
    }

    async fn issue(&self, request: Request<IssueRequest>) -> Result<Response<IssueReply>, Status> {
        let caller = caller(&request)?;
        let request_id = request_id(&request)?;
        let address = caller.address.clone().unwrap_or_default();
        let node_id = caller.node.map(|(id, _)| id);
        let asked = request.into_inner();
        let mut reply = IssueReply::default();
        let now = Timestamp::now();
        self.0
            .change(&request_id, |view| {
                let cluster = view
                    .cluster()
                    .ok_or_else(|| Status::unavailable("this manager has not caught up yet"))?;
                let (mut node, new) = match &node_id {
                    Some(id) => (known(view, id)?, false),
                    None => admitted(view, cluster, &asked, &address)?,
                };
                let role = held_role(&node);
                let issued = issue_for(cluster, &asked.request_pem, &node.id, role, now)?;
                node.certificate = issued.certificate;
                reply = IssueReply {
                    node_id: node.id.clone(),
                    role: role.into(),
                    chain_pem: issued.chain_pem,
                    roots_pem: cluster.root.bundle_pem.clone(),
                    manager_addresses: manager_addresses(&self.0.status()),
                };
                Ok(vec![if new {
                    Change::create(node)
                } else {
                    Change::update(node)
                }])
            })
            .await?;
        if reply.node_id.is_empty() {
            return Err(Status::aborted(
                "this request was answered before; ask anew",
            ));
        }
        self.0.sessions().expect(&reply.node_id, Instant::now());
        Ok(Response::new(reply))
    }
}

fn known(view: &View, id: &str) -> Result<Node, Status> {
    let node = view.nodes().get(id).ok_or_else(|| {
        Status::unauthenticated(format!("node {id} was removed from the cluster"))
    })?;
    Ok(Node::clone(node))
}

/// The node that a joiner becomes. Its id follows from its key: a request that is repeated makes no second node.
fn admitted(
    view: &View,
    cluster: &Cluster,
    asked: &IssueRequest,
    address: &str,
) -> Result<(Node, bool), Status> {
    let token: JoinToken = asked.token.parse().map_err(failure::identity)?;
    let matches = |stored: &str| {
        stored
            .parse::<JoinToken>()
            .is_ok_and(|stored| stored.same_secret(&token))
    };
    let role = match (
        matches(&cluster.tokens.manager),
        matches(&cluster.tokens.worker),
    ) {
        (true, _) => NodeRole::Manager,
        (_, true) => NodeRole::Worker,
        _ => {
            let hint = "it may have been rotated: print the one that counts with `minictl cluster join-token worker` (or manager) on a manager";
            return Err(Status::permission_denied(format!(
                "the join token is not valid any more; {hint}"
            )));
        }
    };
    let digest = Sha256::digest(asked.request_pem.as_bytes());
    let id = id_of(&digest);
    if let Some(node) = view.nodes().get(&id) {
        return Ok((Node::clone(node), false));
    }
    let spec = NodeSpec {
        role: role.into(),
        availability: asked.availability,
        ..NodeSpec::default()
    };
    let description = asked.description.clone().unwrap_or_default();
    let status = NodeStatus {
        state: NodeState::Unknown.into(),
        message: "it has not registered yet".to_owned(),
        address: address.to_owned(),
    };
    Ok((
        Node {
            id,
            spec,
            description,
            status,
            ..Node::default()
        },
        true,
    ))
}

/// An id of 25 characters from a digest.
fn id_of(digest: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    digest
        .iter()
        .take(25)
        .map(|byte| char::from(DIGITS[usize::from(byte % 32)]))
        .collect()
}

/// A certificate that was issued.
pub(crate) struct Issued {
    /// What the node shows, PEM.
    pub(crate) chain_pem: String,
    /// What the cluster remembers of it.
    pub(crate) certificate: Certificate,
}

/// Issues a certificate as the cluster's settings want it.
pub(crate) fn issue_for(
    cluster: &Cluster,
    request_pem: &str,
    node_id: &str,
    role: NodeRole,
    now: Timestamp,
) -> Result<Issued, Status> {
    let root = RootCa::from_pem(&cluster.root.certificate_pem, &cluster.root.key_pem)
        .map_err(failure::identity)?;
    let life = SignedDuration::from_secs(
        i64::try_from(cluster.spec.certificate_life_s).unwrap_or(i64::MAX / 4),
    );
    let vouched = match role {
        NodeRole::Worker => Role::Worker,
        NodeRole::Manager => Role::Manager,
    };
    let leaf = root
        .issue(
            request_pem,
            node_id,
            vouched,
            &cluster.id,
            Validity::from(now, life),
        )
        .map_err(failure::identity)?;
    let der = CertificateDer::from_pem_slice(leaf.as_bytes())
        .map_err(|error| Status::internal(error.to_string()))?;
    let seen = peer(&der).map_err(failure::identity)?;
    let crossed = cluster
        .root
        .rotation
        .as_ref()
        .map_or("", |rotation| rotation.cross_signed_pem.as_str());
    let issuer = TrustBundle::from_pem(&cluster.root.certificate_pem)
        .map_err(failure::identity)?
        .fingerprints()
        .remove(0);
    Ok(Issued {
        chain_pem: format!("{leaf}{crossed}"),
        certificate: Certificate {
            serial: seen.serial,
            role: role.into(),
            not_before_ms: seen.not_before.as_millisecond(),
            not_after_ms: seen.not_after.as_millisecond(),
            issuer,
        },
    })
}
