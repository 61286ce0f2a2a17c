//! A node without containers that goes from manager to manager, as nodes do, and keeps what it runs meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::v1::assignment::Object;
use api::v1::assignment_key::Kind;
use api::v1::dispatcher_client::DispatcherClient;
use api::v1::*;
use model::{Task, TaskState, TaskStatus};
use server::Tls;
use tonic::Status;
use tonic::transport::Channel;

use crate::place::{channel, description, next};

/// How often it speaks.
const HEARTBEAT: Duration = Duration::from_millis(200);

/// What all nodes run together, and what went wrong with that.
#[derive(Default)]
pub(crate) struct Processes {
    /// By service and slot.
    live: BTreeMap<(String, u64), String>,
    /// How often a task was started.
    pub(crate) starts: BTreeMap<String, u32>,
    /// A slot that had two at the same time.
    pub(crate) doubled: Vec<String>,
    /// Tasks that end by themselves as soon as somebody looks.
    pub(crate) failing: BTreeSet<String>,
    /// Sessions that have begun, by node.
    pub(crate) sessions: BTreeMap<String, u32>,
}

impl Processes {
    fn start(&mut self, task: &Task) {
        *self.starts.entry(task.id.clone()).or_default() += 1;
        let key = (task.service_id.clone(), task.slot);
        if let Some(other) = self.live.insert(key, task.id.clone())
            && other != task.id
        {
            let told = format!("slot {}: {other} and {}", task.slot, task.id);
            self.doubled.push(told);
        }
    }

    fn end(&mut self, task: &Task) {
        let key = (task.service_id.clone(), task.slot);
        if self.live.get(&key) == Some(&task.id) {
            self.live.remove(&key);
        }
    }

    /// How many there are now.
    pub(crate) fn count(&self) -> usize {
        self.live.len()
    }
}

/// The processes of all nodes, shared.
pub(crate) type Shared = Arc<Mutex<Processes>>;

pub(crate) fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, Processes> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A node that roams for as long as it is not dropped.
pub(crate) struct Roaming(tokio::task::JoinHandle<()>);

impl Drop for Roaming {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Roaming {
    pub(crate) fn start(
        name: &str,
        managers: Vec<SocketAddr>,
        tls: Tls,
        processes: Shared,
    ) -> Self {
        let mut node = Node {
            name: name.to_owned(),
            processes,
            tasks: BTreeMap::new(),
        };
        Roaming(tokio::spawn(async move {
            for manager in managers.iter().cycle() {
                // It ends when the manager does, or another one leads.
                let _ = node.session(*manager, tls.clone()).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }))
    }
}

struct Node {
    name: String,
    processes: Shared,
    /// What it was told of each task, and how far that has come.
    tasks: BTreeMap<String, (Task, TaskStatus)>,
}

impl Node {
    async fn session(&mut self, manager: SocketAddr, tls: Tls) -> Result<(), Status> {
        let mut dispatcher = DispatcherClient::new(channel(manager, tls))
            .max_decoding_message_size(api::LARGEST_ANSWER);
        let asked = SessionRequest {
            description: Some(description(&self.name)),
            address: String::new(),
        };
        let mut session = dispatcher.session(asked).await?.into_inner();
        let first = session.message().await?;
        let over = || Status::unavailable("the session is over");
        let session_id = first.ok_or_else(over)?.session_id;
        let asked = AssignmentsRequest {
            session_id: session_id.clone(),
        };
        let mut assignments = dispatcher.assignments(asked).await?.into_inner();
        *lock(&self.processes)
            .sessions
            .entry(self.name.clone())
            .or_default() += 1;
        let mut beat = tokio::time::interval(HEARTBEAT);
        loop {
            tokio::select! {
                message = assignments.message() => {
                    let message = message?.ok_or_else(over)?;
                    self.take(message);
                    self.tell(&mut dispatcher, &session_id).await?;
                }
                told = session.message() => drop(told?.ok_or_else(over)?),
                _ = beat.tick() => {
                    self.fail();
                    self.tell(&mut dispatcher, &session_id).await?;
                    let asked = HeartbeatRequest {
                        session_id: session_id.clone(),
                        usage: Vec::new(),
                    };
                    dispatcher.heartbeat(asked).await?;
                }
            }
        }
    }

    fn take(&mut self, message: AssignmentsMessage) {
        if message.complete {
            let named: BTreeSet<&String> = message
                .put
                .iter()
                .filter_map(|put| match &put.object {
                    Some(Object::Task(task)) => Some(&task.id),
                    _ => None,
                })
                .collect();
            let gone: Vec<String> = self
                .tasks
                .keys()
                .filter(|id| !named.contains(id))
                .cloned()
                .collect();
            gone.iter().for_each(|id| self.remove(id));
        }
        for put in message.put {
            if let Some(Object::Task(task)) = put.object {
                let status = task.status.clone();
                let known = self
                    .tasks
                    .entry(task.id.clone())
                    .or_insert((task.clone(), status));
                known.0 = Task {
                    status: known.1.clone(),
                    ..task.clone()
                };
                if let Some(status) = next(&known.0) {
                    self.become_(&task.id, status);
                }
            }
        }
        for key in message.remove {
            if key.kind() == Kind::Task {
                self.remove(&key.id);
            }
        }
    }

    fn become_(&mut self, id: &str, status: TaskStatus) {
        let Some((task, known)) = self.tasks.get_mut(id) else {
            return;
        };
        if known.state() == status.state() {
            return;
        }
        let mut processes = lock(&self.processes);
        match status.state() {
            TaskState::Running => processes.start(task),
            state if state.is_final() => processes.end(task),
            _ => {}
        }
        *known = status.after(known);
        task.status = known.clone();
    }

    /// Ends what is to fail.
    fn fail(&mut self) {
        let failing: Vec<String> = {
            let processes = lock(&self.processes);
            let live = self
                .tasks
                .iter()
                .filter(|(_, (_, status))| status.state() == TaskState::Running);
            live.map(|(id, _)| id.clone())
                .filter(|id| processes.failing.contains(id))
                .collect()
        };
        for id in failing {
            let status = TaskStatus {
                state: TaskState::Failed.into(),
                exit_code: Some(1),
                ..TaskStatus::default()
            };
            self.become_(&id, status);
        }
    }

    fn remove(&mut self, id: &str) {
        if let Some((task, _)) = self.tasks.remove(id) {
            lock(&self.processes).end(&task);
        }
    }

    /// Tells of everything, whatever was heard before.
    async fn tell(
        &self,
        dispatcher: &mut DispatcherClient<Channel>,
        session_id: &str,
    ) -> Result<(), Status> {
        let updates = self.tasks.iter().map(|(id, (_, status))| TaskUpdate {
            task_id: id.clone(),
            status: Some(status.clone()),
        });
        let asked = UpdateTasksRequest {
            session_id: session_id.to_owned(),
            updates: updates.collect(),
        };
        dispatcher.update_tasks(asked).await.map(drop)
    }
}
