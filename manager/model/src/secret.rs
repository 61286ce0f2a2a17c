//! What services are given and nobody else may read.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use crate::Meta;

/// A secret, kept by the cluster.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Secret {
    /// Drawn when it was made.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Version and times.
    #[prost(message, required, tag = "2")]
    pub meta: Meta,
    /// What it is.
    #[prost(message, required, tag = "3")]
    pub spec: SecretSpec,
}

/// What a secret is. It is never printed: neither `{:?}` nor a log shows `data`.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct SecretSpec {
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

impl fmt::Debug for SecretSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretSpec")
            .field("name", &self.name)
            .field("labels", &self.labels)
            .field("data", &format_args!("{} bytes", self.data.len()))
            .finish()
    }
}
