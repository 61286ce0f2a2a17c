//! What a person asks of this host.

use api::v1::dispatcher_client::DispatcherClient;
use api::v1::host_reply::State;
use api::v1::host_server::Host as Service;
use api::v1::membership_client::MembershipClient;
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
use std::time::Duration;
use store::Change;
use tonic::{Request, Response, Status, Streaming};

use crate::cluster::{Daemon, Member, Phase, draw_raft_id, place};
use crate::description::{describe, hostname};
use crate::files::NodeState;
use crate::session::{channel, take_place};
use crate::{addresses, join};

/// How long a node that leaves waits for its managers to note it.
const FAREWELL: Duration = Duration::from_secs(5);
/// Largest backup that is taken in.
const LARGEST_BACKUP: usize = 1 << 30;

pub(crate) struct Host(pub(crate) Daemon);

type Answer<T> = Result<Response<T>, Status>;

fn internal(error: impl std::fmt::Display) -> Status {
    Status::internal(error.to_string())
}

#[tonic::async_trait]
impl Service for Host {
    async fn get_host(&self, _: Request<GetHostRequest>) -> Answer<HostReply> {
        Ok(Response::new(self.describe()))
    }

    async fn init(&self, request: Request<InitRequest>) -> Answer<InitReply> {
        let daemon = self.0.clone();
        // A person who goes away must not leave a cluster that is half made.
        tokio::spawn(async move { Host(daemon).make_cluster(request.into_inner()).await })
            .await
            .map_err(internal)?
            .map(Response::new)
    }

    async fn join(&self, request: Request<JoinRequest>) -> Answer<JoinReply> {
        let daemon = self.0.clone();
        tokio::spawn(async move { Host(daemon).join_cluster(request.into_inner()).await })
            .await
            .map_err(internal)?
            .map(Response::new)
    }

    async fn leave(&self, request: Request<LeaveRequest>) -> Answer<LeaveReply> {
        let (daemon, force) = (self.0.clone(), request.get_ref().force);
        tokio::spawn(async move { Host(daemon).leave_cluster(force).await })
            .await
            .map_err(internal)??;
        Ok(Response::new(LeaveReply {}))
    }

    async fn unlock(&self, request: Request<UnlockRequest>) -> Answer<UnlockReply> {
        let _changing = self.0.change().await;
        let Phase::Locked(locked) = self.0.phase() else {
            return Err(Status::failed_precondition("this node is not locked"));
        };
        let key: UnlockKey =
            request
                .get_ref()
                .key
                .parse()
                .map_err(|error: identity::IdentityError| {
                    Status::invalid_argument(error.to_string())
                })?;
        let identity = locked
            .unlock(&key)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        match self.0.take_up(identity, Some(key)).await {
            Phase::Failed(reason) => Err(Status::failed_precondition(reason)),
            phase => {
                self.0.set(phase);
                Ok(Response::new(UnlockReply {}))
            }
        }
    }

    async fn restore(&self, request: Request<Streaming<RestoreRequest>>) -> Answer<InitReply> {
        let mut messages = request.into_inner();
        let mut asked = None;
        let mut data = Vec::new();
        while let Some(message) = messages.message().await? {
            asked = asked.or(message.init);
            if data.len() + message.data.len() > LARGEST_BACKUP {
                return Err(Status::invalid_argument(format!(
                    "the backup is larger than {LARGEST_BACKUP} bytes"
                )));
            }
            data.extend_from_slice(&message.data);
        }
        let (daemon, asked) = (self.0.clone(), asked.unwrap_or_default());
        tokio::spawn(async move { Host(daemon).restore_cluster(asked, data).await })
            .await
            .map_err(internal)?
            .map(Response::new)
    }
}

impl Host {
    fn describe(&self) -> HostReply {
        let options = self.0.options();
        let mut reply = HostReply {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: hostname(options),
            ..HostReply::default()
        };
        let known = match self.0.phase() {
            Phase::Inactive => return reply,
            Phase::Failed(reason) => {
                reply.set_state(State::Error);
                reply.error = reason;
                return reply;
            }
            Phase::Locked(locked) => {
                reply.set_state(State::Locked);
                locked.peer()
            }
            Phase::Member(member) => {
                self.describe_member(&member, &mut reply);
                Ok(member.peer())
            }
        };
        if let Ok(peer) = known {
            reply.set_role(if peer.role == Role::Manager {
                NodeRole::Manager
            } else {
                NodeRole::Worker
            });
            reply.certificate_not_after_ms = peer.not_after.as_millisecond();
            (reply.node_id, reply.cluster_id) = (peer.node_id, peer.cluster_id);
        }
        reply
    }

    fn describe_member(&self, member: &Member, reply: &mut HostReply) {
        let state = member.state();
        (reply.advertise_address, reply.manager_addresses) = (state.advertise, state.managers);
        reply.error = member.trouble();
        let mut settled = reply.error.is_empty();
        if let Some(manager) = member.manager() {
            let status = manager.status();
            reply.leader = status.leadership.is_self;
            let view = manager.replica().view();
            let count = |managers: bool| {
                view.nodes()
                    .iter()
                    .filter(|node| !managers || node.spec.role() == NodeRole::Manager)
                    .count()
            };
            reply.managers = u32::try_from(count(true)).unwrap_or(u32::MAX);
            reply.nodes = u32::try_from(count(false)).unwrap_or(u32::MAX);
            settled |= status.leadership.leader.is_some();
        }
        reply.set_state(if settled {
            State::Active
        } else {
            State::Pending
        });
    }

    /// Refuses unless this host belongs to no cluster.
    fn must_be_inactive(&self) -> Result<(), Status> {
        let of = match self.0.phase() {
            Phase::Inactive => return Ok(()),
            Phase::Member(member) => format!("the cluster {}", member.peer().cluster_id),
            Phase::Locked(_) | Phase::Failed(_) => "a cluster".to_owned(),
        };
        Err(Status::failed_precondition(format!(
            "this node belongs to {of} already: leave it first with `minictl cluster leave`"
        )))
    }

    async fn make_cluster(&self, asked: InitRequest) -> Result<InitReply, Status> {
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

    /// Puts an identity and a place on disk, and takes them up. Nothing is left when that fails.
    async fn install(
        &self,
        identity: Identity,
        unlock_key: &str,
        state: &NodeState,
    ) -> Result<Member, Status> {
        let lock: Option<UnlockKey> = Some(unlock_key)
            .filter(|key| !key.is_empty())
            .map(str::parse)
            .transpose()
            .map_err(internal)?;
        let files = self.0.files();
        files.prepare().map_err(Status::internal)?;
        let written = files.save(state).and_then(|()| {
            files
                .vault()
                .save(&identity, lock.as_ref())
                .map_err(|error| error.to_string())
        });
        let phase = match written {
            Ok(()) => self.0.take_up(identity, lock).await,
            Err(reason) => Phase::Failed(reason),
        };
        match phase {
            Phase::Member(member) => {
                self.0.set(Phase::Member(member.clone()));
                Ok(member)
            }
            Phase::Failed(reason) => {
                self.0.forget().await.map_err(Status::internal)?;
                Err(Status::failed_precondition(reason))
            }
            Phase::Inactive | Phase::Locked(_) => {
                Err(Status::internal("a node is either taken up or not"))
            }
        }
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
                not_after_ms: seen.not_after.as_millisecond(),
                issuer: root.fingerprint(),
            },
            ..Node::default()
        };
        Ok((node, credential))
    }

    async fn force_cluster(&self, asked: &InitRequest) -> Result<InitReply, Status> {
        let Phase::Member(member) = self.0.phase() else {
            return Err(Status::failed_precondition(
                "this node is no manager: a cluster can be forced anew on one of its managers alone",
            ));
        };
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

    async fn join_cluster(&self, asked: JoinRequest) -> Result<JoinReply, Status> {
        let _changing = self.0.change().await;
        self.must_be_inactive()?;
        if asked.manager_addresses.is_empty() {
            return Err(Status::invalid_argument(
                "no manager was named: give the address that `minictl cluster join-token` prints",
            ));
        }
        let addresses = asked
            .manager_addresses
            .iter()
            .map(|address| addresses::remote(address))
            .collect::<Result<Vec<_>, _>>();
        let addresses = addresses.map_err(Status::invalid_argument)?;
        let explicit = !asked.advertise_address.is_empty() || !asked.listen_address.is_empty();
        // Where it is reached matters to a manager alone; a worker's address is seen by the managers.
        let chosen = place(
            self.0.options(),
            &asked.listen_address,
            &asked.advertise_address,
        );
        let chosen = if explicit { Some(chosen?) } else { chosen.ok() };
        let admitted = join::ask(
            &asked.token,
            &addresses,
            &describe(self.0.options()),
            asked.availability,
        )
        .await?;
        let reply = admitted.reply;
        let (listen, advertise) = match chosen {
            Some((listen, advertise)) => (listen.to_string(), advertise),
            None if reply.role() == NodeRole::Manager => {
                let (listen, advertise) = place(
                    self.0.options(),
                    &asked.listen_address,
                    &asked.advertise_address,
                )?;
                (listen.to_string(), advertise)
            }
            None => (String::new(), String::new()),
        };
        let mut managers = reply.manager_addresses.clone();
        managers.extend(
            addresses
                .into_iter()
                .filter(|address| !reply.manager_addresses.contains(address)),
        );
        let state = NodeState {
            advertise,
            listen,
            managers: managers.clone(),
            ..NodeState::default()
        };
        let identity = Identity {
            credential: admitted.credential,
            data_key: DataKey::generate(),
        };
        let member = self.install(identity, "", &state).await?;
        let mut voters = 0;
        if reply.role() == NodeRole::Manager {
            if let Err(status) = take_place(&self.0, &member, &managers).await {
                farewell(&member).await;
                self.0.forget().await.map_err(Status::internal)?;
                return Err(status);
            }
            voters = member
                .manager()
                .map_or(0, |manager| manager.status().voters());
        }
        Ok(JoinReply {
            node_id: reply.node_id,
            role: reply.role,
            managers: u32::try_from(voters).unwrap_or(u32::MAX),
        })
    }

    async fn leave_cluster(&self, force: bool) -> Result<(), Status> {
        let _changing = self.0.change().await;
        match self.0.phase() {
            Phase::Inactive => {
                return Err(Status::failed_precondition(
                    "this node belongs to no cluster",
                ));
            }
            Phase::Member(member) if member.manager().is_some() => {
                if !force {
                    return Err(Status::failed_precondition(
                        self.what_leaving_costs(&member),
                    ));
                }
                give_up_place(&member).await;
                farewell(&member).await;
            }
            Phase::Member(member) => farewell(&member).await,
            Phase::Locked(_) | Phase::Failed(_) if !force => {
                return Err(Status::failed_precondition(
                    "this node cannot tell its managers that it leaves: with --force it only forgets the cluster",
                ));
            }
            Phase::Locked(_) | Phase::Failed(_) => {}
        }
        self.0.forget().await.map_err(Status::internal)
    }

    fn what_leaving_costs(&self, member: &Member) -> String {
        let name = hostname(self.0.options());
        let voters = member
            .manager()
            .map_or(0, |manager| manager.status().voters());
        let cost = match voters {
            0 | 1 => {
                "it is the last one: the cluster and everything it knows would be gone".to_owned()
            }
            _ => format!("{} of {voters} managers would be left", voters - 1),
        };
        format!(
            "this node is a manager, and {cost}; demote it first (`minictl node demote {name}`), or leave with --force"
        )
    }

    async fn restore_cluster(
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
        backup::admit(&manager, node.clone()).await?;
        backup::settle(&manager, &founder, &node.description).await?;
        Ok(reply(&cluster, &node.id, advertise))
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

/// Gives up the place in the group, if others can go on; whoever leaves by force leaves even if nobody hears it.
async fn give_up_place(member: &Member) {
    let Some(manager) = member.manager() else {
        return;
    };
    if manager.status().voters() < 2 {
        return;
    }
    manager.hand_over(FAREWELL).await;
    for address in server::manager_addresses(&manager.status()) {
        if address == member.state().advertise {
            continue;
        }
        let asked = MembershipClient::new(channel(member, &address));
        let left = tokio::time::timeout(FAREWELL, async move {
            { asked }.leave(LeaveGroupRequest {}).await
        })
        .await;
        if matches!(left, Ok(Ok(_))) {
            return;
        }
    }
    tracing::warn!(
        "no manager noted that this one leaves: remove it there with `minictl node demote` and `minictl node rm`"
    );
}

/// Tells a manager that this node leaves.
async fn farewell(member: &Member) {
    for address in member.state().managers {
        if member.manager().is_some() && address == member.state().advertise {
            continue;
        }
        let asked = DispatcherClient::new(channel(member, &address));
        let heard = tokio::time::timeout(FAREWELL, async move {
            { asked }.goodbye(GoodbyeRequest {}).await
        })
        .await;
        if matches!(heard, Ok(Ok(_))) {
            return;
        }
    }
}
