//! What people ask of the cluster as a whole.

use std::time::Duration;

use api::v1::{
    ClusterView, DescribeRequest, JoinTokensReply, ManagerStatus, StatusReply, UnlockKeyReply,
    UpdateClusterRequest,
};
use identity::{JoinToken, RootCa, TrustBundle, UnlockKey};
use ipnet::IpNet;
use jiff::Timestamp;
use model::{Cluster, ClusterSpec, NodeRole, RootRotation};
use store::{Change, View};
use tonic::Status;

use crate::clock::now_ms;
use crate::failure;
use crate::manager::{Manager, manager_addresses, timings};

/// How long a manager may take to describe itself.
const DESCRIBE: Duration = Duration::from_millis(700);
/// The shortest life of a certificate, in seconds: nodes renew at half of it.
const SHORTEST_LIFE_S: u64 = 10;

pub(crate) async fn get(manager: &Manager) -> Result<ClusterView, Status> {
    let view = manager.read().await?;
    show(&view)
}

pub(crate) async fn update(
    manager: &Manager,
    request_id: &str,
    asked: UpdateClusterRequest,
) -> Result<ClusterView, Status> {
    if let Some(spec) = &asked.spec {
        check_spec(spec)?;
    }
    manager
        .change(request_id, |view| {
            let known = cluster(view)?;
            let mut cluster = Cluster::clone(known);
            if asked.version != 0 && cluster.meta.version != asked.version {
                return Err(Status::aborted("the cluster was changed meanwhile; look at it and try again"));
            }
            if let Some(spec) = &asked.spec {
                cluster.spec = spec.clone();
            }
            if !cluster.spec.autolock {
                if asked.rotate_unlock_key {
                    return Err(Status::failed_precondition(
                        "the cluster is not locked: there is no key to rotate; lock it with `minictl cluster update --autolock=true`",
                    ));
                }
                cluster.unlock_key.clear();
            } else if cluster.unlock_key.is_empty() || asked.rotate_unlock_key {
                cluster.unlock_key = UnlockKey::generate().to_string();
            }
            Ok(if cluster == **known { Vec::new() } else { vec![Change::update(cluster)] })
        })
        .await?;
    show(&manager.replica().view())
}

pub(crate) async fn tokens(manager: &Manager) -> Result<JoinTokensReply, Status> {
    let view = manager.read().await?;
    let tokens = cluster(&view)?.tokens.clone();
    Ok(JoinTokensReply {
        tokens: Some(tokens),
        manager_addresses: manager_addresses(&manager.status()),
    })
}

pub(crate) async fn rotate_token(
    manager: &Manager,
    request_id: &str,
    role: NodeRole,
) -> Result<JoinTokensReply, Status> {
    manager
        .change(request_id, |view| {
            let mut cluster = Cluster::clone(cluster(view)?);
            let digest = TrustBundle::from_pem(&cluster.root.bundle_pem)
                .map_err(failure::identity)?
                .digest();
            let token = JoinToken::generate(digest).to_string();
            match role {
                NodeRole::Worker => cluster.tokens.worker = token,
                NodeRole::Manager => cluster.tokens.manager = token,
            }
            Ok(vec![Change::update(cluster)])
        })
        .await?;
    tokens(manager).await
}

pub(crate) async fn unlock_key(manager: &Manager) -> Result<UnlockKeyReply, Status> {
    let view = manager.read().await?;
    Ok(UnlockKeyReply {
        key: cluster(&view)?.unlock_key.clone(),
    })
}

/// Begins to replace the root: both are trusted until every node has a certificate of the new one (see `leader/root.rs`).
pub(crate) async fn rotate_root(
    manager: &Manager,
    request_id: &str,
) -> Result<ClusterView, Status> {
    manager
        .change(request_id, |view| {
            let mut cluster = Cluster::clone(cluster(view)?);
            if cluster.root.rotation.is_some() {
                return Err(Status::failed_precondition(
                    "the root is being rotated already; see `minictl cluster ca`",
                ));
            }
            let old = RootCa::from_pem(&cluster.root.certificate_pem, &cluster.root.key_pem)
                .map_err(failure::identity)?;
            let new = RootCa::generate(&cluster.id, Timestamp::now()).map_err(failure::identity)?;
            let cross_signed_pem = old
                .cross_sign(&new, &cluster.id)
                .map_err(failure::identity)?;
            let bundle = TrustBundle::from_pem(&cluster.root.bundle_pem)
                .and_then(|bundle| bundle.with(new.certificate_pem()));
            cluster.root.rotation = Some(RootRotation {
                old_fingerprint: old.fingerprint(),
                cross_signed_pem,
                started_ms: now_ms(),
            });
            cluster.root.certificate_pem = new.certificate_pem().to_owned();
            cluster.root.key_pem = new.key_pem();
            trust(&mut cluster, &bundle.map_err(failure::identity)?)?;
            Ok(vec![Change::update(cluster)])
        })
        .await?;
    show(&manager.replica().view())
}

/// Trusts these roots from now on: join tokens carry their digest.
pub(crate) fn trust(cluster: &mut Cluster, bundle: &TrustBundle) -> Result<(), Status> {
    cluster.root.bundle_pem = bundle.pem().to_owned();
    for token in [&mut cluster.tokens.worker, &mut cluster.tokens.manager] {
        *token = token
            .parse::<JoinToken>()
            .map_err(failure::identity)?
            .with_digest(bundle.digest())
            .to_string();
    }
    Ok(())
}

/// The group as this manager sees it, whether anybody leads or not.
pub(crate) async fn status(manager: &Manager) -> StatusReply {
    let status = manager.status();
    let view = manager.replica().view();
    let asking = status.members.iter().map(|member| {
        let client = manager.peers().raft(&member.member);
        async move {
            let asked = async { client.ok()?.describe(DescribeRequest {}).await.ok() };
            tokio::time::timeout(DESCRIBE, asked)
                .await
                .ok()
                .flatten()
                .map(tonic::Response::into_inner)
        }
    });
    let answers = futures_util::future::join_all(asking).await;
    let managers = status.members.iter().zip(answers).map(|(member, answer)| {
        let node = view.nodes().get(&member.member.node_id);
        let (reachable, described) = (answer.is_some(), answer.unwrap_or_default());
        ManagerStatus {
            node_id: member.member.node_id.clone(),
            hostname: node
                .map(|node| node.description.hostname.clone())
                .unwrap_or_default(),
            address: member.member.address.clone(),
            raft_id: member.id,
            voter: member.voter,
            leader: reachable && status.leadership.leader == Some(member.id),
            reachable,
            term: described.term,
            last_index: described.last_index,
            committed: described.committed,
            applied: described.applied,
            snapshot: described.snapshot,
            version: described.version,
        }
    });
    let managers: Vec<ManagerStatus> = managers.collect();
    let leader = managers.iter().find(|manager| manager.leader);
    StatusReply {
        cluster_id: manager.cluster_id().to_owned(),
        term: status.leadership.term,
        leader_node_id: leader.map_or_else(String::new, |leader| leader.node_id.clone()),
        managers,
        quorum: u32::try_from(status.quorum()).unwrap_or(u32::MAX),
        tolerance: u32::try_from(status.tolerance()).unwrap_or(u32::MAX),
    }
}

/// The cluster without its secrets.
pub(crate) fn show(view: &View) -> Result<ClusterView, Status> {
    let cluster = cluster(view)?;
    let count = |role: Option<NodeRole>| {
        let nodes = view
            .nodes()
            .iter()
            .filter(|node| role.is_none_or(|role| node.spec.role() == role));
        u32::try_from(nodes.count()).unwrap_or(u32::MAX)
    };
    Ok(ClusterView {
        id: cluster.id.clone(),
        meta: Some(cluster.meta),
        spec: Some(cluster.spec.clone()),
        roots_pem: cluster.root.bundle_pem.clone(),
        rotating_root: cluster.root.rotation.is_some(),
        feature_level: cluster.feature_level,
        managers: count(Some(NodeRole::Manager)),
        nodes: count(None),
    })
}

fn cluster(view: &View) -> Result<&std::sync::Arc<Cluster>, Status> {
    view.cluster()
        .ok_or_else(|| Status::unavailable("this manager has not caught up yet"))
}

/// Refuses settings that could not work, naming the one that is wrong: INVALID_ARGUMENT.
pub fn check_spec(spec: &ClusterSpec) -> Result<(), Status> {
    let wrong = |reason: String| Err(Status::invalid_argument(reason));
    if spec.certificate_life_s < SHORTEST_LIFE_S {
        return wrong(format!(
            "certificates of {} s are too short-lived: the least is {SHORTEST_LIFE_S} s",
            spec.certificate_life_s
        ));
    }
    if spec.node_heartbeat_ms < 100 {
        return wrong(format!(
            "a node's heartbeat of {} ms is too short: the least is 100 ms",
            spec.node_heartbeat_ms
        ));
    }
    timings(spec)
        .check()
        .or_else(|error| wrong(error.to_string()))?;
    let mut pools: Vec<IpNet> = Vec::new();
    for pool in &spec.address_pools {
        let Ok(net) = pool.parse::<IpNet>() else {
            return wrong(format!(
                "`{pool}` is no address pool: write it like 10.10.0.0/16"
            ));
        };
        if let Some(other) = pools
            .iter()
            .find(|other| other.contains(&net) || net.contains(*other))
        {
            return wrong(format!("the address pools {other} and {net} overlap"));
        }
        if spec.subnet_length < u32::from(net.prefix_len())
            || spec.subnet_length > u32::from(net.max_prefix_len())
        {
            return wrong(format!(
                "a subnet of length {} does not fit the address pool {net}",
                spec.subnet_length
            ));
        }
        pools.push(net);
    }
    Ok(())
}
