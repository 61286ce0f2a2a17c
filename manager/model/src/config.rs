//! Configuration files that services are given.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::Meta;

/// A configuration file, kept by the cluster.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Config {
    /// Drawn when it was made.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Version and times.
    #[prost(message, required, tag = "2")]
    pub meta: Meta,
    /// What it is.
    #[prost(message, required, tag = "3")]
    pub spec: ConfigSpec,
}

/// What a configuration file is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ConfigSpec {
    /// Unique.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Labels; all that can be changed later.
    #[prost(btree_map = "string, string", tag = "2")]
    pub labels: BTreeMap<String, String>,
    /// Its content: at most 500 KiB.
    #[prost(bytes = "bytes", tag = "3")]
    pub data: Bytes,
}
