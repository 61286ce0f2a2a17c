//! One node without containers.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use api::v1::assignment::Object;
use api::v1::assignment_key::Kind;
use api::v1::authority_client::AuthorityClient;
use api::v1::dispatcher_client::DispatcherClient;
use api::v1::{
    AssignmentsMessage, AssignmentsRequest, HeartbeatRequest, IssueRequest, SessionRequest,
    TaskUpdate, UpdateTasksRequest,
};
use identity::{Credential, NodeKey, TrustBundle, client_config, server_name};
use model::{NodeDescription, Platform, Resources, Task, TaskState, TaskStatus};
use tokio::net::TcpSocket;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tonic::Status;
use tonic::transport::Channel;

use super::fleet::{Plan, Tally};

/// As a daemon's: the first pause before a manager is asked again, doubled up to the longest; and how long a connection, and the
/// beginning of a session, may take.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(3);
const BEGIN: Duration = Duration::from_secs(10);
/// How often a manager with which there was a session is asked for another one before others are.
const STAY: i32 = 4;

/// A node, what it runs, and what all of its fleet have seen.
pub(super) struct Agent {
    number: usize,
    managers: Vec<String>,
    tally: Arc<Tally>,
    /// By id, whether the managers know that it runs.
    runs: Mutex<BTreeMap<String, bool>>,
    dice: AtomicU64,
}

impl Agent {
    pub(super) fn new(number: usize, plan: &Plan, tally: &Arc<Tally>) -> Self {
        Agent {
            number,
            managers: plan.managers.clone(),
            tally: tally.clone(),
            runs: Mutex::default(),
            dice: AtomicU64::new(number as u64 + 1),
        }
    }

    /// The tasks that it runs.
    pub(super) fn tasks(&self) -> Vec<String> {
        self.runs().keys().cloned().collect()
    }

    /// Becomes a node; returns what it shows from now on.
    pub(super) async fn join(
        &self,
        mut authority: AuthorityClient<Channel>,
        token: &str,
    ) -> Arc<ClientConfig> {
        let key = NodeKey::generate().expect("a key");
        let asked = IssueRequest {
            request_pem: key.request_pem().expect("a request"),
            token: token.to_owned(),
            description: Some(self.description()),
            ..IssueRequest::default()
        };
        let mut pause = FIRST_PAUSE;
        let reply = loop {
            match authority.issue(asked.clone()).await {
                Ok(reply) => break reply.into_inner(),
                Err(_) => self.rest(&mut pause).await,
            }
        };
        let credential = Credential {
            key_pem: key.pem(),
            chain_pem: reply.chain_pem,
            bundle: TrustBundle::from_pem(&reply.roots_pem).expect("roots"),
        };
        client_config(&credential).expect("a client")
    }

    /// Keeps a session with one manager or another. The permit is given back when the first has begun.
    pub(super) async fn live(&self, config: Arc<ClientConfig>, permit: OwnedSemaphorePermit) {
        let mut permit = Some(permit);
        let mut pause = FIRST_PAUSE;
        let mut turn = self.number;
        loop {
            let address = &self.managers[turn % self.managers.len()];
            turn += 1;
            let channel = self.channel(address, config.clone());
            // One that still answers is asked again: that costs no handshake.
            let mut stay = 0;
            loop {
                let mut begun = false;
                let status = self.session(&channel, &mut begun, &mut permit).await;
                stay = if begun { STAY } else { stay - 1 };
                if begun {
                    pause = FIRST_PAUSE;
                }
                let answers = std::error::Error::source(&status).is_none();
                self.rest(&mut pause).await;
                if !answers || stay <= 0 {
                    break;
                }
            }
        }
    }

    async fn rest(&self, pause: &mut Duration) {
        tokio::time::sleep(pause.mul_f64(0.5 + self.draw() / 2.0)).await;
        *pause = (*pause * 2).min(LONGEST_PAUSE);
    }

    /// From 0 to 1 (xorshift).
    fn draw(&self) -> f64 {
        let mut dice = self
            .dice
            .load(Ordering::Relaxed)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        self.dice.store(dice | 1, Ordering::Relaxed);
        f64::from(u32::try_from(dice >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    }

    fn channel(&self, address: &str, config: Arc<ClientConfig>) -> Channel {
        let manager: SocketAddr = address.parse().expect("a manager's address");
        let tally = self.tally.clone();
        // Each node has an address of its own.
        let [.., high, low] = (self.number as u32).to_be_bytes();
        let own = SocketAddr::from((Ipv4Addr::new(127, 1, high, low), 0));
        api::connect::through(move || {
            let (config, tally) = (config.clone(), tally.clone());
            async move {
                let connecting = async {
                    let socket = TcpSocket::new_v4()?;
                    socket.bind(own)?;
                    let stream = socket.connect(manager).await?;
                    stream.set_nodelay(true)?;
                    TlsConnector::from(config)
                        .connect(server_name(), stream)
                        .await
                };
                let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer");
                let stream = tokio::time::timeout(CONNECT, connecting)
                    .await
                    .map_err(late)??;
                tally.connections.fetch_add(1, Ordering::SeqCst);
                Ok(stream)
            }
        })
    }

    /// One session; returns why it ended.
    async fn session(
        &self,
        channel: &Channel,
        begun: &mut bool,
        permit: &mut Option<OwnedSemaphorePermit>,
    ) -> Status {
        let mut dispatcher = DispatcherClient::new(channel.clone());
        let asked = SessionRequest {
            description: Some(self.description()),
            address: String::new(),
        };
        let late = |_| Status::unavailable("no answer");
        let opened = tokio::time::timeout(BEGIN, dispatcher.session(asked)).await;
        let mut messages = match opened.map_err(late).flatten() {
            Ok(messages) => messages.into_inner(),
            Err(status) => return status,
        };
        let first = match messages.message().await {
            Ok(Some(first)) => first,
            Ok(None) => return Status::unavailable("the session ended"),
            Err(status) => return status,
        };
        *begun = true;
        *permit = None;
        let _here = Here::new(&self.tally.here);
        self.tally.sessions.fetch_add(1, Ordering::SeqCst);
        let asked = AssignmentsRequest {
            session_id: first.session_id.clone(),
        };
        let mut assignments = match dispatcher.assignments(asked).await {
            Ok(assignments) => assignments.into_inner(),
            Err(status) => return status,
        };
        let period = Duration::from_millis(u64::from(first.heartbeat_ms));
        let begin = tokio::time::Instant::now() + period.mul_f64(self.draw());
        let mut speak = tokio::time::interval_at(begin, period);
        loop {
            let told = tokio::select! {
                message = messages.message() => match message {
                    Ok(Some(_)) => Ok(()),
                    Ok(None) => Err(Status::unavailable("the session ended")),
                    Err(status) => Err(status),
                },
                message = assignments.message() => match message {
                    Ok(Some(message)) => self.obey(&mut dispatcher, &first.session_id, message).await,
                    Ok(None) => Err(Status::unavailable("the assignments ended")),
                    Err(status) => Err(status),
                },
                _ = speak.tick() => {
                    let asked = HeartbeatRequest {
                        session_id: first.session_id.clone(),
                        usage: Vec::new(),
                    };
                    let heard = tokio::time::timeout(period, dispatcher.heartbeat(asked)).await;
                    heard.map_err(late).flatten().map(drop)
                }
            };
            if let Err(status) = told {
                return status;
            }
        }
    }

    /// Does as a worker does, with nothing behind it, and tells so.
    async fn obey(
        &self,
        dispatcher: &mut DispatcherClient<Channel>,
        session_id: &str,
        message: AssignmentsMessage,
    ) -> Result<(), Status> {
        let tasks = message.put.into_iter().filter_map(|put| match put.object {
            Some(Object::Task(task)) => Some(task),
            _ => None,
        });
        let mut named = Vec::new();
        let mut updates = Vec::new();
        for task in tasks {
            if let Some(status) = self.take_on(&task) {
                updates.push(TaskUpdate {
                    task_id: task.id.clone(),
                    status: Some(status),
                });
            }
            named.push(task.id);
        }
        if message.complete {
            let mut gone = self.tasks();
            gone.retain(|id| !named.contains(id));
            gone.iter().for_each(|id| self.drop_task(id));
        }
        for key in &message.remove {
            if key.kind() == Kind::Task {
                self.drop_task(&key.id);
            }
        }
        if updates.is_empty() {
            return Ok(());
        }
        let asked = UpdateTasksRequest {
            session_id: session_id.to_owned(),
            updates: updates.clone(),
        };
        dispatcher.update_tasks(asked).await?;
        for update in updates {
            if update
                .status
                .is_some_and(|status| status.state() == TaskState::Running)
            {
                self.known_to_run(&update.task_id);
            }
        }
        Ok(())
    }

    /// What a task is to be told as, after it was assigned or told to end.
    fn take_on(&self, task: &Task) -> Option<TaskStatus> {
        if task.status.state().is_final() {
            self.drop_task(&task.id);
            return None;
        }
        let state = match task.desired_state() {
            TaskState::Ready => TaskState::Ready,
            TaskState::Running => TaskState::Running,
            _ => TaskState::Shutdown,
        };
        if state == TaskState::Running {
            let new = !self.runs().contains_key(&task.id);
            if new {
                self.runs().insert(task.id.clone(), false);
                self.tally.starts.fetch_add(1, Ordering::SeqCst);
            }
            if task.status.state() == TaskState::Running {
                self.known_to_run(&task.id);
                return None;
            }
        } else if state == TaskState::Shutdown {
            self.drop_task(&task.id);
        }
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let at_ms = since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0));
        Some(TaskStatus {
            state: state.into(),
            at_ms,
            // As long as a real one.
            container_id: format!("{:0<64}", task.id),
            routable: state == TaskState::Running,
            ..TaskStatus::default()
        })
    }

    fn known_to_run(&self, id: &str) {
        if let Some(known) = self.runs().get_mut(id)
            && !std::mem::replace(known, true)
        {
            self.tally.runs.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn drop_task(&self, id: &str) {
        if self.runs().remove(id) == Some(true) {
            self.tally.runs.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<String, bool>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn description(&self) -> NodeDescription {
        NodeDescription {
            hostname: format!("hollow{}", self.number),
            platform: Platform {
                os: "linux".to_owned(),
                architecture: "amd64".to_owned(),
            },
            resources: Resources {
                nano_cpus: 64_000_000_000,
                memory_bytes: 64 << 30,
            },
            version: "1".to_owned(),
            feature_level: model::FEATURE_LEVEL,
            ..NodeDescription::default()
        }
    }
}

/// An agent that has a session, until it is dropped.
struct Here<'a>(&'a AtomicUsize);

impl<'a> Here<'a> {
    fn new(here: &'a AtomicUsize) -> Self {
        here.fetch_add(1, Ordering::SeqCst);
        Here(here)
    }
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
