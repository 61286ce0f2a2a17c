//! A task as the engine is asked for its container. Pure.

use std::path::{Component, Path};
use std::str::FromStr;

use engine::parse::ParseError;
use engine::parse::limit::{Cpus, PidsLimit};
use engine::parse::mode::PullPolicy;
use engine::parse::mount::{MountSource, MountSpec};
use engine::parse::network::{NetworkAttach, NetworkEndpoint};
use engine::parse::port::PortSpec;
use engine::parse::size::{ByteSize, SwapLimit};
use engine::{Protocol, Resources, RunSpec};
use model::{ContainerSpec, MountKind, NetworkAttachment, PortProtocol, PublishMode, STACK_LABEL};

use super::NodeFacts;
use super::health;
use super::memory_files::MemoryFile;
use super::template::Names;
use crate::failure::Failure;
use crate::work::Work;

/// Marks the container of a task.
pub(super) const TASK_LABEL: &str = "mini.task.id";
const PROPAGATIONS: [&str; 6] = [
    "private", "rprivate", "shared", "rshared", "slave", "rslave",
];

/// What the engine is asked for.
pub(super) fn run_spec(
    work: &Work,
    node: &NodeFacts,
    files: &[MemoryFile],
) -> Result<RunSpec, Failure> {
    let (task, revision) = (&work.task, &work.revision);
    let container = &revision.task.container;
    let name = work.container_name();
    let slot = match task.slot {
        0 => node.id.clone(),
        slot => slot.to_string(),
    };
    let names = Names {
        service: (&task.service_id, &revision.service_name),
        task: (&task.id, &name),
        slot: &slot,
        node: (&node.id, &node.hostname),
    };
    let mut spec = RunSpec::new(&container.image);
    // It is pulled before, with the credentials of the service.
    spec.pull = PullPolicy::Never;
    spec.labels = labels(work, node, &name);
    spec.name = Some(name.clone());
    spec.entrypoint = container
        .entrypoint
        .as_ref()
        .map(|words| words.words.clone());
    spec.command = container
        .command
        .as_ref()
        .map(|words| words.words.clone())
        .unwrap_or_default();
    spec.env = env(container, &names)?;
    spec.user = some(&container.user);
    spec.group_add.clone_from(&container.groups);
    spec.workdir = some(&container.dir);
    spec.hostname = some(&names.expand(&container.hostname)?);
    spec.domainname = some(&container.domainname);
    spec.tty = container.tty;
    spec.stdin = container.open_stdin;
    spec.init = container.init;
    spec.mounts = mounts(container, &names, files)?;
    spec.read_only = container.read_only;
    spec.shm_size = positive(container.shm_bytes).map(ByteSize);
    spec.networks = networks(work)?;
    spec.ports = ports(work)?;
    spec.dns = each(&container.dns)?;
    spec.dns_search.clone_from(&container.dns_search);
    spec.dns_options.clone_from(&container.dns_options);
    spec.extra_hosts = each(&container.extra_hosts)?;
    spec.resources = resources(work);
    spec.ulimits = each(&container.ulimits)?;
    spec.oom_score_adj = container.oom_score_adj;
    spec.cap_add = each(&container.cap_add)?;
    spec.cap_drop = each(&container.cap_drop)?;
    spec.privileged = container.privileged;
    spec.security_opt = each(&container.security_opt)?;
    spec.devices = each(&container.devices)?;
    let sysctls = container.sysctls.iter();
    spec.sysctls = sysctls
        .map(|(name, value)| parse(&format!("{name}={value}")))
        .collect::<Result<_, _>>()?;
    spec.ipc = parse(&container.ipc)?;
    spec.pid = parse(&container.pid)?;
    spec.cgroup_parent = some(container.cgroup_parent.trim_matches('/'));
    spec.stop_signal = some(&container.stop_signal);
    spec.stop_timeout = container
        .stop_grace_ms
        .map(|grace| i64::try_from(grace.div_ceil(1000)).unwrap_or(i64::MAX));
    log_options(container, &mut spec)?;
    health::ask(container.healthcheck.as_ref(), &mut spec);
    Ok(spec)
}

/// When the image is pulled.
pub(super) fn pull_policy(container: &ContainerSpec) -> Result<PullPolicy, Failure> {
    match container.pull.as_str() {
        "" => Ok(PullPolicy::Missing),
        policy => parse(policy),
    }
}

/// The name of a volume of a task, where it has one.
pub(super) fn volume_labels(
    spec: &RunSpec,
    container: &ContainerSpec,
) -> Vec<(String, std::collections::BTreeMap<String, String>)> {
    let labelled = |target: &Path| {
        container
            .mounts
            .iter()
            .find(|mount| Path::new(&mount.target) == target && !mount.labels.is_empty())
    };
    spec.mounts
        .iter()
        .filter_map(|mount| match &mount.source {
            MountSource::Volume {
                name: Some(name), ..
            } => Some((name.clone(), labelled(&mount.target)?.labels.clone())),
            _ => None,
        })
        .collect()
}

fn parse<T: FromStr<Err = ParseError>>(text: &str) -> Result<T, Failure> {
    text.parse()
        .map_err(|error: ParseError| Failure::Engine(error.into()))
}

fn each<T: FromStr<Err = ParseError>>(texts: &[String]) -> Result<Vec<T>, Failure> {
    texts.iter().map(|text| parse(text)).collect()
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn positive<T: TryInto<u64>>(number: T) -> Option<u64> {
    number.try_into().ok().filter(|number| *number > 0)
}

fn labels(work: &Work, node: &NodeFacts, name: &str) -> Vec<String> {
    let (task, revision) = (&work.task, &work.revision);
    let given = revision.task.container.labels.iter();
    let mut labels: Vec<String> = given.map(|(key, value)| format!("{key}={value}")).collect();
    let swarm = "com.docker.swarm";
    labels.extend([
        format!("{TASK_LABEL}={}", task.id),
        format!("mini.service.id={}", task.service_id),
        format!("mini.service.name={}", revision.service_name),
        format!("mini.node.id={}", node.id),
        format!("{swarm}.task="),
        format!("{swarm}.task.id={}", task.id),
        format!("{swarm}.task.name={name}"),
        format!("{swarm}.service.id={}", task.service_id),
        format!("{swarm}.service.name={}", revision.service_name),
        format!("{swarm}.node.id={}", node.id),
    ]);
    labels
}

/// Without names that have no value: those would be taken from the daemon's own environment.
fn env(container: &ContainerSpec, names: &Names<'_>) -> Result<Vec<String>, Failure> {
    container
        .env
        .iter()
        .filter(|entry| entry.contains('='))
        .map(|entry| names.expand(entry))
        .collect()
}

fn mounts(
    container: &ContainerSpec,
    names: &Names<'_>,
    files: &[MemoryFile],
) -> Result<Vec<MountSpec>, Failure> {
    let mut mounts = Vec::new();
    for asked in &container.mounts {
        let invalid = |why: String| {
            Err(Failure::Invalid(format!(
                "invalid mount on {}: {why}",
                asked.target
            )))
        };
        if !is_plain(&asked.target) {
            return invalid("the target is no absolute path".to_owned());
        }
        if !asked.propagation.is_empty() && !PROPAGATIONS.contains(&asked.propagation.as_str()) {
            return invalid(format!(
                "the propagation {} is not one of {}",
                asked.propagation,
                PROPAGATIONS.join(", ")
            ));
        }
        let source = names.expand(&asked.source)?;
        let source = match asked.kind() {
            MountKind::Bind if !is_plain(&source) => {
                return invalid(format!("the source {source} is no absolute path"));
            }
            MountKind::Bind => MountSource::Bind {
                source: source.into(),
                create: false,
                recursive: true,
            },
            MountKind::Volume => MountSource::Volume {
                name: some(&source),
                nocopy: asked.no_copy,
            },
            MountKind::Tmpfs => MountSource::Tmpfs {
                size: positive(asked.tmpfs_bytes).map(ByteSize),
                mode: asked.tmpfs_mode,
                options: Vec::new(),
            },
        };
        mounts.push(MountSpec {
            source,
            target: asked.target.clone().into(),
            read_only: asked.read_only,
            propagation: some(&asked.propagation),
        });
    }
    mounts.extend(files.iter().map(|file| MountSpec {
        source: MountSource::Bind {
            source: file.source.clone(),
            create: false,
            recursive: false,
        },
        target: file.target.clone(),
        read_only: true,
        propagation: None,
    }));
    Ok(mounts)
}

fn is_plain(path: &str) -> bool {
    let path = Path::new(path);
    path.is_absolute() && !path.components().any(|part| part == Component::ParentDir)
}

fn networks(work: &Work) -> Result<Vec<NetworkAttach>, Failure> {
    let attachments = work.revision.task.networks.iter();
    attachments
        .map(|attachment| match attachment.network.as_str() {
            of_node @ ("host" | "none" | "bridge" | "default") => parse(of_node),
            name => {
                let network = work.network(name).ok_or_else(|| {
                    Failure::Invalid(format!("network {name} was not sent to this node"))
                })?;
                Ok(NetworkAttach::Network(NetworkEndpoint {
                    network: network.spec.name.clone(),
                    aliases: aliases(work, attachment),
                    ip: None,
                }))
            }
        })
        .collect()
}

/// The service's names: whole, within its stack, of its tasks; and those that it was given.
fn aliases(work: &Work, attachment: &NetworkAttachment) -> Vec<String> {
    let service = work.revision.service_name.as_str();
    let stack = work.revision.task.container.labels.get(STACK_LABEL);
    let short = stack.and_then(|stack| service.strip_prefix(stack.as_str())?.strip_prefix('_'));
    let mut aliases = Vec::new();
    for name in [Some(service), short].into_iter().flatten() {
        aliases.extend([name.to_owned(), format!("tasks.{name}")]);
    }
    for given in &attachment.aliases {
        if !aliases.contains(given) {
            aliases.push(given.clone());
        }
    }
    aliases
}

fn ports(work: &Work) -> Result<Vec<PortSpec>, Failure> {
    let own = work.task.ports.iter();
    own.filter(|port| port.mode() == PublishMode::Host)
        .map(|port| {
            let number = |number: u32| {
                u16::try_from(number)
                    .map_err(|_| Failure::Invalid(format!("{number} is no port of a host")))
            };
            let (published, target) = (number(port.published)?, number(port.target)?);
            Ok(PortSpec {
                host_ip: None,
                host_ports: (published > 0).then_some((published, published)),
                container_ports: (target, target),
                protocol: match port.protocol() {
                    PortProtocol::Tcp => Protocol::Tcp,
                    PortProtocol::Udp => Protocol::Udp,
                    PortProtocol::Sctp => {
                        return Err(Failure::Invalid(format!(
                            "port {target}/sctp cannot be published: only tcp and udp can"
                        )));
                    }
                },
            })
        })
        .collect()
}

fn resources(work: &Work) -> Resources {
    let asked = &work.revision.task.resources;
    Resources {
        memory: positive(asked.limits.memory_bytes).map(ByteSize),
        memory_swap: match work.revision.task.container.memory_swap_bytes {
            0 => None,
            total => Some(match positive(total) {
                Some(total) => SwapLimit::Total(ByteSize(total)),
                None => SwapLimit::Unlimited,
            }),
        },
        cpus: positive(asked.limits.nano_cpus).map(Cpus),
        pids_limit: positive(asked.pids).map(|most| PidsLimit(Some(most))),
        ..Resources::default()
    }
}

fn log_options(container: &ContainerSpec, spec: &mut RunSpec) -> Result<(), Failure> {
    for (option, value) in &container.log_options {
        match option.as_str() {
            "max-size" => spec.log_max_size = Some(parse(value)?),
            "max-file" => {
                let files = value.parse().ok().filter(|files| *files > 0);
                spec.log_max_files = Some(files.ok_or_else(|| {
                    Failure::Invalid(format!(
                        "log option max-file: `{value}` is no number of files"
                    ))
                })?);
            }
            // Compression and the like change nothing of what is kept.
            _ => {}
        }
    }
    Ok(())
}
