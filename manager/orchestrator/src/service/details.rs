//! What differs between two specifications, a line for each, for people. Nothing that is secret is told: neither what a registry
//! asks for, nor values of variables whose names say that they are.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    ContainerSpec, Dependency, DependencyCondition, FailureAction, FileReference, HealthCheck,
    MountSpec, PortProtocol, PortSpec, PublishMode, ResourceSpec, RestartCondition, RestartPolicy,
    ServiceMode, ServiceSpec, TaskSpec, UpdateConfig, UpdateOrder, Words,
};

/// Words in the name of a variable that make its value a secret.
const SECRET: &[&str] = &["PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "AUTH"];

/// What a new service is.
pub(super) fn of_new(spec: &ServiceSpec) -> Vec<String> {
    vec![format!("image: {}", spec.task.container.image), mode(spec)]
}

/// What is changed of a service.
pub(super) fn of_change(old: &ServiceSpec, new: &ServiceSpec) -> Vec<String> {
    let mut lines = Lines(Vec::new());
    lines.value("name", &old.name, &new.name);
    if old.mode != new.mode {
        match (number(old), number(new)) {
            (Some(old), Some(new)) => lines.value("replicas", &old.to_string(), &new.to_string()),
            _ => lines.value("mode", &mode(old), &mode(new)),
        }
    }
    lines.map("labels", &old.labels, &new.labels);
    lines.container(&old.task.container, &new.task.container);
    lines.task(&old.task, &new.task);
    lines.value("update", &pacing(&old.update), &pacing(&new.update));
    lines.value("rollback", &pacing(&old.rollback), &pacing(&new.rollback));
    lines.list("ports", &ports(old), &ports(new));
    lines.differs("endpoint mode", old.endpoint.mode != new.endpoint.mode);
    lines.list("depends_on", &dependencies(old), &dependencies(new));
    lines.differs("gate", old.gate != new.gate);
    lines.differs("autoscale", old.autoscale != new.autoscale);
    lines.value("schedule", &old.schedule, &new.schedule);
    lines.0
}

/// The lines that are told.
struct Lines(Vec<String>);

impl Lines {
    fn value(&mut self, what: &str, old: &str, new: &str) {
        if old != new {
            let shown = |value: &str| {
                if value.is_empty() {
                    "none".to_owned()
                } else {
                    value.to_owned()
                }
            };
            self.0
                .push(format!("{what}: {} -> {}", shown(old), shown(new)));
        }
    }

    fn differs(&mut self, what: &str, differs: bool) {
        if differs {
            self.0.push(format!("{what}: changed"));
        }
    }

    fn list(&mut self, what: &str, old: &[String], new: &[String]) {
        let (were, are): (BTreeSet<_>, BTreeSet<_>) = (old.iter().collect(), new.iter().collect());
        let added = are.difference(&were).map(|word| format!("+{word}"));
        let gone = were.difference(&are).map(|word| format!("-{word}"));
        let words: Vec<_> = added.chain(gone).collect();
        match words.is_empty() {
            false => self.0.push(format!("{what}: {}", words.join(" "))),
            true => self.differs(what, old != new),
        }
    }

    /// Values by name: what is new or other with its value, what is gone by its name.
    fn map(&mut self, what: &str, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) {
        let set = new
            .iter()
            .filter(|(name, value)| old.get(*name) != Some(*value))
            .map(|(name, value)| format!("+{name}={}", shown(name, value)));
        let gone = old.keys().filter(|name| !new.contains_key(*name));
        let words: Vec<_> = set.chain(gone.map(|name| format!("-{name}"))).collect();
        if !words.is_empty() {
            self.0.push(format!("{what}: {}", words.join(" ")));
        }
    }

    fn container(&mut self, old: &ContainerSpec, new: &ContainerSpec) {
        self.value("image", &old.image, &new.image);
        self.value(
            "entrypoint",
            &words(&old.entrypoint),
            &words(&new.entrypoint),
        );
        self.value("command", &words(&old.command), &words(&new.command));
        let count = self.0.len();
        self.map("env", &variables(&old.env), &variables(&new.env));
        self.differs("env", self.0.len() == count && old.env != new.env);
        self.value("hostname", &old.hostname, &new.hostname);
        self.value("domainname", &old.domainname, &new.domainname);
        self.map("container labels", &old.labels, &new.labels);
        self.value("working_dir", &old.dir, &new.dir);
        self.value("user", &old.user, &new.user);
        self.list("groups", &old.groups, &new.groups);
        self.list("mounts", &mounts(&old.mounts), &mounts(&new.mounts));
        self.value("stop_grace_period", &grace(old), &grace(new));
        self.value("stop_signal", &old.stop_signal, &new.stop_signal);
        self.differs(
            "tty",
            (old.tty, old.open_stdin) != (new.tty, new.open_stdin),
        );
        self.value(
            "healthcheck",
            &health(&old.healthcheck),
            &health(&new.healthcheck),
        );
        self.list("secrets", &files(&old.secrets), &files(&new.secrets));
        self.list("configs", &files(&old.configs), &files(&new.configs));
        self.differs("read_only", old.read_only != new.read_only);
        self.differs("init", old.init != new.init);
        self.map("sysctls", &old.sysctls, &new.sysctls);
        self.list("cap_add", &old.cap_add, &new.cap_add);
        self.list("cap_drop", &old.cap_drop, &new.cap_drop);
        self.differs("privileged", old.privileged != new.privileged);
        self.list("ulimits", &old.ulimits, &new.ulimits);
        self.differs("oom_score_adj", old.oom_score_adj != new.oom_score_adj);
        self.value(
            "shm_size",
            &old.shm_bytes.to_string(),
            &new.shm_bytes.to_string(),
        );
        self.list("security_opt", &old.security_opt, &new.security_opt);
        self.list("devices", &old.devices, &new.devices);
        self.value("pid", &old.pid, &new.pid);
        self.value("ipc", &old.ipc, &new.ipc);
        self.value("cgroup_parent", &old.cgroup_parent, &new.cgroup_parent);
        self.list("extra_hosts", &old.extra_hosts, &new.extra_hosts);
        self.list("dns", &old.dns, &new.dns);
        self.list("dns_search", &old.dns_search, &new.dns_search);
        self.list("dns_opt", &old.dns_options, &new.dns_options);
        self.map("logging", &old.log_options, &new.log_options);
        self.value("pull_policy", &old.pull, &new.pull);
        self.differs(
            "memswap_limit",
            old.memory_swap_bytes != new.memory_swap_bytes,
        );
    }

    fn task(&mut self, old: &TaskSpec, new: &TaskSpec) {
        self.value(
            "resources",
            &resources(&old.resources),
            &resources(&new.resources),
        );
        self.value("restart", &restart(&old.restart), &restart(&new.restart));
        let (was, is) = (&old.placement, &new.placement);
        self.list("constraints", &was.constraints, &is.constraints);
        let spread = |task: &TaskSpec| -> Vec<String> {
            let preferences = task.placement.preferences.iter();
            preferences
                .map(|preference| match preference.max_skew {
                    0 => preference.over.clone(),
                    skew => format!("{} (at most {skew} apart)", preference.over),
                })
                .collect()
        };
        self.list("spread", &spread(old), &spread(new));
        let most = (was.max_replicas_per_node, is.max_replicas_per_node);
        self.value(
            "max_replicas_per_node",
            &most.0.to_string(),
            &most.1.to_string(),
        );
        self.value(
            "rebalance",
            &was.rebalance.to_string(),
            &is.rebalance.to_string(),
        );
        self.differs("platforms", was.platforms != is.platforms);
        let networks = |task: &TaskSpec| -> Vec<String> {
            let networks = task.networks.iter();
            networks
                .map(|network| match network.aliases.is_empty() {
                    true => network.network.clone(),
                    false => format!("{} as {}", network.network, network.aliases.join(",")),
                })
                .collect()
        };
        self.list("networks", &networks(old), &networks(new));
        self.differs("force", old.force != new.force);
    }
}

fn shown<'a>(name: &str, value: &'a str) -> &'a str {
    let name = name.to_uppercase();
    match SECRET.iter().any(|word| name.contains(word)) {
        true => "***",
        false => value,
    }
}

fn number(spec: &ServiceSpec) -> Option<u64> {
    match &spec.mode {
        Some(ServiceMode::Replicated(mode)) => Some(mode.replicas),
        _ => None,
    }
}

fn mode(spec: &ServiceSpec) -> String {
    match &spec.mode {
        Some(ServiceMode::Replicated(mode)) => format!("replicas: {}", mode.replicas),
        Some(ServiceMode::Global(_)) => "global".to_owned(),
        Some(ServiceMode::ReplicatedJob(job)) => match job.concurrent {
            0 => format!("a job of {} completions", job.completions),
            most => format!("a job of {} completions, {most} at once", job.completions),
        },
        Some(ServiceMode::GlobalJob(_)) => "a global job".to_owned(),
        None => "none".to_owned(),
    }
}

fn words(words: &Option<Words>) -> String {
    words
        .as_ref()
        .map_or_else(String::new, |words| words.words.join(" "))
}

fn variables(env: &[String]) -> BTreeMap<String, String> {
    env.iter()
        .map(|variable| match variable.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (variable.clone(), String::new()),
        })
        .collect()
}

fn mounts(mounts: &[MountSpec]) -> Vec<String> {
    mounts
        .iter()
        .map(|mount| {
            let mode = if mount.read_only { ":ro" } else { "" };
            format!("{}:{}{mode}", mount.source, mount.target)
        })
        .collect()
}

fn files(files: &[FileReference]) -> Vec<String> {
    files
        .iter()
        .map(|file| match file.target.is_empty() {
            true => file.source.clone(),
            false => format!("{}:{}", file.source, file.target),
        })
        .collect()
}

fn grace(container: &ContainerSpec) -> String {
    container.stop_grace_ms.map_or_else(String::new, time)
}

fn health(check: &Option<HealthCheck>) -> String {
    let Some(check) = check else {
        return String::new();
    };
    let mut parts = check.test.clone();
    for (what, ms) in [
        ("interval", check.interval_ms),
        ("timeout", check.timeout_ms),
        ("start_period", check.start_period_ms),
        ("start_interval", check.start_interval_ms),
    ] {
        if ms != 0 {
            parts.push(format!("{what}={}", time(ms)));
        }
    }
    if check.retries != 0 {
        parts.push(format!("retries={}", check.retries));
    }
    parts.join(" ")
}

fn resources(resources: &ResourceSpec) -> String {
    let mut parts = Vec::new();
    for (what, of) in [
        ("reserved", &resources.reservations),
        ("limit", &resources.limits),
    ] {
        if of.nano_cpus != 0 {
            parts.push(format!("{what} cpus={}", of.nano_cpus as f64 / 1e9));
        }
        if of.memory_bytes != 0 {
            parts.push(format!("{what} memory={}", of.memory_bytes));
        }
    }
    if resources.pids != 0 {
        parts.push(format!("limit pids={}", resources.pids));
    }
    parts.join(" ")
}

fn restart(policy: &RestartPolicy) -> String {
    let mut text = match policy.condition() {
        RestartCondition::Any => "any",
        RestartCondition::OnFailure => "on-failure",
        RestartCondition::None => "none",
    }
    .to_owned();
    if policy.delay_ms != 0 {
        text += &format!(" delay={}", time(policy.delay_ms));
    }
    if policy.max_attempts != 0 {
        text += &format!(" max_attempts={}", policy.max_attempts);
    }
    if policy.window_ms != 0 {
        text += &format!(" window={}", time(policy.window_ms));
    }
    text
}

fn pacing(config: &Option<UpdateConfig>) -> String {
    let Some(config) = config else {
        return String::new();
    };
    let action = match config.failure_action() {
        FailureAction::Pause => "pause",
        FailureAction::Continue => "continue",
        FailureAction::Rollback => "rollback",
    };
    let order = match config.order() {
        UpdateOrder::Auto => "auto",
        UpdateOrder::StartFirst => "start-first",
        UpdateOrder::StopFirst => "stop-first",
    };
    format!(
        "parallelism={} delay={} failure_action={action} monitor={} max_failure_ratio={} order={order}",
        config.parallelism,
        time(config.delay_ms),
        time(config.monitor_ms),
        config.max_failure_ratio,
    )
}

fn ports(spec: &ServiceSpec) -> Vec<String> {
    let port = |port: &PortSpec| {
        let protocol = match port.protocol() {
            PortProtocol::Tcp => "tcp",
            PortProtocol::Udp => "udp",
            PortProtocol::Sctp => "sctp",
        };
        let host = match port.mode() {
            PublishMode::Host => " of the task's node",
            PublishMode::Ingress => "",
        };
        match port.published {
            0 => format!("{}/{protocol}{host}", port.target),
            published => format!("{published}:{}/{protocol}{host}", port.target),
        }
    };
    spec.endpoint.ports.iter().map(port).collect()
}

fn dependencies(spec: &ServiceSpec) -> Vec<String> {
    let dependency = |dependency: &Dependency| {
        let condition = match dependency.condition() {
            DependencyCondition::Started => "service_started",
            DependencyCondition::Healthy => "service_healthy",
            DependencyCondition::CompletedSuccessfully => "service_completed_successfully",
        };
        let optional = if dependency.optional {
            " (not required)"
        } else {
            ""
        };
        let restart = if dependency.restart {
            " (restarts with it)"
        } else {
            ""
        };
        format!("{} {condition}{optional}{restart}", dependency.service)
    };
    spec.depends_on.iter().map(dependency).collect()
}

fn time(ms: u64) -> String {
    match ms % 1000 {
        0 => format!("{}s", ms / 1000),
        _ => format!("{ms}ms"),
    }
}
