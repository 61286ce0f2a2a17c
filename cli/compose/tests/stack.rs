//! What becomes of a service: the words of a file, and what the cluster is told.

use compose::{Request, Source, load};
use model::*;

fn deploy(text: &str) -> (StackSpec, Vec<String>) {
    let request = Request {
        stack: "s".to_owned(),
        files: vec![Source::Stdin(text.to_owned())],
        env: [("SECRET".to_owned(), "from outside".to_owned())].into(),
        directory: "/project".into(),
        ..Request::default()
    };
    let loaded = load(&request).unwrap_or_else(|error| panic!("{error}"));
    (
        loaded.stack,
        loaded.warnings.iter().map(ToString::to_string).collect(),
    )
}

/// One service with these lines.
fn service(lines: &str) -> ServiceSpec {
    let lines = lines.lines().map(|line| format!("    {line}\n"));
    let text = format!(
        "services:\n  web:\n    image: web\n{}",
        lines.collect::<String>()
    );
    deploy(&text).0.services.remove(0)
}

fn check<T: PartialEq + std::fmt::Debug>(part: impl Fn(ServiceSpec) -> T, table: Vec<(&str, T)>) {
    for (lines, expected) in table {
        assert_eq!(part(service(lines)), expected, "{lines}");
    }
}

#[test]
fn names_are_those_of_the_stack() {
    let (stack, warnings) = deploy(
        "services:
  web:
    image: web
    depends_on: [db]
    networks: {front: {aliases: [www]}, shared: }
    volumes: [data:/data, ours:/ours, /anonymous]
  db: {image: db}
networks:
  front:
  shared: {external: true, name: corporate}
  unused:
volumes:
  data: {labels: {a: b}}
  ours: {external: true}
",
    );
    assert_eq!(warnings, [""; 0]);
    assert_eq!(stack.name, "s");
    let names: Vec<&str> = stack
        .services
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    assert_eq!(names, ["s_db", "s_web"]);
    let web = &stack.services[1];
    assert_eq!(web.depends_on[0].service, "s_db");
    assert_eq!(web.labels, StackSpec::labels("s"));
    assert_eq!(web.task.container.labels, StackSpec::labels("s"));
    let attached = |network: &str, aliases: &[&str]| NetworkAttachment {
        network: network.to_owned(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
    };
    assert_eq!(
        web.task.networks,
        [
            attached("corporate", &["web"]),
            attached("s_front", &["web", "www"])
        ]
    );
    assert_eq!(
        stack.services[0].task.networks,
        [attached("s_default", &["db"])]
    );
    let networks: Vec<&str> = stack
        .networks
        .iter()
        .map(|network| network.name.as_str())
        .collect();
    assert_eq!(networks, ["s_default", "s_front"]);
    let mounts: Vec<(&str, usize)> = web
        .task
        .container
        .mounts
        .iter()
        .map(|mount| (mount.source.as_str(), mount.labels.len()))
        .collect();
    assert_eq!(mounts, [("s_data", 2), ("ours", 0), ("", 0)]);
}

#[test]
fn secrets_and_configs_are_named_after_their_content() {
    let text = |content: &str| {
        format!(
            "services:
  web:
    image: web
    secrets: [a, given, {{source: b, target: /etc/b, mode: 0440, uid: '5'}}]
    configs: [c]
secrets:
  a: {{content: {content}}}
  b: {{environment: SECRET, name: bee}}
  given: {{external: true, name: vault}}
  unused: {{file: /nonexistent}}
configs:
  c: {{content: x}}
"
        )
    };
    let (stack, _) = deploy(&text("hello"));
    let container = &stack.services[0].task.container;
    let secrets: Vec<(&str, &str)> = container
        .secrets
        .iter()
        .map(|file| (file.source.as_str(), file.target.as_str()))
        .collect();
    // The first ten digits of SHA-256 of "hello" and of "from outside".
    assert_eq!(
        secrets,
        [
            ("s_a-2cf24dba5f", "a"),
            ("vault", "given"),
            ("bee-bd960d8bbf", "/etc/b")
        ]
    );
    assert_eq!(container.secrets[2].mode, Some(0o440));
    assert_eq!(container.secrets[2].uid, "5");
    assert_eq!(container.configs[0].target, "/c");
    let made: Vec<(&str, &[u8])> = stack
        .secrets
        .iter()
        .map(|secret| (secret.name.as_str(), &secret.data[..]))
        .collect();
    assert_eq!(
        made,
        [
            ("bee-bd960d8bbf", &b"from outside"[..]),
            ("s_a-2cf24dba5f", &b"hello"[..])
        ]
    );
    assert_eq!(stack.configs.len(), 1);

    let (other, _) = deploy(&text("bye"));
    assert_ne!(other.services[0].task, stack.services[0].task);
    assert_eq!(other.configs, stack.configs);
}

#[test]
fn modes() {
    check(
        |spec| spec.mode.expect("a mode"),
        vec![
            ("", ServiceMode::Replicated(Replicated { replicas: 1 })),
            (
                "scale: 3",
                ServiceMode::Replicated(Replicated { replicas: 3 }),
            ),
            (
                "deploy: {replicas: 0}",
                ServiceMode::Replicated(Replicated { replicas: 0 }),
            ),
            ("deploy: {mode: global}", ServiceMode::Global(Global {})),
            (
                "deploy: {mode: replicated-job, replicas: 4}",
                ServiceMode::ReplicatedJob(ReplicatedJob {
                    completions: 4,
                    concurrent: 0,
                }),
            ),
            (
                "deploy: {mode: global-job}",
                ServiceMode::GlobalJob(GlobalJob {}),
            ),
        ],
    );
}

#[test]
fn restarts() {
    let policy = |condition: RestartCondition, max_attempts| RestartPolicy {
        condition: condition as i32,
        max_attempts,
        ..RestartPolicy::default()
    };
    let any = policy(RestartCondition::Any, 0);
    check(
        |spec| spec.task.restart,
        vec![
            ("", any),
            ("restart: no", policy(RestartCondition::None, 0)),
            ("restart: \"no\"", policy(RestartCondition::None, 0)),
            ("restart: always", any),
            ("restart: unless-stopped", any),
            (
                "restart: on-failure",
                policy(RestartCondition::OnFailure, 0),
            ),
            (
                "restart: on-failure:5",
                policy(RestartCondition::OnFailure, 5),
            ),
            (
                "restart: no\ndeploy: {restart_policy: {condition: any}}",
                any,
            ),
            (
                "deploy: {restart_policy: {condition: none}}",
                policy(RestartCondition::None, 0),
            ),
        ],
    );
}

#[test]
fn updates() {
    let update = UpdateConfig {
        parallelism: 1,
        delay_ms: 0,
        failure_action: FailureAction::Pause as i32,
        monitor_ms: 0,
        max_failure_ratio: 0.0,
        order: UpdateOrder::Auto as i32,
    };
    check(
        |spec| spec.update,
        vec![
            ("", None),
            ("deploy: {update_config: {}}", Some(update)),
            (
                "deploy: {update_config: {parallelism: 0}}",
                Some(UpdateConfig {
                    parallelism: 0,
                    ..update
                }),
            ),
            (
                "deploy: {update_config: {failure_action: rollback, order: stop-first, monitor: 1m, delay: 10s, max_failure_ratio: '0.3'}}",
                Some(UpdateConfig {
                    delay_ms: 10_000,
                    failure_action: FailureAction::Rollback as i32,
                    monitor_ms: 60_000,
                    max_failure_ratio: 0.3,
                    order: UpdateOrder::StopFirst as i32,
                    ..update
                }),
            ),
        ],
    );
}

#[test]
fn resources() {
    let resources = |cpus: i64, memory: i64| Resources {
        nano_cpus: cpus,
        memory_bytes: memory,
    };
    let spec = |limits, reservations, pids| ResourceSpec {
        reservations,
        limits,
        pids,
    };
    let none = resources(0, 0);
    check(
        |spec| spec.task.resources,
        vec![
            ("", spec(none, none, 0)),
            (
                "mem_limit: 1073741824",
                spec(resources(0, 1 << 30), none, 0),
            ),
            (
                "mem_limit: 1.5G\nmem_reservation: 50M",
                spec(resources(0, 3 << 29), resources(0, 50 << 20), 0),
            ),
            (
                "cpus: '0.5'\npids_limit: -1",
                spec(resources(500_000_000, 0), none, 0),
            ),
            ("cpu_quota: 50000", spec(resources(500_000_000, 0), none, 0)),
            (
                "cpus: 2\ndeploy: {resources: {limits: {cpus: 2.0, pids: 9}}}",
                spec(resources(2_000_000_000, 0), none, 9),
            ),
            (
                "deploy: {resources: {limits: {memory: 1gb}, reservations: {cpus: '0.25', memory: 128M}}}",
                spec(resources(0, 1 << 30), resources(250_000_000, 128 << 20), 0),
            ),
        ],
    );
    assert_eq!(
        service("memswap_limit: -1")
            .task
            .container
            .memory_swap_bytes,
        -1
    );
}

#[test]
fn ports() {
    let port = |published, target, protocol: PortProtocol, mode: PublishMode| PortSpec {
        name: String::new(),
        protocol: protocol as i32,
        target,
        published,
        mode: mode as i32,
    };
    let ingress =
        |published, target| port(published, target, PortProtocol::Tcp, PublishMode::Ingress);
    let host = |published, target| port(published, target, PortProtocol::Udp, PublishMode::Host);
    check(
        |spec| spec.endpoint.ports,
        vec![
            ("ports: [80]", vec![ingress(0, 80)]),
            ("ports: [22:22]", vec![ingress(22, 22)]),
            (
                "ports: ['80-81:80-81']",
                vec![ingress(80, 80), ingress(81, 81)],
            ),
            (
                "ports: [{target: 80, published: '8080-8081'}]",
                vec![ingress(8080, 80), ingress(8081, 80)],
            ),
            (
                "ports: [{target: 53, published: 53, protocol: udp, mode: host}]",
                vec![host(53, 53)],
            ),
            (
                "ports: [{target: 53, published: 53, protocol: udp, x-mode: host}]",
                vec![host(53, 53)],
            ),
            ("ports: ['80:80']\nnetwork_mode: host", vec![]),
        ],
    );
}

#[test]
fn commands() {
    let words = |words: &[&str]| {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Some(Words { words })
    };
    check(
        |spec| spec.task.container.command,
        vec![
            ("", None),
            ("command:", None),
            ("command: []", words(&[])),
            ("command: \"\"", words(&[])),
            (
                "command: sh -c 'echo $$HOME'",
                words(&["sh", "-c", "echo $HOME"]),
            ),
            ("command: [a, 1, true]", words(&["a", "1", "true"])),
        ],
    );
}

#[test]
fn health_checks() {
    check(
        |spec| {
            spec.task
                .container
                .healthcheck
                .map(|check| check.test.join("|"))
        },
        vec![
            ("", None),
            ("healthcheck: {test: a b}", Some("CMD-SHELL|a b".to_owned())),
            (
                "healthcheck: {test: [CMD, a, b]}",
                Some("CMD|a|b".to_owned()),
            ),
            ("healthcheck: {test: [NONE]}", Some("NONE".to_owned())),
            ("healthcheck: {disable: true}", Some("NONE".to_owned())),
            ("healthcheck: {interval: 5s}", Some(String::new())),
        ],
    );
}

#[test]
fn mounts() {
    let shown = |spec: ServiceSpec| {
        let mounts = spec.task.container.mounts;
        let shown = mounts.iter().map(|mount| {
            let kind = MountKind::try_from(mount.kind).expect("a kind");
            let read_only = if mount.read_only { " ro" } else { "" };
            format!(
                "{kind:?} {}:{}{read_only} {}",
                mount.source, mount.target, mount.tmpfs_bytes
            )
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    check(
        shown,
        vec![
            (
                "volumes: [./a:/a:ro, ../b:/b]",
                "Bind /project/a:/a ro 0, Bind /b:/b 0".to_owned(),
            ),
            ("volumes: [.:/code]", "Bind /project:/code 0".to_owned()),
            (
                "tmpfs: ['/t:size=1k', /u]",
                "Tmpfs :/t 1024, Tmpfs :/u 0".to_owned(),
            ),
            (
                "volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1m}}]",
                "Tmpfs :/t 1048576".to_owned(),
            ),
        ],
    );
}

#[test]
fn tasks_are_spread_anew_where_that_is_asked_for() {
    check(
        |spec| spec.task.placement.rebalance,
        vec![
            ("", false),
            ("x-rebalance: true", true),
            ("deploy: {placement: {x-rebalance: true}}", true),
            (
                "x-rebalance: true\ndeploy: {placement: {max_replicas_per_node: 2}}",
                true,
            ),
            (
                "x-rebalance: true\ndeploy: {placement: {x-rebalance: false}}",
                false,
            ),
        ],
    );
}

#[test]
fn extensions() {
    check(
        |spec| {
            (
                spec.gate.always,
                spec.gate.timeout_ms,
                spec.gate.min_healthy,
                spec.schedule,
            )
        },
        vec![
            ("", (false, 0, 0, String::new())),
            (
                "x-gate: always\nx-gate-timeout: 10m\nx-min-healthy: 1",
                (true, 600_000, 1, String::new()),
            ),
            (
                "deploy: {x-gate: always, x-gate-timeout: 1s}",
                (true, 1_000, 0, String::new()),
            ),
            (
                "x-schedule: \"*/5 * * * *\"\ndeploy: {mode: replicated-job}",
                (false, 0, 0, "*/5 * * * *".to_owned()),
            ),
        ],
    );
    let scale = Autoscale {
        min: 1,
        max: 5,
        cpu: 0.6,
        memory: 0.0,
        requests_per_second: 0.0,
        cooldown_ms: 0,
    };
    check(
        |spec| spec.autoscale,
        vec![
            ("x-autoscale: {max: 5, cpu: 60%}", Some(scale)),
            (
                "deploy: {x-autoscale: {max: 5, cpu: 0.6, cooldown: 1m}}",
                Some(Autoscale {
                    cooldown_ms: 60_000,
                    ..scale
                }),
            ),
        ],
    );
}

#[test]
fn platforms_and_pulls() {
    check(
        |spec| {
            spec.task
                .placement
                .platforms
                .first()
                .map(|platform| format!("{}/{}", platform.os, platform.architecture))
        },
        vec![
            ("", None),
            ("platform: linux/amd64", Some("linux/amd64".to_owned())),
            ("platform: linux/arm64/v8", Some("linux/arm64".to_owned())),
            ("platform: aarch64", Some("linux/arm64".to_owned())),
        ],
    );
    check(
        |spec| spec.task.container.pull,
        vec![
            ("", String::new()),
            ("pull_policy: if_not_present", "missing".to_owned()),
            ("pull_policy: daily", "always".to_owned()),
        ],
    );
}

#[test]
fn what_is_waited_for() {
    let dependency = |condition: &str| {
        let (stack, warnings) = deploy(&format!(
            "services:\n  a: {{image: a, depends_on: {condition}}}\n  b: {{image: b, healthcheck: {{test: x}}}}\n"
        ));
        (
            stack.services[0].depends_on[0].clone(),
            warnings.len(),
            stack.services[1].task.restart.condition,
        )
    };
    let expected = |condition: DependencyCondition, optional, restart| Dependency {
        service: "s_b".to_owned(),
        condition: condition as i32,
        optional,
        restart,
    };
    use DependencyCondition::*;
    use RestartCondition::*;
    for (written, wanted, warnings, restarted) in [
        ("[b]", expected(Started, false, false), 1, Any),
        (
            "{b: {condition: service_started}}",
            expected(Started, false, false),
            0,
            Any,
        ),
        (
            "{b: {condition: service_healthy, required: false, restart: true}}",
            expected(Healthy, true, true),
            0,
            Any,
        ),
        (
            "{b: {condition: service_completed_successfully}}",
            expected(CompletedSuccessfully, false, false),
            1,
            OnFailure,
        ),
    ] {
        assert_eq!(
            dependency(written),
            (wanted, warnings, restarted as i32),
            "{written}"
        );
    }
}
