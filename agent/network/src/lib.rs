//! Kernel networking for local endpoints: network namespaces, bridges, addresses, published ports and names.
//!
//! A caller opens [`Networks`] on its two state directories, makes a network namespace with [`Netns::create`] and
//! [connects](Networks::connect) it to a network under an id of its own choosing. What that makes of the kernel - a
//! bridge, a veth pair, map elements in one nftables table - lives until [`Networks::disconnect`], and
//! [`Networks::heal`] takes away what was left by callers that died.
//!
//! Invariants:
//! - The crate knows neither containers nor clusters: an endpoint is an id, a namespace and a list of ports.
//! - One nftables table, `ip mini`, is owned whole (beside it a [`Switch`] has `bridge mini` in its own namespace); no
//!   other table, chain or rule is ever changed.
//! - No program is started but the resolver's command that the caller gives; everything is a netlink message.
//! - An address is a lease file, a network a definition file: each is made by one system call that only one process
//!   can win. A lock is held only while a bridge comes or goes.

mod conflict;
mod connect;
mod conntrack;
mod error;
mod heal;
mod ipam;
mod model;
mod names;
mod netlink;
mod netns;
mod networks;
mod nft;
mod ports;
mod release;
pub mod resolver;
mod state;
mod switch;
mod sysctl;

#[cfg(test)]
mod lab;

pub use error::{Error, ErrorKind, Holder, Result};
pub use heal::HealReport;
pub use ipnet::Ipv4Net;
pub use model::{
    Attachment, Driver, Endpoint, EndpointSpec, Network, NetworkSpec, ParsePortError, PortMapping,
    Protocol,
};
pub use netns::Netns;
pub use networks::{DEFAULT_NETWORK, Networks, Options};
pub use switch::{Plug, Switch};
