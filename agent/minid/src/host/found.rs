//! A cluster that begins on this host: a new one, what is left of an old one, or one from a backup.

use api::v1::*;
use identity::{
    Credential, DataKey, Identity, JoinToken, NodeKey, Role, RootCa, TrustBundle, UnlockKey,
    Validity, new_id,
};
use jiff::{SignedDuration, Timestamp};
use model::{
    Certificate, Cluster, ClusterSpec, JoinTokens, ManagerMember, Node, NodeRole, NodeSpec,
    NodeState as Seen, NodeStatus,
};
use server::backup::{self, Founder};
use store::Change;
use tonic::Status;

use super::{Host, internal};
use crate::cluster::{Phase, draw_raft_id, place};
use crate::description::describe;
use crate::files::NodeState;

impl Host {
    pub(super) async fn make_cluster(&self, asked: InitRequest) -> Result<InitReply, Status> {
        let _changing = self.0.change().await;
        if asked.force_new_cluster {
            return self.force_cluster(&asked).await;
        }
        self.must_be_inactive()?;
        let (listen, advertise) = place(
            self.0.options(),
            &asked.listen_address,
            &asked.advertise_address,
        )?;
        let spec = asked.spec.clone().unwrap_or_else(ClusterSpec::standard);
        server::check_spec(&spec)?;
        let founded = Founding::new(spec)?;
        let mut node = self.first_node(&founded.cluster, asked.availability)?;
        let raft_id = draw_raft_id();
        node.0.member = Some(ManagerMember {
            raft_id,
            address: advertise.clone(),
        });
        let state = NodeState {
            raft_id: Some(raft_id),
            advertise: advertise.clone(),
            listen: listen.to_string(),
            managers: vec![advertise.clone()],
            issuer: founded.fingerprint.clone(),
            heartbeat_ms: founded.cluster.spec.heartbeat_ms,
            election_ms: founded.cluster.spec.election_ms,
            ..NodeState::default()
        };
        let identity = Identity {
            credential: node.1,
            data_key: DataKey::generate(),
        };
        let member = self
            .install(identity, &founded.cluster.unlock_key, &state)
            .await?;
        let objects = vec![
            Change::create(founded.cluster.clone()),
            Change::create(node.0.clone()),
        ];
        let manager = member
            .manager()
            .ok_or_else(|| Status::internal("the manager did not start"))?;
        if let Err(status) = manager.found(objects).await {
            self.0.forget().await.map_err(Status::internal)?;
            return Err(status);
        }
        Ok(reply(&founded.cluster, &node.0.id, advertise))
    }

    pub(super) async fn force_cluster(&self, asked: &InitRequest) -> Result<InitReply, Status> {
        let known = match self.0.phase() {
            Phase::Member(member) => Ok(member),
            Phase::Inactive => Err("this node belongs to no cluster: a cluster can be forced anew on one of its managers alone".to_owned()),
            Phase::Locked(_) => Err("this manager is locked: unlock it first with `minictl cluster unlock`".to_owned()),
            Phase::Failed(reason) => Err(format!("this node cannot take part in its cluster, so none can be forced anew here: {reason}")),
        };
        let member = known.map_err(Status::failed_precondition)?;
        if member.state().raft_id.is_none() {
            return Err(Status::failed_precondition(
                "this node is a worker: a cluster can be forced anew on one of its managers alone",
            ));
        }
        if !asked.advertise_address.is_empty() || !asked.listen_address.is_empty() {
            let (listen, advertise) = place(
                self.0.options(),
                &asked.listen_address,
                &asked.advertise_address,
            )?;
            member
                .change_state(|state| {
                    (state.listen, state.advertise) = (listen.to_string(), advertise)
                })
                .map_err(Status::internal)?;
        }
        self.0.stop_manager(&member).await;
        self.0
            .force(&member, draw_raft_id())
            .await
            .map_err(Status::failed_precondition)?;
        let manager = self.0.manager()?;
        let view = manager.replica().view();
        let cluster = view
            .cluster()
            .ok_or_else(|| Status::internal("the cluster is gone"))?;
        Ok(reply(cluster, manager.node_id(), member.state().advertise))
    }

    pub(super) async fn restore_cluster(
        &self,
        asked: InitRequest,
        data: Vec<u8>,
    ) -> Result<InitReply, Status> {
        let _changing = self.0.change().await;
        self.must_be_inactive()?;
        let (listen, advertise) = place(
            self.0.options(),
            &asked.listen_address,
            &asked.advertise_address,
        )?;
        let restored = backup::read(&data.into())
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let cluster = restored
            .cluster()
            .cloned()
            .ok_or_else(|| Status::invalid_argument("the backup holds no cluster"))?;
        let (node, credential) = self.first_node(&cluster, asked.availability)?;
        let raft_id = draw_raft_id();
        let founder = Founder {
            node_id: node.id.clone(),
            raft_id,
            advertise: advertise.clone(),
        };
        let identity = Identity {
            credential,
            data_key: DataKey::generate(),
        };
        let files = self.0.files();
        files.prepare().map_err(Status::internal)?;
        let planted = backup::plant(
            &files.raft(),
            identity.data_key.clone(),
            &cluster.id,
            &founder,
            restored,
        )
        .await;
        if let Err(error) = planted {
            self.0.forget().await.map_err(Status::internal)?;
            return Err(Status::failed_precondition(error.to_string()));
        }
        let state = NodeState {
            raft_id: Some(raft_id),
            advertise: advertise.clone(),
            listen: listen.to_string(),
            managers: vec![advertise.clone()],
            issuer: node.certificate.issuer.clone(),
            heartbeat_ms: cluster.spec.heartbeat_ms,
            election_ms: cluster.spec.election_ms,
            ..NodeState::default()
        };
        let member = self.install(identity, &cluster.unlock_key, &state).await?;
        let manager = member
            .manager()
            .ok_or_else(|| Status::internal("the manager did not start"))?;
        let taken_in = async {
            backup::admit(&manager, node.clone()).await?;
            backup::settle(&manager, &founder, &node.description).await
        };
        if let Err(status) = taken_in.await {
            self.0.forget().await.map_err(Status::internal)?;
            return Err(status);
        }
        Ok(reply(&cluster, &node.id, advertise))
    }

    /// This host as the first manager of a cluster.
    fn first_node(
        &self,
        cluster: &Cluster,
        availability: i32,
    ) -> Result<(Node, Credential), Status> {
        let root = RootCa::from_pem(&cluster.root.certificate_pem, &cluster.root.key_pem)
            .map_err(internal)?;
        let bundle = TrustBundle::from_pem(&cluster.root.bundle_pem).map_err(internal)?;
        let (id, key) = (new_id(), NodeKey::generate().map_err(internal)?);
        let life = SignedDuration::from_secs(
            i64::try_from(cluster.spec.certificate_life_s).unwrap_or(i64::MAX / 4),
        );
        let validity = Validity::from(Timestamp::now(), life);
        let leaf = root
            .issue(
                &key.request_pem().map_err(internal)?,
                &id,
                Role::Manager,
                &cluster.id,
                validity,
            )
            .map_err(internal)?;
        let credential = Credential {
            key_pem: key.pem(),
            chain_pem: leaf,
            bundle,
        };
        let seen = credential.peer().map_err(internal)?;
        let node = Node {
            id,
            spec: NodeSpec {
                role: NodeRole::Manager.into(),
                availability,
                ..NodeSpec::default()
            },
            description: describe(self.0.options()),
            status: NodeStatus {
                state: Seen::Unknown.into(),
                ..NodeStatus::default()
            },
            certificate: Certificate {
                serial: seen.serial,
                role: NodeRole::Manager.into(),
                not_before_ms: seen.not_before.as_millisecond(),
                not_after_ms: seen.not_after.as_millisecond(),
                issuer: root.fingerprint(),
            },
            ..Node::default()
        };
        Ok((node, credential))
    }
}

/// A cluster that is about to be.
struct Founding {
    cluster: Cluster,
    fingerprint: String,
}

impl Founding {
    fn new(spec: ClusterSpec) -> Result<Self, Status> {
        let id = new_id();
        let root = RootCa::generate(&id, Timestamp::now()).map_err(internal)?;
        let bundle = TrustBundle::from_pem(root.certificate_pem()).map_err(internal)?;
        let token = || JoinToken::generate(bundle.digest()).to_string();
        let unlock_key = if spec.autolock {
            UnlockKey::generate().to_string()
        } else {
            String::new()
        };
        let cluster = Cluster {
            id,
            spec,
            root: model::RootCa {
                certificate_pem: root.certificate_pem().to_owned(),
                key_pem: root.key_pem(),
                bundle_pem: bundle.pem().to_owned(),
                ..model::RootCa::default()
            },
            tokens: JoinTokens {
                worker: token(),
                manager: token(),
            },
            unlock_key,
            feature_level: model::FEATURE_LEVEL,
            ..Cluster::default()
        };
        Ok(Founding {
            cluster,
            fingerprint: root.fingerprint(),
        })
    }
}

fn reply(cluster: &Cluster, node_id: &str, address: String) -> InitReply {
    InitReply {
        node_id: node_id.to_owned(),
        worker_token: cluster.tokens.worker.clone(),
        manager_token: cluster.tokens.manager.clone(),
        address,
        unlock_key: cluster.unlock_key.clone(),
    }
}
