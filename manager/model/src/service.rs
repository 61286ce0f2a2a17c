//! What runs for as long as it is wanted: a service, and the revisions of what its tasks run.

use std::collections::BTreeMap;

use crate::rollout::Rollout;
use crate::{Meta, Resources};
use crate::{container::ContainerSpec, gate::GateWait, gate::Latch};

/// A service: what is wanted, and what the managers remember of carrying it out.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Service {
    /// Drawn when it was made.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Version and times.
    #[prost(message, required, tag = "2")]
    pub meta: Meta,
    /// What is wanted.
    #[prost(message, required, tag = "3")]
    pub spec: ServiceSpec,
    /// What was wanted before: `service rollback` returns to it.
    #[prost(message, optional, boxed, tag = "4")]
    pub previous: Option<Box<ServiceSpec>>,
    /// Number of the newest [`Revision`], from 1. Its tasks become tasks of that.
    #[prost(uint64, tag = "5")]
    pub revision: u64,
    /// The stack that it belongs to; empty for one of its own.
    #[prost(string, tag = "6")]
    pub stack_id: String,
    /// How its tasks become tasks of the newest revision; none before the first change.
    #[prost(message, optional, tag = "7")]
    pub rollout: Option<Rollout>,
    /// Gates that have opened and stay open.
    #[prost(message, repeated, tag = "8")]
    pub latches: Vec<Latch>,
    /// A gate that is waited at.
    #[prost(message, optional, tag = "9")]
    pub waiting: Option<GateWait>,
    /// It is to go: its tasks are ended, then it is removed.
    #[prost(bool, tag = "10")]
    pub removing: bool,
    /// Which run of a job this is, from 1. Raised by an update of the job and by its schedule.
    #[prost(uint64, tag = "11")]
    pub job_iteration: u64,
    /// What the managers gave it.
    #[prost(message, required, tag = "12")]
    pub allocation: ServiceAllocation,
    /// What the autoscaler did last.
    #[prost(message, optional, tag = "13")]
    pub autoscaled: Option<Autoscaled>,
    /// Why it cannot be carried out, for people; empty when it can.
    #[prost(string, tag = "14")]
    pub trouble: String,
    /// When its schedule starts it next: milliseconds since 1970 (UTC); 0 for never.
    #[prost(int64, tag = "15")]
    pub next_run_ms: i64,
}

/// What is wanted of a service.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ServiceSpec {
    /// Unique; within a stack `<stack>_<name>`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Labels of the service itself.
    #[prost(btree_map = "string, string", tag = "2")]
    pub labels: BTreeMap<String, String>,
    /// What its tasks run.
    #[prost(message, required, tag = "3")]
    pub task: TaskSpec,
    /// How many tasks, and where.
    #[prost(oneof = "ServiceMode", tags = "4, 5, 6, 7")]
    pub mode: Option<ServiceMode>,
    /// How an update is rolled out.
    #[prost(message, optional, tag = "8")]
    pub update: Option<UpdateConfig>,
    /// How a rollback is rolled out.
    #[prost(message, optional, tag = "9")]
    pub rollback: Option<UpdateConfig>,
    /// How it is reached.
    #[prost(message, required, tag = "10")]
    pub endpoint: EndpointSpec,
    /// What must be there before its tasks start.
    #[prost(message, repeated, tag = "11")]
    pub depends_on: Vec<Dependency>,
    /// How it waits for that, and how others wait for it.
    #[prost(message, required, tag = "12")]
    pub gate: GateSpec,
    /// Limits and targets of automatic scaling.
    #[prost(message, optional, tag = "13")]
    pub autoscale: Option<Autoscale>,
    /// When a job runs: five fields of cron, UTC; empty for once.
    #[prost(string, tag = "14")]
    pub schedule: String,
}

/// How many tasks a service has.
#[derive(Clone, PartialEq, Eq, Hash, prost::Oneof)]
pub enum ServiceMode {
    /// So many, wherever there is room.
    #[prost(message, tag = "4")]
    Replicated(Replicated),
    /// One on each node that fits.
    #[prost(message, tag = "5")]
    Global(Global),
    /// Tasks that end, until so many have ended well.
    #[prost(message, tag = "6")]
    ReplicatedJob(ReplicatedJob),
    /// One on each node that fits, which ends.
    #[prost(message, tag = "7")]
    GlobalJob(GlobalJob),
}

/// So many tasks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Replicated {
    /// How many.
    #[prost(uint64, tag = "1")]
    pub replicas: u64,
}

/// One task on each node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Global {}

/// A job of so many tasks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ReplicatedJob {
    /// How many have to end well.
    #[prost(uint64, tag = "1")]
    pub completions: u64,
    /// How many run at once; 0 for all.
    #[prost(uint64, tag = "2")]
    pub concurrent: u64,
}

/// A job of one task on each node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct GlobalJob {}

/// What the tasks of a service run, and where they may.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TaskSpec {
    /// The container.
    #[prost(message, required, tag = "1")]
    pub container: ContainerSpec,
    /// What it needs, and what it must not exceed.
    #[prost(message, required, tag = "2")]
    pub resources: ResourceSpec,
    /// What is done when it ends.
    #[prost(message, required, tag = "3")]
    pub restart: RestartPolicy,
    /// Where it may run.
    #[prost(message, required, tag = "4")]
    pub placement: Placement,
    /// The networks that it is attached to.
    #[prost(message, repeated, tag = "5")]
    pub networks: Vec<NetworkAttachment>,
    /// Raised to replace the tasks though nothing else has changed (`service update --force`).
    #[prost(uint64, tag = "6")]
    pub force: u64,
}

/// What tasks of a service ran at one time: never changed. Tasks name it by service and number.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Revision {
    /// `<service id>.<number>`.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Version and times.
    #[prost(message, required, tag = "2")]
    pub meta: Meta,
    /// The service.
    #[prost(string, tag = "3")]
    pub service_id: String,
    /// From 1.
    #[prost(uint64, tag = "4")]
    pub number: u64,
    /// What they run.
    #[prost(message, required, tag = "5")]
    pub task: TaskSpec,
    /// Its ports that a node publishes for its own tasks.
    #[prost(message, repeated, tag = "6")]
    pub ports: Vec<PortSpec>,
    /// Name of the service when it was made.
    #[prost(string, tag = "7")]
    pub service_name: String,
}

impl Revision {
    /// The id of a service's revision.
    pub fn id_of(service_id: &str, number: u64) -> String {
        format!("{service_id}.{number}")
    }
}

/// What a task needs of its node, and what it must not exceed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ResourceSpec {
    /// What is set aside for it; 0 for nothing.
    #[prost(message, required, tag = "1")]
    pub reservations: Resources,
    /// What it must not exceed; 0 for no limit.
    #[prost(message, required, tag = "2")]
    pub limits: Resources,
    /// Most processes and threads; 0 for no limit.
    #[prost(int64, tag = "3")]
    pub pids: i64,
}

/// What is done when a task has ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct RestartPolicy {
    /// When another one is started in its slot.
    #[prost(enumeration = "RestartCondition", tag = "1")]
    pub condition: i32,
    /// The pause before it; 0 for the usual one.
    #[prost(uint64, tag = "2")]
    pub delay_ms: u64,
    /// How often, at most, within the window; 0 for any number.
    #[prost(uint64, tag = "3")]
    pub max_attempts: u64,
    /// The window in which attempts are counted; 0 for all time.
    #[prost(uint64, tag = "4")]
    pub window_ms: u64,
}

/// When another task is started in the slot of one that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum RestartCondition {
    /// Always. Of jobs: as on failure.
    Any = 0,
    /// When it ended with another code than 0.
    OnFailure = 1,
    /// Never.
    None = 2,
}

/// Where tasks may run.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Placement {
    /// `node.labels.disk == ssd`: all must hold.
    #[prost(string, repeated, tag = "1")]
    pub constraints: Vec<String>,
    /// Spread evenly over the values of these, the first before the second.
    #[prost(message, repeated, tag = "2")]
    pub preferences: Vec<SpreadPreference>,
    /// Most tasks of the service on one node; 0 for any number.
    #[prost(uint64, tag = "3")]
    pub max_replicas_per_node: u64,
    /// Platforms that its image runs on; none for any.
    #[prost(message, repeated, tag = "4")]
    pub platforms: Vec<crate::Platform>,
    /// Whether tasks that run are moved, one after another, when other nodes have fewer of them.
    #[prost(bool, tag = "5")]
    pub rebalance: bool,
}

/// Tasks are spread evenly over the values of a label.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct SpreadPreference {
    /// `node.labels.zone`, `engine.labels.rack`, `node.hostname`.
    #[prost(string, tag = "1")]
    pub over: String,
    /// Rather not started than spread unevenly: values differ by this many tasks at most. 0 for a preference alone.
    #[prost(uint32, tag = "2")]
    pub max_skew: u32,
}

/// A network that tasks are attached to.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct NetworkAttachment {
    /// Name or id of the network; `host` and `none` are those of the node.
    #[prost(string, tag = "1")]
    pub network: String,
    /// Further names on it.
    #[prost(string, repeated, tag = "2")]
    pub aliases: Vec<String>,
}

/// How an update or a rollback is rolled out.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct UpdateConfig {
    /// How many slots at once; 0 for all.
    #[prost(uint64, tag = "1")]
    pub parallelism: u64,
    /// The pause between two batches.
    #[prost(uint64, tag = "2")]
    pub delay_ms: u64,
    /// What is done when too many fail.
    #[prost(enumeration = "FailureAction", tag = "3")]
    pub failure_action: i32,
    /// How long a new task is watched for failure; 0 for 5 s.
    #[prost(uint64, tag = "4")]
    pub monitor_ms: u64,
    /// Which part of the slots may fail, from 0 to 1.
    #[prost(double, tag = "5")]
    pub max_failure_ratio: f64,
    /// Which goes first, the old task or the new one.
    #[prost(enumeration = "UpdateOrder", tag = "6")]
    pub order: i32,
}

/// What is done when too many tasks of an update fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum FailureAction {
    /// It waits for a person.
    Pause = 0,
    /// It goes on.
    Continue = 1,
    /// The service returns to what it was before.
    Rollback = 2,
}

/// Which goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum UpdateOrder {
    /// The new one is started first, where the service can have two: no host port, no volume of its own.
    Auto = 0,
    /// The new one is started, and does its work, before the old one ends.
    StartFirst = 1,
    /// The old one ends before the new one is started.
    StopFirst = 2,
}

/// How a service is reached.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct EndpointSpec {
    /// By one address, or by those of its tasks.
    #[prost(enumeration = "EndpointMode", tag = "1")]
    pub mode: i32,
    /// What it publishes.
    #[prost(message, repeated, tag = "2")]
    pub ports: Vec<PortSpec>,
}

/// By one address, or by those of its tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum EndpointMode {
    /// One virtual address, balanced.
    Vip = 0,
    /// The name answers with the addresses of the tasks.
    Dnsrr = 1,
}

/// A published port.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Message)]
pub struct PortSpec {
    /// A name for people.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Which protocol.
    #[prost(enumeration = "PortProtocol", tag = "2")]
    pub protocol: i32,
    /// Port of the container.
    #[prost(uint32, tag = "3")]
    pub target: u32,
    /// Port of the nodes; 0 for one that the managers choose.
    #[prost(uint32, tag = "4")]
    pub published: u32,
    /// On every node, or where the task is.
    #[prost(enumeration = "PublishMode", tag = "5")]
    pub mode: i32,
}

/// Protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum PortProtocol {
    /// TCP.
    Tcp = 0,
    /// UDP.
    Udp = 1,
    /// SCTP.
    Sctp = 2,
}

/// Where a port is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum PublishMode {
    /// On every node.
    Ingress = 0,
    /// On the node of each task.
    Host = 1,
}

/// Something that must be there before a service's tasks start.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Dependency {
    /// Full name of the service.
    #[prost(string, tag = "1")]
    pub service: String,
    /// What must be true of it.
    #[prost(enumeration = "DependencyCondition", tag = "2")]
    pub condition: i32,
    /// Whether the tasks may start, with a warning, when it is missing or has failed.
    #[prost(bool, tag = "3")]
    pub optional: bool,
    /// Whether the tasks are replaced, one after another, when its rollout has ended.
    #[prost(bool, tag = "4")]
    pub restart: bool,
}

/// What must be true of a service that another depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum DependencyCondition {
    /// A task of it has a live process.
    Started = 0,
    /// All its replicas, or as many as it says, are healthy.
    Healthy = 1,
    /// All its tasks have ended with 0.
    CompletedSuccessfully = 2,
}

/// How a service waits for what it depends on, and how others wait for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct GateSpec {
    /// Restarted, scaled and moved tasks wait too, not only those of a new revision.
    #[prost(bool, tag = "1")]
    pub always: bool,
    /// How long it waits; 0 for five minutes.
    #[prost(uint64, tag = "2")]
    pub timeout_ms: u64,
    /// How many replicas have to be healthy for those who wait for it; 0 for all.
    #[prost(uint64, tag = "3")]
    pub min_healthy: u64,
}

/// Limits and targets of automatic scaling. A target of 0 is none.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Autoscale {
    /// Fewest replicas.
    #[prost(uint64, tag = "1")]
    pub min: u64,
    /// Most replicas.
    #[prost(uint64, tag = "2")]
    pub max: u64,
    /// Processor use of a task that is aimed at, in parts of what is set aside for it (or of one processor): 0.6.
    #[prost(double, tag = "3")]
    pub cpu: f64,
    /// The same of memory, in parts of what is set aside for it or its limit.
    #[prost(double, tag = "4")]
    pub memory: f64,
    /// Requests per second of a task that are aimed at.
    #[prost(double, tag = "5")]
    pub requests_per_second: f64,
    /// The pause between two changes; 0 for a minute.
    #[prost(uint64, tag = "6")]
    pub cooldown_ms: u64,
}

/// What the autoscaler did last.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Autoscaled {
    /// When: milliseconds since 1970 (UTC).
    #[prost(int64, tag = "1")]
    pub at_ms: i64,
    /// From how many replicas.
    #[prost(uint64, tag = "2")]
    pub from: u64,
    /// To how many.
    #[prost(uint64, tag = "3")]
    pub to: u64,
    /// Why, for people.
    #[prost(string, tag = "4")]
    pub reason: String,
}

/// What the managers gave a service.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ServiceAllocation {
    /// Its ports, every published one chosen.
    #[prost(message, repeated, tag = "1")]
    pub ports: Vec<PortSpec>,
    /// Its address on each network that it is attached to.
    #[prost(message, repeated, tag = "2")]
    pub vips: Vec<VirtualAddress>,
}

/// The address of a service on a network.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct VirtualAddress {
    /// The network.
    #[prost(string, tag = "1")]
    pub network_id: String,
    /// The address, without prefix length.
    #[prost(string, tag = "2")]
    pub address: String,
}
