use std::collections::BTreeMap;
use std::sync::Arc;

use engine::RunSpec;
use model::{
    FileReference, MountKind, MountSpec, NetworkAttachment, PortProtocol, PortSpec, PublishMode,
    Revision,
};
use serde_json::{Value, json};

use super::NodeFacts;
use super::memory_files::MemoryFile;
use super::run_spec::{run_spec, volume_labels};
use crate::contract::work;

/// What the engine is asked for, where it is not as usual.
fn asked(change: &dyn Fn(&mut Revision)) -> Result<Value, String> {
    let mut work = work("t1", "true", change);
    work.networks = vec![Arc::new(model::Network {
        id: "n1".to_owned(),
        spec: model::NetworkSpec {
            name: "blog_front".to_owned(),
            ..Default::default()
        },
        ..Default::default()
    })];
    work.task.ports.clone_from(&work.revision.ports);
    let node = NodeFacts {
        id: "node1".to_owned(),
        hostname: "alpha".to_owned(),
    };
    let files = [MemoryFile {
        source: "/run/mini/secrets/t1/0".into(),
        target: "/run/secrets/key".into(),
    }];
    let with_files = !work.revision.task.container.secrets.is_empty();
    let spec = run_spec(&work, &node, if with_files { &files } else { &[] })
        .map_err(|failure| failure.to_string())?;
    let (spec, usual) = (to_json(&spec), to_json(&RunSpec::default()));
    let changed = spec.as_object().unwrap().iter();
    let fixed = ["image", "pull", "labels", "name", "command"];
    let changed = changed
        .filter(|(key, value)| usual.get(*key) != Some(value) && !fixed.contains(&key.as_str()));
    Ok(changed
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect())
}

fn to_json(spec: &RunSpec) -> Value {
    serde_json::to_value(spec).unwrap()
}

fn check(change: &dyn Fn(&mut Revision), expected: Value) {
    assert_eq!(asked(change).unwrap(), expected);
}

fn strings(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_container_is_named_and_labelled() {
    let work = work("t1", "true", &|revision| {
        revision
            .task
            .container
            .labels
            .insert("tier".to_owned(), "front".to_owned());
    });
    let node = NodeFacts {
        id: "node1".to_owned(),
        hostname: "alpha".to_owned(),
    };
    let spec = run_spec(&work, &node, &[]).unwrap();
    assert_eq!(spec.name.as_deref(), Some("web.1.t1"));
    assert_eq!(spec.command, ["sh", "-c", "true"]);
    let expected = [
        "tier=front",
        "mini.task.id=t1",
        "mini.service.id=s1",
        "mini.service.name=web",
        "mini.node.id=node1",
        "com.docker.swarm.task=",
        "com.docker.swarm.task.id=t1",
        "com.docker.swarm.task.name=web.1.t1",
        "com.docker.swarm.service.id=s1",
        "com.docker.swarm.service.name=web",
        "com.docker.swarm.node.id=node1",
    ];
    assert_eq!(spec.labels, expected);
    check(&|_| {}, json!({}));
}

#[test]
fn everything_that_was_asked_for_is_handed_on() {
    check(
        &|revision| {
            let container = &mut revision.task.container;
            container.entrypoint = Some(model::Words {
                words: strings(&["/entry"]),
            });
            container.env = strings(&["A={{.Task.Slot}}", "OURS"]);
            container.hostname = "{{.Service.Name}}-{{.Node.Hostname}}".to_owned();
            container.user = "1000:1000".to_owned();
            container.groups = strings(&["audio"]);
            container.dir = "/srv".to_owned();
            container.stop_grace_ms = Some(1500);
            container.stop_signal = "SIGQUIT".to_owned();
            container.tty = true;
            container.init = true;
            container.read_only = true;
            container.privileged = true;
            container.shm_bytes = 4096;
            container.oom_score_adj = Some(-5);
            container.dns_search = strings(&["example.org"]);
        },
        json!({
            "entrypoint": ["/entry"], "env": ["A=1"], "hostname": "web-alpha", "user": "1000:1000",
            "group_add": ["audio"], "workdir": "/srv", "stop_timeout": 2, "stop_signal": "SIGQUIT",
            "tty": true, "init": true, "read_only": true, "privileged": true, "shm_size": 4096,
            "oom_score_adj": -5, "dns_search": ["example.org"],
        }),
    );
    check(
        &|revision| {
            let container = &mut revision.task.container;
            container.sysctls =
                BTreeMap::from([("net.core.somaxconn".to_owned(), "1024".to_owned())]);
            container.cap_add = strings(&["net_admin"]);
            container.cap_drop = strings(&["ALL"]);
            container.ulimits = strings(&["nofile=1024:2048"]);
            container.security_opt = strings(&["no-new-privileges"]);
            container.devices = strings(&["/dev/fuse"]);
            container.pid = "host".to_owned();
            container.ipc = "shareable".to_owned();
            container.extra_hosts = strings(&["db:10.0.0.9"]);
            container.dns = strings(&["1.1.1.1"]);
            container.log_options = BTreeMap::from([
                ("max-size".to_owned(), "10m".to_owned()),
                ("max-file".to_owned(), "5".to_owned()),
            ]);
            container.memory_swap_bytes = -1;
            revision.task.resources.limits.memory_bytes = 64 << 20;
            revision.task.resources.limits.nano_cpus = 500_000_000;
            revision.task.resources.pids = 100;
        },
        {
            let mut usual = RunSpec::new("");
            usual.sysctls = vec!["net.core.somaxconn=1024".parse().unwrap()];
            usual.cap_add = vec!["NET_ADMIN".parse().unwrap()];
            usual.cap_drop = vec!["ALL".parse().unwrap()];
            usual.ulimits = vec!["nofile=1024:2048".parse().unwrap()];
            usual.security_opt = vec!["no-new-privileges".parse().unwrap()];
            usual.devices = vec!["/dev/fuse".parse().unwrap()];
            usual.pid = "host".parse().unwrap();
            usual.extra_hosts = vec!["db:10.0.0.9".parse().unwrap()];
            usual.dns = vec!["1.1.1.1".parse().unwrap()];
            usual.log_max_size = Some("10m".parse().unwrap());
            usual.log_max_files = Some(5);
            usual.resources.memory = Some("64m".parse().unwrap());
            usual.resources.memory_swap = Some("-1".parse().unwrap());
            usual.resources.cpus = Some("0.5".parse().unwrap());
            usual.resources.pids_limit = Some("100".parse().unwrap());
            let plain = to_json(&RunSpec::new(""));
            let all = to_json(&usual);
            let all = all.as_object().unwrap().iter();
            all.filter(|(key, value)| plain.get(*key) != Some(value))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        },
    );
}

#[test]
fn a_health_check_is_handed_on() {
    check(
        &|revision| {
            revision.task.container.healthcheck = Some(model::HealthCheck {
                test: strings(&["CMD-SHELL", "true"]),
                interval_ms: 1500,
                retries: 2,
                ..model::HealthCheck::default()
            });
        },
        {
            let health = engine::HealthCheck {
                test: strings(&["CMD-SHELL", "true"]),
                interval: Some(std::time::Duration::from_millis(1500)),
                retries: Some(2),
                ..engine::HealthCheck::default()
            };
            json!({"health": serde_json::to_value(health).unwrap()})
        },
    );
}

#[test]
fn networks_and_ports_are_joined() {
    let attach = |network: &str, aliases: &[&str]| NetworkAttachment {
        network: network.to_owned(),
        aliases: strings(aliases),
    };
    let stack = |revision: &mut Revision| {
        revision.service_name = "blog_web".to_owned();
        let labels = &mut revision.task.container.labels;
        labels.insert(model::STACK_LABEL.to_owned(), "blog".to_owned());
    };
    check(
        &|revision| {
            stack(revision);
            revision.task.networks = vec![attach("blog_front", &["web", "www"])];
        },
        json!({"networks": [{"network": {"network": "blog_front", "ip": null,
            "aliases": ["blog_web", "tasks.blog_web", "web", "tasks.web", "www"]}}]}),
    );
    check(
        &|revision| revision.task.networks = vec![attach("n1", &[])],
        json!({"networks": [{"network": {"network": "blog_front", "ip": null,
            "aliases": ["web", "tasks.web"]}}]}),
    );
    check(
        &|revision| revision.task.networks = vec![attach("host", &[])],
        json!({"networks": ["host"]}),
    );
    check(
        &|revision| revision.task.networks = vec![attach("none", &[])],
        json!({"networks": ["none"]}),
    );
    let port = |protocol: PortProtocol, mode: PublishMode| PortSpec {
        target: 80,
        published: 8080,
        protocol: protocol.into(),
        mode: mode.into(),
        ..PortSpec::default()
    };
    check(
        &|revision| {
            revision.ports = vec![
                port(PortProtocol::Udp, PublishMode::Host),
                port(PortProtocol::Tcp, PublishMode::Ingress),
            ];
        },
        json!({"ports": [{"host_ip": null, "host_ports": [8080, 8080], "container_ports": [80, 80], "protocol": "udp"}]}),
    );
    let refused = asked(&|revision| {
        revision.ports = vec![port(PortProtocol::Sctp, PublishMode::Host)];
    });
    assert!(refused.unwrap_err().contains("80/sctp"));
}

#[test]
fn mounts_are_checked() {
    let mount = |kind: MountKind, source: &str, target: &str| MountSpec {
        kind: kind.into(),
        source: source.to_owned(),
        target: target.to_owned(),
        ..MountSpec::default()
    };
    check(
        &|revision| {
            let container = &mut revision.task.container;
            container.mounts = vec![
                mount(MountKind::Volume, "data-{{.Task.Slot}}", "/data"),
                mount(MountKind::Bind, "/srv", "/srv"),
            ];
            container.secrets.push(FileReference::default());
        },
        json!({"mounts": [
            {"source": {"volume": {"name": "data-1", "nocopy": false}}, "target": "/data", "read_only": false, "propagation": null},
            {"source": {"bind": {"source": "/srv", "create": false, "recursive": true}}, "target": "/srv", "read_only": false, "propagation": null},
            {"source": {"bind": {"source": "/run/mini/secrets/t1/0", "create": false, "recursive": false}}, "target": "/run/secrets/key", "read_only": true, "propagation": null},
        ]}),
    );
    let refused = |mount: MountSpec, expected: &str| {
        let failure = asked(&|revision| {
            revision.task.container.mounts = vec![mount.clone()];
        });
        let failure = failure.unwrap_err();
        assert!(failure.contains(expected), "{failure}");
    };
    refused(mount(MountKind::Bind, "srv", "/srv"), "the source srv");
    refused(mount(MountKind::Bind, "/srv", "../etc"), "the target");
    refused(mount(MountKind::Bind, "/srv", "/a/../../etc"), "the target");
    let mut odd = mount(MountKind::Bind, "/srv", "/srv");
    odd.propagation = "sideways".to_owned();
    refused(odd, "the propagation sideways");
}

#[test]
fn a_new_volume_has_its_labels() {
    let work = work("t1", "true", &|revision| {
        revision.task.container.mounts = vec![MountSpec {
            kind: MountKind::Volume.into(),
            source: "data".to_owned(),
            target: "/data".to_owned(),
            labels: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            ..MountSpec::default()
        }];
    });
    let spec = run_spec(&work, &NodeFacts::default(), &[]).unwrap();
    let labels = volume_labels(&spec, &work.revision.task.container);
    assert_eq!(labels.len(), 1);
    assert_eq!(
        (labels[0].0.as_str(), labels[0].1["a"].as_str()),
        ("data", "b")
    );
}
