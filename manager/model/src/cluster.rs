//! The cluster as a whole.

use std::collections::BTreeMap;

use crate::Meta;

/// The cluster: its settings, its certificate authority, its join tokens. There is one.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Cluster {
    /// Drawn by `cluster init`.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Version and times.
    #[prost(message, required, tag = "2")]
    pub meta: Meta,
    /// Settings.
    #[prost(message, required, tag = "3")]
    pub spec: ClusterSpec,
    /// The certificate authority.
    #[prost(message, required, tag = "4")]
    pub root: RootCa,
    /// What lets nodes in.
    #[prost(message, required, tag = "5")]
    pub tokens: JoinTokens,
    /// What unlocks a manager that has been restarted; empty without autolock.
    #[prost(string, tag = "6")]
    pub unlock_key: String,
    /// What all managers understand.
    #[prost(uint32, tag = "7")]
    pub feature_level: u32,
    /// Certificates that are worth nothing before their time.
    #[prost(message, repeated, tag = "8")]
    pub revoked: Vec<Revocation>,
}

/// Settings of a cluster.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ClusterSpec {
    /// Life of a node's certificate, in seconds.
    #[prost(uint64, tag = "1")]
    pub certificate_life_s: u64,
    /// Whether managers need the unlock key after a restart.
    #[prost(bool, tag = "2")]
    pub autolock: bool,
    /// Address ranges that networks are cut from, in CIDR notation.
    #[prost(string, repeated, tag = "3")]
    pub address_pools: Vec<String>,
    /// Prefix length of such a network.
    #[prost(uint32, tag = "4")]
    pub subnet_length: u32,
    /// How often a Raft leader speaks, in milliseconds.
    #[prost(uint32, tag = "5")]
    pub heartbeat_ms: u32,
    /// The shortest election timer, in milliseconds; the longest is twice as long.
    #[prost(uint32, tag = "6")]
    pub election_ms: u32,
    /// How many ended tasks of a slot are remembered.
    #[prost(uint32, tag = "7")]
    pub task_history: u32,
    /// How often a node speaks to the dispatcher, in milliseconds.
    #[prost(uint32, tag = "8")]
    pub node_heartbeat_ms: u32,
    /// Labels.
    #[prost(btree_map = "string, string", tag = "9")]
    pub labels: BTreeMap<String, String>,
}

/// The certificate authority of a cluster.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct RootCa {
    /// Certificate of the root that issues, PEM.
    #[prost(string, tag = "1")]
    pub certificate_pem: String,
    /// Its key, PEM.
    #[prost(string, tag = "2")]
    pub key_pem: String,
    /// Every root that is trusted, PEM: more than one while the root is rotated.
    #[prost(string, tag = "3")]
    pub bundle_pem: String,
    /// A rotation under way.
    #[prost(message, optional, tag = "4")]
    pub rotation: Option<RootRotation>,
    /// How often the root was replaced.
    #[prost(uint64, tag = "5")]
    pub rotations: u64,
}

/// A root on its way out: trusted until every node has a certificate of the new one.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct RootRotation {
    /// SHA-256 of the root that goes, hexadecimal.
    #[prost(string, tag = "1")]
    pub old_fingerprint: String,
    /// The new root, signed by the old one, PEM.
    #[prost(string, tag = "2")]
    pub cross_signed_pem: String,
    /// When it began: milliseconds since 1970 (UTC).
    #[prost(int64, tag = "3")]
    pub started_ms: i64,
}

/// What lets nodes in.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct JoinTokens {
    /// As a worker.
    #[prost(string, tag = "1")]
    pub worker: String,
    /// As a manager.
    #[prost(string, tag = "2")]
    pub manager: String,
}

/// A certificate that is worth nothing any more.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Revocation {
    /// The node that had it: all of its certificates are revoked.
    #[prost(string, tag = "1")]
    pub node_id: String,
    /// When the last of them would have ended; then this is forgotten. Milliseconds since 1970 (UTC).
    #[prost(int64, tag = "2")]
    pub until_ms: i64,
}

impl ClusterSpec {
    /// The settings of a cluster that asked for none.
    pub fn standard() -> Self {
        ClusterSpec {
            certificate_life_s: 90 * 24 * 3600,
            autolock: false,
            address_pools: vec!["10.0.0.0/8".to_owned()],
            subnet_length: 24,
            heartbeat_ms: 50,
            election_ms: 150,
            task_history: 5,
            node_heartbeat_ms: 5000,
            labels: BTreeMap::new(),
        }
    }
}
