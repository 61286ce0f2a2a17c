//! Three members of etcd (Debian's), asked through its own API: etcd/api/etcdserverpb/rpc.proto.

use std::path::Path;
use std::process::Command;

use identity::{NodeKey, Role, RootCa, TrustBundle, Validity};
use jiff::{SignedDuration, Timestamp};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use crate::group::{Client, Group, Member, eventually, free_port, log};

#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PutResponse {}

#[derive(Clone, PartialEq, prost::Message)]
struct RangeRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RangeResponse {
    #[prost(int64, tag = "4")]
    count: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StatusRequest {}

#[derive(Clone, PartialEq, prost::Message)]
struct StatusResponse {
    #[prost(message, optional, tag = "1")]
    header: Option<ResponseHeader>,
    #[prost(uint64, tag = "4")]
    leader: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResponseHeader {
    #[prost(uint64, tag = "2")]
    member_id: u64,
}

/// A connection to one member.
#[derive(Clone)]
pub(crate) struct Connection(Grpc<Channel>);

impl Connection {
    async fn ask<Q, A>(&mut self, path: &'static str, question: Q) -> Result<A, Status>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        self.0
            .ready()
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let path = PathAndQuery::from_static(path);
        let codec = ProstCodec::<Q, A>::default();
        let answer = self.0.unary(Request::new(question), path, codec).await?;
        Ok(answer.into_inner())
    }

    /// Whether that member leads.
    async fn leads(&mut self) -> bool {
        let asked: Result<StatusResponse, Status> = self
            .ask("/etcdserverpb.Maintenance/Status", StatusRequest {})
            .await;
        asked.is_ok_and(|status| {
            let own = status.header.map_or(0, |header| header.member_id);
            own != 0 && own == status.leader
        })
    }
}

impl Client for Connection {
    async fn put(&mut self, key: String, value: Vec<u8>) -> bool {
        let question = PutRequest {
            key: key.into_bytes(),
            value,
        };
        let answer: Result<PutResponse, Status> = self.ask("/etcdserverpb.KV/Put", question).await;
        answer.is_ok()
    }

    async fn get(&mut self, key: String) -> bool {
        let question = RangeRequest {
            key: key.into_bytes(),
        };
        let answer: Result<RangeResponse, Status> =
            self.ask("/etcdserverpb.KV/Range", question).await;
        answer.is_ok_and(|found| found.count == 1)
    }
}

/// Members, the ports of their clients, and whom a client believes there.
pub(crate) struct Etcd {
    ports: Vec<u16>,
    roots: TrustBundle,
    members: Vec<Member>,
}

/// Puts a certificate like one of ours where etcd looks for it. Its own (`--auto-tls`) would be of another kind.
fn certify(root: &RootCa, home: &Path) {
    let key = NodeKey::generate().expect("a key");
    let request = key.request_pem().expect("a request");
    let validity = Validity::from(Timestamp::now(), SignedDuration::from_hours(24));
    let issued = root.issue(&request, "etcd", Role::Manager, "etcd", validity);
    std::fs::write(home.join("cert.pem"), issued.expect("a certificate")).expect("written");
    std::fs::write(home.join("key.pem"), key.pem()).expect("written");
}

impl Group for Etcd {
    type Client = Connection;
    const NAME: &'static str = "etcd";

    async fn start(directory: &Path) -> Self {
        let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let peers: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let all = (0..3).map(|member| format!("e{member}=https://127.0.0.1:{}", peers[member]));
        let all = all.collect::<Vec<_>>().join(",");
        let root = RootCa::generate("etcd", Timestamp::now()).expect("a root");
        let roots = TrustBundle::from_pem(root.certificate_pem()).expect("the root");
        let members = (0..3).map(|member| {
            let home = directory.join(format!("e{member}"));
            std::fs::create_dir_all(&home).expect("a directory");
            certify(&root, &home);
            let (client, peer) = (ports[member], peers[member]);
            let all = all.clone();
            Member::start(move || {
                let client = format!("https://127.0.0.1:{client}");
                let peer = format!("https://127.0.0.1:{peer}");
                let mut command = Command::new("etcd");
                command
                    .arg(format!("--name=e{member}"))
                    .arg(format!("--data-dir={}", home.join("data").display()))
                    .arg(format!("--listen-client-urls={client}"))
                    .arg(format!("--advertise-client-urls={client}"))
                    .arg(format!("--listen-peer-urls={peer}"))
                    .arg(format!("--initial-advertise-peer-urls={peer}"))
                    .arg(format!("--initial-cluster={all}"))
                    .args(["--initial-cluster-state=new", "--logger=zap"])
                    .args(["--peer-auto-tls", "--log-level=error"])
                    .arg(format!("--cert-file={}", home.join("cert.pem").display()))
                    .arg(format!("--key-file={}", home.join("key.pem").display()))
                    .stderr(log(&home.join("log")));
                command
            })
        });
        let members = members.collect();
        let group = Etcd {
            ports,
            roots,
            members,
        };
        group.leader().await;
        group
    }

    fn client(&self, member: usize) -> Connection {
        let config = identity::trusting_config(&self.roots).expect("a client");
        let channel = api::connect::tls(
            &format!("127.0.0.1:{}", self.ports[member]),
            move || config.clone(),
            identity::server_name(),
        );
        Connection(Grpc::new(channel))
    }

    async fn leader(&self) -> usize {
        let mut clients: Vec<Connection> = (0..3).map(|member| self.client(member)).collect();
        eventually("a member of etcd leads", async || {
            for (member, client) in clients.iter_mut().enumerate() {
                let asked = tokio::time::timeout(std::time::Duration::from_secs(1), client.leads());
                if asked.await == Ok(true) {
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
