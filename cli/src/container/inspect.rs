//! `minictl inspect` for containers: everything, in Docker's shape.

use std::collections::BTreeMap;

use engine::{Container, Engine, Health, HealthCheck, Mount, MountKind, Status};
use serde_json::{Map, Value, json};

use crate::container::view;
use crate::context::Context;
use crate::failure::{Failure, Outcome, complain, print};
use crate::output::format::inspection;

/// Show everything about containers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl container inspect -f '{{.State.ExitCode}}' web")]
pub(crate) struct Args {
    /// json, or a template such as '{{.State.Status}}'
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Prints those that are there; 1 when one is not.
pub(crate) fn inspect(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    several(&args.containers, args.format.as_deref(), |name| {
        Ok(object_of(&engine, name)?)
    })
}

/// Looks every name up, complains of those that fail, and prints the others.
pub(crate) fn several(
    names: &[String],
    format: Option<&str>,
    find: impl Fn(&str) -> Result<Value, Failure>,
) -> Outcome {
    let mut objects = Vec::new();
    let mut code = 0;
    for name in names {
        match find(name) {
            Ok(object) => objects.push(object),
            Err(failure) => code = failure.report(),
        }
    }
    match inspection(&objects, format) {
        Ok(text) => print(&text)?,
        Err(error) => {
            complain(&error);
            code = 1;
        }
    }
    Ok(code)
}

/// The container of this name, as JSON.
pub(crate) fn object_of(engine: &Engine, name: &str) -> Result<Value, engine::Error> {
    let container = engine.container(name)?;
    let dir = engine
        .config()
        .data_root
        .join("containers")
        .join(container.id());
    let mut object = object(&container);
    object["LogPath"] = json!(dir.join("log"));
    for mount in object["Mounts"].as_array_mut().into_iter().flatten() {
        if let Some(name) = mount["Name"].as_str().map(str::to_owned) {
            mount["Source"] = json!(
                engine
                    .config()
                    .data_root
                    .join("volumes")
                    .join(name)
                    .join("_data")
            );
        }
    }
    Ok(object)
}

/// A container in Docker's shape. Pure.
fn object(container: &Container) -> Value {
    let record = &container.record;
    let args = record.process.args();
    json!({
        "Id": record.id,
        "Name": format!("/{}", record.name),
        "Created": record.created,
        "Path": args.first(),
        "Args": args.get(1..).unwrap_or_default(),
        "Image": record.image_id,
        "Platform": "linux",
        "State": state(container),
        "Config": config(container),
        "HostConfig": host_config(container),
        "Mounts": record.mounts.iter().map(mount).collect::<Vec<_>>(),
        "NetworkSettings": network_settings(container),
    })
}

fn state(container: &Container) -> Value {
    let state = &container.state;
    let mut object = json!({
        "Status": state.status,
        "Running": container.is_alive(),
        "Paused": state.status == Status::Paused,
        "Restarting": false,
        "OOMKilled": state.oom_killed,
        "Dead": false,
        "Pid": state.pid.filter(|_| container.is_alive()).unwrap_or(0),
        "ExitCode": state.exit_code.unwrap_or(0),
        "Error": state.error.clone().unwrap_or_default(),
        "StartedAt": time(state.started_at),
        "FinishedAt": time(state.finished_at),
    });
    if let Some(found) = &state.health {
        object["Health"] = health(found);
    }
    object
}

fn health(health: &Health) -> Value {
    let log = health.log.iter().map(|probe| {
        json!({
            "Start": probe.start,
            "End": probe.end,
            "ExitCode": probe.exit_code,
            "Output": probe.output,
        })
    });
    json!({
        "Status": health.status,
        "FailingStreak": health.failing_streak,
        "Log": log.collect::<Vec<_>>(),
    })
}

/// A time, or the zero that Docker shows for none.
fn time(time: Option<jiff::Timestamp>) -> String {
    time.map_or_else(
        || "0001-01-01T00:00:00Z".to_owned(),
        |time| time.to_string(),
    )
}

fn config(container: &Container) -> Value {
    let (record, process, spec) = (
        &container.record,
        &container.record.process,
        &container.record.spec,
    );
    let exposed: BTreeMap<String, Value> = record
        .exposed
        .iter()
        .map(|port| (port.to_string(), json!({})))
        .collect();
    let mut object = json!({
        "Hostname": spec.hostname.clone().unwrap_or_else(|| container.short_id().to_owned()),
        "Domainname": spec.domainname.clone().unwrap_or_default(),
        "User": process.user,
        "Tty": process.tty,
        "OpenStdin": process.stdin,
        "Env": process.env,
        "Cmd": process.command,
        "Entrypoint": process.entrypoint,
        "Image": record.image,
        "WorkingDir": process.workdir,
        "Labels": record.labels,
        "ExposedPorts": exposed,
        "StopSignal": process.stop_signal,
        "StopTimeout": spec.stop_timeout,
    });
    if let Some(check) = &record.health {
        object["Healthcheck"] = healthcheck(check);
    }
    object
}

/// As in the config of an image: lengths in nanoseconds, and nothing of what is as usual.
fn healthcheck(check: &HealthCheck) -> Value {
    let mut object = json!({ "Test": check.test });
    for (name, length) in [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ] {
        if let Some(length) = length.filter(|length| !length.is_zero()) {
            object[name] = json!(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX));
        }
    }
    if let Some(retries) = check.retries.filter(|retries| *retries > 0) {
        object["Retries"] = json!(retries);
    }
    object
}

fn host_config(container: &Container) -> Value {
    let (record, spec) = (&container.record, &container.record.spec);
    json!({
        "AutoRemove": spec.remove,
        "NetworkMode": view::networks(container).first(),
        "PortBindings": requested_bindings(container),
        "PublishAllPorts": spec.publish_all,
        "Privileged": spec.privileged,
        "ReadonlyRootfs": spec.read_only,
        "Init": spec.init,
        "CapAdd": spec.cap_add,
        "CapDrop": spec.cap_drop,
        "SecurityOpt": spec.security_opt,
        "Sysctls": spec.sysctls,
        "Ulimits": spec.ulimits,
        "Devices": spec.devices,
        "Dns": spec.dns,
        "DnsSearch": spec.dns_search,
        "DnsOptions": spec.dns_options,
        "ExtraHosts": spec.extra_hosts,
        "GroupAdd": spec.group_add,
        "OomScoreAdj": spec.oom_score_adj.unwrap_or(0),
        "RestartPolicy": { "Name": "no", "MaximumRetryCount": 0 },
        "CgroupPath": record.cgroup_path(),
        "Memory": spec.resources.memory.as_ref().map_or(0, |memory| memory.0),
        "NanoCpus": spec.resources.cpus.as_ref().map_or(0, |cpus| cpus.0),
        "PidsLimit": spec.resources.pids_limit.as_ref().and_then(|limit| limit.0),
        "Resources": spec.resources,
    })
}

fn mount(mount: &Mount) -> Value {
    let common = |kind: &str| {
        json!({
            "Type": kind,
            "Source": "",
            "Destination": mount.target,
            "Mode": if mount.read_only { "ro" } else { "" },
            "RW": !mount.read_only,
            "Propagation": mount.propagation,
        })
    };
    match &mount.kind {
        MountKind::Bind { source, .. } => {
            let mut object = common("bind");
            object["Source"] = json!(source);
            object
        }
        MountKind::Volume { name, .. } => {
            let mut object = common("volume");
            object["Name"] = json!(name);
            object["Driver"] = json!("local");
            object
        }
        MountKind::Tmpfs { options } => {
            let mut object = common("tmpfs");
            object["Options"] = json!(options);
            object
        }
    }
}

/// The bindings asked for: as `port_bindings`, with an empty port where any free one will do.
fn requested_bindings(container: &Container) -> Value {
    let mut ports: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for port in container
        .record
        .spec
        .ports
        .iter()
        .flat_map(|port| port.mappings())
    {
        let host_port = if port.host_port == 0 {
            String::new()
        } else {
            port.host_port.to_string()
        };
        let address = port
            .host_ip
            .map(|address| address.to_string())
            .unwrap_or_default();
        ports
            .entry(format!("{}/{}", port.container_port, port.protocol))
            .or_default()
            .push(json!({ "HostIp": address, "HostPort": host_port }));
    }
    json!(ports)
}

/// `{"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "443/tcp": null}`: what is published now; exposed ports that
/// are not have no binding.
fn port_bindings(container: &Container) -> Value {
    let mut ports: BTreeMap<String, Value> = BTreeMap::new();
    for exposed in &container.record.exposed {
        for port in exposed.first..=exposed.last {
            ports.insert(format!("{port}/{}", exposed.protocol), Value::Null);
        }
    }
    for port in container
        .endpoints
        .iter()
        .flat_map(|endpoint| &endpoint.ports)
    {
        let binding = json!({
            "HostIp": port.host_ip.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED),
            "HostPort": port.host_port.to_string(),
        });
        match ports
            .entry(format!("{}/{}", port.container_port, port.protocol))
            .or_default()
        {
            Value::Array(bindings) => bindings.push(binding),
            empty => *empty = json!([binding]),
        }
    }
    json!(ports)
}

fn network_settings(container: &Container) -> Value {
    let mut networks: Map<String, Value> = view::networks(container)
        .into_iter()
        .map(|name| (name, no_endpoint()))
        .collect();
    for endpoint in &container.endpoints {
        let object = json!({
            "NetworkID": endpoint.network_id,
            "IPAddress": endpoint.ip,
            "IPPrefixLen": endpoint.prefix_len,
            "Gateway": endpoint.gateway,
            "MacAddress": endpoint.mac,
            "Aliases": endpoint.aliases,
            "Interface": endpoint.ifname,
        });
        networks.insert(endpoint.network.clone(), object);
    }
    let first = networks
        .values()
        .next()
        .cloned()
        .unwrap_or_else(no_endpoint);
    json!({
        "IPAddress": first["IPAddress"],
        "IPPrefixLen": first["IPPrefixLen"],
        "Gateway": first["Gateway"],
        "MacAddress": first["MacAddress"],
        "Ports": port_bindings(container),
        "Networks": networks,
    })
}

/// The place in a network of a container that doesn't run.
fn no_endpoint() -> Value {
    json!({ "NetworkID": "", "IPAddress": "", "IPPrefixLen": 0, "Gateway": "", "MacAddress": "", "Aliases": [], "Interface": "" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::sample;
    use crate::output::template::Template;

    #[test]
    fn health_is_in_dockers_shape() {
        let mut container = sample::container();
        assert!(object(&container)["State"].get("Health").is_none());
        assert!(object(&container)["Config"].get("Healthcheck").is_none());
        container.record.health = Some(HealthCheck {
            test: vec!["CMD-SHELL".to_owned(), "up".to_owned()],
            interval: Some(std::time::Duration::from_millis(1500)),
            retries: Some(2),
            ..HealthCheck::default()
        });
        container.state.health = Some(Health {
            status: engine::HealthStatus::Unhealthy,
            failing_streak: 2,
            log: vec![engine::HealthLog {
                start: jiff::Timestamp::UNIX_EPOCH,
                end: jiff::Timestamp::UNIX_EPOCH,
                exit_code: 1,
                output: "down".to_owned(),
            }],
        });
        let object = object(&container);
        assert_eq!(
            object["Config"]["Healthcheck"],
            json!({ "Test": ["CMD-SHELL", "up"], "Interval": 1_500_000_000_u64, "Retries": 2 })
        );
        let epoch = "1970-01-01T00:00:00Z";
        assert_eq!(
            object["State"]["Health"],
            json!({
                "Status": "unhealthy",
                "FailingStreak": 2,
                "Log": [{ "Start": epoch, "End": epoch, "ExitCode": 1, "Output": "down" }],
            })
        );
    }

    #[test]
    fn what_scripts_ask_for_is_there() {
        fn check(template: &str, expected: &str) {
            let object = object(&sample::container());
            let text = Template::parse(template).and_then(|template| template.render(&object));
            assert_eq!(text.as_deref(), Ok(expected), "{template}");
        }
        check("{{.Name}}", "/web");
        check(
            "{{.State.Status}} {{.State.Running}} {{.State.Pid}} {{.State.ExitCode}}",
            "running true 4711 0",
        );
        check(
            "{{.State.StartedAt}} {{.State.FinishedAt}}",
            "2026-01-02T03:00:01Z 0001-01-01T00:00:00Z",
        );
        check(
            "{{.Config.Image}} {{.Config.Cmd}}",
            "registry.example/shop:2 [serve --port=80]",
        );
        check("{{.NetworkSettings.IPAddress}}", "10.20.0.2");
        check(
            "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
            "10.20.0.2",
        );
        check(
            r#"{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}"#,
            "8080",
        );
        check(
            r#"{{json (index .NetworkSettings.Ports "443/tcp")}}"#,
            "null",
        );
        check(r#"{{index .Config.Labels "app"}}"#, "shop");
        check(
            "{{range .Mounts}}{{.Type}}:{{.Name}}:{{.Destination}}{{end}}",
            "volume:data:/srv/data",
        );
        check(
            "{{.HostConfig.AutoRemove}} {{.HostConfig.Memory}}",
            "false 0",
        );
    }
}
