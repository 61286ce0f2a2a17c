//! The end of a rotation of the root, certificates that need no revocation any more, and the feature level.

use identity::TrustBundle;
use model::{Cluster, Node, NodeRole, NodeState};
use store::{Change, View};
use tonic::Status;

use crate::clock::now_ms;
use crate::failure;
use crate::manager::Manager;
use crate::services::trust;

/// Stops trusting the old root when every node that is waited for has a certificate of the new one.
pub(super) async fn finish(manager: &Manager) -> Result<(), Status> {
    let done = |view: &View| {
        let Some(known) = view.cluster() else {
            return Ok(Vec::new());
        };
        let mut cluster = Cluster::clone(known);
        let now = now_ms();
        cluster.revoked.retain(|revoked| revoked.until_ms > now);
        if cluster.root.rotation.is_some() {
            let bundle =
                TrustBundle::from_pem(&cluster.root.certificate_pem).map_err(failure::identity)?;
            let issuer = bundle.fingerprints().remove(0);
            if view
                .nodes()
                .iter()
                .all(|node| !is_awaited(node) || node.certificate.issuer == issuer)
            {
                cluster.root.rotation = None;
                cluster.root.rotations += 1;
                trust(&mut cluster, &bundle)?;
            }
        }
        Ok(if cluster == **known {
            Vec::new()
        } else {
            vec![Change::update(cluster)]
        })
    };
    if done(&manager.replica().view())?.is_empty() {
        return Ok(());
    }
    manager.change("", done).await.map(|_| ())
}

/// Whether the old root is trusted until this node has a certificate of the new one. A worker that is down is not waited for: an
/// operator lets it join anew. A manager always is: a group that could not believe it would lose its vote.
fn is_awaited(node: &Node) -> bool {
    node.status.state() != NodeState::Down
        || node.member.is_some()
        || node.spec.role() == NodeRole::Manager
}

/// Raises the feature level to what every manager understands.
pub(super) async fn level(manager: &Manager) -> Result<(), Status> {
    let raised = |view: &View| {
        let Some(known) = view.cluster() else {
            return Ok(Vec::new());
        };
        let managers = view
            .nodes()
            .iter()
            .filter(|node| node.spec.role() == NodeRole::Manager);
        let common = managers
            .map(|node| node.description.feature_level)
            .min()
            .unwrap_or(0);
        if common <= known.feature_level {
            return Ok(Vec::new());
        }
        let mut cluster = Cluster::clone(known);
        cluster.feature_level = common.min(model::FEATURE_LEVEL);
        Ok(if cluster == **known {
            Vec::new()
        } else {
            vec![Change::update(cluster)]
        })
    };
    if raised(&manager.replica().view())?.is_empty() {
        return Ok(());
    }
    manager.change("", raised).await.map(|_| ())
}
