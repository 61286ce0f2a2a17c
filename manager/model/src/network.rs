//! Networks of the cluster.

use std::collections::BTreeMap;

use crate::Meta;

/// A network that tasks on any node can be attached to.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Network {
    /// Drawn when it was made.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Version and times.
    #[prost(message, required, tag = "2")]
    pub meta: Meta,
    /// What is wanted.
    #[prost(message, required, tag = "3")]
    pub spec: NetworkSpec,
    /// Its range in CIDR notation, given by the managers; empty before.
    #[prost(string, tag = "4")]
    pub subnet: String,
    /// Its VXLAN network identifier, given by the managers; 0 before.
    #[prost(uint32, tag = "5")]
    pub vni: u32,
    /// The stack that it belongs to; empty for one of its own.
    #[prost(string, tag = "6")]
    pub stack_id: String,
    /// Why it cannot be used, for people; empty when it can.
    #[prost(string, tag = "7")]
    pub trouble: String,
}

/// What is wanted of a network.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct NetworkSpec {
    /// Unique.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Labels.
    #[prost(btree_map = "string, string", tag = "2")]
    pub labels: BTreeMap<String, String>,
    /// Without a way out.
    #[prost(bool, tag = "3")]
    pub internal: bool,
    /// Whether containers that are no tasks may join it.
    #[prost(bool, tag = "4")]
    pub attachable: bool,
    /// With IPv6.
    #[prost(bool, tag = "5")]
    pub ipv6: bool,
    /// Ranges in CIDR notation; none for one that the managers choose.
    #[prost(string, repeated, tag = "6")]
    pub subnets: Vec<String>,
    /// Whether what crosses hosts is encrypted.
    #[prost(bool, tag = "7")]
    pub encrypted: bool,
    /// Options of the driver.
    #[prost(btree_map = "string, string", tag = "8")]
    pub options: BTreeMap<String, String>,
}
