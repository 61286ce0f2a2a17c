//! What a person asks for when a container is made; kept in its record as it was given.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::health::HealthCheck;
use crate::parse::device::DeviceSpec;
use crate::parse::limit::{CpuList, CpuShares, Cpus, DeviceRate, PidsLimit, Ulimit};
use crate::parse::mode::{CgroupMode, IpcMode, PidMode, PullPolicy, UtsMode};
use crate::parse::mount::{MountSpec, VolumesFrom};
use crate::parse::network::{ExtraHost, NameServer, NetworkAttach};
use crate::parse::port::{ExposedPort, PortSpec};
use crate::parse::security::{CapabilityName, SecurityOption, Sysctl};
use crate::parse::size::{ByteSize, SwapLimit};

/// A container to be made. `RunSpec::new(image)` and then the fields that matter.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunSpec {
    /// The image's reference or id.
    pub image: String,
    /// When to pull it.
    pub pull: PullPolicy,
    /// `os/arch[/variant]`; `None` is the host's.
    pub platform: Option<String>,
    /// `None` makes one up.
    pub name: Option<String>,
    /// The command and its arguments; empty takes the image's.
    pub command: Vec<String>,
    /// In place of the image's entrypoint; `Some` and empty clears it.
    pub entrypoint: Option<Vec<String>>,
    /// `NAME=VALUE`, or `NAME` for the caller's own value.
    pub env: Vec<String>,
    /// Files of the same; `env` wins.
    pub env_files: Vec<PathBuf>,
    /// `KEY=VALUE`.
    pub labels: Vec<String>,
    /// Files of the same; `labels` wins.
    pub label_files: Vec<PathBuf>,
    /// `USER[:GROUP]`, names or numbers.
    pub user: Option<String>,
    /// Further groups, names or numbers.
    pub group_add: Vec<String>,
    /// Working directory.
    pub workdir: Option<String>,
    /// `None` is the short id.
    pub hostname: Option<String>,
    /// NIS domain name.
    pub domainname: Option<String>,
    /// With a terminal.
    pub tty: bool,
    /// Standard input stays open.
    pub stdin: bool,
    /// Removed when it ends.
    pub remove: bool,
    /// A reaping init process as the first one.
    pub init: bool,
    /// From `-v`, `--mount`, `--tmpfs`.
    pub mounts: Vec<MountSpec>,
    /// The volumes of other containers.
    pub volumes_from: Vec<VolumesFrom>,
    /// The root file system is read-only.
    pub read_only: bool,
    /// `None` is 64 MiB.
    pub shm_size: Option<ByteSize>,
    /// Empty is the default network. `None`, `Host` and `Container` stand alone.
    pub networks: Vec<NetworkAttach>,
    /// Further names on the (first) network.
    pub network_aliases: Vec<String>,
    /// Address on the (first) network.
    pub ip: Option<Ipv4Addr>,
    /// Published ports.
    pub ports: Vec<PortSpec>,
    /// Publish every exposed port on a free one.
    pub publish_all: bool,
    /// Exposed ports beside the image's.
    pub expose: Vec<ExposedPort>,
    /// In place of the host's name servers.
    pub dns: Vec<NameServer>,
    /// In place of the host's search domains; `.` clears them.
    pub dns_search: Vec<String>,
    /// In place of the host's resolver options.
    pub dns_options: Vec<String>,
    /// Further lines of /etc/hosts.
    pub extra_hosts: Vec<ExtraHost>,
    /// Limits.
    pub resources: Resources,
    /// Limits of each process.
    pub ulimits: Vec<Ulimit>,
    /// -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// Capabilities beside the usual ones.
    pub cap_add: Vec<CapabilityName>,
    /// Capabilities to do without.
    pub cap_drop: Vec<CapabilityName>,
    /// All capabilities and devices, no seccomp filter, nothing masked.
    pub privileged: bool,
    /// Security options.
    pub security_opt: Vec<SecurityOption>,
    /// Devices of the host.
    pub devices: Vec<DeviceSpec>,
    /// Rules of the device cgroup, such as `c 42:* rmw`.
    pub device_cgroup_rules: Vec<String>,
    /// Kernel settings of the container's namespaces.
    pub sysctls: Vec<Sysctl>,
    /// IPC namespace.
    pub ipc: IpcMode,
    /// PID namespace.
    pub pid: PidMode,
    /// UTS namespace.
    pub uts: UtsMode,
    /// Cgroup namespace.
    pub cgroupns: CgroupMode,
    /// In place of the engine's, e.g. `mini/web`.
    pub cgroup_parent: Option<String>,
    /// `SIGTERM`, `TERM`, `15`; `None` is the image's, else SIGTERM.
    pub stop_signal: Option<String>,
    /// Seconds between the stop signal and SIGKILL; negative waits for ever; `None` is 10.
    pub stop_timeout: Option<i64>,
    /// `None` is the image's; a test of `NONE` is none.
    pub health: Option<HealthCheck>,
    /// When the log is rotated; `None` is 10 MiB.
    pub log_max_size: Option<ByteSize>,
    /// How many files of it are kept; `None` is 3.
    pub log_max_files: Option<u32>,
    /// Annotations handed to the runtime, `KEY=VALUE`.
    pub annotations: Vec<String>,
}

impl RunSpec {
    /// A container of this image, everything else as usual.
    pub fn new(image: impl Into<String>) -> Self {
        RunSpec {
            image: image.into(),
            ..RunSpec::default()
        }
    }
}

/// What a container may use up; `None` is unlimited.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Memory.
    pub memory: Option<ByteSize>,
    /// Memory and swap together; with `memory` alone twice that.
    pub memory_swap: Option<SwapLimit>,
    /// What is left to the container when the host runs short.
    pub memory_reservation: Option<ByteSize>,
    /// 0 to 100.
    pub memory_swappiness: Option<u64>,
    /// No OOM killer.
    pub oom_kill_disable: bool,
    /// Processor time.
    pub cpus: Option<Cpus>,
    /// Weight.
    pub cpu_shares: Option<CpuShares>,
    /// Period of `cpu_quota` in microseconds.
    pub cpu_period: Option<u64>,
    /// Microseconds of processor time in each period.
    pub cpu_quota: Option<i64>,
    /// Processors.
    pub cpuset_cpus: Option<CpuList>,
    /// Memory nodes.
    pub cpuset_mems: Option<CpuList>,
    /// Processes and threads.
    pub pids_limit: Option<PidsLimit>,
    /// Weight of input and output, 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// Bytes read per second.
    pub device_read_bps: Vec<DeviceRate>,
    /// Bytes written per second.
    pub device_write_bps: Vec<DeviceRate>,
    /// Reads per second.
    pub device_read_iops: Vec<DeviceRate>,
    /// Writes per second.
    pub device_write_iops: Vec<DeviceRate>,
}

/// A process to be started in a running container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecSpec {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// With a terminal.
    pub tty: bool,
    /// Standard input is handed on.
    pub stdin: bool,
    /// Not waited for.
    pub detach: bool,
    /// `NAME=VALUE`, or `NAME` for the caller's own value.
    pub env: Vec<String>,
    /// Files of the same.
    pub env_files: Vec<PathBuf>,
    /// `None` is the container's.
    pub user: Option<String>,
    /// `None` is the container's.
    pub workdir: Option<String>,
    /// All capabilities.
    pub privileged: bool,
}

/// What of a log to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogOptions {
    /// Go on with what comes, until the container ends.
    pub follow: bool,
    /// The last lines only.
    pub tail: Option<u64>,
    /// Nothing before this.
    pub since: Option<jiff::Timestamp>,
    /// Nothing after this.
    pub until: Option<jiff::Timestamp>,
}

/// How a container is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stdio {
    /// Its output goes to the log alone.
    #[default]
    Detached,
    /// Its output also comes to us; standard input goes to it when the container keeps one. `rows` and `columns` are
    /// the size of our terminal, 0 for none.
    Attached {
        /// Rows of the terminal.
        rows: u16,
        /// Columns of the terminal.
        columns: u16,
    },
}
