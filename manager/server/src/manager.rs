//! A manager: its place in the group, its copy of the state, its doors.

mod changes;
mod storage;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use consensus::{Consensus, Member, Setup, StartError, Timings};
use http::{Request, Response};
use identity::DataKey;
use model::ClusterSpec;
use store::Change;
use tokio::sync::{oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::ServiceExt;
use wal::{RealDisk, WalError};

pub(crate) use changes::SERVICES;
pub(crate) use storage::Storage;

use crate::background::Background;
use crate::dispatcher::Dispatching;
use crate::errands::Errands;
use crate::failure;
use crate::forward::{Door, Entrance, Leader};
use crate::listener::Listening;
use crate::metrics::Metrics;
use crate::proposer::Proposer;
use crate::replica::{Machine, Replica};
use crate::sessions::Sessions;
use crate::tls::Tls;
use crate::transport::Peers;
use crate::{leader, services};

/// A leader that no majority has answered for so long says so, instead of letting people wait.
const WITHOUT_QUORUM: Duration = Duration::from_secs(2);

/// What a manager is made of.
pub struct ManagerSetup {
    /// Where its log and snapshots lie.
    pub directory: PathBuf,
    /// Its Raft id: drawn once, never used again.
    pub raft_id: u64,
    /// Its node's name.
    pub hostname: String,
    /// Version of the daemon.
    pub version: String,
    /// `host:port` where others reach it.
    pub advertise: String,
    /// What it shows.
    pub tls: Tls,
    /// What seals its disk.
    pub data_key: DataKey,
    /// The clock of the group.
    pub timings: Timings,
    /// Entries between two snapshots; none for the default.
    pub snapshot_every: Option<u64>,
}

/// A manager that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    /// Its log cannot be opened.
    #[error("open the log: {0}")]
    Log(#[from] WalError),
    /// No thread for its log.
    #[error("start the log's thread: {0}")]
    Thread(std::io::Error),
    /// The consensus cannot start.
    #[error(transparent)]
    Consensus(#[from] StartError),
    /// The log was replaced by force, and that failed.
    #[error(transparent)]
    Force(#[from] consensus::ForceError),
    /// Its certificate cannot be read.
    #[error(transparent)]
    Identity(#[from] identity::IdentityError),
    /// A backup that cannot be read.
    #[error(transparent)]
    Backup(#[from] crate::backup::BackupError),
}

/// A manager at work; clones are the same manager.
#[derive(Clone)]
pub struct Manager(Arc<Inner>);

struct Inner {
    node_id: String,
    cluster_id: String,
    raft_id: u64,
    hostname: String,
    version: String,
    advertise: String,
    tls: Tls,
    consensus: Consensus<Machine, RealDisk>,
    replica: Replica,
    proposer: Proposer,
    peers: Peers,
    sessions: Mutex<Sessions>,
    dispatching: Dispatching,
    errands: Errands,
    metrics: Arc<Metrics>,
    /// The term in which this manager is ready to answer as the leader.
    ready_term: watch::Sender<u64>,
    background: Mutex<Background>,
    /// Dropped when the manager stops: its connections end.
    open: Mutex<Option<oneshot::Sender<()>>>,
}

impl Manager {
    /// Starts a manager from what lies on its disk, and serves others on that port.
    pub async fn start(setup: ManagerSetup, listening: Listening) -> Result<Self, ManagerError> {
        let peer = setup.tls.peer();
        let storage = Storage::open(&setup.directory, setup.data_key).await?;
        let replica = Replica::default();
        let peers = Peers::new(setup.tls.clone());
        let consensus = Consensus::start(
            Setup {
                id: setup.raft_id,
                group: peer.cluster_id.clone(),
                log: storage.log,
                snapshots: storage.snapshots,
                cipher: storage.cipher,
                transport: peers.clone(),
                timings: setup.timings,
                snapshot_every: setup.snapshot_every,
                threads: true,
            },
            replica.machine(),
        )
        .await?;
        let (open, closed) = oneshot::channel::<()>();
        let manager = Manager(Arc::new(Inner {
            node_id: peer.node_id,
            cluster_id: peer.cluster_id,
            raft_id: setup.raft_id,
            hostname: setup.hostname,
            version: setup.version,
            advertise: setup.advertise,
            tls: setup.tls.clone(),
            proposer: Proposer::spawn(consensus.clone()),
            consensus,
            replica,
            peers,
            sessions: Mutex::default(),
            dispatching: Dispatching::default(),
            errands: Errands::default(),
            metrics: Arc::default(),
            ready_term: watch::Sender::new(0),
            background: Mutex::default(),
            open: Mutex::new(Some(open)),
        }));
        let connections = ReceiverStream::new(listening.connections(setup.tls));
        let door = manager.clone();
        let entrance = tower::layer::layer_fn(move |routes: Routes| Entrance {
            manager: door.clone(),
            routes,
            door: Door::Network,
        });
        let serving = tonic::transport::Server::builder()
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .http2_keepalive_interval(Some(Duration::from_secs(10)))
            .layer(entrance)
            .add_routes(services::routes(&manager))
            .serve_with_incoming_shutdown(connections, async move { drop(closed.await) });
        let lead = leader::lead(manager.clone());
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the cluster's port is not served any more");
            }
        });
        {
            let mut background = manager
                .0
                .background
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            background.spawn(lead);
        }
        Ok(manager)
    }

    /// Answers a person's request on the host's socket.
    pub async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let entrance = Entrance {
            manager: self.clone(),
            routes: services::routes(self),
            door: Door::Socket,
        };
        entrance
            .oneshot(request)
            .await
            .unwrap_or_else(|never| match never {})
    }

    /// Id of its node.
    pub fn node_id(&self) -> &str {
        &self.0.node_id
    }

    /// Id of its cluster.
    pub fn cluster_id(&self) -> &str {
        &self.0.cluster_id
    }

    /// Its Raft id.
    pub fn raft_id(&self) -> u64 {
        self.0.raft_id
    }

    /// Its copy of what the cluster knows.
    pub fn replica(&self) -> &Replica {
        &self.0.replica
    }

    /// What it knows of the group.
    pub fn status(&self) -> consensus::Status {
        self.0.consensus.status()
    }

    /// Founds a group of which it is the only member, with these first objects.
    pub async fn found(&self, objects: Vec<Change>) -> Result<(), Status> {
        let member = Member {
            node_id: self.0.node_id.clone(),
            address: self.0.advertise.clone(),
        };
        self.0
            .consensus
            .found(member)
            .await
            .map_err(failure::membership)?;
        self.leader(Duration::from_secs(10), false).await?;
        self.change("", |view| {
            Ok(if view.cluster().is_none() {
                objects.clone()
            } else {
                Vec::new()
            })
        })
        .await?;
        Ok(())
    }

    /// Waits until somebody leads and this manager has caught up with it.
    pub async fn settle(&self, patience: Duration) -> Result<(), Status> {
        self.leader(patience, false).await.map(|_| ())
    }

    /// Hands the leadership to another manager, if it has it and there is another.
    pub async fn hand_over(&self, within: Duration) {
        let status = self.status();
        if status.leadership.is_self
            && status.voters() > 1
            && let Err(error) = self.0.consensus.hand_over(None, within).await
        {
            tracing::warn!(%error, "the leadership could not be handed over");
        }
    }

    /// Returns when it has stopped: with the reason when its disk or its log made it, none when it was told to.
    pub async fn stopped(&self) -> Option<String> {
        self.0.consensus.stopped().await
    }

    /// Stops it; what it acknowledged is on its disk.
    pub async fn stop(&self) {
        self.0
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        std::mem::take(
            &mut *self
                .0
                .background
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        self.0.consensus.shutdown().await;
    }

    pub(crate) fn hostname(&self) -> &str {
        &self.0.hostname
    }

    pub(crate) fn version(&self) -> &str {
        &self.0.version
    }

    pub(crate) fn tls(&self) -> &Tls {
        &self.0.tls
    }

    pub(crate) fn peers(&self) -> &Peers {
        &self.0.peers
    }

    pub(crate) fn consensus(&self) -> &Consensus<Machine, RealDisk> {
        &self.0.consensus
    }

    pub(crate) fn sessions(&self) -> std::sync::MutexGuard<'_, Sessions> {
        self.0
            .sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn dispatching(&self) -> &Dispatching {
        &self.0.dispatching
    }

    pub(crate) fn errands(&self) -> &Errands {
        &self.0.errands
    }

    pub(crate) fn counters(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    pub(crate) fn ready_term(&self) -> &watch::Sender<u64> {
        &self.0.ready_term
    }

    /// Finds out who leads; waits for it if need be. Who was sent here by another manager is not sent on.
    pub(crate) async fn leader(
        &self,
        patience: Duration,
        forwarded: bool,
    ) -> Result<Leader, Status> {
        let deadline = tokio::time::Instant::now()
            + if forwarded {
                Duration::from_secs(1)
            } else {
                patience
            };
        let mut leadership = self.0.consensus.leadership();
        let mut ready = self.0.ready_term.subscribe();
        loop {
            let now = *leadership.borrow_and_update();
            let ready_term = *ready.borrow_and_update();
            if now.is_self {
                if ready_term == now.term {
                    return if self.has_quorum() {
                        Ok(Leader::This)
                    } else {
                        Err(Status::unavailable(self.leaderless()))
                    };
                }
            } else if let Some(id) = now.leader.filter(|_| !forwarded)
                && let Some(known) = self
                    .status()
                    .members
                    .into_iter()
                    .find(|member| member.id == id)
            {
                return Ok(Leader::Other(known.member));
            }
            tokio::select! {
                changed = leadership.changed() => if changed.is_err() {
                    return Err(Status::unavailable("this manager is stopping"));
                },
                _ = ready.changed() => {}
                () = tokio::time::sleep_until(deadline) => return Err(Status::unavailable(self.leaderless())),
            }
        }
    }

    /// Returns when another member than this one leads.
    pub(crate) async fn succeeded(&self, leader: &Member) {
        let mut leadership = self.0.consensus.leadership();
        loop {
            let now = *leadership.borrow_and_update();
            let members = self.status().members;
            let is_it = |id: u64| {
                members
                    .iter()
                    .any(|known| known.id == id && known.member == *leader)
            };
            if now.leader.is_some_and(|id| !is_it(id)) {
                return;
            }
            if leadership.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Whether a majority has answered this leader of late. One that is cut off leads in vain until it hears of the next.
    pub(crate) fn has_quorum(&self) -> bool {
        let status = self.status();
        status.voters() == 1
            || status
                .quorum_acknowledged
                .is_none_or(|ago| ago < WITHOUT_QUORUM)
    }

    fn leaderless(&self) -> String {
        let status = self.status();
        format!(
            "no manager leads: it takes {} of the {} managers; if they are lost for good, see `minictl cluster init --force-new-cluster`",
            status.quorum(),
            status.voters()
        )
    }
}

/// The addresses of the managers, the leader's first.
pub fn manager_addresses(status: &consensus::Status) -> Vec<String> {
    let mut members: Vec<_> = status
        .members
        .iter()
        .filter(|member| member.voter)
        .collect();
    members.sort_by_key(|member| (Some(member.id) != status.leadership.leader, member.id));
    members
        .into_iter()
        .map(|member| member.member.address.clone())
        .collect()
}

/// The clock of the group that a cluster asks for.
pub fn timings(spec: &ClusterSpec) -> Timings {
    Timings {
        heartbeat: Duration::from_millis(u64::from(spec.heartbeat_ms)),
        election_min: Duration::from_millis(u64::from(spec.election_ms)),
        election_max: Duration::from_millis(u64::from(spec.election_ms) * 2),
    }
}
