use clap::Parser;
use model::{FailureAction, PublishMode, ServiceMode, ServiceSpec, UpdateOrder};

use super::*;

#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct Create {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    lists: Lists,
    #[arg(required = true, trailing_var_arg = true)]
    image_and_command: Vec<String>,
}

#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct Update {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    changes: Changes,
}

fn words(line: &str) -> Vec<String> {
    super::words::words(line).unwrap()
}

fn ours(name: &str) -> Option<String> {
    (name == "HOME").then(|| "/root".to_owned())
}

fn created(line: &str) -> Result<ServiceSpec, String> {
    let typed = Create::try_parse_from(words(line)).map_err(|error| error.to_string())?;
    let files = ["A=file".to_owned(), "F=file".to_owned()];
    new(
        "web",
        &typed.image_and_command,
        &typed.settings,
        &typed.lists,
        &files,
        &ours,
    )
}

/// The service of the line before, changed as the line after says.
fn updated(before: &str, line: &str) -> Result<ServiceSpec, String> {
    let mut spec = created(before)?;
    let typed = Update::try_parse_from(words(line)).map_err(|error| error.to_string())?;
    change(&mut spec, &typed.settings, &typed.changes, &ours)?;
    Ok(spec)
}

#[test]
fn a_new_service_is_what_was_typed() {
    fn check(line: &str, shown: impl Fn(&ServiceSpec) -> String, expected: &str) {
        match created(line) {
            Ok(spec) => assert_eq!(shown(&spec), expected, "{line}"),
            Err(error) => panic!("{line}: {error}"),
        }
    }
    let container = |spec: &ServiceSpec| spec.task.container.clone();
    check(
        "nginx",
        |spec| format!("{:?}", spec.mode),
        "Some(Replicated(Replicated { replicas: 1 }))",
    );
    check(
        "--replicas 3 a",
        |spec| format!("{:?}", spec.mode),
        "Some(Replicated(Replicated { replicas: 3 }))",
    );
    check(
        "--mode global a",
        |spec| format!("{:?}", spec.mode),
        "Some(Global(Global))",
    );
    check(
        "--mode replicated-job --replicas 9 --max-concurrent 2 a",
        |spec| format!("{:?}", spec.mode),
        "Some(ReplicatedJob(ReplicatedJob { completions: 9, concurrent: 2 }))",
    );
    check(
        "alpine:3 sleep -x 10",
        |spec| {
            format!(
                "{} {:?}",
                container(spec).image,
                container(spec).command.unwrap().words
            )
        },
        r#"alpine:3 ["sleep", "-x", "10"]"#,
    );
    check("a", |spec| format!("{:?}", container(spec).command), "None");
    check(
        "-e A=1 -e HOME -e GONE --env B= a",
        |spec| container(spec).env.join(" "),
        "A=1 F=file HOME=/root B=",
    );
    check(
        "-l a=1 --label b --container-label c=2 a",
        |spec| format!("{:?} {:?}", spec.labels, container(spec).labels),
        r#"{"a": "1", "b": ""} {"c": "2"}"#,
    );
    check(
        "-p 8080:80 --publish published=53,target=53,protocol=udp,mode=host -p 7000-7001:7000-7001 a",
        |spec| {
            let host = |port: &model::PortSpec| port.mode() == PublishMode::Host;
            let ports = spec.endpoint.ports.iter();
            ports
                .map(|port| format!("{}{}", port::shown(port), if host(port) { "!" } else { "" }))
                .collect::<Vec<_>>()
                .join(" ")
        },
        "*:8080->80/tcp *:53->53/udp! *:7000->7000/tcp *:7001->7001/tcp",
    );
    check(
        "--limit-cpu 1.5 --limit-memory 512m --limit-pids 100 --reserve-cpu .5 --reserve-memory 1g a",
        |spec| {
            let of = spec.task.resources;
            format!(
                "{} {} {} {} {}",
                of.limits.nano_cpus,
                of.limits.memory_bytes,
                of.pids,
                of.reservations.nano_cpus,
                of.reservations.memory_bytes
            )
        },
        "1500000000 536870912 100 500000000 1073741824",
    );
    check(
        "--constraint node.role==worker --placement-pref spread=node.labels.zone --replicas-max-per-node 2 a",
        |spec| {
            let of = &spec.task.placement;
            format!(
                "{:?} {} {}",
                of.constraints, of.preferences[0].over, of.max_replicas_per_node
            )
        },
        r#"["node.role==worker"] node.labels.zone 2"#,
    );
    check(
        "--restart-condition on-failure --restart-delay 5s --restart-max-attempts 3 --restart-window 1m a",
        |spec| {
            let of = spec.task.restart;
            format!(
                "{:?} {} {} {}",
                of.condition(),
                of.delay_ms,
                of.max_attempts,
                of.window_ms
            )
        },
        "OnFailure 5000 3 60000",
    );
    check(
        "a",
        |spec| format!("{:?} {:?}", spec.update, spec.rollback),
        "None None",
    );
    check(
        "--update-delay 1s --update-failure-action rollback --update-order start-first --rollback-parallelism 0 a",
        |spec| {
            let (update, rollback) = (spec.update.unwrap(), spec.rollback.unwrap());
            assert_eq!(update.failure_action(), FailureAction::Rollback);
            assert_eq!(update.order(), UpdateOrder::StartFirst);
            format!(
                "{} {} {}",
                update.parallelism, update.delay_ms, rollback.parallelism
            )
        },
        "1 1000 0",
    );
    check(
        "--health-cmd 'curl -f localhost' --health-interval 5s --health-retries 2 a",
        |spec| {
            let of = container(spec).healthcheck.unwrap();
            format!("{:?} {} {}", of.test, of.interval_ms, of.retries)
        },
        r#"["CMD-SHELL", "curl -f localhost"] 5000 2"#,
    );
    check(
        "--no-healthcheck a",
        |spec| format!("{:?}", container(spec).healthcheck.unwrap().test),
        r#"["NONE"]"#,
    );
    check(
        "--secret key --config source=nginx.conf,target=/etc/nginx.conf a",
        |spec| {
            format!(
                "{} {}",
                container(spec).secrets[0].target,
                container(spec).configs[0].target
            )
        },
        "key /etc/nginx.conf",
    );
    check(
        "--user 1:2 -w /srv --hostname web-{{.Task.Slot}} --stop-signal INT --stop-grace-period 1m a",
        |spec| {
            let of = container(spec);
            format!(
                "{} {} {} {} {:?}",
                of.user, of.dir, of.hostname, of.stop_signal, of.stop_grace_ms
            )
        },
        "1:2 /srv web-{{.Task.Slot}} INT Some(60000)",
    );
    check(
        "--entrypoint 'sh -c \"a b\"' --init --read-only -t --cap-add net_admin --cap-drop CAP_CHOWN a",
        |spec| {
            let of = container(spec);
            format!(
                "{:?} {} {} {} {:?} {:?}",
                of.entrypoint.unwrap().words,
                of.init,
                of.read_only,
                of.tty,
                of.cap_add,
                of.cap_drop
            )
        },
        r#"["sh", "-c", "a b"] true true true ["NET_ADMIN"] ["CHOWN"]"#,
    );
    check(
        "--add-host db:10.0.0.7 --dns 1.1.1.1 --dns-search x --dns-option ndots:2 --ulimit nofile=9 --sysctl a.b=1 --log-opt max-size=1m a",
        |spec| {
            let of = container(spec);
            format!(
                "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                of.extra_hosts,
                of.dns,
                of.dns_search,
                of.dns_options,
                of.ulimits,
                of.sysctls,
                of.log_options
            )
        },
        r#"["db:10.0.0.7"] ["1.1.1.1"] ["x"] ["ndots:2"] ["nofile=9"] {"a.b": "1"} {"max-size": "1m"}"#,
    );
    check(
        "--depends-on db:service_healthy --depends-on log --gate-timeout 1m --gate-always --min-healthy 2 a",
        |spec| {
            format!(
                "{} {:?} {} {:?}",
                spec.depends_on[0].service,
                spec.depends_on[0].condition(),
                spec.depends_on[1].service,
                (
                    spec.gate.timeout_ms,
                    spec.gate.always,
                    spec.gate.min_healthy
                )
            )
        },
        "db Healthy log (60000, true, 2)",
    );
    check(
        "--mode replicated-job --schedule '*/5 * * * *' a",
        |spec| spec.schedule.clone(),
        "*/5 * * * *",
    );
    check(
        "--autoscale min=2,max=9,cpu=60% a",
        |spec| format!("{:?}", spec.autoscale.map(|of| (of.min, of.max, of.cpu))),
        "Some((2, 9, 0.6))",
    );
    check(
        "--network name=back,alias=db --net front a",
        |spec| {
            format!(
                "{} {:?} {}",
                spec.task.networks[0].network,
                spec.task.networks[0].aliases,
                spec.task.networks[1].network
            )
        },
        r#"back ["db"] front"#,
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    fn check(line: &str, named: &str) {
        match created(line) {
            Ok(spec) => panic!("{line} was understood: {spec:?}"),
            Err(error) => assert!(error.contains(named), "{line}: {error}"),
        }
    }
    check("--mode global --replicas 2 a", "one task on each node");
    check("--max-concurrent 2 a", "replicated-job alone");
    check("--mode both a", "global-job");
    check(
        "--rollback-failure-action rollback a",
        "neither pause nor continue",
    );
    check("--no-healthcheck --health-cmd x a", "cannot be used with");
    check(
        "--no-healthcheck --health-interval 1s a",
        "cannot be used with",
    );
    check("--limit-cpu lots a", "--limit-cpu");
    check("--ulimit files=1 a", "nofile");
    check("-e =1 a", "NAME=VALUE");
    check("--entrypoint \"'a\" a", "not closed");
    check("", "required");
}

#[test]
fn an_update_changes_what_was_given_and_nothing_else() {
    fn check(before: &str, line: &str, shown: impl Fn(&ServiceSpec) -> String, expected: &str) {
        match updated(before, line) {
            Ok(spec) => assert_eq!(shown(&spec), expected, "{line}"),
            Err(error) => panic!("{line}: {error}"),
        }
    }
    let everything = "--replicas 2 -e A=1 -p 8080:80 --mount source=d,target=/d --secret s --network n --constraint a==b --depends-on db -l x=1 --health-cmd h --update-delay 1s img cmd";
    assert_eq!(
        updated(everything, "").unwrap(),
        created(everything).unwrap()
    );
    let container = |spec: &ServiceSpec| spec.task.container.clone();
    check(
        everything,
        "--image img:2 --args 'run --fast' --force",
        |spec| {
            format!(
                "{} {:?} {}",
                container(spec).image,
                container(spec).command.unwrap().words,
                spec.task.force
            )
        },
        r#"img:2 ["run", "--fast"] 1"#,
    );
    check(
        everything,
        "--args ''",
        |spec| format!("{:?}", container(spec).command),
        "None",
    );
    check(
        everything,
        "--env-rm A --env-add B=2 --label-add y=2 --label-rm x",
        |spec| format!("{:?} {:?}", container(spec).env, spec.labels),
        r#"["F=file", "B=2"] {"y": "2"}"#,
    );
    check(
        everything,
        "--publish-rm 80 --publish-add 8081:80",
        |spec| port::shown(&spec.endpoint.ports[0]),
        "*:8081->80/tcp",
    );
    check(
        everything,
        "--publish-add 8080:80",
        |spec| spec.endpoint.ports.len().to_string(),
        "1",
    );
    check(
        everything,
        "--mount-add source=e,target=/d --secret-rm s --secret-add source=t,mode=0400 --config-add c",
        |spec| {
            let of = container(spec);
            format!(
                "{} {} {}",
                of.mounts[0].source, of.secrets[0].source, of.configs[0].source
            )
        },
        "e t c",
    );
    check(
        everything,
        "--network-rm n --network-add m --constraint-rm a==b --constraint-add c!=d --depends-on-add db:healthy",
        |spec| {
            let of = &spec.task;
            format!(
                "{} {:?} {:?}",
                of.networks[0].network,
                of.placement.constraints,
                spec.depends_on[0].condition()
            )
        },
        r#"m ["c!=d"] Healthy"#,
    );
    check(
        everything,
        "--replicas 5 --health-interval 2s --update-parallelism 4",
        |spec| {
            let ServiceMode::Replicated(mode) = spec.mode.clone().unwrap() else {
                panic!()
            };
            let health = container(spec).healthcheck.unwrap();
            let update = spec.update.unwrap();
            format!(
                "{} {:?} {} {} {}",
                mode.replicas, health.test, health.interval_ms, update.parallelism, update.delay_ms
            )
        },
        r#"5 ["CMD-SHELL", "h"] 2000 4 1000"#,
    );
    check(
        "--init --read-only a",
        "--init=false",
        |spec| format!("{} {}", container(spec).init, container(spec).read_only),
        "false true",
    );
    check(
        "--cap-add NET_ADMIN a",
        "--cap-drop net_admin",
        |spec| {
            format!(
                "{:?}{:?}",
                container(spec).cap_add,
                container(spec).cap_drop
            )
        },
        "[][]",
    );
    check(
        "--rebalance a",
        "--replicas 5",
        |spec| spec.task.placement.rebalance.to_string(),
        "true",
    );
    check(
        "--rebalance a",
        "--rebalance=false",
        |spec| spec.task.placement.rebalance.to_string(),
        "false",
    );
    check(
        "--autoscale max=3,cpu=50% a",
        "--autoscale none",
        |spec| format!("{:?}", spec.autoscale),
        "None",
    );
}

#[test]
fn what_is_not_there_cannot_be_removed() {
    fn check(line: &str, named: &str) {
        match updated("img", line) {
            Ok(spec) => panic!("{line} was understood: {spec:?}"),
            Err(error) => assert!(error.contains(named), "{line}: {error}"),
        }
    }
    check("--env-rm B", "environment variable B");
    check("--label-rm x", "label x");
    check("--publish-rm 80", "80/tcp");
    check("--mount-rm /d", "mount at /d");
    check("--network-rm n", "network n");
    check("--secret-rm s", "secret s");
    check("--constraint-rm a==b", "constraint a==b");
    check("--depends-on-rm db", "dependency on db");
    check("--dns-rm 1.1.1.1", "name server");
}
