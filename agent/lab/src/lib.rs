//! A cluster on one machine: every node a host of its own, made of a network, a mount and a UTS namespace, all plugged
//! into one switch that lives in a namespace too.
//!
//! [`Labs`] is the directory of all labs; [`Labs::up`] makes one, [`Labs::open`] finds it again in a later command,
//! [`Labs::down`] takes it away. A [`Plan`] says beforehand what a lab is: names, addresses, files, command lines. What the
//! daemons say to each other is not known here; whoever calls brings a [`Cluster`].
//!
//! Invariants:
//! - Nothing of the machine's own network is touched: no link, route, rule or sysctl.
//! - Whatever a lab has is in its directory or in its cgroups `mini-LAB-NODE`. Every process of a host was born in there,
//!   so [`Labs::down`] finds all of them however they came about, and needs no record for it: a lab that was killed
//!   while it came up is taken down like any other.
//! - A host's namespaces are held by one process, the holder, and by nothing on the disk. It is the parent of the
//!   daemon, so a pid that it signals is never another's.

#![forbid(unsafe_code)]

mod cgroups;
mod cluster;
mod enter;
mod error;
mod host;
mod labs;
mod logs;
mod partition;
mod plan;
mod record;
mod up;
mod verbs;

pub use cluster::{Cluster, ClusterResult, Tokens};
pub use error::{Error, Result};
pub use host::serve as serve_host;
pub use labs::{DEFAULT_NAME, DEFAULT_ROOT, Lab, Labs};
pub use logs::copy_log;
pub use network::Ipv4Net;
pub use partition::cuts;
pub use plan::{Node, Plan, Role, Spec};
pub use verbs::{Condition, NodeView};
