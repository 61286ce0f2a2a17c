//! One manager on loopback, and nodes without containers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::v1::assignment::Object;
use api::v1::assignment_key::Kind;
use api::v1::control_client::ControlClient;
use api::v1::dispatcher_client::DispatcherClient;
use api::v1::*;
use identity::{
    Credential, DataKey, JoinToken, NodeKey, Role, RootCa, TrustBundle, Validity, new_id,
};
use jiff::{SignedDuration, Timestamp};
use model::{
    Certificate, Cluster, ClusterSpec, JoinTokens, ManagerMember, Node, NodeDescription, NodeRole,
    Resources, Task, TaskState, TaskStatus,
};
use server::{Listening, Manager, ManagerSetup, Tls, timings};
use store::Change;
use tokio::sync::mpsc;
use tonic::transport::Channel;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A manager, and what makes nodes of its cluster.
pub(crate) struct Place {
    pub(crate) manager: Manager,
    pub(crate) control: ControlClient<Channel>,
    address: SocketAddr,
    nodes: BTreeMap<String, Tls>,
    _directory: tempfile::TempDir,
}

impl Place {
    /// A manager that takes no tasks, and workers of these names that have not come yet.
    pub(crate) async fn new(workers: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let listening = Listening::on(([127, 0, 0, 1], 0).into())
            .await
            .expect("a port");
        let address = listening.address().expect("an address");
        let cluster_id = new_id();
        let root = RootCa::generate(&cluster_id, Timestamp::now()).expect("a root");
        let mut objects = vec![Change::create(cluster(&cluster_id, &root))];
        let (mut first, tls) = node(&root, &cluster_id, "boss", NodeRole::Manager);
        first.member = Some(ManagerMember {
            raft_id: 1,
            address: address.to_string(),
        });
        objects.push(Change::create(first));
        let mut nodes = BTreeMap::new();
        for name in workers {
            let (worker, tls) = node(&root, &cluster_id, name, NodeRole::Worker);
            objects.push(Change::create(worker));
            nodes.insert((*name).to_owned(), tls);
        }
        let setup = ManagerSetup {
            directory: directory.path().to_owned(),
            raft_id: 1,
            hostname: "boss".to_owned(),
            version: "1".to_owned(),
            advertise: address.to_string(),
            tls: tls.clone(),
            data_key: DataKey::generate(),
            timings: timings(&ClusterSpec::standard()),
            snapshot_every: None,
        };
        let manager = Manager::start(setup, listening).await.expect("a manager");
        manager.found(objects).await.expect("a cluster");
        let channel = channel(address, tls);
        Place {
            manager,
            control: api::control(channel),
            address,
            nodes,
            _directory: directory,
        }
    }

    /// A worker comes, and pretends to run whatever it is told to.
    pub(crate) async fn worker(&self, name: &str) -> Hollow {
        let tls = self.nodes[name].clone();
        Hollow::start(name, self.address, tls).await
    }

    /// Waits until something is so.
    pub(crate) async fn until<T>(&self, what: &str, seen: impl Fn(&store::View) -> Option<T>) -> T {
        let mut version = self.manager.replica().version();
        let waiting = async {
            loop {
                version.borrow_and_update();
                if let Some(found) = seen(&self.manager.replica().view()) {
                    return found;
                }
                version.changed().await.expect("a manager");
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => {
                let view = self.manager.replica().view();
                let tasks: Vec<_> = view.tasks().iter().collect();
                panic!("{what}: not within {PATIENCE:?}; tasks: {tasks:#?}")
            }
        }
    }

    /// Waits until so many tasks of a service run, and no more are meant to.
    pub(crate) async fn running(&self, service: &str, wanted: usize) -> Vec<Arc<Task>> {
        self.until(&format!("{wanted} tasks of {service} run"), |view| {
            let service = view.services().named(service)?;
            let tasks: Vec<_> = view
                .tasks_of(&service.id)
                .filter(|task| task.is_wanted())
                .cloned()
                .collect();
            let run = tasks
                .iter()
                .all(|task| task.status.state() == TaskState::Running);
            (run && tasks.len() == wanted).then_some(tasks)
        })
        .await
    }
}

pub(crate) fn cluster(id: &str, root: &RootCa) -> Cluster {
    let bundle = TrustBundle::from_pem(root.certificate_pem()).expect("a bundle");
    let token = || JoinToken::generate(bundle.digest()).to_string();
    Cluster {
        id: id.to_owned(),
        spec: ClusterSpec::standard(),
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
        feature_level: model::FEATURE_LEVEL,
        ..Cluster::default()
    }
}

pub(crate) fn node(root: &RootCa, cluster: &str, name: &str, role: NodeRole) -> (Node, Tls) {
    let key = NodeKey::generate().expect("a key");
    let vouched = match role {
        NodeRole::Manager => Role::Manager,
        NodeRole::Worker => Role::Worker,
    };
    let validity = Validity::from(Timestamp::now(), SignedDuration::from_hours(1));
    let request = key.request_pem().expect("a request");
    let leaf = root.issue(&request, name, vouched, cluster, validity);
    let credential = Credential {
        key_pem: key.pem(),
        chain_pem: leaf.expect("a certificate"),
        bundle: TrustBundle::from_pem(root.certificate_pem()).expect("a bundle"),
    };
    let peer = credential.peer().expect("a peer");
    let mut node = Node {
        id: name.to_owned(),
        description: description(name),
        certificate: Certificate {
            serial: peer.serial,
            role: role.into(),
            not_before_ms: peer.not_before.as_millisecond(),
            not_after_ms: peer.not_after.as_millisecond(),
            issuer: root.fingerprint(),
        },
        ..Node::default()
    };
    node.spec.role = role.into();
    (node, Tls::new(credential).expect("a credential"))
}

pub(crate) fn description(name: &str) -> NodeDescription {
    NodeDescription {
        hostname: format!("{name}-host"),
        platform: model::Platform {
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

pub(crate) fn channel(address: SocketAddr, tls: Tls) -> Channel {
    api::connect::tls(
        &address.to_string(),
        move || tls.client(),
        identity::server_name(),
    )
}

/// What a hollow node has been told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) tasks: BTreeMap<String, Task>,
    pub(crate) secrets: BTreeMap<String, model::Secret>,
    pub(crate) revisions: BTreeMap<String, model::Revision>,
    pub(crate) configs: BTreeMap<String, model::Config>,
}

/// A node without containers.
pub(crate) struct Hollow {
    pub(crate) dispatcher: DispatcherClient<Channel>,
    pub(crate) session_id: String,
    pub(crate) told: Arc<Mutex<Told>>,
    pub(crate) errands: mpsc::UnboundedReceiver<Errand>,
    work: tokio::task::JoinHandle<()>,
}

impl Drop for Hollow {
    fn drop(&mut self) {
        self.work.abort();
    }
}

impl Hollow {
    async fn start(name: &str, address: SocketAddr, tls: Tls) -> Self {
        let mut dispatcher = DispatcherClient::new(channel(address, tls))
            .max_decoding_message_size(api::LARGEST_ANSWER);
        let asked = SessionRequest {
            description: Some(description(name)),
            address: String::new(),
        };
        let session = dispatcher.session(asked).await.expect("a session");
        let mut messages = session.into_inner();
        let first = messages.message().await.expect("a message").expect("one");
        assert!(!first.roots_pem.is_empty() && !first.manager_addresses.is_empty());
        let session_id = first.session_id;
        let told = Arc::<Mutex<Told>>::default();
        let (gives, errands) = mpsc::unbounded_channel();
        let (client, id, seen) = (dispatcher.clone(), session_id.clone(), told.clone());
        let work = tokio::spawn(async move {
            let _session = messages;
            pretend(client, id, seen, gives).await;
        });
        Hollow {
            dispatcher,
            session_id,
            told,
            errands,
            work,
        }
    }

    /// What it has been told.
    pub(crate) fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next errand.
    pub(crate) async fn errand(&mut self) -> Errand {
        let next = tokio::time::timeout(PATIENCE, self.errands.recv()).await;
        next.expect("an errand in time").expect("an errand")
    }

    /// Waits until it has been told something.
    pub(crate) async fn until(&self, what: &str, seen: impl Fn(&Told) -> bool) {
        for _ in 0..1000 {
            if seen(&self.told()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}: the node was not told so");
    }
}

/// Does as a worker does, with nothing behind it.
async fn pretend(
    mut client: DispatcherClient<Channel>,
    session_id: String,
    told: Arc<Mutex<Told>>,
    gives: mpsc::UnboundedSender<Errand>,
) {
    let asked = AssignmentsRequest {
        session_id: session_id.clone(),
    };
    let mut messages = client
        .assignments(asked)
        .await
        .expect("assignments")
        .into_inner();
    let mut complete = true;
    while let Ok(Some(message)) = messages.message().await {
        assert_eq!(
            message.complete, complete,
            "the first is everything, others are not"
        );
        complete = false;
        let mut updates = Vec::new();
        {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            for put in message.put {
                match put.object.expect("an object") {
                    Object::Task(task) => {
                        let revision = model::Revision::id_of(&task.service_id, task.revision);
                        assert!(
                            told.revisions.contains_key(&revision),
                            "what it runs comes first"
                        );
                        updates.extend(next(&task).map(|status| TaskUpdate {
                            task_id: task.id.clone(),
                            status: Some(status),
                        }));
                        told.tasks.insert(task.id.clone(), task);
                    }
                    Object::Revision(revision) => {
                        told.revisions.insert(revision.id.clone(), revision);
                    }
                    Object::Secret(secret) => {
                        told.secrets.insert(secret.id.clone(), secret);
                    }
                    Object::Config(config) => {
                        told.configs.insert(config.id.clone(), config);
                    }
                    Object::Network(_) => {}
                }
            }
            for key in message.remove {
                match key.kind() {
                    Kind::Task => drop(told.tasks.remove(&key.id)),
                    Kind::Secret => drop(told.secrets.remove(&key.id)),
                    Kind::Revision => drop(told.revisions.remove(&key.id)),
                    Kind::Config => drop(told.configs.remove(&key.id)),
                    Kind::Network => {}
                }
            }
        }
        for errand in message.errands {
            drop(gives.send(errand));
        }
        if !updates.is_empty() {
            let asked = UpdateTasksRequest {
                session_id: session_id.clone(),
                updates,
            };
            client.update_tasks(asked).await.expect("updated");
        }
    }
}

/// What a task is to be told as, after it was assigned or told to end.
pub(crate) fn next(task: &Task) -> Option<TaskStatus> {
    if task.status.state().is_final() {
        return None;
    }
    let state = match task.desired_state() {
        TaskState::Ready => TaskState::Ready,
        TaskState::Running => TaskState::Running,
        _ => TaskState::Shutdown,
    };
    Some(TaskStatus {
        state: state.into(),
        container_id: format!("c-{}", task.id),
        routable: state == TaskState::Running,
        ..TaskStatus::default()
    })
}
