//! A worker's conversation with a manager, beside a session: it hears what is to run, tells what became of it, and does errands.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::v1::dispatcher_client::DispatcherClient;
use api::v1::{AssignmentsRequest, TaskUsage, UpdateTasksReply, UpdateTasksRequest};
use model::TaskStatus;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::Status;
use tonic::transport::Channel;

use crate::errand::Errands;
use crate::outbox::{LONGEST_WAIT, Outbox};
use crate::worker::{Event, Worker};

/// How long a manager may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

impl Worker {
    /// Serves the session of this id until it is over, and returns why. What was not acknowledged before is told again.
    pub async fn serve(&self, dispatcher: DispatcherClient<Channel>, session_id: &str) -> Status {
        let mut dispatcher = dispatcher.max_decoding_message_size(api::LARGEST_ANSWER);
        let asked = AssignmentsRequest {
            session_id: session_id.to_owned(),
        };
        let mut assignments = match dispatcher.assignments(asked).await {
            Ok(assignments) => assignments.into_inner(),
            Err(status) => return status,
        };
        let _connected = Connected::begin(self.shared());
        let mut errands = Errands::new(self.clone(), dispatcher.clone());
        let reporting = self.report(dispatcher, session_id);
        tokio::pin!(reporting);
        loop {
            tokio::select! {
                message = assignments.message() => match message {
                    Ok(Some(mut message)) => {
                        for errand in message.errands.drain(..) {
                            errands.begin(errand);
                        }
                        self.assign(message);
                    }
                    Ok(None) => return Status::unavailable("the manager ended the assignments"),
                    Err(status) => return status,
                },
                status = &mut reporting => return status,
                () = errands.tidy() => {}
            }
        }
    }

    /// Tells what becomes of tasks: at once while no call is under way, else together with what happens meanwhile.
    async fn report(&self, dispatcher: DispatcherClient<Channel>, session_id: &str) -> Status {
        let shared = self.shared();
        let mut calls: JoinSet<(u64, Result<UpdateTasksReply, Status>)> = JoinSet::new();
        let mut due = Instant::now();
        loop {
            let news = shared.news.notified();
            if (calls.is_empty() || Instant::now() >= due)
                && let Some((call, updates)) = shared.outbox().take()
            {
                let asked = UpdateTasksRequest {
                    session_id: session_id.to_owned(),
                    updates,
                };
                let mut dispatcher = dispatcher.clone();
                calls.spawn(async move {
                    let answer = timeout(PATIENCE, dispatcher.update_tasks(asked)).await;
                    let answer = answer.unwrap_or_else(|_| Err(no_answer()));
                    (call, answer.map(tonic::Response::into_inner))
                });
                due = Instant::now() + LONGEST_WAIT;
            }
            let held = !calls.is_empty() && shared.outbox().is_ready();
            tokio::select! {
                Some(done) = calls.join_next() => match done {
                    Ok((call, Ok(reply))) => {
                        shared.outbox().acknowledge(call);
                        shared.told.send_replace(());
                        if !reply.unknown.is_empty() {
                            self.tell(Event::Unknown(reply.unknown));
                        }
                    }
                    Ok((_, Err(status))) => return status,
                    Err(error) => return Status::internal(error.to_string()),
                },
                () = news => {}
                () = sleep_until(due), if held => {}
            }
        }
    }
}

fn no_answer() -> Status {
    Status::unavailable(format!("no answer within {PATIENCE:?}"))
}

/// What the worker's parts have in common.
pub(crate) struct Shared {
    outbox: Mutex<Outbox>,
    /// There may be something to tell.
    news: Notify,
    /// Something was told.
    told: watch::Sender<()>,
    sessions: AtomicUsize,
    /// Container of each task, and whether it lives.
    containers: Mutex<BTreeMap<String, (String, bool)>>,
    /// What tasks have used, and nobody was told yet.
    measured: Mutex<Vec<TaskUsage>>,
}

impl Default for Shared {
    fn default() -> Self {
        Shared {
            outbox: Mutex::default(),
            news: Notify::new(),
            told: watch::Sender::new(()),
            sessions: AtomicUsize::new(0),
            containers: Mutex::default(),
            measured: Mutex::default(),
        }
    }
}

impl Shared {
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn containers(&self) -> MutexGuard<'_, BTreeMap<String, (String, bool)>> {
        self.containers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a status that the managers are to hear.
    pub(crate) fn report(&self, task: &str, status: &TaskStatus) {
        self.outbox().put(task, status.clone());
        self.news.notify_one();
    }

    /// A task that nobody wants to hear of any more.
    pub(crate) fn forget(&self, task: &str) {
        self.outbox().forget(task);
    }

    /// Whether the managers have heard all there is to tell of a task.
    pub(crate) fn is_told(&self, task: &str) -> bool {
        self.outbox().is_told(task)
    }

    /// Waits until they have, while there is a session, and not for long.
    pub(crate) async fn wait_told(&self, task: &str, patience: Duration) {
        let mut told = self.told.subscribe();
        let all = async {
            while self.sessions.load(Ordering::Relaxed) > 0 && !self.is_told(task) {
                // The sender is ours.
                let _ = told.changed().await;
            }
        };
        // Who does not answer is not waited for.
        let _ = timeout(patience, all).await;
    }

    /// Notes the container of a task, and whether it lives.
    pub(crate) fn see(&self, task: &str, container: Option<(String, bool)>) {
        let mut containers = self.containers();
        match container {
            Some(container) => drop(containers.insert(task.to_owned(), container)),
            None => drop(containers.remove(task)),
        }
    }

    /// Keeps what was measured, in place of what was measured before.
    pub(crate) fn measured(&self, usage: Vec<TaskUsage>) {
        if !usage.is_empty() {
            *self.measured.lock().unwrap_or_else(PoisonError::into_inner) = usage;
        }
    }

    /// What was measured last, once.
    pub(crate) fn take_measured(&self) -> Vec<TaskUsage> {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut measured)
    }

    /// Statuses that the managers have acknowledged since the start, and those that they have not.
    pub(crate) fn reports(&self) -> (u64, u64) {
        let outbox = self.outbox();
        (outbox.acknowledged, outbox.unacknowledged())
    }

    /// The container of a task.
    pub(crate) fn container_of(&self, task: &str) -> Option<String> {
        self.containers().get(task).map(|(id, _)| id.clone())
    }

    /// The containers that live, by task.
    pub(crate) fn living(&self) -> BTreeMap<String, String> {
        self.containers()
            .iter()
            .filter(|(_, (_, lives))| *lives)
            .map(|(task, (id, _))| (task.clone(), id.clone()))
            .collect()
    }
}

/// A session that lasts as long as this.
struct Connected(Arc<Shared>);

impl Connected {
    fn begin(shared: &Arc<Shared>) -> Self {
        shared.sessions.fetch_add(1, Ordering::Relaxed);
        Connected(shared.clone())
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::Relaxed);
        self.0.outbox().rewind();
        self.0.told.send_replace(());
        // Another session may have begun already, and tells it.
        self.0.news.notify_one();
    }
}
