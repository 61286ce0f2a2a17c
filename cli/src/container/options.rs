//! What `run` and `create` accept alike, and the engine's request that it becomes. Values are handed on as they were
//! typed: the engine reads them, and refuses with an example.

use clap::{ArgAction, Args};

/// Everything between the verb and the image.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Name of the container (a made-up one without this)
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Keep standard input open
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give the container a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Remove the container when it ends
    #[arg(long)]
    pub(crate) rm: bool,
    /// When to pull the image: always, missing, never
    #[arg(long, value_name = "WHEN", default_value = "missing")]
    pub(crate) pull: String,
    /// Platform of the image, such as linux/arm64
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub(crate) platform: Option<String>,
    /// Don't print the progress of a pull
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Write the container's id to this file, which must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) cidfile: Option<std::path::PathBuf>,
    /// Label: KEY=VALUE
    #[arg(short, long = "label", value_name = "LABEL")]
    pub(crate) labels: Vec<String>,
    /// Read labels from a file, one a line
    #[arg(long = "label-file", value_name = "FILE")]
    pub(crate) label_files: Vec<std::path::PathBuf>,
    /// Option of the log: max-size=10m, max-file=3
    #[arg(long = "log-opt", value_name = "OPTION")]
    pub(crate) log_options: Vec<String>,
    /// Annotation handed to the runtime: KEY=VALUE
    #[arg(long = "annotation", value_name = "ANNOTATION")]
    pub(crate) annotations: Vec<String>,
    /// Restart policy; only `no` for now
    #[arg(long, value_name = "POLICY", default_value = "no")]
    pub(crate) restart: String,

    #[command(flatten)]
    pub(crate) process: ProcessOptions,
    #[command(flatten)]
    pub(crate) health: HealthOptions,
    #[command(flatten)]
    pub(crate) storage: StorageOptions,
    #[command(flatten)]
    pub(crate) network: NetworkOptions,
    #[command(flatten)]
    pub(crate) limits: LimitOptions,
    #[command(flatten)]
    pub(crate) security: SecurityOptions,

    /// Image, then the command to run in it and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        value_name = "IMAGE",
        hide = true
    )]
    pub(crate) image_and_command: Vec<String>,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// What is started, and as whom.
#[derive(Debug, Args)]
#[command(next_help_heading = "Process")]
pub(crate) struct ProcessOptions {
    /// Environment variable: NAME=VALUE, or NAME to pass on our own
    #[arg(short, long = "env", value_name = "ENV")]
    pub(crate) env: Vec<String>,
    /// Read environment variables from a file, one a line
    #[arg(long = "env-file", value_name = "FILE")]
    pub(crate) env_files: Vec<std::path::PathBuf>,
    /// Replace the image's entrypoint
    #[arg(long, value_name = "COMMAND")]
    pub(crate) entrypoint: Option<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// User: name or uid, with :group or :gid
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub(crate) user: Option<String>,
    /// Run a small init that reaps processes and passes signals on
    #[arg(long)]
    pub(crate) init: bool,
    /// Signal that stops the container
    #[arg(long, value_name = "SIGNAL")]
    pub(crate) stop_signal: Option<String>,
    /// Seconds between the stop signal and SIGKILL
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) stop_timeout: Option<i64>,
}

/// What tells whether the container is well.
#[derive(Debug, Args)]
#[command(next_help_heading = "Health")]
pub(crate) struct HealthOptions {
    /// Command that is executed in the container with /bin/sh -c: exit code 0 is well
    #[arg(long = "health-cmd", value_name = "COMMAND")]
    pub(crate) command: Option<String>,
    /// Time between two probes: 30s (usual), 1m30s
    #[arg(
        long = "health-interval",
        value_name = "TIME",
        allow_hyphen_values = true
    )]
    pub(crate) interval: Option<String>,
    /// Time after which a probe counts as failed (30s)
    #[arg(
        long = "health-timeout",
        value_name = "TIME",
        allow_hyphen_values = true
    )]
    pub(crate) timeout: Option<String>,
    /// Failures in a row that make the container unhealthy (3)
    #[arg(long = "health-retries", value_name = "NUMBER")]
    pub(crate) retries: Option<u32>,
    /// Time after the start in which failures don't count (0s)
    #[arg(
        long = "health-start-period",
        value_name = "TIME",
        allow_hyphen_values = true
    )]
    pub(crate) start_period: Option<String>,
    /// Time between two probes during that, until one succeeds (5s)
    #[arg(
        long = "health-start-interval",
        value_name = "TIME",
        allow_hyphen_values = true
    )]
    pub(crate) start_interval: Option<String>,
    /// Don't probe, whatever the image says
    #[arg(long = "no-healthcheck")]
    pub(crate) disabled: bool,
}

/// What the container sees as files.
#[derive(Debug, Args)]
#[command(next_help_heading = "Files")]
pub(crate) struct StorageOptions {
    /// Volume or directory: [NAME|/HOST/DIR:]/DIR[:ro]
    #[arg(short, long = "volume", value_name = "VOLUME")]
    pub(crate) volumes: Vec<String>,
    /// Mount: type=bind|volume|tmpfs,source=...,target=...[,readonly]
    #[arg(long = "mount", value_name = "MOUNT")]
    pub(crate) mounts: Vec<String>,
    /// Directory in memory: /DIR[:size=64m,mode=1777]
    #[arg(long = "tmpfs", value_name = "TMPFS")]
    pub(crate) tmpfs: Vec<String>,
    /// Take over the volumes of another container
    #[arg(long = "volumes-from", value_name = "CONTAINER[:ro]")]
    pub(crate) volumes_from: Vec<String>,
    /// Make the root file system read-only
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Size of /dev/shm
    #[arg(long, value_name = "SIZE")]
    pub(crate) shm_size: Option<String>,
}

/// How the container is reached, and what it reaches.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkOptions {
    /// Publish a port: [ADDRESS:][HOST_PORT:]PORT[/udp]
    #[arg(short, long = "publish", value_name = "PORT")]
    pub(crate) publish: Vec<String>,
    /// Publish all ports that the image exposes, on free ports
    #[arg(short = 'P', long)]
    pub(crate) publish_all: bool,
    /// Tell of a port without publishing it
    #[arg(long = "expose", value_name = "PORT")]
    pub(crate) expose: Vec<String>,
    /// Network: a name, bridge, host, none or container:NAME
    #[arg(long = "network", visible_alias = "net", value_name = "NETWORK")]
    pub(crate) networks: Vec<String>,
    /// Further name on the network
    #[arg(
        long = "network-alias",
        visible_alias = "net-alias",
        value_name = "NAME"
    )]
    pub(crate) aliases: Vec<String>,
    /// Address on the network
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: Option<String>,
    /// Host name inside the container
    #[arg(short, long, value_name = "NAME")]
    pub(crate) hostname: Option<String>,
    /// Domain name inside the container
    #[arg(long, value_name = "NAME")]
    pub(crate) domainname: Option<String>,
    /// Name server
    #[arg(long = "dns", value_name = "ADDRESS")]
    pub(crate) dns: Vec<String>,
    /// Search domain
    #[arg(long = "dns-search", value_name = "DOMAIN")]
    pub(crate) dns_search: Vec<String>,
    /// Option of the resolver
    #[arg(long = "dns-option", visible_alias = "dns-opt", value_name = "OPTION")]
    pub(crate) dns_options: Vec<String>,
    /// Line in /etc/hosts: NAME:ADDRESS
    #[arg(long = "add-host", value_name = "HOST")]
    pub(crate) extra_hosts: Vec<String>,
}

/// What the container may use up.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitOptions {
    /// Memory: 512m, 2g
    #[arg(short, long, value_name = "SIZE")]
    pub(crate) memory: Option<String>,
    /// Memory and swap together; -1 for any amount of swap
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub(crate) memory_swap: Option<String>,
    /// Memory that is left to the container when the host runs short
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory_reservation: Option<String>,
    /// Processors: 1.5
    #[arg(long, value_name = "NUMBER")]
    pub(crate) cpus: Option<String>,
    /// Weight among containers that want processor time (1024 is usual)
    #[arg(short, long, value_name = "WEIGHT")]
    pub(crate) cpu_shares: Option<String>,
    /// Processors to run on: 0-3, 0,2
    #[arg(long, value_name = "LIST")]
    pub(crate) cpuset_cpus: Option<String>,
    /// Memory nodes to use: 0-3, 0,1
    #[arg(long, value_name = "LIST")]
    pub(crate) cpuset_mems: Option<String>,
    /// Microseconds in a period of the processor quota
    #[arg(long, value_name = "MICROSECONDS")]
    pub(crate) cpu_period: Option<u64>,
    /// Microseconds of processor time in each period
    #[arg(long, value_name = "MICROSECONDS", allow_negative_numbers = true)]
    pub(crate) cpu_quota: Option<i64>,
    /// How willingly memory is swapped out, 0 to 100
    #[arg(long, value_name = "NUMBER")]
    pub(crate) memory_swappiness: Option<u64>,
    /// Don't let the kernel kill a process for want of memory
    #[arg(long)]
    pub(crate) oom_kill_disable: bool,
    /// How readily the kernel kills it for want of memory, -1000 to 1000
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub(crate) oom_score_adj: Option<i32>,
    /// Weight of input and output, 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    pub(crate) blkio_weight: Option<u16>,
    /// Bytes read from a device in a second: /dev/sda:10mb
    #[arg(long, value_name = "RATE")]
    pub(crate) device_read_bps: Vec<String>,
    /// Bytes written to a device in a second: /dev/sda:10mb
    #[arg(long, value_name = "RATE")]
    pub(crate) device_write_bps: Vec<String>,
    /// Reads from a device in a second: /dev/sda:1000
    #[arg(long, value_name = "RATE")]
    pub(crate) device_read_iops: Vec<String>,
    /// Writes to a device in a second: /dev/sda:1000
    #[arg(long, value_name = "RATE")]
    pub(crate) device_write_iops: Vec<String>,
    /// Processes and threads; -1 for any number
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub(crate) pids_limit: Option<String>,
    /// Limit of each process: NAME=SOFT[:HARD], such as nofile=1024:2048
    #[arg(long = "ulimit", value_name = "ULIMIT")]
    pub(crate) ulimits: Vec<String>,
}

/// What the container may do.
#[derive(Debug, Args)]
#[command(next_help_heading = "Security")]
pub(crate) struct SecurityOptions {
    /// Capability to add: NET_ADMIN, ALL
    #[arg(long = "cap-add", value_name = "CAPABILITY")]
    pub(crate) cap_add: Vec<String>,
    /// Capability to take away: CHOWN, ALL
    #[arg(long = "cap-drop", value_name = "CAPABILITY")]
    pub(crate) cap_drop: Vec<String>,
    /// All capabilities and devices, no filter of system calls
    #[arg(long)]
    pub(crate) privileged: bool,
    /// seccomp=FILE|unconfined, no-new-privileges
    #[arg(long = "security-opt", value_name = "OPTION")]
    pub(crate) security_opt: Vec<String>,
    /// Device of the host: /dev/X[:/dev/Y[:rwm]]
    #[arg(long = "device", value_name = "DEVICE")]
    pub(crate) devices: Vec<String>,
    /// Rule of the device control group: 'c 42:* rmw'
    #[arg(long = "device-cgroup-rule", value_name = "RULE")]
    pub(crate) device_rules: Vec<String>,
    /// Kernel setting of the container's own namespaces: NAME=VALUE
    #[arg(long = "sysctl", value_name = "SYSCTL")]
    pub(crate) sysctls: Vec<String>,
    /// Further group of the process
    #[arg(long = "group-add", value_name = "GROUP")]
    pub(crate) group_add: Vec<String>,
    /// IPC namespace: private, host, shareable, container:NAME
    #[arg(long, value_name = "MODE")]
    pub(crate) ipc: Option<String>,
    /// Process namespace: private, host, container:NAME
    #[arg(long, value_name = "MODE")]
    pub(crate) pid: Option<String>,
    /// Host name namespace: private, host
    #[arg(long, value_name = "MODE")]
    pub(crate) uts: Option<String>,
    /// Control group namespace: private, host
    #[arg(long, value_name = "MODE")]
    pub(crate) cgroupns: Option<String>,
}
