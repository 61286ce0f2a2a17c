#![forbid(unsafe_code)]
//! The nouns of a cluster, as they are stored, sent and talked about. No clock, no files, no network: what is decided from them
//! is decided elsewhere.
//!
//! The types carry their Protocol Buffers tags, so that one definition serves the disk, the wire and the code; the `.proto`
//! files in `manager/api/proto` say the same for other languages, and a test holds both together. Fields are only ever added.

pub mod cluster;
pub mod config;
pub mod container;
pub mod gate;
mod meta;
pub mod network;
pub mod node;
pub mod rollout;
pub mod secret;
pub mod service;
pub mod stack;
pub mod task;

pub use cluster::{Cluster, ClusterSpec, JoinTokens, Revocation, RootCa, RootRotation};
pub use config::{Config, ConfigSpec};
pub use container::{
    ContainerSpec, FileReference, HealthCheck, MountKind, MountSpec, RegistryAuth, Words,
};
pub use gate::{GateWait, Latch};
pub use meta::Meta;
pub use network::{Network, NetworkSpec};
pub use node::{
    Availability, Certificate, ManagerMember, Node, NodeDescription, NodeRole, NodeSpec, NodeState,
    NodeStatus, Platform, Resources,
};
pub use rollout::{Rollout, RolloutState};
pub use secret::{Secret, SecretSpec};
pub use service::{
    Autoscale, Autoscaled, Dependency, DependencyCondition, EndpointMode, EndpointSpec,
    FailureAction, GateSpec, Global, GlobalJob, NetworkAttachment, Placement, PortProtocol,
    PortSpec, PublishMode, Replicated, ReplicatedJob, ResourceSpec, RestartCondition,
    RestartPolicy, Revision, Service, ServiceAllocation, ServiceMode, ServiceSpec,
    SpreadPreference, TaskSpec, UpdateConfig, UpdateOrder, VirtualAddress,
};
pub use stack::{Deployment, STACK_LABEL, Stack, StackSpec};
pub use task::{Health, Task, TaskAddress, TaskState, TaskStatus};

/// What this program understands of what managers write. Raised in the cluster when every manager understands it; a manager
/// refuses to start on more than it understands.
///
/// 1: nodes, configs. 2: services, stacks, tasks, networks, secrets.
pub const FEATURE_LEVEL: u32 = 2;
