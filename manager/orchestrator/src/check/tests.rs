mod refused;

use model::*;
use store::{Change, State, Transaction};

fn sound() -> ServiceSpec {
    let mut spec = ServiceSpec {
        name: "web".to_owned(),
        mode: Some(ServiceMode::Replicated(Replicated { replicas: 2 })),
        ..ServiceSpec::default()
    };
    spec.task.container.image = "nginx:1.27".to_owned();
    spec
}

/// Knows a network `front`, a secret `key`, a config `conf` and a service `old` on port 80.
fn view() -> State {
    let mut state = State::default();
    let network = Network {
        id: "net1".to_owned(),
        spec: NetworkSpec {
            name: "front".to_owned(),
            ..NetworkSpec::default()
        },
        ..Network::default()
    };
    let secret = Secret {
        id: "s1".to_owned(),
        spec: SecretSpec {
            name: "key".to_owned(),
            ..SecretSpec::default()
        },
        ..Secret::default()
    };
    let config = Config {
        id: "c1".to_owned(),
        spec: ConfigSpec {
            name: "conf".to_owned(),
            ..ConfigSpec::default()
        },
        ..Config::default()
    };
    let mut old = Service {
        id: "old1".to_owned(),
        spec: sound(),
        ..Service::default()
    };
    old.spec.name = "old".to_owned();
    old.allocation.ports = vec![port(80, 80)];
    state.advance(1, 1);
    let applied = state.apply(Transaction {
        changes: vec![
            Change::create(network),
            Change::create(secret),
            Change::create(config),
            Change::create(old),
        ],
        ..Transaction::default()
    });
    assert_eq!(applied.reply.refusal, None);
    state
}

fn port(published: u32, target: u32) -> PortSpec {
    PortSpec {
        published,
        target,
        ..PortSpec::default()
    }
}

fn host(published: u32, target: u32) -> PortSpec {
    PortSpec {
        mode: PublishMode::Host.into(),
        ..port(published, target)
    }
}

fn check(change: impl FnOnce(&mut ServiceSpec)) -> Result<Vec<String>, String> {
    let mut spec = sound();
    change(&mut spec);
    super::service(&view(), &spec)
}

type Change1 = fn(&mut ServiceSpec);

#[test]
fn what_can_be_meant_passes_without_a_word() {
    let table: &[(&str, Change1)] = &[
        ("as it is", |_| {}),
        ("names", |spec| spec.name = "a.b_c-9".to_owned()),
        ("no replicas", |spec| {
            spec.mode = Some(ServiceMode::Replicated(Replicated { replicas: 0 }))
        }),
        ("global", |spec| {
            spec.mode = Some(ServiceMode::Global(Global {}))
        }),
        ("cron", |spec| {
            spec.mode = Some(ServiceMode::ReplicatedJob(ReplicatedJob {
                completions: 1,
                concurrent: 1,
            }));
            spec.schedule = "*/5 * * * *".to_owned();
        }),
        ("host ports", |spec| {
            spec.endpoint.ports = vec![host(80, 80), host(0, 81), host(0, 82)]
        }),
        ("one port, two protocols", |spec| {
            spec.endpoint.ports = vec![host(53, 53), host(53, 53)];
            spec.endpoint.ports[1].protocol = PortProtocol::Udp.into();
        }),
        ("host ports without an address", |spec| {
            spec.endpoint.mode = EndpointMode::Dnsrr.into();
            spec.endpoint.ports = vec![host(80, 80)];
        }),
        ("a network by id", |spec| attach(spec, &["net1"])),
        ("the node's network", |spec| attach(spec, &["host"])),
        ("files", |spec| {
            spec.task.container.secrets = vec![file("key", "")];
            spec.task.container.configs =
                vec![file("conf", "/etc/conf"), file("conf", "/etc/conf2")];
        }),
        ("mounts", |spec| {
            spec.task.container.mounts = vec![
                mount(MountKind::Volume, "data-{{.Task.Slot}}", "/data"),
                mount(MountKind::Volume, "", "/scratch"),
                mount(MountKind::Bind, "/etc", "/host/etc"),
                mount(MountKind::Tmpfs, "", "/tmp"),
            ];
        }),
        ("health", |spec| {
            test(spec, &["CMD", "curl", "-f", "localhost"])
        }),
        ("health by shell", |spec| {
            test(spec, &["CMD-SHELL", "curl -f localhost || exit 1"])
        }),
        ("no health", |spec| test(spec, &["NONE"])),
        ("placement", |spec| {
            spec.task.placement.constraints = vec!["node.labels.disk == ssd".to_owned()];
            spec.task.placement.max_replicas_per_node = 1;
            spec.task.placement.preferences = vec![SpreadPreference {
                over: "node.labels.zone".to_owned(),
                max_skew: 1,
            }];
        }),
        ("autoscaling", |spec| {
            spec.autoscale = Some(Autoscale {
                min: 1,
                max: 5,
                cpu: 0.6,
                ..Autoscale::default()
            });
        }),
        ("reserved up to the limit", |spec| {
            spec.task.resources.limits.memory_bytes = 6 << 20;
            spec.task.resources.reservations.memory_bytes = 6 << 20;
        }),
    ];
    for (name, change) in table {
        assert_eq!(check(change), Ok(Vec::new()), "{name}");
    }
}

fn attach(spec: &mut ServiceSpec, networks: &[&str]) {
    spec.task.networks = networks
        .iter()
        .map(|network| NetworkAttachment {
            network: (*network).to_owned(),
            aliases: Vec::new(),
        })
        .collect();
}

fn file(source: &str, target: &str) -> FileReference {
    FileReference {
        source: source.to_owned(),
        target: target.to_owned(),
        ..FileReference::default()
    }
}

fn mount(kind: MountKind, source: &str, target: &str) -> MountSpec {
    MountSpec {
        kind: kind.into(),
        source: source.to_owned(),
        target: target.to_owned(),
        ..MountSpec::default()
    }
}

fn test(spec: &mut ServiceSpec, words: &[&str]) {
    spec.task.container.healthcheck = Some(HealthCheck {
        test: words.iter().map(|word| (*word).to_owned()).collect(),
        ..HealthCheck::default()
    });
}

fn depend(spec: &mut ServiceSpec, on: &[&str]) {
    spec.depends_on = on
        .iter()
        .map(|service| Dependency {
            service: (*service).to_owned(),
            ..Dependency::default()
        })
        .collect();
}

#[test]
fn what_will_not_do_what_one_expects_passes_with_a_warning() {
    let table: &[(Change1, &[&str])] = &[
        (
            |spec| spec.endpoint.ports = vec![port(8080, 80)],
            &[
                "port 8080 is published on every node only once the cluster network carries services across hosts; for now use mode=host",
            ],
        ),
        (
            |spec| spec.endpoint.ports = vec![port(80, 80)],
            &[
                "for now use mode=host",
                "port 80 is published by service `old`",
            ],
        ),
        (
            |spec| {
                attach(spec, &["host"]);
                spec.endpoint.ports = vec![host(80, 80)];
            },
            &["its ports are not published on network `host`"],
        ),
        (
            |spec| {
                spec.mode = Some(ServiceMode::Global(Global {}));
                spec.task.placement.preferences = vec![SpreadPreference {
                    over: "node.hostname".to_owned(),
                    max_skew: 0,
                }];
            },
            &["spread preferences do nothing for a global service"],
        ),
        (
            |spec| {
                spec.task.restart.condition = RestartCondition::None.into();
                spec.task.restart.max_attempts = 3;
            },
            &["do nothing where tasks are never restarted"],
        ),
        (
            |spec| spec.task.restart.window_ms = 3,
            &["a restart window does nothing without a number of restart attempts"],
        ),
        (
            |spec| {
                spec.mode = Some(ServiceMode::GlobalJob(GlobalJob {}));
                spec.update = Some(UpdateConfig::default());
            },
            &["the update config does nothing for a job"],
        ),
        (
            |spec| {
                spec.autoscale = Some(Autoscale {
                    min: 3,
                    max: 9,
                    requests_per_second: 10.0,
                    ..Autoscale::default()
                });
            },
            &[
                "requests are counted only once",
                "2 replicas are outside of what autoscaling keeps to, 3 to 9",
            ],
        ),
        (
            |spec| spec.task.container.stop_grace_ms = Some(7_200_000),
            &["a task may take 120 minutes to end"],
        ),
    ];
    for (change, expected) in table {
        let warnings = check(change).expect("it passes");
        assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
        for (warning, expected) in warnings.iter().zip(*expected) {
            assert!(warning.contains(expected), "{warning}");
            assert!(warning.starts_with("service `web`: "), "{warning}");
        }
    }
}
