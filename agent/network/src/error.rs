//! What can go wrong, each naming the operation and the object.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::model::Protocol;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal or a failure of the network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value that a person gave is not acceptable.
    #[error("invalid {what} {value:?}: {reason}")]
    Invalid {
        /// What the value was meant to be, e.g. `network name`.
        what: &'static str,
        /// The value as it was given.
        value: String,
        /// Why it is refused and what would do.
        reason: String,
    },

    /// No network has this name or id.
    #[error("network {0:?} not found")]
    NetworkNotFound(String),

    /// An id prefix that fits several networks.
    #[error("network id {prefix:?} is ambiguous: it fits {}", .names.join(", "))]
    Ambiguous {
        /// The prefix as given.
        prefix: String,
        /// The names of the networks it fits.
        names: Vec<String>,
    },

    /// A network of this name exists.
    #[error("network {0:?} already exists")]
    NameTaken(String),

    /// The subnet asked for overlaps one in use.
    #[error("subnet {subnet} overlaps {other} of {owner}")]
    Overlap {
        /// The subnet asked for.
        subnet: Ipv4Net,
        /// The one it collides with.
        other: Ipv4Net,
        /// Whose it is, e.g. `network "bridge"` or `a route of this host`.
        owner: String,
    },

    /// Every subnet of the pools is taken.
    #[error(
        "no free subnet is left for network {0:?}: remove a network, or name a subnet with --subnet"
    )]
    NoSubnetLeft(String),

    /// The network still has endpoints.
    #[error("network {network:?} is in use by {}", .endpoints.join(", "))]
    InUse {
        /// The network's name.
        network: String,
        /// The ids of its endpoints.
        endpoints: Vec<String>,
    },

    /// The default network, which is always there, was to be removed.
    #[error("network {0:?} is predefined and cannot be removed")]
    Predefined(String),

    /// The address asked for is leased.
    #[error("address {address} of network {network:?} is in use by {owner}")]
    AddressTaken {
        /// The network's name.
        network: String,
        /// The address.
        address: Ipv4Addr,
        /// The id of the endpoint that holds it.
        owner: String,
    },

    /// Every address of the network is leased.
    #[error("network {network:?} has no free address left in {subnet}")]
    NoAddressLeft {
        /// The network's name.
        network: String,
        /// Its subnet.
        subnet: Ipv4Net,
    },

    /// The endpoint is already connected to that network.
    #[error("endpoint {id} is already connected to network {network:?}")]
    AlreadyConnected {
        /// The endpoint's id.
        id: String,
        /// The network's name.
        network: String,
    },

    /// A port to publish is taken.
    #[error("port {address}:{port}/{protocol} is already in use{}", Held(.holder))]
    PortTaken {
        /// The host address asked for (0.0.0.0 for any).
        address: Ipv4Addr,
        /// The host port asked for.
        port: u16,
        /// tcp or udp.
        protocol: Protocol,
        /// Who has it, where that can be found out.
        holder: Option<Holder>,
    },

    /// The host has no such address to publish a port on.
    #[error("publish port {port}/{protocol}: this host has no address {address}")]
    NoSuchHostAddress {
        /// The host address asked for.
        address: Ipv4Addr,
        /// The host port asked for.
        port: u16,
        /// tcp or udp.
        protocol: Protocol,
    },

    /// The resolver of user-made networks did not come up.
    #[error("start the resolver for network {network:?}: {reason}")]
    Resolver {
        /// The network that needed it.
        network: String,
        /// What was seen.
        reason: String,
    },

    /// A state file does not hold what it should.
    #[error("read {path}: not a valid record")]
    Corrupt {
        /// The file.
        path: String,
        /// What the parser says.
        source: serde_json::Error,
    },

    /// The kernel or the file system refused.
    #[error("{operation} {object}")]
    System {
        /// What was being done, e.g. `create link`.
        operation: &'static str,
        /// To what.
        object: String,
        /// The refusal.
        source: io::Error,
    },
}

/// Who holds a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A process of this host.
    Process {
        /// Its pid.
        pid: i32,
        /// Its command name, as in /proc/PID/comm.
        command: String,
    },
    /// An endpoint of ours, by id.
    Endpoint(String),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Process { pid, command } => write!(f, "process {pid} ({command})"),
            Holder::Endpoint(id) => write!(f, "endpoint {}", id.get(..12).unwrap_or(id)),
        }
    }
}

struct Held<'a>(&'a Option<Holder>);

impl fmt::Display for Held<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(holder) => write!(f, " by {holder}"),
            None => Ok(()),
        }
    }
}

/// What a caller does about an error: one word for exit codes and retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The person asked for something that cannot be meant.
    Invalid,
    /// The object does not exist.
    NotFound,
    /// The object exists already.
    AlreadyExists,
    /// The object is in use (network with endpoints, address, port).
    InUse,
    /// A pool is empty (subnets, addresses).
    Exhausted,
    /// Privileges are missing.
    Permission,
    /// The kernel or the disk refused.
    System,
}

impl Error {
    /// The error's class.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Invalid { .. } | Error::Ambiguous { .. } | Error::NoSuchHostAddress { .. } => {
                ErrorKind::Invalid
            }
            Error::Overlap { .. } | Error::Predefined(_) => ErrorKind::Invalid,
            Error::NetworkNotFound(_) => ErrorKind::NotFound,
            Error::NameTaken(_) | Error::AlreadyConnected { .. } => ErrorKind::AlreadyExists,
            Error::InUse { .. } | Error::AddressTaken { .. } | Error::PortTaken { .. } => {
                ErrorKind::InUse
            }
            Error::NoSubnetLeft(_) | Error::NoAddressLeft { .. } => ErrorKind::Exhausted,
            Error::System { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                ErrorKind::Permission
            }
            Error::System { .. } | Error::Resolver { .. } | Error::Corrupt { .. } => {
                ErrorKind::System
            }
        }
    }

    /// For `map_err`: the io error of an operation on an object.
    pub(crate) fn system<E: Into<io::Error>>(
        operation: &'static str,
        object: impl fmt::Display,
    ) -> impl FnOnce(E) -> Error {
        move |source| Error::System {
            operation,
            object: object.to_string(),
            source: source.into(),
        }
    }
}
