//! The lists that `service create` is given, and the spec of a new service.

use clap::Args;
use model::{
    Dependency, FileReference, MountSpec, NetworkAttachment, ServiceSpec, SpreadPreference, Words,
};

use super::file::file;
use super::gates::dependency;
use super::lists::{host, put, put_environment, put_pairs};
use super::mount::mount;
use super::placement::{constraint, network, preference};
use super::port::{Ports, ports};
use super::settings::{Mode, Settings, mode};

/// Flags of `service create` that may be given several times, and its mode.
#[derive(Debug, Args)]
#[command(next_help_heading = "Lists (each may be given several times)")]
pub(crate) struct Lists {
    /// replicated, global (one on each node), replicated-job or global-job
    #[arg(long, value_name = "MODE", default_value = "replicated", value_parser = mode)]
    mode: Mode,
    /// Environment variable: NAME=VALUE, or NAME to pass on our own
    #[arg(short, long = "env", value_name = "ENV")]
    env: Vec<String>,
    /// Label of the service: KEY=VALUE
    #[arg(short, long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// Label of its containers: KEY=VALUE
    #[arg(long = "container-label", value_name = "LABEL")]
    container_labels: Vec<String>,
    /// Further group of the process
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Publish a port: 8080:80, or published=8080,target=80,protocol=tcp,mode=host
    #[arg(short, long = "publish", value_name = "PORT", value_parser = ports)]
    publish: Vec<Ports>,
    /// Mount: type=bind|volume|tmpfs,source=...,target=...[,readonly]
    #[arg(long = "mount", value_name = "MOUNT", value_parser = mount)]
    mounts: Vec<MountSpec>,
    /// Network: NAME, or name=NAME,alias=ALIAS
    #[arg(long = "network", visible_alias = "net", value_name = "NETWORK", value_parser = network)]
    networks: Vec<NetworkAttachment>,
    /// Where tasks may run: node.labels.disk==ssd
    #[arg(long = "constraint", value_name = "CONSTRAINT", value_parser = constraint)]
    constraints: Vec<String>,
    /// Spread tasks evenly: spread=node.labels.zone[,max-skew=1]
    #[arg(long = "placement-pref", value_name = "PREFERENCE", value_parser = preference)]
    preferences: Vec<SpreadPreference>,
    /// Secret as a file below /run/secrets: NAME, or source=NAME,target=FILE,mode=0400
    #[arg(long = "secret", value_name = "SECRET", value_parser = file)]
    secrets: Vec<FileReference>,
    /// Config as a file: NAME, or source=NAME,target=PATH,mode=0444
    #[arg(long = "config", value_name = "CONFIG", value_parser = file)]
    configs: Vec<FileReference>,
    /// Line in /etc/hosts: NAME:ADDRESS
    #[arg(long = "add-host", value_name = "HOST", value_parser = host)]
    hosts: Vec<String>,
    /// Name server
    #[arg(long = "dns", value_name = "ADDRESS")]
    dns: Vec<String>,
    /// Search domain
    #[arg(long = "dns-search", value_name = "DOMAIN")]
    dns_search: Vec<String>,
    /// Option of the resolver
    #[arg(long = "dns-option", value_name = "OPTION")]
    dns_options: Vec<String>,
    /// Kernel setting of the container's own namespaces: NAME=VALUE
    #[arg(long = "sysctl", value_name = "SYSCTL")]
    sysctls: Vec<String>,
    /// Limit of each process: NAME=SOFT[:HARD], such as nofile=1024:2048
    #[arg(long = "ulimit", value_name = "ULIMIT", value_parser = ulimit)]
    ulimits: Vec<String>,
    /// Option of the log: max-size=10m, max-file=3
    #[arg(long = "log-opt", value_name = "OPTION")]
    log_options: Vec<String>,
    /// Service that must be there first: NAME[:service_healthy][:optional][:restart]
    #[arg(long = "depends-on", value_name = "SERVICE", value_parser = dependency)]
    depends_on: Vec<Dependency>,
}

/// A limit of each process, as the engine reads it.
pub(super) fn ulimit(text: &str) -> Result<String, String> {
    match text.parse::<engine::parse::limit::Ulimit>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The spec of a new service. `ours` is our own environment; `files` are variables that were read from files, which what
/// stands on the command line overrules.
///
/// # Errors
/// What does not fit together, for people.
pub(crate) fn new(
    name: &str,
    image_and_command: &[String],
    settings: &Settings,
    lists: &Lists,
    files: &[String],
    ours: &dyn Fn(&str) -> Option<String>,
) -> Result<ServiceSpec, String> {
    let mut spec = ServiceSpec {
        name: name.to_owned(),
        mode: Some(settings.mode.make(lists.mode)?),
        ..ServiceSpec::default()
    };
    settings.apply(&mut spec)?;
    put_pairs(&mut spec.labels, &lists.labels)?;
    let container = &mut spec.task.container;
    if let Some((image, command)) = image_and_command.split_first() {
        container.image.clone_from(image);
        container.command = (!command.is_empty()).then(|| Words {
            words: command.to_vec(),
        });
    }
    put_environment(&mut container.env, files, ours)?;
    put_environment(&mut container.env, &lists.env, ours)?;
    put_pairs(&mut container.labels, &lists.container_labels)?;
    put_pairs(&mut container.sysctls, &lists.sysctls)?;
    put_pairs(&mut container.log_options, &lists.log_options)?;
    container.groups.clone_from(&lists.groups);
    for mount in &lists.mounts {
        put(&mut container.mounts, mount.clone(), |mount| {
            mount.target.clone()
        });
    }
    container.secrets.clone_from(&lists.secrets);
    container.configs.clone_from(&lists.configs);
    container.extra_hosts.clone_from(&lists.hosts);
    container.dns.clone_from(&lists.dns);
    container.dns_search.clone_from(&lists.dns_search);
    container.dns_options.clone_from(&lists.dns_options);
    container.ulimits.clone_from(&lists.ulimits);
    spec.task
        .placement
        .constraints
        .clone_from(&lists.constraints);
    spec.task
        .placement
        .preferences
        .clone_from(&lists.preferences);
    spec.task.networks.clone_from(&lists.networks);
    spec.endpoint.ports = lists
        .publish
        .iter()
        .flat_map(|ports| ports.0.clone())
        .collect();
    spec.depends_on.clone_from(&lists.depends_on);
    Ok(spec)
}
