//! Three managers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use api::v1::control_client::ControlClient;
use api::v1::host_client::HostClient;
use api::v1::{
    CreateConfigRequest, GetConfigRequest, GetHostRequest, InitReply, InitRequest, JoinRequest,
};
use identity::Vault;
use model::{ClusterSpec, ConfigSpec};
use tonic::transport::Channel;

use crate::group::{Client, Group, Member, eventually, free_port, log};

/// Daemons, their directories and ports.
pub(crate) struct Ours {
    directory: PathBuf,
    ports: Vec<u16>,
    members: Vec<Member>,
}

/// The directory of a member.
pub(crate) fn home(directory: &Path, member: usize) -> PathBuf {
    directory.join(format!("m{member}"))
}

/// Starts a daemon in that directory, with more arguments.
pub(crate) fn daemon(home: &Path, more: &[&str]) -> Member {
    std::fs::create_dir_all(home).expect("a directory");
    let own = std::env::var_os("MINI_BIN_DIR").map(PathBuf::from);
    let minid = own.expect("MINI_BIN_DIR says where minid is").join("minid");
    let (home, more) = (home.to_owned(), more.iter().map(ToString::to_string));
    let more: Vec<String> = more.collect();
    Member::start(move || {
        let mut command = Command::new(&minid);
        command
            .arg("--data-root")
            .arg(home.join("data"))
            .arg("--run-root")
            .arg(home.join("run"))
            .args(&more)
            .stderr(log(&home.join("log")));
        command
    })
}

/// A channel to the daemon's socket.
pub(crate) fn socket(home: &Path) -> Channel {
    api::connect::unix(&home.join("run/minid.sock"))
}

/// Begins a cluster on a daemon that listens on that port.
pub(crate) async fn init(home: &Path, port: u16) -> InitReply {
    let address = format!("127.0.0.1:{port}");
    eventually("the daemon begins a cluster", async || {
        let asked = InitRequest {
            advertise_address: address.clone(),
            listen_address: address.clone(),
            spec: Some(ClusterSpec::standard()),
            ..InitRequest::default()
        };
        let made = HostClient::new(socket(home)).init(asked).await;
        made.ok().map(tonic::Response::into_inner)
    })
    .await
}

/// Whether the daemon there leads.
pub(crate) async fn leads(home: &Path) -> bool {
    let asked = HostClient::new(socket(home))
        .get_host(GetHostRequest {})
        .await;
    asked.is_ok_and(|host| host.get_ref().leader)
}

impl Group for Ours {
    type Client = ControlClient<Channel>;
    const NAME: &'static str = "minid";

    async fn start(directory: &Path) -> Self {
        let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let members = (0..3)
            .map(|member| daemon(&home(directory, member), &[]))
            .collect();
        let made = init(&home(directory, 0), ports[0]).await;
        for member in 1..3 {
            let address = format!("127.0.0.1:{}", ports[member]);
            let asked = JoinRequest {
                token: made.manager_token.clone(),
                manager_addresses: vec![format!("127.0.0.1:{}", ports[0])],
                advertise_address: address.clone(),
                listen_address: address,
                ..JoinRequest::default()
            };
            let mut host = HostClient::new(socket(&home(directory, member)));
            host.join(asked).await.expect("a manager joins");
        }
        Ours {
            directory: directory.to_owned(),
            ports,
            members,
        }
    }

    fn client(&self, member: usize) -> Self::Client {
        let vault = Vault::at(home(&self.directory, 0).join("data/cluster/node.json"));
        let held = vault.load().expect("a vault").expect("an identity");
        let held = held.expect("not locked");
        let config = identity::client_config(&held.credential).expect("a client");
        let address = format!("127.0.0.1:{}", self.ports[member]);
        ControlClient::new(api::connect::tls(
            &address,
            move || Arc::clone(&config),
            identity::server_name(),
        ))
    }

    async fn leader(&self) -> usize {
        eventually("a manager leads", async || {
            for member in 0..3 {
                if leads(&home(&self.directory, member)).await {
                    return Some(member);
                }
            }
            None
        })
        .await
    }

    fn members(&mut self) -> &mut Vec<Member> {
        &mut self.members
    }
}

impl Client for ControlClient<Channel> {
    async fn put(&mut self, key: String, value: Vec<u8>) -> bool {
        let spec = ConfigSpec {
            name: key,
            data: value.into(),
            ..ConfigSpec::default()
        };
        let asked = CreateConfigRequest { spec: Some(spec) };
        self.create_config(asked).await.is_ok()
    }

    async fn get(&mut self, key: String) -> bool {
        let asked = GetConfigRequest { config: key };
        self.get_config(asked).await.is_ok()
    }
}
