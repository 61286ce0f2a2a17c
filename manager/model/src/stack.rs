//! Services, networks, secrets and configs that are deployed together, with their history.

use std::collections::BTreeMap;

use crate::{ConfigSpec, Meta, NetworkSpec, SecretSpec, ServiceSpec};

/// A stack.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Stack {
    /// Drawn when it was made.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Version and times.
    #[prost(message, required, tag = "2")]
    pub meta: Meta,
    /// Unique.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Number of the newest deployment, from 1.
    #[prost(uint64, tag = "4")]
    pub deployment: u64,
    /// It is to go: its services are ended against the order of their dependencies, then it is removed.
    #[prost(bool, tag = "5")]
    pub removing: bool,
}

/// What was asked for by one `stack up`. Never changed; the newest ten are kept.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Deployment {
    /// `<stack id>.<number>`.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Version and times.
    #[prost(message, required, tag = "2")]
    pub meta: Meta,
    /// The stack.
    #[prost(string, tag = "3")]
    pub stack_id: String,
    /// From 1.
    #[prost(uint64, tag = "4")]
    pub number: u64,
    /// What was asked for.
    #[prost(message, required, tag = "5")]
    pub spec: StackSpec,
    /// For people: `stack up`, `rollback to 3`.
    #[prost(string, tag = "6")]
    pub reason: String,
}

impl Deployment {
    /// The id of a stack's deployment.
    pub fn id_of(stack_id: &str, number: u64) -> String {
        format!("{stack_id}.{number}")
    }
}

/// Everything of a stack. Names are full ones: `<stack>_<name>`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StackSpec {
    /// Name of the stack.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its services.
    #[prost(message, repeated, tag = "2")]
    pub services: Vec<ServiceSpec>,
    /// Its networks.
    #[prost(message, repeated, tag = "3")]
    pub networks: Vec<NetworkSpec>,
    /// Its secrets: their names end with a digest of what they hold, so that another content is another secret. Empty of
    /// content in a deployment that is kept: the secret itself has it.
    #[prost(message, repeated, tag = "4")]
    pub secrets: Vec<SecretSpec>,
    /// Its configs, likewise.
    #[prost(message, repeated, tag = "5")]
    pub configs: Vec<ConfigSpec>,
    /// Whether services that it does not name any more are removed.
    #[prost(bool, tag = "6")]
    pub prune: bool,
    /// Whether a service may be stopped before its successor starts where the other order cannot work.
    #[prost(bool, tag = "7")]
    pub allow_dip: bool,
}

/// The label by which a stack's objects are known, as in Docker.
pub const STACK_LABEL: &str = "com.docker.stack.namespace";

impl StackSpec {
    /// The labels that every object of a stack has.
    pub fn labels(name: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(STACK_LABEL.to_owned(), name.to_owned())])
    }
}
