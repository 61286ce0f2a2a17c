//! The nouns: networks, endpoints, port mappings.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::str::FromStr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// How a network is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// A bridge on this host.
    Bridge,
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bridge")
    }
}

/// A network that endpoints are connected to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Unique on the host.
    pub name: String,
    /// 64 hexadecimal digits.
    pub id: String,
    /// How it is carried.
    pub driver: Driver,
    /// The bridge's interface name (at most 15 characters).
    pub bridge: String,
    /// Where its addresses come from.
    pub subnet: Ipv4Net,
    /// The host's address on the bridge.
    pub gateway: Ipv4Addr,
    /// Whether the network has no way out.
    #[serde(default)]
    pub internal: bool,
    /// Bytes; `None` takes that of the host's default route when the bridge is made.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// A person's labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Driver options as given (`com.docker.network.driver.mtu`, `mtu`).
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// When it was made.
    pub created: jiff::Timestamp,
    /// Whether it is the predefined network, which has no names and cannot be removed.
    #[serde(default)]
    pub default: bool,
}

/// What [`Networks::create`](crate::Networks::create) is asked for.
#[derive(Debug, Clone, Default)]
pub struct NetworkSpec {
    /// Its name: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`.
    pub name: String,
    /// `None` takes the next free one of the pools.
    pub subnet: Option<Ipv4Net>,
    /// `None` takes the subnet's first address.
    pub gateway: Option<Ipv4Addr>,
    /// No way out of the network.
    pub internal: bool,
    /// A person's labels.
    pub labels: BTreeMap<String, String>,
    /// Driver options; `mtu` and `com.docker.network.driver.mtu` are honoured, others refused.
    pub options: BTreeMap<String, String>,
}

/// The protocol of a published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

/// A protocol that cannot be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown protocol {0:?}: tcp or udp")]
pub struct ParsePortError(pub String);

impl FromStr for Protocol {
    type Err = ParsePortError;

    fn from_str(s: &str) -> Result<Protocol, ParsePortError> {
        match s.to_ascii_lowercase().as_str() {
            "tcp" => Ok(Protocol::Tcp),
            "udp" => Ok(Protocol::Udp),
            _ => Err(ParsePortError(s.to_owned())),
        }
    }
}

/// One published port; ranges come expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortMapping {
    /// The host's address; `None` (or 0.0.0.0) means every one.
    pub host_ip: Option<Ipv4Addr>,
    /// The host's port; 0 lets [`Networks::reserve_ports`](crate::Networks::reserve_ports) choose.
    pub host_port: u16,
    /// The endpoint's port.
    pub container_port: u16,
    /// tcp or udp.
    pub protocol: Protocol,
}

impl PortMapping {
    /// The host address, with every spelling of "any" as `None`.
    pub fn host(&self) -> Option<Ipv4Addr> {
        self.host_ip.filter(|ip| !ip.is_unspecified())
    }
}

impl fmt::Display for PortMapping {
    /// As `docker ps` shows it: `0.0.0.0:8080->80/tcp`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ip = self.host_ip.unwrap_or(Ipv4Addr::UNSPECIFIED);
        write!(
            f,
            "{ip}:{}->{}/{}",
            self.host_port, self.container_port, self.protocol
        )
    }
}

/// What [`Networks::connect`](crate::Networks::connect) is asked for.
#[derive(Debug)]
pub struct EndpointSpec<'a> {
    /// The owner's id (at most 64 of `[A-Za-z0-9_.-]`). One id may be connected to several networks.
    pub id: &'a str,
    /// The namespace that gets the interface.
    pub netns: &'a OwnedFd,
    /// The network's name or id.
    pub network: &'a str,
    /// The interface's name in the namespace, e.g. `eth0`.
    pub ifname: &'a str,
    /// The name that the network's other endpoints find it by.
    pub hostname: String,
    /// Further names; several endpoints may share one.
    pub aliases: Vec<String>,
    /// A fixed address; `None` takes the next free one.
    pub ip: Option<Ipv4Addr>,
    /// Ports to publish, with every host port chosen (see [`Networks::reserve_ports`](crate::Networks::reserve_ports)).
    pub ports: Vec<PortMapping>,
}

/// What a successful connect gives.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// The endpoint as recorded.
    pub endpoint: Endpoint,
    /// The network it joined.
    pub network: Network,
    /// What a person should know though it works (or may not work), one sentence each.
    pub warnings: Vec<String>,
}

/// A connected endpoint, as recorded until it is disconnected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The owner's id.
    pub id: String,
    /// The network's name.
    pub network: String,
    /// The network's id.
    pub network_id: String,
    /// Whether the network has no way out.
    #[serde(default)]
    pub internal: bool,
    /// The interface's name in the namespace.
    pub ifname: String,
    /// The name of the pair's other end, on the host.
    pub host_ifname: String,
    /// The name that others find it by.
    pub hostname: String,
    /// Further names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Its address.
    pub ip: Ipv4Addr,
    /// The subnet's prefix length.
    pub prefix_len: u8,
    /// The network's gateway.
    pub gateway: Ipv4Addr,
    /// Six bytes in hexadecimal with colons.
    pub mac: String,
    /// Bytes.
    pub mtu: u32,
    /// What it publishes.
    #[serde(default)]
    pub ports: Vec<PortMapping>,
    /// When it was connected.
    pub connected: jiff::Timestamp,
}
