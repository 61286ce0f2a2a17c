//! The changes of lists that `service update` is given.

use clap::Args;
use model::{
    Dependency, FileReference, MountSpec, NetworkAttachment, ServiceMode, ServiceSpec,
    SpreadPreference, Words,
};

use super::file::file;
use super::gates::dependency;
use super::lists::{host, name_of, put, put_environment, put_pairs, take, take_keys};
use super::mount::mount;
use super::new::ulimit;
use super::placement::{constraint, network, preference};
use super::port::{Ports, Target, ports, target};
use super::settings::Settings;
use super::words::words;

/// Flags of `service update` that put something into a list or take it out.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Lists (each may be given several times; -rm comes before -add)")]
pub(crate) struct Changes {
    /// Another image
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// Another command for the image's entrypoint; nothing for the image's
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    args: Option<String>,
    /// Replace the tasks though nothing else changes
    #[arg(long)]
    force: bool,
    /// Add an environment variable, or change it
    #[arg(long, value_name = "ENV")]
    env_add: Vec<String>,
    /// Remove one
    #[arg(long, value_name = "NAME")]
    env_rm: Vec<String>,
    /// Add a label of the service, or change it
    #[arg(long, value_name = "LABEL")]
    label_add: Vec<String>,
    /// Remove one
    #[arg(long, value_name = "KEY")]
    label_rm: Vec<String>,
    /// Add a label of its containers, or change it
    #[arg(long, value_name = "LABEL")]
    container_label_add: Vec<String>,
    /// Remove one
    #[arg(long, value_name = "KEY")]
    container_label_rm: Vec<String>,
    /// Add a group of the process
    #[arg(long, value_name = "GROUP")]
    group_add: Vec<String>,
    /// Remove one
    #[arg(long, value_name = "GROUP")]
    group_rm: Vec<String>,
    /// Publish a port
    #[arg(long, value_name = "PORT", value_parser = ports)]
    publish_add: Vec<Ports>,
    /// Publish one no more: the container's port, 80 or 53/udp
    #[arg(long, value_name = "PORT", value_parser = target)]
    publish_rm: Vec<Target>,
    /// Add a mount, or change it
    #[arg(long, value_name = "MOUNT", value_parser = mount)]
    mount_add: Vec<MountSpec>,
    /// Remove one, by its path in the container
    #[arg(long, value_name = "PATH")]
    mount_rm: Vec<String>,
    /// Attach to a network
    #[arg(long, value_name = "NETWORK", value_parser = network)]
    network_add: Vec<NetworkAttachment>,
    /// Detach from one
    #[arg(long, value_name = "NETWORK")]
    network_rm: Vec<String>,
    /// Add a constraint
    #[arg(long, value_name = "CONSTRAINT", value_parser = constraint)]
    constraint_add: Vec<String>,
    /// Remove one
    #[arg(long, value_name = "CONSTRAINT")]
    constraint_rm: Vec<String>,
    /// Add a preference
    #[arg(long, value_name = "PREFERENCE", value_parser = preference)]
    placement_pref_add: Vec<SpreadPreference>,
    /// Remove one
    #[arg(long, value_name = "PREFERENCE", value_parser = preference)]
    placement_pref_rm: Vec<SpreadPreference>,
    /// Add a secret, or change it
    #[arg(long, value_name = "SECRET", value_parser = file)]
    secret_add: Vec<FileReference>,
    /// Remove one
    #[arg(long, value_name = "NAME")]
    secret_rm: Vec<String>,
    /// Add a config, or change it
    #[arg(long, value_name = "CONFIG", value_parser = file)]
    config_add: Vec<FileReference>,
    /// Remove one
    #[arg(long, value_name = "NAME")]
    config_rm: Vec<String>,
    /// Add a line to /etc/hosts
    #[arg(long, value_name = "HOST", value_parser = host)]
    host_add: Vec<String>,
    /// Remove one
    #[arg(long, value_name = "HOST", value_parser = host)]
    host_rm: Vec<String>,
    /// Add a name server
    #[arg(long, value_name = "ADDRESS")]
    dns_add: Vec<String>,
    /// Remove one
    #[arg(long, value_name = "ADDRESS")]
    dns_rm: Vec<String>,
    /// Add a search domain
    #[arg(long, value_name = "DOMAIN")]
    dns_search_add: Vec<String>,
    /// Remove one
    #[arg(long, value_name = "DOMAIN")]
    dns_search_rm: Vec<String>,
    /// Add an option of the resolver
    #[arg(long, value_name = "OPTION")]
    dns_option_add: Vec<String>,
    /// Remove one
    #[arg(long, value_name = "OPTION")]
    dns_option_rm: Vec<String>,
    /// Add a kernel setting, or change it
    #[arg(long, value_name = "SYSCTL")]
    sysctl_add: Vec<String>,
    /// Remove one
    #[arg(long, value_name = "NAME")]
    sysctl_rm: Vec<String>,
    /// Add a limit of each process, or change it
    #[arg(long, value_name = "ULIMIT", value_parser = ulimit)]
    ulimit_add: Vec<String>,
    /// Remove one
    #[arg(long, value_name = "NAME")]
    ulimit_rm: Vec<String>,
    /// Set an option of the log
    #[arg(long = "log-opt", value_name = "OPTION")]
    log_options: Vec<String>,
    /// Wait for a service, or wait for it otherwise
    #[arg(long, value_name = "SERVICE", value_parser = dependency)]
    depends_on_add: Vec<Dependency>,
    /// Wait for one no more
    #[arg(long, value_name = "SERVICE")]
    depends_on_rm: Vec<String>,
}

/// Puts what was given into the spec of a service that is there.
///
/// # Errors
/// What does not fit, for people.
pub(crate) fn change(
    spec: &mut ServiceSpec,
    settings: &Settings,
    changes: &Changes,
    ours: &dyn Fn(&str) -> Option<String>,
) -> Result<(), String> {
    let mode = spec
        .mode
        .get_or_insert(ServiceMode::Replicated(model::Replicated { replicas: 1 }));
    settings.mode.change(mode)?;
    settings.apply(spec)?;
    changes.container(spec, ours)?;
    changes.files(spec)?;
    changes.resolver(spec)?;
    changes.service(spec)
}

impl Changes {
    fn container(
        &self,
        spec: &mut ServiceSpec,
        ours: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), String> {
        let container = &mut spec.task.container;
        if let Some(image) = &self.image {
            container.image.clone_from(image);
        }
        if let Some(line) = &self.args {
            let words = words(line)?;
            container.command = (!words.is_empty()).then_some(Words { words });
        }
        for name in &self.env_rm {
            let fits = |entry: &String| name_of(entry) == name;
            take(&mut container.env, "environment variable", name, fits)?;
        }
        put_environment(&mut container.env, &self.env_add, ours)?;
        let labels = &mut container.labels;
        take_keys(labels, "container label", &self.container_label_rm)?;
        put_pairs(labels, &self.container_label_add)?;
        take_keys(&mut container.sysctls, "sysctl", &self.sysctl_rm)?;
        put_pairs(&mut container.sysctls, &self.sysctl_add)?;
        put_pairs(&mut container.log_options, &self.log_options)?;
        names(
            &mut container.groups,
            "group",
            &self.group_rm,
            &self.group_add,
        )?;
        for name in &self.ulimit_rm {
            let fits = |entry: &String| name_of(entry) == name_of(name);
            take(&mut container.ulimits, "ulimit", name, fits)?;
        }
        for ulimit in &self.ulimit_add {
            let key = |entry: &String| name_of(entry).to_owned();
            put(&mut container.ulimits, ulimit.clone(), key);
        }
        Ok(())
    }

    fn files(&self, spec: &mut ServiceSpec) -> Result<(), String> {
        let container = &mut spec.task.container;
        for path in &self.mount_rm {
            take(&mut container.mounts, "mount at", path, |mount| {
                mount.target == *path
            })?;
        }
        for mount in &self.mount_add {
            put(&mut container.mounts, mount.clone(), |mount| {
                mount.target.clone()
            });
        }
        let lists = [
            (
                "secret",
                &mut container.secrets,
                &self.secret_rm,
                &self.secret_add,
            ),
            (
                "config",
                &mut container.configs,
                &self.config_rm,
                &self.config_add,
            ),
        ];
        for (what, list, remove, add) in lists {
            for name in remove {
                take(list, what, name, |file| file.source == *name)?;
            }
            for file in add {
                put(list, file.clone(), |file| file.source.clone());
            }
        }
        Ok(())
    }

    fn resolver(&self, spec: &mut ServiceSpec) -> Result<(), String> {
        let container = &mut spec.task.container;
        names(
            &mut container.extra_hosts,
            "host",
            &self.host_rm,
            &self.host_add,
        )?;
        names(
            &mut container.dns,
            "name server",
            &self.dns_rm,
            &self.dns_add,
        )?;
        names(
            &mut container.dns_search,
            "search domain",
            &self.dns_search_rm,
            &self.dns_search_add,
        )?;
        names(
            &mut container.dns_options,
            "option of the resolver",
            &self.dns_option_rm,
            &self.dns_option_add,
        )
    }

    fn service(&self, spec: &mut ServiceSpec) -> Result<(), String> {
        take_keys(&mut spec.labels, "label", &self.label_rm)?;
        put_pairs(&mut spec.labels, &self.label_add)?;
        let task = &mut spec.task;
        task.force += u64::from(self.force);
        names(
            &mut task.placement.constraints,
            "constraint",
            &self.constraint_rm,
            &self.constraint_add,
        )?;
        let preferences = &mut task.placement.preferences;
        for gone in &self.placement_pref_rm {
            take(preferences, "placement preference", &gone.over, |known| {
                known.over == gone.over
            })?;
        }
        for preference in &self.placement_pref_add {
            put(preferences, preference.clone(), |known| known.over.clone());
        }
        for name in &self.network_rm {
            take(&mut task.networks, "network", name, |known| {
                known.network == *name
            })?;
        }
        for network in &self.network_add {
            put(&mut task.networks, network.clone(), |known| {
                known.network.clone()
            });
        }
        for gone in &self.publish_rm {
            let before = spec.endpoint.ports.len();
            spec.endpoint.ports.retain(|port| !gone.is(port));
            if spec.endpoint.ports.len() == before {
                return Err(format!("the service does not publish {gone}"));
            }
        }
        for port in self.publish_add.iter().flat_map(|ports| &ports.0) {
            if !spec.endpoint.ports.contains(port) {
                spec.endpoint.ports.push(port.clone());
            }
        }
        for name in &self.depends_on_rm {
            take(&mut spec.depends_on, "dependency on", name, |known| {
                known.service == *name
            })?;
        }
        for dependency in &self.depends_on_add {
            put(&mut spec.depends_on, dependency.clone(), |known| {
                known.service.clone()
            });
        }
        Ok(())
    }
}

/// A list of plain texts.
fn names(
    list: &mut Vec<String>,
    what: &str,
    remove: &[String],
    add: &[String],
) -> Result<(), String> {
    for name in remove {
        take(list, what, name, |known| known == name)?;
    }
    for name in add {
        put(list, name.clone(), Clone::clone);
    }
    Ok(())
}
