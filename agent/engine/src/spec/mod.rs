//! The OCI runtime spec of a container: a pure function of its record, its identity and what the host is.

pub(crate) mod capabilities;
pub(crate) mod devices;
pub(crate) mod mounts;
pub(crate) mod resources;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Box as ConsoleSize, BoxBuilder, Capability, Linux, LinuxCapabilities, LinuxNamespace,
    LinuxNamespaceType, LinuxSeccomp, PosixRlimit, PosixRlimitBuilder, PosixRlimitType, Process,
    Root, Spec, User,
};

use crate::container::{ProcessConfig, Record};
use crate::error::{Error, Result};
use crate::parse::environment;
use crate::parse::mode::Sharing;
use crate::parse::security::SecurityOption;
use crate::users::Identity;

use devices::Device;

/// All that a spec depends on.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) record: &'a Record,
    pub(crate) identity: &'a Identity,
    pub(crate) root: RootSource<'a>,
    /// The directory that has `hosts`, `hostname` and `resolv.conf`.
    pub(crate) files: &'a Path,
    /// Where the volumes lie.
    pub(crate) volumes: &'a Path,
    pub(crate) hostname: &'a str,
    pub(crate) namespaces: &'a Namespaces,
    pub(crate) host: &'a Host,
    /// Devices asked for, looked up on the host.
    pub(crate) devices: &'a [Device],
    /// Weights and rates of block devices, looked up on the host.
    pub(crate) block_devices: &'a resources::BlockDevices,
    /// The runtime's program, which is an init too.
    pub(crate) minirun: &'a Path,
    /// The filter of a file that a security option names.
    pub(crate) seccomp_file: Option<&'a LinuxSeccomp>,
    /// Rows and columns of the terminal.
    pub(crate) console: Option<(u16, u16)>,
}

/// The layers that the root file system is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RootSource<'a> {
    /// The topmost first.
    pub(crate) lower: &'a [PathBuf],
    pub(crate) upper: &'a Path,
    pub(crate) work: &'a Path,
}

/// Namespaces that are not simply new ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Namespaces {
    /// `None` is the host's.
    pub(crate) network: Option<PathBuf>,
    /// That of another container.
    pub(crate) pid: Option<PathBuf>,
}

/// What the host is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) cpus: u32,
    /// The capabilities that we hold ourselves and can hand on.
    pub(crate) capabilities: Vec<Capability>,
    /// The most open files that we may allow.
    pub(crate) open_files: u64,
    /// The kernel can make a tree of mounts read-only (mount_setattr(2), Linux 5.12).
    pub(crate) read_only_trees: bool,
}

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What dockerd itself has under systemd.
const OPEN_FILES: u64 = 1 << 20;

/// The spec.
pub(crate) fn generate(input: &Input<'_>) -> Result<Spec> {
    let record = input.record;
    let spec = &record.spec;
    let mut root = Root::default();
    root.set_path("rootfs".into());
    root.set_readonly(Some(spec.read_only));

    let mut oci = Spec::default();
    oci.set_version("1.0.2".to_owned());
    oci.set_root(Some(root));
    oci.set_process(Some(process(input)?));
    let own_uts = spec.uts.0 == Sharing::Private;
    oci.set_hostname(own_uts.then(|| input.hostname.to_owned()));
    oci.set_domainname(spec.domainname.clone().filter(|_| own_uts));
    oci.set_mounts(Some(mounts::all(input)));
    oci.set_annotations(Some(annotations(&spec.annotations)?));
    oci.set_linux(Some(linux(input)?));
    Ok(oci)
}

fn process(input: &Input<'_>) -> Result<Process> {
    let spec = &input.record.spec;
    let config = &input.record.process;
    let mut process = Process::default();
    process.set_terminal(Some(config.tty));
    process.set_console_size(console_size(input.console.filter(|_| config.tty))?);
    process.set_user(user(input.identity));
    let mut args = config.args();
    if spec.init {
        args.splice(0..0, [mounts::INIT.to_owned(), "init".to_owned()]);
    }
    process.set_args(Some(args));
    process.set_env(Some(env(config, input.hostname, &input.identity.home)));
    process.set_cwd(config.workdir.clone());
    process.set_capabilities(Some(capability_sets(&capabilities::effective(
        spec,
        &input.host.capabilities,
    ))));
    process.set_rlimits(Some(rlimits(input.record, input.host)?));
    process.set_no_new_privileges(Some(no_new_privileges(&spec.security_opt)));
    process.set_oom_score_adj(spec.oom_score_adj);
    Ok(process)
}

/// The environment: ours beneath, image and request above, HOME where nobody has set it.
pub(crate) fn env(config: &ProcessConfig, hostname: &str, home: &str) -> Vec<String> {
    let mut result = vec![PATH.to_owned(), format!("HOSTNAME={hostname}")];
    if config.tty {
        result.push("TERM=xterm".to_owned());
    }
    for entry in &config.env {
        environment::set(&mut result, entry.clone());
    }
    if environment::get(&result, "HOME").is_none_or(str::is_empty) {
        environment::set(&mut result, format!("HOME={home}"));
    }
    result
}

/// A user in the OCI form.
pub(crate) fn user(identity: &Identity) -> User {
    let mut user = User::default();
    user.set_uid(identity.uid);
    user.set_gid(identity.gid);
    user.set_additional_gids(Some(identity.groups.clone()));
    user
}

/// Bounding, permitted and effective alike; inheritable and ambient stay empty.
pub(crate) fn capability_sets(list: &[Capability]) -> LinuxCapabilities {
    let set = || Some(list.iter().copied().collect());
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(set());
    sets.set_permitted(set());
    sets.set_effective(set());
    sets.set_inheritable(Some(Default::default()));
    sets.set_ambient(Some(Default::default()));
    sets
}

fn console_size(size: Option<(u16, u16)>) -> Result<Option<ConsoleSize>> {
    size.map(|(rows, columns)| {
        BoxBuilder::default()
            .height(rows)
            .width(columns)
            .build()
            .map_err(refused)
    })
    .transpose()
}

/// A builder of the OCI types refused; it does so when a field is missing, and none is.
fn refused(error: OciSpecError) -> Error {
    Error::Invalid(error.to_string())
}

/// Those of every process of a container, the first and what is executed later.
pub(crate) fn rlimits(record: &Record, host: &Host) -> Result<Vec<PosixRlimit>> {
    let limit = |kind: PosixRlimitType, soft: u64, hard: u64| {
        PosixRlimitBuilder::default()
            .typ(kind)
            .soft(soft)
            .hard(hard)
            .build()
            .map_err(refused)
    };
    let ulimits = &record.spec.ulimits;
    let mut result = Vec::new();
    if !ulimits.iter().any(|ulimit| ulimit.name == "nofile") {
        // Not that of whoever happens to call us.
        let files = host.open_files.min(OPEN_FILES);
        result.push(limit(PosixRlimitType::RlimitNofile, files, files)?);
    }
    for ulimit in ulimits {
        let kind = ulimit
            .kind()
            .ok_or_else(|| Error::Invalid(format!("unknown ulimit {}", ulimit.name)))?;
        result.retain(|have| have.typ() != kind);
        result.push(limit(kind, ulimit.soft, ulimit.hard)?);
    }
    Ok(result)
}

pub(crate) fn no_new_privileges(options: &[SecurityOption]) -> bool {
    options
        .iter()
        .rev()
        .find_map(|option| match option {
            SecurityOption::NoNewPrivileges(on) => Some(*on),
            _ => None,
        })
        .unwrap_or(false)
}

fn annotations(given: &[String]) -> Result<HashMap<String, String>> {
    Ok(environment::labels(given)?.into_iter().collect())
}

fn linux(input: &Input<'_>) -> Result<Linux> {
    let record = input.record;
    let spec = &record.spec;
    let mut linux = Linux::default();
    linux.set_namespaces(Some(namespaces(input)));
    linux.set_cgroups_path(Some(record.cgroup_path().into()));
    linux.set_resources(Some(resources::resources(
        spec,
        input.host.cpus,
        input.devices,
        input.block_devices,
    )?));
    linux.set_devices(Some(devices::nodes(input.devices)));
    linux.set_rootfs_propagation(rootfs_propagation(record));
    let sysctl: HashMap<String, String> = spec
        .sysctls
        .iter()
        .map(|sysctl| (sysctl.name.clone(), sysctl.value.clone()))
        .collect();
    linux.set_sysctl((!sysctl.is_empty()).then_some(sysctl));
    linux.set_seccomp(seccomp(input));
    let bare = spec.privileged
        || spec
            .security_opt
            .contains(&SecurityOption::SystemPathsUnconfined);
    let paths = |list: &[&str]| match bare {
        true => Vec::new(),
        false => list.iter().map(|path| (*path).to_owned()).collect(),
    };
    linux.set_masked_paths(Some(paths(&MASKED)));
    linux.set_readonly_paths(Some(paths(&READ_ONLY)));
    Ok(linux)
}

/// A bind mount with shared or slave propagation needs the same of the root that it is mounted in.
fn rootfs_propagation(record: &Record) -> Option<String> {
    let has = |what: &str| {
        record
            .mounts
            .iter()
            .any(|mount| mount.propagation.ends_with(what))
    };
    match (has("shared"), has("slave")) {
        (true, _) => Some("shared".to_owned()),
        (_, true) => Some("slave".to_owned()),
        _ => None,
    }
}

fn seccomp(input: &Input<'_>) -> Option<LinuxSeccomp> {
    let spec = &input.record.spec;
    let unconfined = spec
        .security_opt
        .contains(&SecurityOption::SeccompUnconfined);
    match input.seccomp_file {
        _ if spec.privileged || unconfined => None,
        Some(filter) => Some(filter.clone()),
        None => Some(runtime::seccomp::docker_default(
            &capabilities::effective(spec, &input.host.capabilities)
                .into_iter()
                .collect(),
        )),
    }
}

fn namespaces(input: &Input<'_>) -> Vec<LinuxNamespace> {
    let spec = &input.record.spec;
    let namespace = |kind: LinuxNamespaceType, path: Option<&PathBuf>| {
        let mut namespace = LinuxNamespace::default();
        namespace.set_typ(kind);
        namespace.set_path(path.cloned());
        namespace
    };
    let mut result = vec![namespace(LinuxNamespaceType::Mount, None)];
    match (&spec.pid.0, &input.namespaces.pid) {
        (Sharing::Host, _) => {}
        (_, path) => result.push(namespace(LinuxNamespaceType::Pid, path.as_ref())),
    }
    if let Some(path) = &input.namespaces.network {
        result.push(namespace(LinuxNamespaceType::Network, Some(path)));
    }
    for (mode, kind) in [
        (&spec.uts.0, LinuxNamespaceType::Uts),
        (&spec.ipc.0, LinuxNamespaceType::Ipc),
        (&spec.cgroupns.0, LinuxNamespaceType::Cgroup),
    ] {
        if *mode != Sharing::Host {
            result.push(namespace(kind, None));
        }
    }
    result
}

const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// A record with nothing special.
#[cfg(test)]
pub(crate) fn test_record() -> Record {
    Record {
        id: "c0ffee".to_owned(),
        name: "web".to_owned(),
        created: jiff::Timestamp::UNIX_EPOCH,
        image: "busybox".to_owned(),
        image_id: "sha256:0".to_owned(),
        process: ProcessConfig {
            command: vec!["sh".to_owned()],
            workdir: "/".into(),
            stop_signal: "SIGTERM".to_owned(),
            ..ProcessConfig::default()
        },
        labels: Default::default(),
        exposed: Vec::new(),
        mounts: Vec::new(),
        health: None,
        spec: crate::request::RunSpec::new("busybox"),
        cgroup_parent: "mini".to_owned(),
    }
}

#[cfg(test)]
mod tests;
