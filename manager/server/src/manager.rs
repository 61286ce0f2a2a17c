//! A manager: its place in the group, its copy of the state, its doors.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use consensus::{Consensus, Member, ReadError, Setup, StartError, Timings};
use http::{Request, Response};
use identity::DataKey;
use model::ClusterSpec;
use store::transaction::RefusalKind;
use store::{Change, Transaction, View};
use tokio::sync::{oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::ServiceExt;
use wal::{Cipher, Log, Options, RealDisk, WalError, Writer};

use crate::background::Background;
use crate::clock::now_ms;
use crate::failure;
use crate::forward::{Door, Entrance, Leader};
use crate::listener::Listening;
use crate::proposer::Proposer;
use crate::replica::{Machine, Replica};
use crate::sessions::Sessions;
use crate::tls::Tls;
use crate::transport::Peers;
use crate::{leader, services};

/// How often a change that was overtaken by another is tried again.
const ATTEMPTS: usize = 10;

/// A leader that no majority has answered for so long says so, instead of letting people wait.
const WITHOUT_QUORUM: Duration = Duration::from_secs(2);

/// How long the connections of a manager that stops may take to end.
const GIVING_BACK: Duration = Duration::from_secs(5);

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
    /// The term in which this manager is ready to answer as the leader.
    ready_term: watch::Sender<u64>,
    background: Mutex<Background>,
    /// Dropped when the manager stops: its connections end.
    open: Mutex<Option<oneshot::Sender<()>>>,
}

/// The key as the log and the snapshots use it.
struct Sealing(DataKey);

impl Cipher for Sealing {
    fn seal(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.seal(bytes)
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.open(sealed)
    }
}

/// A manager's disk: log, snapshots and the key to both.
pub(crate) struct Storage {
    pub(crate) log: Arc<Writer<RealDisk>>,
    pub(crate) snapshots: RealDisk,
    pub(crate) cipher: Arc<dyn Cipher>,
}

impl Storage {
    pub(crate) async fn open(directory: &Path, key: DataKey) -> Result<Self, ManagerError> {
        let cipher: Arc<dyn Cipher> = Arc::new(Sealing(key));
        let log = Log::open(
            take(&directory.join("log")).await?,
            cipher.clone(),
            Options::default(),
        )?;
        if let Some(repair) = log.repaired() {
            tracing::warn!(
                segment = repair.segment,
                offset = repair.offset,
                "a write that a crash interrupted was cut off the log"
            );
        }
        let snapshots = take(&directory.join("snapshots")).await?;
        Ok(Storage {
            log: Arc::new(Writer::spawn(log).map_err(ManagerError::Thread)?),
            snapshots,
            cipher,
        })
    }
}

/// Takes a directory; one that a manager of this process is just giving back is waited for.
async fn take(directory: &Path) -> Result<RealDisk, WalError> {
    let deadline = tokio::time::Instant::now() + GIVING_BACK;
    loop {
        match RealDisk::open(directory) {
            Err(WalError::InUse { .. }) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await
            }
            taken => return taken,
        }
    }
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

    /// Everything that was answered before now, by any manager, is in the view that this returns. On the leader.
    pub(crate) async fn read(&self) -> Result<View, Status> {
        self.0
            .consensus
            .read_barrier()
            .await
            .map_err(|error| match error {
                ReadError::NoQuorum => Status::unavailable(self.leaderless()),
                other => failure::read(other),
            })?;
        Ok(self.0.replica.view())
    }

    /// Makes a change of what is known, built upon what is known now; built anew when another change came between. Returns the
    /// version that it made. An empty one makes none.
    pub(crate) async fn change(
        &self,
        request_id: &str,
        mut build: impl FnMut(&View) -> Result<Vec<Change>, Status>,
    ) -> Result<u64, Status> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let leadership = *self.0.consensus.leadership().borrow();
            let view = self.0.replica.view();
            let answered = view.answered(request_id).cloned();
            let reply = if let Some(reply) = answered {
                reply
            } else {
                let changes = build(&view)?;
                if changes.is_empty() {
                    return Ok(view.version());
                }
                let transaction = Transaction {
                    request_id: request_id.to_owned(),
                    feature_level: view.cluster().map_or(0, |cluster| cluster.feature_level),
                    term: leadership.term,
                    at_ms: now_ms(),
                    changes,
                };
                self.0
                    .proposer
                    .propose(transaction)
                    .await
                    .map_err(failure::proposal)?
            };
            match reply.refusal {
                None => return Ok(reply.version),
                Some(refusal) if refusal.kind() == RefusalKind::Overtaken && attempt < ATTEMPTS => {
                }
                Some(refusal) => return Err(failure::refusal(refusal)),
            }
        }
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
