//! The end of a rotation of the root, certificates that need no revocation any more, and the feature level.

use identity::TrustBundle;
use model::{Cluster, NodeRole, NodeState};
use store::{Change, View};
use tonic::Status;

use crate::clock::now_ms;
use crate::failure;
use crate::manager::Manager;
use crate::services::trust;

/// Stops trusting the old root when every node that is there has a certificate of the new one.
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
            // A node that is down keeps its old certificate; it is let in again by an operator who lets it join anew.
            let renewed = view
                .nodes()
                .iter()
                .filter(|node| node.status.state() == NodeState::Ready)
                .all(|node| node.certificate.issuer == issuer);
            if renewed {
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
