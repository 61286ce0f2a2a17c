//! Daemons for a test: each with directories and a port of its own; all are gone at the end.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use api::v1::control_client::ControlClient;
use api::v1::host_client::HostClient;
use api::v1::*;
use model::{ClusterSpec, ConfigSpec, Node, NodeSpec, NodeState};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Daemons {
    directory: tempfile::TempDir,
    running: BTreeMap<String, Child>,
    ports: BTreeMap<String, u16>,
    /// Where metrics are told.
    metrics: BTreeMap<String, u16>,
}

/// A request under an id.
pub(crate) fn request_id<T>(message: T, id: &str) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert(api::metadata::REQUEST_ID, id.parse().expect("text"));
    request
}

pub(crate) fn is_ready(node: &Node) -> bool {
    node.status.state() == NodeState::Ready
}

impl Daemons {
    pub(crate) fn new() -> Self {
        Daemons {
            directory: tempfile::tempdir().expect("a directory"),
            running: BTreeMap::new(),
            ports: BTreeMap::new(),
            metrics: BTreeMap::new(),
        }
    }

    fn home(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.home(name).join("run/minid.sock")
    }

    pub(crate) fn address(&self, name: &str) -> String {
        format!("127.0.0.1:{}", self.ports[name])
    }

    pub(crate) fn metrics_address(&self, name: &str) -> String {
        format!("127.0.0.1:{}", self.metrics[name])
    }

    /// Starts a daemon, for the first time or again.
    pub(crate) fn start(&mut self, name: &str) {
        for ports in [&mut self.ports, &mut self.metrics] {
            ports.entry(name.to_owned()).or_insert_with(|| {
                let free = TcpListener::bind("127.0.0.1:0").expect("a port");
                free.local_addr().expect("its address").port()
            });
        }
        let home = self.home(name);
        std::fs::create_dir_all(&home).expect("a directory");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(home.join("log"))
            .expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_minid"))
            .arg("--data-root")
            .arg(home.join("data"))
            .arg("--run-root")
            .arg(home.join("run"))
            .args(["--name", name])
            .args(["--metrics-address", &self.metrics_address(name)])
            .env("MINID_LOG", "info,openraft=error,server::forward=debug")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("minid starts");
        self.running.insert(name.to_owned(), child);
        let deadline = Instant::now() + PATIENCE;
        while std::os::unix::net::UnixStream::connect(self.socket(name)).is_err() {
            assert!(
                Instant::now() < deadline,
                "{name} does not answer: {}",
                self.log(name)
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills a daemon as a power cut would.
    pub(crate) fn kill(&mut self, name: &str) {
        let mut child = self.running.remove(name).expect("it runs");
        child.kill().expect("killed");
        child.wait().expect("reaped");
    }

    pub(crate) fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.home(name).join("log")).unwrap_or_default()
    }

    fn logs(&self) -> String {
        let each = |name: &String| format!("---- {name}\n{}", self.log(name));
        self.ports
            .keys()
            .map(each)
            .collect::<Vec<String>>()
            .join("\n")
    }

    pub(crate) fn host_client(&self, name: &str) -> HostClient<Channel> {
        HostClient::new(api::connect::unix(&self.socket(name)))
    }

    pub(crate) fn control(&self, name: &str) -> ControlClient<Channel> {
        ControlClient::new(api::connect::unix(&self.socket(name)))
    }

    /// A channel to `manager` with the certificate of the node `name`.
    pub(crate) fn as_node(&self, name: &str, manager: &str) -> Channel {
        let vault = identity::Vault::at(self.home(name).join("data/cluster/node.json"));
        let held = vault
            .load()
            .expect("a vault")
            .expect("an identity")
            .expect("open");
        let config = identity::client_config(&held.credential).expect("a client");
        api::connect::tls(
            &self.address(manager),
            move || config.clone(),
            identity::server_name(),
        )
    }

    pub(crate) async fn host(&self, name: &str) -> HostReply {
        self.host_client(name)
            .get_host(GetHostRequest {})
            .await
            .expect("a host")
            .into_inner()
    }

    pub(crate) async fn init(&self, name: &str, spec: ClusterSpec) -> InitReply {
        let (advertise_address, listen_address) = (self.address(name), self.address(name));
        let asked = InitRequest {
            advertise_address,
            listen_address,
            spec: Some(spec),
            ..InitRequest::default()
        };
        self.host_client(name)
            .init(asked)
            .await
            .unwrap_or_else(|status| panic!("{status}\n{}", self.log(name)))
            .into_inner()
    }

    pub(crate) async fn join(
        &self,
        name: &str,
        token: &str,
        manager: &str,
    ) -> Result<JoinReply, Status> {
        let asked = JoinRequest {
            token: token.to_owned(),
            manager_addresses: vec![self.address(manager)],
            advertise_address: self.address(name),
            listen_address: self.address(name),
            ..JoinRequest::default()
        };
        self.host_client(name)
            .join(asked)
            .await
            .map(Response::into_inner)
    }

    pub(crate) async fn try_nodes(&self, name: &str) -> Result<Vec<Node>, Status> {
        let reply = self
            .control(name)
            .list_nodes(ListNodesRequest {})
            .await?
            .into_inner();
        Ok(reply
            .nodes
            .into_iter()
            .map(|view| view.node.expect("a node"))
            .collect())
    }

    pub(crate) async fn nodes(&self, name: &str) -> Vec<Node> {
        self.try_nodes(name).await.expect("nodes")
    }

    /// The name of the daemon that leads.
    pub(crate) async fn leader(&self, name: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(reply) = self.control(name).list_nodes(ListNodesRequest {}).await
                && let Some(view) = reply
                    .into_inner()
                    .nodes
                    .into_iter()
                    .find(|view| view.leader)
            {
                return view.node.expect("a node").description.hostname;
            }
            assert!(
                Instant::now() < deadline,
                "{name} knows nobody who leads:\n{}",
                self.logs()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn voters(&self, name: &str) -> usize {
        let status = self.control(name).get_status(GetStatusRequest {}).await;
        status.map_or(0, |status| {
            status
                .get_ref()
                .managers
                .iter()
                .filter(|manager| manager.voter)
                .count()
        })
    }

    pub(crate) async fn spec(&self, name: &str, node: &str) -> NodeSpec {
        let nodes = self.nodes(name).await;
        nodes
            .into_iter()
            .find(|known| known.id == node)
            .expect("a node")
            .spec
    }

    pub(crate) async fn update(
        &self,
        name: &str,
        node: &str,
        spec: NodeSpec,
    ) -> Result<(), Status> {
        let asked = UpdateNodeRequest {
            node: node.to_owned(),
            version: 0,
            spec: Some(spec),
        };
        self.control(name).update_node(asked).await.map(drop)
    }

    pub(crate) async fn config(&self, name: &str, config: &str) -> Result<(), Status> {
        let spec = ConfigSpec {
            name: config.to_owned(),
            data: "data".into(),
            ..ConfigSpec::default()
        };
        self.control(name)
            .create_config(CreateConfigRequest { spec: Some(spec) })
            .await
            .map(drop)
    }

    pub(crate) async fn backup(&self, name: &str) -> Vec<u8> {
        let mut stream = self
            .control(name)
            .backup(BackupRequest {})
            .await
            .expect("a backup")
            .into_inner();
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.message().await.expect("a chunk") {
            bytes.extend_from_slice(&chunk.data);
        }
        bytes
    }

    pub(crate) async fn restore(&self, name: &str, backup: &[u8]) -> Result<InitReply, Status> {
        let (advertise_address, listen_address) = (self.address(name), self.address(name));
        let init = InitRequest {
            advertise_address,
            listen_address,
            ..InitRequest::default()
        };
        let mut messages = vec![RestoreRequest {
            init: Some(init),
            data: Default::default(),
        }];
        messages.extend(backup.chunks(1000).map(|chunk| RestoreRequest {
            init: None,
            data: chunk.to_vec().into(),
        }));
        self.host_client(name)
            .restore(tokio_stream::iter(messages))
            .await
            .map(Response::into_inner)
    }

    /// Waits until it holds; prints every log when it does not.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn(&Daemons) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self).await {
            if Instant::now() > deadline {
                panic!("not within {PATIENCE:?}: {what}\n{}", self.logs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            // Gone already, or killed now.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
