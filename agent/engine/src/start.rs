//! Starting a container: everything it needs is made in order and, when a step fails, taken down by the same function
//! that takes it down at the end of its life.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use network::{EndpointSpec, Netns, PortMapping};

use crate::attach::AttachClient;
use crate::classify;
use crate::container::{ExitStatus, MountKind, Record, short};
use crate::create::bind_source;
use crate::engine::{Engine, Started};
use crate::error::{Error, Result};
use crate::host;
use crate::json::{self, Durable};
use crate::launch::{self, Launch};
use crate::lock::{self, Lock};
use crate::network_files::{self, Resolver};
use crate::network_plan::{NetworkPlan, Publish, plan, published};
use crate::parse::mode::Sharing;
use crate::parse::security::SecurityOption;
use crate::records;
use crate::remove;
use crate::request::Stdio;
use crate::rootfs;
use crate::run;
use crate::spec::{self, Input, Namespaces, RootSource};
use crate::volume;

/// Starts a container; one that runs already stays as it is.
pub(crate) fn start(engine: &Engine, name: &str, stdio: Stdio) -> Result<Started> {
    let layout = &engine.layout;
    let id = records::find(layout, name)?.id;
    let Some(lock) = Lock::wait(&layout.container(&id))? else {
        return Err(Error::container(name));
    };
    let record = records::read(layout, &id)?.ok_or_else(|| Error::container(name))?;
    if lock::is_held(&layout.monitor_lock(&id))? && !layout.exit(&id).exists() {
        drop(lock);
        let attach = match stdio {
            Stdio::Detached => None,
            Stdio::Attached { .. } => Some(AttachClient::connect(&layout.attach_socket(&id))?),
        };
        return started(engine, record, attach, Vec::new());
    }
    // The end of the last run may still be tidied up, or its tidying was killed.
    remove::tear_down(engine, &id)?;
    match run_once(engine, &record, stdio) {
        Ok((attach, warnings)) => {
            drop(lock);
            started(engine, record, attach, warnings)
        }
        Err(error) => {
            give_up(engine, &record, &error)?;
            Err(error)
        }
    }
}

fn started(
    engine: &Engine,
    record: Record,
    attach: Option<AttachClient>,
    warnings: Vec<String>,
) -> Result<Started> {
    let endpoints = engine.networks.endpoints()?;
    let container = records::container(&engine.layout, &engine.runtime, record, &endpoints)?;
    Ok(Started {
        container,
        attach,
        warnings,
    })
}

/// Takes everything down again and notes why; a container that goes with its end goes now.
fn give_up(engine: &Engine, record: &Record, error: &Error) -> Result<()> {
    if record.spec.remove {
        remove::locked(engine, record, true)?;
        return Ok(engine.networks.sweep()?);
    }
    remove::tear_down(engine, &record.id)?;
    let exit = ExitStatus {
        exit_code: error.exit_code(),
        signal: None,
        oom_killed: false,
        pid: None,
        started_at: None,
        finished_at: None,
        error: Some(crate::heal::with_causes(error)),
    };
    json::write(&engine.layout.exit(&record.id), &exit, Durable::No)?;
    engine.networks.sweep()?;
    Ok(())
}

fn run_once(
    engine: &Engine,
    record: &Record,
    stdio: Stdio,
) -> Result<(Option<AttachClient>, Vec<String>)> {
    let layout = &engine.layout;
    let id = &record.id;
    // From here on a death of ours is seen by `heal`: the directory is there and nobody holds the locks.
    fs::create_dir_all(layout.run_container(id))
        .map_err(Error::io("make", layout.run_container(id)))?;
    let path = layout.monitor_lock(id);
    let lock = File::create(&path).map_err(Error::io("make", &path))?;
    lock.lock().map_err(Error::io("lock", &path))?;
    json::remove(&layout.exit(id))?;
    let mark = layout.started_mark(id);
    fs::write(&mark, host::boot_id()).map_err(Error::io("write", &mark))?;

    check_sources(engine, record)?;
    let mut inherited = Vec::new();
    let mut network = join_networks(engine, record, &mut inherited)?;
    let namespaces = Namespaces {
        network: network.namespace.take(),
        pid: pid_namespace(engine, record, &mut inherited)?,
    };
    let files = write_files(engine, record, &network)?;
    write_spec(
        engine,
        record,
        stdio,
        &network.hostname,
        &namespaces,
        &files,
    )?;
    let probed = write_health_check(engine, record, &mut network.warnings)?;
    let attach = launch::launch(Launch {
        engine,
        record,
        stdio,
        probed,
        lock: lock.into(),
        inherited,
    })?;
    Ok((attach, network.warnings))
}

/// A source that was there at creation may be gone by now.
fn check_sources(engine: &Engine, record: &Record) -> Result<()> {
    let volumes = engine.layout.volumes();
    for mount in &record.mounts {
        match &mount.kind {
            MountKind::Bind { source, .. } => {
                let create = record.spec.mounts.iter().any(|asked| {
                    asked.target == mount.target
                        && matches!(
                            asked.source,
                            crate::parse::mount::MountSource::Bind { create: true, .. }
                        )
                });
                bind_source(source, create)?;
            }
            MountKind::Volume { name, anonymous } => {
                let owner = anonymous.then_some(record.id.as_str());
                volume::create(&volumes, Some(name), BTreeMap::new(), owner)?;
            }
            MountKind::Tmpfs { .. } => {}
        }
    }
    Ok(())
}

/// The network as it has come to be.
struct Joined {
    /// `None` is the host's.
    namespace: Option<PathBuf>,
    hostname: String,
    addresses: Vec<Ipv4Addr>,
    gateway: Option<Ipv4Addr>,
    /// The resolver of a user-made network.
    resolver: Option<Ipv4Addr>,
    /// The container whose files are shared.
    files_of: Option<String>,
    on_host: bool,
    warnings: Vec<String>,
}

fn join_networks(engine: &Engine, record: &Record, inherited: &mut Vec<OwnedFd>) -> Result<Joined> {
    let spec = &record.spec;
    let mut joined = Joined {
        namespace: None,
        hostname: spec
            .hostname
            .clone()
            .unwrap_or_else(|| short(&record.id).to_owned()),
        addresses: Vec::new(),
        gateway: None,
        resolver: None,
        files_of: None,
        on_host: false,
        warnings: Vec::new(),
    };
    match plan(spec)? {
        NetworkPlan::Host => {
            joined.on_host = true;
            if spec.hostname.is_none() {
                joined.hostname = hostname()?;
            }
            if !spec.ports.is_empty() || spec.publish_all {
                joined.warnings.push(
                    "-p and -P have no effect with --network host: every port is the host's"
                        .to_owned(),
                );
            }
            if spec
                .sysctls
                .iter()
                .any(crate::parse::security::Sysctl::is_network)
            {
                return Err(Error::Invalid(
                    "--sysctl net.* needs a network of the container's own, not --network host"
                        .to_owned(),
                ));
            }
        }
        NetworkPlan::None => {
            let namespace = Netns::create()?;
            joined.namespace = Some(hand_on(namespace, inherited));
        }
        NetworkPlan::Container(other) => {
            let owner = records::find(&engine.layout, &other)?;
            let namespace = namespace_of(engine, &owner, "net")?;
            joined.namespace = Some(hand_on(namespace, inherited));
            joined.hostname = owner
                .spec
                .hostname
                .clone()
                .unwrap_or_else(|| short(&owner.id).to_owned());
            joined.files_of = Some(owner.id);
        }
        NetworkPlan::Networks(endpoints) => {
            let ports = reserve(engine, record, inherited)?;
            let namespace = Netns::create()?;
            for (index, endpoint) in endpoints.iter().enumerate() {
                let network = engine.networks.get(&endpoint.network)?;
                let mut aliases = vec![short(&record.id).to_owned()];
                aliases.extend(endpoint.aliases.iter().cloned());
                let attachment = engine.networks.connect(&EndpointSpec {
                    id: &record.id,
                    netns: &namespace,
                    network: &network.name,
                    ifname: &format!("eth{index}"),
                    hostname: record.name.clone(),
                    aliases,
                    ip: endpoint.ip,
                    ports: if index == 0 {
                        ports.clone()
                    } else {
                        Vec::new()
                    },
                });
                let attachment = attachment.map_err(|error| classify::named(engine, error))?;
                joined.addresses.push(attachment.endpoint.ip);
                joined.gateway = joined.gateway.or(Some(attachment.endpoint.gateway));
                joined.resolver = joined.resolver.or(engine.networks.resolver_conf(&network));
                joined.warnings.extend(attachment.warnings);
            }
            joined.namespace = Some(hand_on(namespace, inherited));
        }
    }
    Ok(joined)
}

/// Reserves the published ports: the sockets go to the monitor, which keeps them as long as the container lives.
fn reserve(
    engine: &Engine,
    record: &Record,
    inherited: &mut Vec<OwnedFd>,
) -> Result<Vec<PortMapping>> {
    let mut ports = Vec::new();
    for publish in published(record) {
        let (sockets, mappings) = match publish {
            Publish::All(mappings) => engine
                .networks
                .reserve_ports(&mappings)
                .map_err(|error| classify::named(engine, error))?,
            Publish::Any(choices) => any_of(engine, &choices)?,
        };
        inherited.extend(sockets);
        ports.extend(mappings);
    }
    Ok(ports)
}

fn any_of(engine: &Engine, choices: &[PortMapping]) -> Result<(Vec<OwnedFd>, Vec<PortMapping>)> {
    let mut last = None;
    for choice in choices {
        match engine.networks.reserve_ports(std::slice::from_ref(choice)) {
            Err(error @ network::Error::PortTaken { .. }) => last = Some(error),
            other => return Ok(other?),
        }
    }
    match last {
        Some(error) => Err(classify::named(engine, error)),
        None => Ok((Vec::new(), Vec::new())),
    }
}

/// Keeps a namespace for the monitor and returns the path by which the runtime reaches it there.
fn hand_on(namespace: OwnedFd, inherited: &mut Vec<OwnedFd>) -> PathBuf {
    let path = PathBuf::from(format!("/proc/self/fd/{}", namespace.as_raw_fd()));
    inherited.push(namespace);
    path
}

fn pid_namespace(
    engine: &Engine,
    record: &Record,
    inherited: &mut Vec<OwnedFd>,
) -> Result<Option<PathBuf>> {
    match &record.spec.pid.0 {
        Sharing::Container(other) => {
            let owner = records::find(&engine.layout, other)?;
            Ok(Some(hand_on(
                namespace_of(engine, &owner, "pid")?,
                inherited,
            )))
        }
        _ => Ok(None),
    }
}

/// A namespace of a running container.
fn namespace_of(engine: &Engine, owner: &Record, kind: &str) -> Result<OwnedFd> {
    let not_running = || Error::State {
        operation: "join the namespaces of",
        object: format!("container {}", owner.name),
        why: "it is not running; start it first".to_owned(),
    };
    let status = run::status(&engine.runtime, &owner.id).ok_or_else(not_running)?;
    let path = format!("/proc/{}/ns/{kind}", status.pid);
    let file = File::open(&path).map_err(Error::io("open", &path))?;
    // The same process still: so the path was not that of another one that got its number.
    match run::status(&engine.runtime, &owner.id) {
        Some(again) if again.pid == status.pid => Ok(file.into()),
        _ => Err(not_running()),
    }
}

fn hostname() -> Result<String> {
    let name = nix::unistd::gethostname().map_err(Error::errno("read", "the host's name"))?;
    Ok(name.to_string_lossy().into_owned())
}

/// Writes hosts, hostname and resolv.conf; returns the directory in which they are.
fn write_files(engine: &Engine, record: &Record, network: &Joined) -> Result<PathBuf> {
    let layout = &engine.layout;
    if let Some(owner) = &network.files_of {
        return Ok(layout.container(owner));
    }
    let spec = &record.spec;
    let invalid = Error::Invalid;
    let hosts = match network.on_host {
        true => {
            let extra = network_files::extra_hosts(&spec.extra_hosts, Some(Ipv4Addr::LOCALHOST))
                .map_err(invalid)?;
            fs::read_to_string("/etc/hosts").unwrap_or_default() + &extra
        }
        false => network_files::hosts(
            &spec.extra_hosts,
            network.gateway,
            &network.addresses,
            &network.hostname,
            spec.domainname.as_deref(),
        )
        .map_err(invalid)?,
    };
    let host = match network.on_host {
        true => fs::read_to_string("/etc/resolv.conf").unwrap_or_default(),
        false => host::resolv_conf(),
    };
    let resolv_conf = network_files::resolv_conf(&Resolver {
        host: &host,
        on_host_network: network.on_host,
        network: network.resolver,
        dns: &spec.dns,
        search: &spec.dns_search,
        options: &spec.dns_options,
    });
    let hostname = format!("{}\n", network.hostname);
    for (name, text) in [
        ("hosts", &hosts),
        ("hostname", &hostname),
        ("resolv.conf", &resolv_conf),
    ] {
        // Written in place: a container that shares our network may have the file mounted.
        let path = layout.file(&record.id, name);
        fs::write(&path, text)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o644)))
            .map_err(Error::io("write", &path))?;
    }
    Ok(layout.container(&record.id))
}

fn write_spec(
    engine: &Engine,
    record: &Record,
    stdio: Stdio,
    hostname: &str,
    namespaces: &Namespaces,
    files: &std::path::Path,
) -> Result<()> {
    let request = &record.spec;
    let snapshot = engine
        .store()?
        .snapshot(&record.id)?
        .ok_or_else(|| Error::State {
            operation: "start",
            object: format!("container {}", record.name),
            why: "its writable layer is gone; remove the container and make it anew".to_owned(),
        })?;
    let root = rootfs::open(&snapshot)?;
    let identity = rootfs::identity(&root, &record.process.user, &request.group_add)?;
    drop(root);
    let devices = match request.privileged {
        true => host::all_devices(),
        false => host::devices(&request.devices)?,
    };
    let seccomp_file = seccomp_file(&request.security_opt)?;
    let oci = spec::generate(&Input {
        record,
        identity: &identity,
        root: RootSource {
            lower: &snapshot.lower,
            upper: &snapshot.upper,
            work: &snapshot.work,
        },
        files,
        volumes: &engine.layout.volumes(),
        hostname,
        namespaces,
        host: engine.host()?,
        devices: &devices,
        block_devices: &host::block_devices(&request.resources)?,
        minirun: &engine.config.minirun,
        seccomp_file: seccomp_file.as_ref(),
        console: match stdio {
            Stdio::Attached { rows, columns } if rows > 0 && columns > 0 => Some((rows, columns)),
            _ => None,
        },
    })?;
    json::write(
        &engine.layout.file(&record.id, "config.json"),
        &oci,
        Durable::No,
    )
}

/// Writes what the monitor is to probe; whether there is anything.
fn write_health_check(
    engine: &Engine,
    record: &Record,
    warnings: &mut Vec<String>,
) -> Result<bool> {
    let Some(asked) = &record.health else {
        return Ok(false);
    };
    if let Some(check) = asked.check() {
        json::write(&engine.layout.health_check(&record.id), &check, Durable::No)?;
        return Ok(true);
    }
    if !asked.is_disabled() {
        warnings.push(
            "the health of the container is not probed: neither --health-cmd nor its image says how"
                .to_owned(),
        );
    }
    Ok(false)
}

fn seccomp_file(options: &[SecurityOption]) -> Result<Option<oci_spec::runtime::LinuxSeccomp>> {
    let file = options.iter().rev().find_map(|option| match option {
        SecurityOption::SeccompFile(file) => Some(file),
        _ => None,
    });
    let Some(file) = file else { return Ok(None) };
    match json::read(file)? {
        Some(filter) => Ok(Some(filter)),
        None => Err(Error::NotFound {
            what: "seccomp file",
            name: file.display().to_string(),
        }),
    }
}
