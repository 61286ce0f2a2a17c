//! A worker with a fake executor and a fake manager, over a real connection.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::v1::assignment::Object;
use api::v1::assignment_key::Kind;
use api::v1::dispatcher_client::DispatcherClient;
use api::v1::dispatcher_server::{Dispatcher, DispatcherServer};
use api::v1::errand::What;
use api::v1::*;
use model::{FileReference, Health, Revision, Task, TaskState, TaskStatus};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

use crate::fake::{Fake, ended};
use crate::step::Seen;
use crate::worker::Worker;

type Answer<T> = Result<Response<T>, Status>;
type Sent<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A manager that says what a test says.
#[derive(Default)]
struct Manager {
    assigns: Mutex<Option<mpsc::Sender<Result<AssignmentsMessage, Status>>>>,
    told: Mutex<BTreeMap<String, Vec<TaskStatus>>>,
    unknown: Mutex<BTreeSet<String>>,
    deaf: Mutex<bool>,
    logs: Mutex<String>,
    exec: Mutex<String>,
}

struct Service(Arc<Manager>);

#[tonic::async_trait]
impl Dispatcher for Service {
    type SessionStream = Sent<SessionMessage>;
    type AssignmentsStream = ReceiverStream<Result<AssignmentsMessage, Status>>;
    type SendExecStream = Sent<ExecInput>;

    async fn session(&self, _: Request<SessionRequest>) -> Answer<Self::SessionStream> {
        Err(Status::unimplemented("not asked for here"))
    }

    async fn heartbeat(&self, _: Request<HeartbeatRequest>) -> Answer<HeartbeatReply> {
        Err(Status::unimplemented("not asked for here"))
    }

    async fn goodbye(&self, _: Request<GoodbyeRequest>) -> Answer<GoodbyeReply> {
        Err(Status::unimplemented("not asked for here"))
    }

    async fn assignments(&self, _: Request<AssignmentsRequest>) -> Answer<Self::AssignmentsStream> {
        let (assigns, sent) = mpsc::channel(16);
        *self.0.assigns.lock().unwrap() = Some(assigns);
        Ok(Response::new(ReceiverStream::new(sent)))
    }

    async fn update_tasks(&self, request: Request<UpdateTasksRequest>) -> Answer<UpdateTasksReply> {
        if *self.0.deaf.lock().unwrap() {
            return Err(Status::unavailable("nobody leads"));
        }
        let mut told = self.0.told.lock().unwrap();
        let mut unknown = Vec::new();
        for update in request.into_inner().updates {
            if self.0.unknown.lock().unwrap().contains(&update.task_id) {
                unknown.push(update.task_id);
                continue;
            }
            let statuses = told.entry(update.task_id).or_default();
            statuses.extend(update.status);
        }
        Ok(Response::new(UpdateTasksReply { unknown }))
    }

    async fn send_logs(&self, request: Request<Streaming<NodeLogs>>) -> Answer<SendLogsReply> {
        let mut sent = request.into_inner();
        while let Some(message) = sent.message().await? {
            let mut logs = self.0.logs.lock().unwrap();
            *logs += &message.errand;
            for line in message.lines {
                *logs += &format!(" {}", String::from_utf8_lossy(&line.data).trim_end());
            }
            *logs += &message.error;
        }
        *self.0.logs.lock().unwrap() += ".";
        Ok(Response::new(SendLogsReply {}))
    }

    async fn send_exec(
        &self,
        request: Request<Streaming<NodeExec>>,
    ) -> Answer<Self::SendExecStream> {
        let mut sent = request.into_inner();
        let (types, typed) = mpsc::channel(4);
        let data = ExecInput {
            stdin: "typed".into(),
            stdin_closed: true,
            ..ExecInput::default()
        };
        types.send(Ok(data)).await.unwrap();
        let manager = self.0.clone();
        tokio::spawn(async move {
            while let Ok(Some(message)) = sent.message().await {
                let mut exec = manager.exec.lock().unwrap();
                *exec += &message.errand;
                let output = message.output.unwrap_or_default();
                *exec += &String::from_utf8_lossy(&output.stdout);
                if let Some(code) = output.exit_code {
                    *exec += &format!(" ({code})");
                }
                *exec += &message.error;
            }
            *manager.exec.lock().unwrap() += ".";
            drop(types);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(typed))))
    }
}

struct Bench {
    manager: Arc<Manager>,
    fake: Arc<Fake>,
    worker: Worker,
    client: DispatcherClient<tonic::transport::Channel>,
    session: Option<JoinHandle<Status>>,
    tasks: BTreeMap<String, Task>,
    revision: Revision,
}

impl Bench {
    async fn new(fake: Fake) -> Bench {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let manager = Arc::<Manager>::default();
        let serving = tonic::transport::Server::builder()
            .add_service(DispatcherServer::new(Service(manager.clone())))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(serving);
        let client =
            DispatcherClient::new(api::connect::through(move || TcpStream::connect(address)));
        let fake = Arc::new(fake);
        Bench {
            worker: Worker::start(fake.clone()),
            manager,
            fake,
            client,
            session: None,
            tasks: BTreeMap::new(),
            revision: Revision {
                id: "s1.1".to_owned(),
                ..Revision::default()
            },
        }
    }

    /// A daemon that was killed and started again.
    fn restart(&mut self) {
        self.disconnect();
        self.worker = Worker::start(self.fake.clone());
    }

    fn disconnect(&mut self) {
        if let Some(session) = self.session.take() {
            session.abort();
        }
        self.manager.assigns.lock().unwrap().take();
    }

    /// Begins a session, and sends the whole set.
    async fn connect(&mut self) {
        self.disconnect();
        let (worker, client) = (self.worker.clone(), self.client.clone());
        self.session = Some(tokio::spawn(async move {
            worker.serve(client, "session").await
        }));
        self.until("a session", |bench| {
            bench.manager.assigns.lock().unwrap().is_some()
        })
        .await;
        let mut put = vec![Object::Revision(self.revision.clone())];
        put.extend(self.tasks.values().cloned().map(Object::Task));
        self.send(true, put, Vec::new(), Vec::new()).await;
    }

    async fn send(
        &self,
        complete: bool,
        put: Vec<Object>,
        remove: Vec<AssignmentKey>,
        errands: Vec<Errand>,
    ) {
        let assigns = self.manager.assigns.lock().unwrap().clone().unwrap();
        let put = put.into_iter().map(|object| Assignment {
            object: Some(object),
        });
        let message = AssignmentsMessage {
            complete,
            put: put.collect(),
            remove,
            errands,
        };
        assigns.send(Ok(message)).await.unwrap();
    }

    /// A task, as the managers want it and as they know it.
    fn know(&mut self, id: &str, desired: TaskState, state: TaskState) -> Task {
        let mut task = Task {
            id: id.to_owned(),
            service_id: "s1".to_owned(),
            revision: 1,
            slot: 1,
            desired_state: desired.into(),
            ..Task::default()
        };
        task.status.set_state(state);
        self.tasks.insert(id.to_owned(), task.clone());
        task
    }

    async fn want(&mut self, id: &str, desired: TaskState) {
        let task = self.know(id, desired, TaskState::Assigned);
        self.send(false, vec![Object::Task(task)], vec![], vec![])
            .await;
    }

    async fn unassign(&mut self, id: &str) {
        self.tasks.remove(id);
        let key = AssignmentKey {
            kind: Kind::Task.into(),
            id: id.to_owned(),
        };
        self.send(false, vec![], vec![key], vec![]).await;
    }

    async fn errand(&self, id: &str, what: What) {
        let errand = Errand {
            id: id.to_owned(),
            what: Some(what),
        };
        self.send(false, vec![], vec![], vec![errand]).await;
    }

    fn told(&self, id: &str) -> Vec<TaskStatus> {
        let told = self.manager.told.lock().unwrap();
        told.get(id).cloned().unwrap_or_default()
    }

    async fn until(&self, what: &str, is: impl Fn(&Bench) -> bool) {
        for _ in 0..1000 {
            if is(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let told = self.manager.told.lock().unwrap();
        panic!("never: {what}; told {told:?}, done {:?}", self.fake.done());
    }

    /// Waits until the managers have heard that a task is so.
    async fn until_told(&self, id: &str, state: TaskState) -> TaskStatus {
        let last = |bench: &Bench| bench.told(id).last().cloned().unwrap_or_default();
        self.until(&format!("{id} is {state}"), |bench| {
            last(bench).state() == state
        })
        .await;
        let states: Vec<TaskState> = self.told(id).iter().map(TaskStatus::state).collect();
        assert!(states.is_sorted(), "{id} went back: {states:?}");
        last(self)
    }
}

#[tokio::test]
async fn a_task_lives() {
    let mut bench = Bench::new(Fake::default()).await;
    bench.connect().await;
    bench.want("a", TaskState::Ready).await;
    let ready = bench.until_told("a", TaskState::Ready).await;
    assert_eq!(ready.container_id, "c-a");
    assert!(!ready.routable && ready.at_ms > 0);
    assert_eq!(bench.fake.done(), ["prepare a"], "it waits at its gate");
    bench.want("a", TaskState::Running).await;
    let running = bench.until_told("a", TaskState::Running).await;
    assert!(running.routable);
    assert_eq!(running.addresses[0].address, "10.0.0.2");
    bench.want("a", TaskState::Shutdown).await;
    let end = bench.until_told("a", TaskState::Shutdown).await;
    assert_eq!((end.exit_code, end.routable), (Some(143), false));
    let told = bench.told("a");
    assert!(
        told.iter()
            .any(|status| status.state() == TaskState::Running && !status.routable),
        "nobody was sent to it any more before it ended"
    );
    assert_eq!(bench.fake.done(), ["prepare a", "start a", "stop a"]);
    bench.unassign("a").await;
    bench
        .until("it is removed", |bench| bench.fake.seen("a").is_none())
        .await;
}

#[tokio::test]
async fn tasks_end_in_their_ways() {
    let fake = Fake::default();
    fake.refuse("bad", "no such image: app");
    let mut bench = Bench::new(fake).await;
    bench.connect().await;
    for task in ["bad", "good", "ill"] {
        bench.want(task, TaskState::Running).await;
    }
    let rejected = bench.until_told("bad", TaskState::Rejected).await;
    assert_eq!(rejected.error, "no such image: app");
    bench.until_told("good", TaskState::Running).await;
    bench.fake.set("good", ended(0));
    let complete = bench.until_told("good", TaskState::Complete).await;
    assert_eq!((complete.exit_code, complete.routable), (Some(0), false));
    bench.until_told("ill", TaskState::Running).await;
    bench.fake.set("ill", ended(1));
    let failed = bench.until_told("ill", TaskState::Failed).await;
    assert_eq!(failed.error, "task: non-zero exit (1)");
}

#[tokio::test]
async fn health_is_told_and_heeded() {
    let fake = Fake::default();
    fake.set_health(Health::Starting);
    let mut bench = Bench::new(fake).await;
    bench.connect().await;
    bench.want("a", TaskState::Running).await;
    bench.until_told("a", TaskState::Starting).await;
    bench.fake.set("a", Seen::Live(Health::Healthy));
    let running = bench.until_told("a", TaskState::Running).await;
    assert!(running.routable && running.health() == Health::Healthy);
    bench.fake.set("a", Seen::Live(Health::Unhealthy));
    let failed = bench.until_told("a", TaskState::Failed).await;
    assert_eq!(failed.error, "unhealthy container");
    assert!(bench.fake.done().contains(&"stop a".to_owned()));
}

#[tokio::test]
async fn a_task_waits_for_what_has_not_come() {
    let mut bench = Bench::new(Fake::default()).await;
    let wanted = FileReference {
        source: "password".to_owned(),
        ..FileReference::default()
    };
    bench.revision.task.container.secrets.push(wanted);
    bench.connect().await;
    bench.want("a", TaskState::Running).await;
    let message = "waiting for the managers to send secret password";
    bench
        .until("it says what it waits for", |bench| {
            bench
                .told("a")
                .last()
                .is_some_and(|status| status.message == message)
        })
        .await;
    let mut secret = model::Secret {
        id: "x".to_owned(),
        ..Default::default()
    };
    secret.spec.name = "password".to_owned();
    bench
        .send(false, vec![Object::Secret(secret)], vec![], vec![])
        .await;
    bench.until_told("a", TaskState::Running).await;
}

#[tokio::test]
async fn a_daemon_that_was_killed_finds_its_tasks_as_they_are() {
    let mut bench = Bench::new(Fake::default()).await;
    bench.connect().await;
    for task in ["lives", "ends", "stray"] {
        bench.want(task, TaskState::Running).await;
        bench.until_told(task, TaskState::Running).await;
        bench.know(task, TaskState::Running, TaskState::Running);
    }
    let before = bench.fake.done();
    bench.restart();
    bench.fake.set("ends", ended(5));
    bench.tasks.remove("stray");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(bench.fake.done(), before, "nobody said what is to run");
    bench.connect().await;
    let failed = bench.until_told("ends", TaskState::Failed).await;
    assert_eq!(failed.exit_code, Some(5));
    bench
        .until("the stray one is removed", |bench| {
            bench.fake.seen("stray").is_none()
        })
        .await;
    assert_eq!(
        bench.fake.done()[before.len()..],
        ["stop stray", "remove stray"]
    );
    // And it is watched again.
    bench.fake.set("lives", ended(0));
    bench.until_told("lives", TaskState::Complete).await;
}

#[tokio::test]
async fn what_happens_without_a_session_is_told_in_the_next() {
    let mut bench = Bench::new(Fake::default()).await;
    bench.connect().await;
    bench.want("a", TaskState::Running).await;
    bench.want("b", TaskState::Running).await;
    bench.until_told("a", TaskState::Running).await;
    bench.until_told("b", TaskState::Running).await;
    bench.disconnect();
    bench.fake.set("a", ended(2));
    tokio::time::sleep(Duration::from_millis(50)).await;
    *bench.manager.deaf.lock().unwrap() = true;
    bench.connect().await;
    let session = bench.session.take().unwrap();
    let over = session.await.unwrap();
    assert_eq!(
        over.message(),
        "nobody leads",
        "a session that hears nothing is over"
    );
    *bench.manager.deaf.lock().unwrap() = false;
    bench.connect().await;
    let failed = bench.until_told("a", TaskState::Failed).await;
    assert_eq!(failed.exit_code, Some(2));
    assert!(!bench.fake.done().contains(&"stop b".to_owned()));
}

#[tokio::test]
async fn a_task_that_nobody_knows_is_ended() {
    let mut bench = Bench::new(Fake::default()).await;
    bench.connect().await;
    bench.manager.unknown.lock().unwrap().insert("a".to_owned());
    bench.want("a", TaskState::Running).await;
    bench
        .until("it is gone", |bench| {
            bench.fake.seen("a").is_none() && !bench.fake.done().is_empty()
                || bench.fake.done().is_empty() && bench.told("a").is_empty()
        })
        .await;
    bench.want("b", TaskState::Running).await;
    bench.until_told("b", TaskState::Running).await;
    bench.manager.unknown.lock().unwrap().insert("b".to_owned());
    bench.fake.set("b", Seen::Live(Health::Healthy));
    bench
        .until("it is ended", |bench| {
            bench.fake.done().contains(&"remove b".to_owned())
        })
        .await;
}

#[tokio::test]
async fn a_task_that_the_managers_gave_up_is_stopped() {
    let mut bench = Bench::new(Fake::default()).await;
    bench.connect().await;
    bench.want("a", TaskState::Running).await;
    bench.until_told("a", TaskState::Running).await;
    bench.know("a", TaskState::Running, TaskState::Orphaned);
    bench.connect().await;
    bench
        .until("it is stopped", |bench| {
            bench.fake.seen("a") == Some(ended(143))
        })
        .await;
}

#[tokio::test]
async fn errands_are_done() {
    let mut bench = Bench::new(Fake::default()).await;
    bench.connect().await;
    bench.want("a", TaskState::Running).await;
    bench.until_told("a", TaskState::Running).await;
    let logs = |task: &str, follow| {
        What::Logs(LogsErrand {
            task_id: task.to_owned(),
            follow,
            ..LogsErrand::default()
        })
    };
    let sent = |bench: &Bench, expected: &str| *bench.manager.logs.lock().unwrap() == expected;
    bench.errand("l1", logs("a", false)).await;
    bench.until("a log", |bench| sent(bench, "l1 hello.")).await;
    bench.errand("l2", logs("b", false)).await;
    let no_container = "l1 hello.l2task b has no container on its node.";
    bench
        .until("a refusal", |bench| sent(bench, no_container))
        .await;
    bench.manager.logs.lock().unwrap().clear();
    bench.errand("l3", logs("a", true)).await;
    bench
        .until("a log that goes on", |bench| sent(bench, "l3 hello"))
        .await;
    bench.errand("", What::Cancel("l3".to_owned())).await;
    let exec = |command: &str| {
        What::Exec(ExecErrand {
            task_id: "a".to_owned(),
            spec: Some(ExecSpec {
                command: vec![command.to_owned()],
                ..ExecSpec::default()
            }),
        })
    };
    let ran = |bench: &Bench, expected: &str| *bench.manager.exec.lock().unwrap() == expected;
    bench.errand("e1", exec("cat")).await;
    bench
        .until("a process", |bench| ran(bench, "e1typed (0)."))
        .await;
    bench.manager.exec.lock().unwrap().clear();
    bench.errand("e2", exec("nonsense")).await;
    bench
        .until("a refusal", |bench| {
            ran(bench, "e2there is no such command.")
        })
        .await;
    bench
        .until("the cancelled log has ended", |bench| {
            bench.manager.logs.lock().unwrap().starts_with("l3 hello")
        })
        .await;
}

#[tokio::test]
async fn use_is_measured_and_leaving_leaves_nothing() {
    let mut bench = Bench::new(Fake::default()).await;
    bench.connect().await;
    for task in ["a", "b"] {
        bench.want(task, TaskState::Running).await;
        bench.until_told(task, TaskState::Running).await;
    }
    for _ in 0..2 {
        assert!(bench.worker.usage().is_empty(), "one reading is none");
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    let used = bench.worker.usage();
    assert_eq!(used.len(), 2);
    assert!((used[0].cpus - 0.5).abs() < 0.01 && used[0].memory_bytes == 7);
    bench.worker.leave().await;
    assert_eq!((bench.fake.seen("a"), bench.fake.seen("b")), (None, None));
}

#[tokio::test]
async fn a_node_without_containers_says_why_it_rejects_tasks() {
    let mut bench = Bench::new(Fake::default()).await;
    bench.worker = Worker::start(Arc::new(crate::Unable("it is not root".to_owned())));
    bench.connect().await;
    bench.want("a", TaskState::Running).await;
    let rejected = bench.until_told("a", TaskState::Rejected).await;
    assert_eq!(
        rejected.error,
        "this node cannot run containers: it is not root"
    );
}
