//! From the options as typed to the engine's request. The engine's own types read the values.

use std::env;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use engine::parse::{ParseError, duration::Span, mount::MountSpec};
use engine::{HealthCheck, Resources, RunSpec};

use crate::container::options::{HealthOptions, LimitOptions, Options, StorageOptions};
use crate::failure::Failure;

/// What `run` and `create` ask the engine for, and what they do around it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) spec: RunSpec,
    /// No progress of a pull is shown.
    pub(crate) quiet: bool,
    /// Where the id is to be written.
    pub(crate) cidfile: Option<PathBuf>,
}

/// Reads the options; an error names the value, says why, and has exit code 125.
pub(crate) fn read(options: Options) -> Result<Request, Failure> {
    let (quiet, cidfile) = (options.quiet, options.cidfile.clone());
    let spec = spec(options).map_err(|failure| failure.with_code(125))?;
    Ok(Request {
        spec,
        quiet,
        cidfile,
    })
}

fn spec(options: Options) -> Result<RunSpec, Failure> {
    refuse_restarts(&options.restart)?;
    let (log_max_size, log_max_files) = log_options(&options.log_options)?;
    let mounts = mounts(&options.storage)?;
    let resources = resources(&options.limits)?;
    let health = health(&options.health)?;
    let Options {
        process,
        storage,
        network,
        limits,
        security,
        ..
    } = options;
    let mut words = options.image_and_command.into_iter();
    Ok(RunSpec {
        image: words.next().unwrap_or_default(),
        command: words.collect(),
        pull: one(&options.pull)?,
        platform: options.platform,
        // As in Docker, an empty name is none.
        name: options.name.filter(|name| !name.is_empty()),
        tty: options.tty,
        stdin: options.interactive,
        remove: options.rm,
        labels: options.labels,
        label_files: options.label_files,
        annotations: options.annotations,
        health,
        log_max_size,
        log_max_files,

        entrypoint: process.entrypoint.map(entrypoint),
        env: process.env,
        env_files: process.env_files,
        user: process.user,
        group_add: security.group_add,
        workdir: process.workdir,
        init: process.init,
        stop_signal: process.stop_signal,
        stop_timeout: process.stop_timeout,

        mounts,
        volumes_from: all(&storage.volumes_from)?,
        read_only: storage.read_only,
        shm_size: optional(storage.shm_size)?,

        networks: all(&network.networks)?,
        network_aliases: network.aliases,
        ip: network.ip.map(|text| address(&text)).transpose()?,
        ports: all(&network.publish)?,
        publish_all: network.publish_all,
        expose: all(&network.expose)?,
        hostname: network.hostname,
        domainname: network.domainname,
        dns: all(&network.dns)?,
        dns_search: network.dns_search,
        dns_options: network.dns_options,
        extra_hosts: all(&network.extra_hosts)?,

        resources,
        ulimits: all(&limits.ulimits)?,
        oom_score_adj: limits.oom_score_adj,

        cap_add: all(&security.cap_add)?,
        cap_drop: all(&security.cap_drop)?,
        privileged: security.privileged,
        security_opt: all(&security.security_opt)?,
        devices: all(&security.devices)?,
        device_cgroup_rules: security.device_rules,
        sysctls: all(&security.sysctls)?,
        ipc: optional(security.ipc)?.unwrap_or_default(),
        pid: optional(security.pid)?.unwrap_or_default(),
        uts: optional(security.uts)?.unwrap_or_default(),
        cgroupns: optional(security.cgroupns)?.unwrap_or_default(),
        cgroup_parent: None,
    })
}

fn resources(limits: &LimitOptions) -> Result<Resources, Failure> {
    Ok(Resources {
        memory: optional(limits.memory.as_ref())?,
        memory_swap: optional(limits.memory_swap.as_ref())?,
        memory_reservation: optional(limits.memory_reservation.as_ref())?,
        memory_swappiness: limits.memory_swappiness,
        oom_kill_disable: limits.oom_kill_disable,
        cpus: optional(limits.cpus.as_ref())?,
        cpu_shares: optional(limits.cpu_shares.as_ref())?,
        cpu_period: limits.cpu_period,
        cpu_quota: limits.cpu_quota,
        cpuset_cpus: optional(limits.cpuset_cpus.as_ref())?,
        cpuset_mems: optional(limits.cpuset_mems.as_ref())?,
        pids_limit: optional(limits.pids_limit.as_ref())?,
        blkio_weight: limits.blkio_weight,
        device_read_bps: all(&limits.device_read_bps)?,
        device_write_bps: all(&limits.device_write_bps)?,
        device_read_iops: all(&limits.device_read_iops)?,
        device_write_iops: all(&limits.device_write_iops)?,
    })
}

/// `None` when nothing is said of it.
fn health(options: &HealthOptions) -> Result<Option<HealthCheck>, Failure> {
    let length = |text: &Option<String>| -> Result<Option<Duration>, Failure> {
        Ok(optional::<Span>(text.as_ref())?.map(|span| span.0))
    };
    let asked = HealthCheck {
        test: match options.command.as_deref() {
            None | Some("") => Vec::new(),
            Some(command) => vec!["CMD-SHELL".to_owned(), command.to_owned()],
        },
        interval: length(&options.interval)?,
        timeout: length(&options.timeout)?,
        start_period: length(&options.start_period)?,
        start_interval: length(&options.start_interval)?,
        retries: options.retries,
    };
    match (options.disabled, asked == HealthCheck::default()) {
        (false, true) => Ok(None),
        (false, false) => Ok(Some(asked)),
        (true, true) => Ok(Some(HealthCheck {
            test: vec!["NONE".to_owned()],
            ..asked
        })),
        (true, false) => Err(Failure::new(
            "--no-healthcheck conflicts with the options that begin with --health: give one or the others",
        )),
    }
}

/// `-v`, then `--mount`, then `--tmpfs`; relative paths are seen from where we stand.
fn mounts(storage: &StorageOptions) -> Result<Vec<MountSpec>, Failure> {
    let here = env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let volumes = storage
        .volumes
        .iter()
        .map(|text| MountSpec::parse_volume(text, &here));
    let mounts = storage
        .mounts
        .iter()
        .map(|text| MountSpec::parse_mount(text, &here));
    let tmpfs = storage
        .tmpfs
        .iter()
        .map(|text| MountSpec::parse_tmpfs(text));
    volumes
        .chain(mounts)
        .chain(tmpfs)
        .collect::<Result<_, _>>()
        .map_err(refusal)
}

fn refuse_restarts(policy: &str) -> Result<(), Failure> {
    match policy {
        "no" | "" => Ok(()),
        _ => Err(Failure::new(format!(
            "can't promise --restart {policy}: containers are not restarted by themselves yet; leave it away, or give `no`"
        ))),
    }
}

/// `--entrypoint ""` clears the image's.
fn entrypoint(text: String) -> Vec<String> {
    if text.is_empty() {
        Vec::new()
    } else {
        vec![text]
    }
}

type LogLimits = (Option<engine::parse::size::ByteSize>, Option<u32>);

fn log_options(texts: &[String]) -> Result<LogLimits, Failure> {
    let mut limits = (None, None);
    for text in texts {
        match text.split_once('=') {
            Some(("max-size", size)) => limits.0 = Some(one(size)?),
            Some(("max-file", files)) => {
                let files: u32 =
                    files
                        .parse()
                        .ok()
                        .filter(|files| *files > 0)
                        .ok_or_else(|| {
                            Failure::new(format!(
                                "invalid --log-opt {text:?}: write it like max-file=3"
                            ))
                        })?;
                limits.1 = Some(files);
            }
            _ => {
                return Err(Failure::new(format!(
                    "unknown --log-opt {text:?}: there are max-size=10m and max-file=3"
                )));
            }
        }
    }
    Ok(limits)
}

fn address(text: &str) -> Result<std::net::Ipv4Addr, Failure> {
    text.parse()
        .map_err(|_| Failure::new(format!("invalid --ip {text:?}: write it like 10.20.0.5")))
}

fn one<T: FromStr<Err = ParseError>>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(refusal)
}

fn optional<T: FromStr<Err = ParseError>>(
    text: Option<impl AsRef<str>>,
) -> Result<Option<T>, Failure> {
    text.map(|text| one(text.as_ref())).transpose()
}

fn all<T: FromStr<Err = ParseError>>(texts: &[String]) -> Result<Vec<T>, Failure> {
    texts.iter().map(|text| one(text)).collect()
}

fn refusal(error: ParseError) -> Failure {
    Failure::of(&error)
}

#[cfg(test)]
mod tests;
