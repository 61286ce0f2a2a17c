//! What is wanted of a service as JSON: Docker's names, and ours beside them. What a registry is shown is left out. Pure.

use model::{
    ContainerSpec, FileReference, HealthCheck, MountKind, PortSpec, PublishMode, ServiceMode,
    ServiceSpec, UpdateConfig,
};
use serde_json::{Value, json};

use super::super::spec::gates;
use super::super::spec::port::word as protocol;
use super::super::spec::settings::restart::word as restart;
use super::super::spec::settings::rollout::{action_word, order_word};

/// Nanoseconds, as Docker counts.
const NANOS: u64 = 1_000_000;

/// The whole spec.
pub(super) fn of(spec: &ServiceSpec) -> Value {
    let task = &spec.task;
    let policy = &task.restart;
    let preferences: Vec<Value> = task
        .placement
        .preferences
        .iter()
        .map(|of| json!({ "Spread": { "SpreadDescriptor": of.over, "MaxSkew": of.max_skew } }))
        .collect();
    let platforms: Vec<Value> = task
        .placement
        .platforms
        .iter()
        .map(|of| json!({ "OS": of.os, "Architecture": of.architecture }))
        .collect();
    let networks: Vec<Value> = task
        .networks
        .iter()
        .map(|of| json!({ "Target": of.network, "Aliases": of.aliases }))
        .collect();
    let dependencies: Vec<Value> = spec
        .depends_on
        .iter()
        .map(|of| {
            json!({
                "Service": of.service,
                "Condition": gates::word(of.condition()),
                "Required": !of.optional,
                "Restart": of.restart,
            })
        })
        .collect();
    json!({
        "Name": spec.name,
        "Labels": spec.labels,
        "TaskTemplate": {
            "ContainerSpec": container(&task.container),
            "Resources": {
                "Limits": {
                    "NanoCPUs": task.resources.limits.nano_cpus,
                    "MemoryBytes": task.resources.limits.memory_bytes,
                    "Pids": task.resources.pids,
                },
                "Reservations": {
                    "NanoCPUs": task.resources.reservations.nano_cpus,
                    "MemoryBytes": task.resources.reservations.memory_bytes,
                },
            },
            "RestartPolicy": {
                "Condition": restart(policy.condition()),
                "Delay": policy.delay_ms * NANOS,
                "MaxAttempts": policy.max_attempts,
                "Window": policy.window_ms * NANOS,
            },
            "Placement": {
                "Constraints": task.placement.constraints,
                "Preferences": preferences,
                "MaxReplicas": task.placement.max_replicas_per_node,
                "Platforms": platforms,
                "Rebalance": task.placement.rebalance,
            },
            "Networks": networks,
            "ForceUpdate": task.force,
        },
        "Mode": mode(spec.mode.as_ref()),
        "UpdateConfig": spec.update.as_ref().map(update),
        "RollbackConfig": spec.rollback.as_ref().map(update),
        "EndpointSpec": {
            "Mode": match spec.endpoint.mode() {
                model::EndpointMode::Vip => "vip",
                model::EndpointMode::Dnsrr => "dnsrr",
            },
            "Ports": ports(&spec.endpoint.ports),
        },
        "DependsOn": dependencies,
        "Gate": {
            "Always": spec.gate.always,
            "Timeout": spec.gate.timeout_ms * NANOS,
            "MinHealthy": spec.gate.min_healthy,
        },
        "Autoscale": spec.autoscale.as_ref().map(|of| json!({
            "Min": of.min,
            "Max": of.max,
            "CPU": of.cpu,
            "Memory": of.memory,
            "RequestsPerSecond": of.requests_per_second,
            "Cooldown": of.cooldown_ms * NANOS,
        })),
        "Schedule": spec.schedule,
    })
}

fn mode(mode: Option<&ServiceMode>) -> Value {
    match mode {
        None => Value::Null,
        Some(ServiceMode::Replicated(of)) => json!({ "Replicated": { "Replicas": of.replicas } }),
        Some(ServiceMode::Global(_)) => json!({ "Global": {} }),
        Some(ServiceMode::ReplicatedJob(of)) => json!({
            "ReplicatedJob": { "TotalCompletions": of.completions, "MaxConcurrent": of.concurrent },
        }),
        Some(ServiceMode::GlobalJob(_)) => json!({ "GlobalJob": {} }),
    }
}

fn update(config: &UpdateConfig) -> Value {
    json!({
        "Parallelism": config.parallelism,
        "Delay": config.delay_ms * NANOS,
        "FailureAction": action_word(config.failure_action()),
        "Monitor": config.monitor_ms * NANOS,
        "MaxFailureRatio": config.max_failure_ratio,
        "Order": order_word(config.order()),
    })
}

/// Ports as Docker lists them.
pub(super) fn ports(ports: &[PortSpec]) -> Vec<Value> {
    let port = |port: &PortSpec| {
        json!({
            "Name": port.name,
            "Protocol": protocol(port.protocol()),
            "TargetPort": port.target,
            "PublishedPort": port.published,
            "PublishMode": match port.mode() {
                PublishMode::Ingress => "ingress",
                PublishMode::Host => "host",
            },
        })
    };
    ports.iter().map(port).collect()
}

fn container(of: &ContainerSpec) -> Value {
    let mounts: Vec<Value> = of
        .mounts
        .iter()
        .map(|mount| {
            json!({
                "Type": match mount.kind() {
                    MountKind::Bind => "bind",
                    MountKind::Volume => "volume",
                    MountKind::Tmpfs => "tmpfs",
                },
                "Source": mount.source,
                "Target": mount.target,
                "ReadOnly": mount.read_only,
                "BindOptions": { "Propagation": mount.propagation },
                "VolumeOptions": { "NoCopy": mount.no_copy, "Labels": mount.labels },
                "TmpfsOptions": { "SizeBytes": mount.tmpfs_bytes, "Mode": mount.tmpfs_mode },
            })
        })
        .collect();
    let words = |words: &Option<model::Words>| words.as_ref().map(|words| words.words.clone());
    json!({
        "Image": of.image,
        "Command": words(&of.entrypoint),
        "Args": words(&of.command),
        "Env": of.env,
        "Hostname": of.hostname,
        "Domainname": of.domainname,
        "Labels": of.labels,
        "Dir": of.dir,
        "User": of.user,
        "Groups": of.groups,
        "Mounts": mounts,
        "StopGracePeriod": of.stop_grace_ms.map(|ms| ms * NANOS),
        "StopSignal": of.stop_signal,
        "TTY": of.tty,
        "OpenStdin": of.open_stdin,
        "Healthcheck": of.healthcheck.as_ref().map(health),
        "Secrets": files(&of.secrets, "SecretName"),
        "Configs": files(&of.configs, "ConfigName"),
        "ReadOnly": of.read_only,
        "Init": of.init,
        "Sysctls": of.sysctls,
        "CapabilityAdd": of.cap_add,
        "CapabilityDrop": of.cap_drop,
        "Privileged": of.privileged,
        "Ulimits": of.ulimits,
        "OomScoreAdj": of.oom_score_adj,
        "ShmSize": of.shm_bytes,
        "SecurityOpt": of.security_opt,
        "Devices": of.devices,
        "PidMode": of.pid,
        "IpcMode": of.ipc,
        "CgroupParent": of.cgroup_parent,
        "Hosts": of.extra_hosts,
        "DNSConfig": { "Nameservers": of.dns, "Search": of.dns_search, "Options": of.dns_options },
        "LogOptions": of.log_options,
        "Pull": of.pull,
        "RegistryAuth": of.registry_auth.is_some(),
    })
}

fn health(check: &HealthCheck) -> Value {
    json!({
        "Test": check.test,
        "Interval": check.interval_ms * NANOS,
        "Timeout": check.timeout_ms * NANOS,
        "Retries": check.retries,
        "StartPeriod": check.start_period_ms * NANOS,
        "StartInterval": check.start_interval_ms * NANOS,
    })
}

fn files(files: &[FileReference], name: &str) -> Vec<Value> {
    let file = |file: &FileReference| {
        json!({
            name: file.source,
            "File": {
                "Name": file.target,
                "UID": if file.uid.is_empty() { "0" } else { &file.uid },
                "GID": if file.gid.is_empty() { "0" } else { &file.gid },
                "Mode": file.mode.unwrap_or(0o444),
            },
        })
    };
    files.iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use model::RegistryAuth;

    use super::*;

    #[test]
    fn credentials_are_never_shown() {
        let mut spec = ServiceSpec::default();
        spec.task.container.registry_auth = Some(RegistryAuth {
            auth: b"aHVudGVyMg==".to_vec().into(),
        });
        spec.task.container.stop_grace_ms = Some(1500);
        let shown = of(&spec);
        assert!(!shown.to_string().contains("aHVudGVyMg"));
        let container = &shown["TaskTemplate"]["ContainerSpec"];
        assert_eq!(container["RegistryAuth"], true);
        assert_eq!(container["StopGracePeriod"], 1_500_000_000);
    }
}
