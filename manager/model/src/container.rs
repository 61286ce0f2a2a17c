//! The container of a task, as a person asked for it.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

/// A container. What is empty or 0 is as the image or the engine has it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ContainerSpec {
    /// Image reference; with a digest once it was resolved.
    #[prost(string, tag = "1")]
    pub image: String,
    /// In place of the image's entrypoint.
    #[prost(message, optional, tag = "2")]
    pub entrypoint: Option<Words>,
    /// In place of the image's command.
    #[prost(message, optional, tag = "3")]
    pub command: Option<Words>,
    /// `NAME=VALUE`. Values may hold `{{.Service.Name}}`, `{{.Task.Slot}}` and the like, as in Docker.
    #[prost(string, repeated, tag = "4")]
    pub env: Vec<String>,
    /// Host name; may hold the same.
    #[prost(string, tag = "5")]
    pub hostname: String,
    /// NIS domain name.
    #[prost(string, tag = "6")]
    pub domainname: String,
    /// Labels of the container.
    #[prost(btree_map = "string, string", tag = "7")]
    pub labels: BTreeMap<String, String>,
    /// Working directory.
    #[prost(string, tag = "8")]
    pub dir: String,
    /// `USER[:GROUP]`.
    #[prost(string, tag = "9")]
    pub user: String,
    /// Further groups.
    #[prost(string, repeated, tag = "10")]
    pub groups: Vec<String>,
    /// What is mounted.
    #[prost(message, repeated, tag = "11")]
    pub mounts: Vec<MountSpec>,
    /// How long it may take to end; none for 10 s.
    #[prost(uint64, optional, tag = "12")]
    pub stop_grace_ms: Option<u64>,
    /// The signal that ends it.
    #[prost(string, tag = "13")]
    pub stop_signal: String,
    /// With a terminal.
    #[prost(bool, tag = "14")]
    pub tty: bool,
    /// Standard input stays open.
    #[prost(bool, tag = "15")]
    pub open_stdin: bool,
    /// In place of the image's health check.
    #[prost(message, optional, tag = "16")]
    pub healthcheck: Option<HealthCheck>,
    /// Secrets that it is given.
    #[prost(message, repeated, tag = "17")]
    pub secrets: Vec<FileReference>,
    /// Configs that it is given.
    #[prost(message, repeated, tag = "18")]
    pub configs: Vec<FileReference>,
    /// The root file system is read-only.
    #[prost(bool, tag = "19")]
    pub read_only: bool,
    /// A reaping init as the first process.
    #[prost(bool, tag = "20")]
    pub init: bool,
    /// Kernel settings.
    #[prost(btree_map = "string, string", tag = "21")]
    pub sysctls: BTreeMap<String, String>,
    /// Capabilities beside the usual ones.
    #[prost(string, repeated, tag = "22")]
    pub cap_add: Vec<String>,
    /// Capabilities to do without.
    #[prost(string, repeated, tag = "23")]
    pub cap_drop: Vec<String>,
    /// Everything is allowed.
    #[prost(bool, tag = "24")]
    pub privileged: bool,
    /// `nofile=1024:2048`.
    #[prost(string, repeated, tag = "25")]
    pub ulimits: Vec<String>,
    /// -1000 to 1000.
    #[prost(int32, optional, tag = "26")]
    pub oom_score_adj: Option<i32>,
    /// Size of /dev/shm in bytes.
    #[prost(uint64, tag = "27")]
    pub shm_bytes: u64,
    /// `seccomp=unconfined`, `no-new-privileges`.
    #[prost(string, repeated, tag = "28")]
    pub security_opt: Vec<String>,
    /// Devices of the node: `/dev/X[:/dev/Y[:rwm]]`.
    #[prost(string, repeated, tag = "29")]
    pub devices: Vec<String>,
    /// Process namespace: `host`.
    #[prost(string, tag = "30")]
    pub pid: String,
    /// IPC namespace: `host`, `private`, `shareable`.
    #[prost(string, tag = "31")]
    pub ipc: String,
    /// In place of the node's parent cgroup.
    #[prost(string, tag = "32")]
    pub cgroup_parent: String,
    /// Lines of /etc/hosts: `NAME:ADDRESS`.
    #[prost(string, repeated, tag = "33")]
    pub extra_hosts: Vec<String>,
    /// Name servers.
    #[prost(string, repeated, tag = "34")]
    pub dns: Vec<String>,
    /// Search domains.
    #[prost(string, repeated, tag = "35")]
    pub dns_search: Vec<String>,
    /// Options of the resolver.
    #[prost(string, repeated, tag = "36")]
    pub dns_options: Vec<String>,
    /// Options of the log: `max-size`, `max-file`.
    #[prost(btree_map = "string, string", tag = "37")]
    pub log_options: BTreeMap<String, String>,
    /// When the image is pulled: `missing` (also when empty), `always`, `never`.
    #[prost(string, tag = "38")]
    pub pull: String,
    /// What the registry asks for.
    #[prost(message, optional, tag = "39")]
    pub registry_auth: Option<RegistryAuth>,
    /// Most memory and swap together, in bytes; -1 for any amount, 0 for the engine's choice.
    #[prost(int64, tag = "40")]
    pub memory_swap_bytes: i64,
}

/// Words of a command; none of them is a command too.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Words {
    /// The words.
    #[prost(string, repeated, tag = "1")]
    pub words: Vec<String>,
}

/// Name and password for a registry, or a token. Never printed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
#[prost(skip_debug)]
pub struct RegistryAuth {
    /// As Docker's config file has it: base64 of `name:password`.
    #[prost(bytes = "bytes", tag = "1")]
    pub auth: Bytes,
}

impl fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegistryAuth(..)")
    }
}

/// Something that is mounted.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct MountSpec {
    /// What kind.
    #[prost(enumeration = "MountKind", tag = "1")]
    pub kind: i32,
    /// Path of the node, or name of a volume. A volume's name may hold `{{.Task.Slot}}`: one for each slot.
    #[prost(string, tag = "2")]
    pub source: String,
    /// Path in the container.
    #[prost(string, tag = "3")]
    pub target: String,
    /// Nothing may be written.
    #[prost(bool, tag = "4")]
    pub read_only: bool,
    /// `rprivate`, `rshared`, ...; empty for the usual one.
    #[prost(string, tag = "5")]
    pub propagation: String,
    /// Of a new volume: nothing of the image is copied into it.
    #[prost(bool, tag = "6")]
    pub no_copy: bool,
    /// Size of a tmpfs in bytes.
    #[prost(uint64, tag = "7")]
    pub tmpfs_bytes: u64,
    /// Mode of a tmpfs.
    #[prost(uint32, optional, tag = "8")]
    pub tmpfs_mode: Option<u32>,
    /// Labels of a new volume.
    #[prost(btree_map = "string, string", tag = "9")]
    pub labels: BTreeMap<String, String>,
}

/// What is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum MountKind {
    /// A path of the node.
    Bind = 0,
    /// A volume of the node.
    Volume = 1,
    /// Memory.
    Tmpfs = 2,
}

/// How it is found out whether a container does its work. As in Docker; 0 is the usual value.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct HealthCheck {
    /// `NONE`, `CMD` and words, or `CMD-SHELL` and one line. None: the image's.
    #[prost(string, repeated, tag = "1")]
    pub test: Vec<String>,
    /// Between two probes; 0 for 30 s.
    #[prost(uint64, tag = "2")]
    pub interval_ms: u64,
    /// How long a probe may take; 0 for 30 s.
    #[prost(uint64, tag = "3")]
    pub timeout_ms: u64,
    /// How many must fail in a row; 0 for 3.
    #[prost(uint32, tag = "4")]
    pub retries: u32,
    /// For how long after the start failures don't count.
    #[prost(uint64, tag = "5")]
    pub start_period_ms: u64,
    /// Between two probes in that time; 0 for 5 s.
    #[prost(uint64, tag = "6")]
    pub start_interval_ms: u64,
}

/// A secret or a config as a file of a container.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct FileReference {
    /// Full name of the secret or config.
    #[prost(string, tag = "1")]
    pub source: String,
    /// Path; of a secret relative to /run/secrets, of a config to /.
    #[prost(string, tag = "2")]
    pub target: String,
    /// Owner, name or number; empty for root.
    #[prost(string, tag = "3")]
    pub uid: String,
    /// Group, name or number; empty for root.
    #[prost(string, tag = "4")]
    pub gid: String,
    /// Mode; none for 0444.
    #[prost(uint32, optional, tag = "5")]
    pub mode: Option<u32>,
}
