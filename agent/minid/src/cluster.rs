//! This host's part in a cluster: none, locked, or a member with its session and, maybe, its manager. Changes of it come one after
//! the other.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use identity::{Identity, Locked, Peer, UnlockKey};
use server::backup::{self, Founder};
use server::{Listening, Manager, ManagerSetup, Tls, timings};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::Status;
use worker::Worker;

use crate::description::hostname;
use crate::files::{Files, NodeState};
use crate::options::Options;
use crate::{addresses, repair, session, work};

/// How long a host that has become a node is waited for until the managers know it as ready.
const SETTLE: Duration = Duration::from_secs(3);

/// The daemon; clones are the same one.
#[derive(Clone)]
pub(crate) struct Daemon(Arc<Inner>);

struct Inner {
    options: Options,
    files: Files,
    phase: RwLock<Phase>,
    /// Held while the part in the cluster changes.
    changing: tokio::sync::Mutex<()>,
}

/// What part this host has.
#[derive(Clone)]
pub(crate) enum Phase {
    /// It belongs to no cluster.
    Inactive,
    /// It needs the unlock key.
    Locked(Locked),
    /// It is a node.
    Member(Member),
    /// It should be a node and cannot.
    Failed(String),
}

/// A node at work; clones are the same one.
#[derive(Clone)]
pub(crate) struct Member(Arc<Node>);

struct Node {
    tls: Tls,
    files: Files,
    data_key: identity::DataKey,
    state: Mutex<NodeState>,
    unlock: Mutex<Option<UnlockKey>>,
    manager: watch::Sender<Option<Manager>>,
    /// Keeps the manager's settings on disk.
    settings: Mutex<Option<JoinHandle<()>>>,
    /// Why it has no manager though it should have one; empty when that is as it should be.
    fault: Mutex<String>,
    /// Why it has no session with the managers; empty while it has one.
    trouble: watch::Sender<String>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// Carries out what the managers assign to it.
    worker: Worker,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Daemon {
    /// Takes up the part that this host had.
    pub(crate) async fn start(options: Options) -> Self {
        let files = Files::under(&options.data_root);
        let daemon = Daemon(Arc::new(Inner {
            options,
            files,
            phase: RwLock::new(Phase::Inactive),
            changing: tokio::sync::Mutex::default(),
        }));
        let phase = daemon.part_on_disk().await;
        let failed = matches!(phase, Phase::Failed(_));
        daemon.set(phase);
        if failed {
            tokio::spawn(repair::take_up_again(daemon.clone()));
        }
        daemon
    }

    /// Takes up the part that lies on this host's disk.
    pub(crate) async fn part_on_disk(&self) -> Phase {
        let phase = match self.files().vault().load() {
            Ok(None) => Phase::Inactive,
            Ok(Some(Err(locked))) => Phase::Locked(locked),
            Ok(Some(Ok(identity))) => self.take_up(identity, None).await,
            Err(error) => Phase::Failed(error.to_string()),
        };
        if let Phase::Failed(reason) = &phase {
            tracing::error!(reason, "this node cannot take part in its cluster");
        }
        phase
    }

    /// The part of a node whose identity is known.
    pub(crate) async fn take_up(&self, identity: Identity, unlock: Option<UnlockKey>) -> Phase {
        match self.begin(identity, unlock).await {
            Ok(member) => Phase::Member(member),
            Err(reason) => Phase::Failed(reason),
        }
    }

    async fn begin(&self, identity: Identity, unlock: Option<UnlockKey>) -> Result<Member, String> {
        let state = self.files().load()?;
        let tls = Tls::new(identity.credential).map_err(|error| error.to_string())?;
        let worker = Worker::start(work::executor(self.options(), &tls.peer().node_id));
        let member = Member(Arc::new(Node {
            worker,
            tls,
            files: self.files().clone(),
            data_key: identity.data_key,
            state: Mutex::new(state.clone()),
            unlock: Mutex::new(unlock),
            manager: watch::Sender::new(None),
            settings: Mutex::default(),
            fault: Mutex::default(),
            trouble: watch::Sender::new("it has not reached a manager yet".to_owned()),
            tasks: Mutex::default(),
        }));
        if let Some(raft_id) = state.forcing {
            self.force(&member, raft_id).await?;
        } else if state.raft_id.is_some() {
            self.start_manager(&member).await?;
        }
        member.spawn(session::keep(self.clone(), member.clone()));
        member.spawn(repair::stand_by(self.clone(), member.clone()));
        Ok(member)
    }

    /// Starts the manager of a node that has a place in the group.
    pub(crate) async fn start_manager(&self, member: &Member) -> Result<Manager, String> {
        let state = member.state();
        let raft_id = state
            .raft_id
            .ok_or("this node has no place in the managers' group")?;
        let listen: SocketAddr = state
            .listen
            .parse()
            .map_err(|error| format!("the listen address `{}`: {error}", state.listen))?;
        if server::runs_elsewhere(member.tls(), &state.advertise, raft_id).await {
            return Err(format!(
                "another host runs this same manager, and answers at {}: was this host cloned from it? Here, leave with `minictl cluster leave --force` and join anew",
                state.advertise
            ));
        }
        let listening = Listening::on(listen)
            .await
            .map_err(|error| format!("listen on {listen}: {error}"))?;
        let mut spec = model::ClusterSpec::standard();
        if state.heartbeat_ms > 0 && state.election_ms > 0 {
            (spec.heartbeat_ms, spec.election_ms) = (state.heartbeat_ms, state.election_ms);
        }
        let setup = ManagerSetup {
            directory: self.files().raft(),
            raft_id,
            hostname: hostname(self.options()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            advertise: state.advertise,
            tls: member.tls().clone(),
            data_key: member.0.data_key.clone(),
            timings: timings(&spec),
            snapshot_every: self.options().snapshot_every,
        };
        let manager = Manager::start(setup, listening)
            .await
            .map_err(|error| format!("start the manager: {error}"))?;
        lock(&member.0.fault).clear();
        member.0.manager.send_replace(Some(manager.clone()));
        let following = tokio::spawn(session::follow_settings(member.clone(), manager.clone()));
        *lock(&member.0.settings) = Some(following);
        Ok(manager)
    }

    /// Stops the manager of a node that is to be a worker, and forgets what it knew.
    pub(crate) async fn end_manager(&self, member: &Member) -> Result<(), String> {
        self.stop_manager(member).await;
        member.change_state(|state| state.raft_id = None)?;
        self.files().forget_raft()?;
        // Who locks the managers' disks has no key for a worker's.
        member.seal(None)
    }

    /// Stops the manager; what it knows stays on disk.
    pub(crate) async fn stop_manager(&self, member: &Member) {
        if let Some(following) = lock(&member.0.settings).take() {
            following.abort();
        }
        if let Some(manager) = member.0.manager.send_replace(None) {
            manager.stop().await;
        }
    }

    /// Makes this manager the only one of its group, under a new Raft id.
    pub(crate) async fn force(&self, member: &Member, raft_id: u64) -> Result<(), String> {
        member.change_state(|state| state.forcing = Some(raft_id))?;
        let peer = member.peer();
        let founder = Founder {
            node_id: peer.node_id,
            raft_id,
            advertise: member.state().advertise,
        };
        let key = member.0.data_key.clone();
        let forced = backup::force(&self.files().raft(), key, &peer.cluster_id, &founder).await;
        let forced = forced.map_err(|error| format!("force a new cluster: {error}"))?;
        tracing::warn!(
            last = forced.last.index,
            replayed = forced.replayed,
            "this manager is the only one of its cluster now"
        );
        member.change_state(|state| state.raft_id = Some(raft_id))?;
        let manager = self.start_manager(member).await?;
        backup::settle(
            &manager,
            &founder,
            &crate::description::describe(self.options()),
        )
        .await
        .map_err(|status| status.message().to_owned())?;
        member.change_state(|state| {
            state.forcing = None;
            state.managers = vec![state.advertise.clone()];
        })
    }

    /// Leaves in order: another manager leads, what was acknowledged is on disk.
    pub(crate) async fn stop(&self, hand_over: Duration) {
        let _changing = self.0.changing.lock().await;
        if let Phase::Member(member) = self.phase() {
            member.end_tasks();
            if let Some(manager) = member.manager() {
                manager.hand_over(hand_over).await;
            }
            self.stop_manager(&member).await;
        }
    }

    /// Forgets the cluster, and ends what it ran here.
    pub(crate) async fn forget(&self) -> Result<(), String> {
        if let Phase::Member(member) = self.phase() {
            member.end_tasks();
            work::end(member.worker()).await;
            self.stop_manager(&member).await;
        } else if !matches!(self.phase(), Phase::Inactive) {
            work::end(&Worker::start(work::executor(self.options(), ""))).await;
        }
        self.set(Phase::Inactive);
        self.files().forget()
    }

    /// Waits until the managers know this node as ready, if it is one; not for long.
    pub(crate) async fn settle(&self) {
        if let Phase::Member(member) = self.phase() {
            let mut trouble = member.0.trouble.subscribe();
            // Whether it is or not, `minictl info` tells.
            let _ = tokio::time::timeout(SETTLE, trouble.wait_for(String::is_empty)).await;
        }
    }

    /// Waits for its turn to change the part in the cluster.
    pub(crate) async fn change(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.changing.lock().await
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    pub(crate) fn files(&self) -> &Files {
        &self.0.files
    }

    pub(crate) fn phase(&self) -> Phase {
        self.0
            .phase
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set(&self, phase: Phase) {
        *self.0.phase.write().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    /// The manager here, or why there is none.
    pub(crate) fn manager(&self) -> Result<Manager, Status> {
        match self.phase() {
            Phase::Inactive => Err(Status::failed_precondition(
                "this node belongs to no cluster: make one with `minictl cluster init`, or join one with `minictl cluster join`",
            )),
            Phase::Locked(_) => Err(Status::failed_precondition("this manager is locked: unlock it with `minictl cluster unlock`")),
            Phase::Failed(reason) => Err(Status::failed_precondition(format!("this node cannot take part in its cluster: {reason}"))),
            Phase::Member(member) if !member.fault().is_empty() => Err(Status::failed_precondition(
                format!("this manager had to stop, and is tried again: {}", member.fault()),
            )),
            Phase::Member(member) => member.manager().ok_or_else(|| {
                let managers = member.state().managers.join(", ");
                Status::failed_precondition(format!(
                    "this node is a worker, and workers can neither show nor change the cluster: ask on a manager ({managers}), or promote this node there"
                ))
            }),
        }
    }
}

impl Member {
    pub(crate) fn tls(&self) -> &Tls {
        &self.0.tls
    }

    pub(crate) fn peer(&self) -> Peer {
        self.0.tls.peer()
    }

    pub(crate) fn state(&self) -> NodeState {
        lock(&self.0.state).clone()
    }

    pub(crate) fn manager(&self) -> Option<Manager> {
        self.0.manager.borrow().clone()
    }

    /// The same, now and whenever it changes.
    pub(crate) fn managers(&self) -> watch::Receiver<Option<Manager>> {
        self.0.manager.subscribe()
    }

    /// Whether that is the same node.
    pub(crate) fn is(&self, other: &Member) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Why this node has no manager though it should have one; empty when that is as it should be.
    pub(crate) fn fault(&self) -> String {
        lock(&self.0.fault).clone()
    }

    pub(crate) fn set_fault(&self, reason: &str) {
        reason.clone_into(&mut lock(&self.0.fault));
    }

    pub(crate) fn worker(&self) -> &Worker {
        &self.0.worker
    }

    pub(crate) fn trouble(&self) -> String {
        self.0.trouble.borrow().clone()
    }

    pub(crate) fn set_trouble(&self, reason: &str) {
        self.0.trouble.send_replace(reason.to_owned());
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        lock(&self.0.tasks).push(tokio::spawn(task));
    }

    pub(crate) fn end_tasks(&self) {
        for task in lock(&self.0.tasks).drain(..) {
            task.abort();
        }
    }

    /// Changes what is remembered of the node's place, on disk first.
    pub(crate) fn change_state(&self, change: impl FnOnce(&mut NodeState)) -> Result<(), String> {
        let mut state = lock(&self.0.state);
        let mut changed = state.clone();
        change(&mut changed);
        if changed != *state {
            self.0.files.save(&changed)?;
            *state = changed;
        }
        Ok(())
    }

    /// Shows another credential from now on, on disk first.
    pub(crate) fn renew(&self, credential: identity::Credential) -> Result<(), String> {
        let unlock = lock(&self.0.unlock).clone();
        let identity = Identity {
            credential: credential.clone(),
            data_key: self.0.data_key.clone(),
        };
        self.0
            .files
            .vault()
            .save(&identity, unlock.as_ref())
            .map_err(|error| error.to_string())?;
        self.0
            .tls
            .replace(credential)
            .map_err(|error| error.to_string())
    }

    /// Seals what lies on disk under that key from now on, or no more.
    pub(crate) fn seal(&self, key: Option<UnlockKey>) -> Result<(), String> {
        {
            let mut unlock = lock(&self.0.unlock);
            if *unlock == key {
                return Ok(());
            }
            *unlock = key;
        }
        self.renew(self.0.tls.credential())
    }
}

/// A Raft id: drawn, and not 0.
pub(crate) fn draw_raft_id() -> u64 {
    use rand::RngExt;
    rand::rng().random_range(1..=u64::MAX >> 1)
}

/// Where to listen, and what to tell others.
pub(crate) fn place(
    options: &Options,
    listen: &str,
    advertise: &str,
) -> Result<(SocketAddr, String), Status> {
    let listen =
        addresses::listen(listen, options.cluster_port).map_err(Status::invalid_argument)?;
    let advertise = addresses::advertise(advertise, listen, &addresses::local())
        .map_err(Status::invalid_argument)?;
    Ok((listen, advertise))
}
