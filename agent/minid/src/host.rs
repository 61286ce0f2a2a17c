//! What a person asks of this host.

mod found;
mod leave;

use api::v1::host_reply::State;
use api::v1::host_server::Host as Service;
use api::v1::*;
use identity::{DataKey, Identity, Role, UnlockKey};
use model::NodeRole;
use tonic::{Request, Response, Status, Streaming};

use leave::farewell;

use crate::cluster::{Daemon, Member, Phase, place};
use crate::description::{describe, hostname};
use crate::files::NodeState;
use crate::session::take_place;
use crate::{addresses, join};

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
        let made = tokio::spawn(async move {
            let made = Host(daemon.clone())
                .make_cluster(request.into_inner())
                .await?;
            daemon.settle().await;
            Ok(Response::new(made))
        });
        made.await.map_err(internal)?
    }

    async fn join(&self, request: Request<JoinRequest>) -> Answer<JoinReply> {
        let daemon = self.0.clone();
        let joined = tokio::spawn(async move {
            let joined = Host(daemon.clone())
                .join_cluster(request.into_inner())
                .await?;
            daemon.settle().await;
            Ok(Response::new(joined))
        });
        joined.await.map_err(internal)?
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
        let restored = tokio::spawn(async move {
            let restored = Host(daemon.clone()).restore_cluster(asked, data).await?;
            daemon.settle().await;
            Ok(Response::new(restored))
        });
        restored.await.map_err(internal)?
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
        reply.error = Some(member.fault())
            .filter(|fault| !fault.is_empty())
            .unwrap_or_else(|| member.trouble());
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
            voters = match take_place(&self.0, &member, &managers).await {
                Ok(voters) => voters,
                Err(status) => {
                    farewell(&member).await;
                    self.0.forget().await.map_err(Status::internal)?;
                    return Err(status);
                }
            };
        }
        Ok(JoinReply {
            node_id: reply.node_id,
            role: reply.role,
            managers: voters,
        })
    }
}
