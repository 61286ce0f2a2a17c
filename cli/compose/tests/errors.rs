//! What is told of files that cannot be meant, word for word.

use compose::{Request, Source, load};

fn request(text: &str) -> Request {
    Request {
        stack: "s".to_owned(),
        files: vec![Source::Stdin(text.to_owned())],
        directory: "/nonexistent".into(),
        ..Request::default()
    }
}

/// The whole message.
fn check(text: &str, expected: &str) {
    let error = load(&request(text)).expect_err(text).to_string();
    assert_eq!(error, expected.trim_start_matches('\n'), "{text}");
}

/// The message of a mistake in one service, without its place; the place has that path.
fn service(lines: &str, path: &str, expected: &str) {
    let mut text = String::from("services:\n  web:\n    image: web\n");
    for line in lines.lines() {
        text.push_str(&format!("    {line}\n"));
    }
    text.push_str("networks: {front: }\nvolumes: {data: }\nsecrets: {key: {content: x}}\n");
    let error = load(&request(&text)).expect_err(&text);
    let place = error.place().expect("it has a place");
    assert_eq!(
        place.path,
        format!("services.web.{path}"),
        "{text}: {error}"
    );
    assert!(error.message().contains(expected), "{}", error.message());
    assert!((3..20).contains(&place.line), "{error}");
}

#[test]
fn the_place_is_shown() {
    check(
        "services:\n  web:\n    image: web\n    ports:\n      - \"80a:80\"\n",
        "
stdin:5:9: services.web.ports[0]: `80a:80`: `80a` is no port: a number from 1 to 65535
  |
5 |       - \"80a:80\"
  |         ^^^^^^^^",
    );
    check(
        "services:\n  web:\n    imge: web\n",
        "
stdin:3:5: services.web.imge: `imge` means nothing here; did you mean `image`?
  |
3 |     imge: web
  |     ^^^^",
    );
    check(
        "services:\n  web:\n    image: a:${TAG:?say which}\n",
        "
stdin:3:14: services.web.image: TAG must be set: say which
  |
3 |     image: a:${TAG:?say which}
  |              ^^^^^^^^^^^^^^^^^",
    );
    check(
        "services:\n  web:\n    image: |\n      a\n      ${TAG:-x\n",
        "
stdin:5:7: services.web.image: `${` has no `}`
  |
5 |       ${TAG:-x
  |       ^^^^^^^^",
    );
    check(
        "services:\n  a: {image: a, depends_on: [b]}\n  b: {image: b, depends_on: [c]}\n  c: {image: c, depends_on: [b]}\n",
        "
stdin:4:30: services.c.depends_on.b: dependency cycle detected: b -> c -> b
  |
4 |   c: {image: c, depends_on: [b]}
  |                              ^",
    );
    check(
        "services:\n  web:\n    build: .\n    ports: []\n",
        "
stdin:3:5: services.web.build: a cluster runs images and does not build them: build this one, push it to a registry and name it with `image`
  |
3 |     build: .
  |     ^^^^^",
    );
    check(
        "services:\n  web:\n    image: web\n    volumes: [\"${DIR}:/data\"]\n",
        "
stdin:4:15: services.web.volumes[0]: `:/data`: nothing before or after a colon (DIR not set)
  |
4 |     volumes: [\"${DIR}:/data\"]
  |               ^^^^^^^^^^^^^^",
    );
}

#[test]
fn whole_files() {
    check("", "stdin:1:1: the file is empty");
    check(
        "- a\n",
        "
stdin:1:1: a compose file is a mapping with `services`, and this is a list
  |
1 | - a
  | ^",
    );
    check(
        "services:\n",
        "
stdin:1:1: services: there is no service: a compose file has at least one under `services`
  |
1 | services:
  | ^",
    );
    check(
        "services:\n  a: {image: a}\n  a: {image: b}\n",
        "
stdin:3:3: `a` is given twice in one mapping: first in line 2
  |
3 |   a: {image: b}
  |   ^",
    );
    check(
        "servces: {}\n",
        "
stdin:1:1: servces: `servces` means nothing here; did you mean `services`?
  |
1 | servces: {}
  | ^^^^^^^",
    );
    check(
        "services:\n  a: [\n",
        "
stdin:2:6: not valid YAML: unclosed bracket '['
  |
2 |   a: [
  |      ^",
    );
    check("services:\n  \"a b\": {image: a}\n", "
stdin:2:3: services.a b: a name is made of letters, digits, `_`, `.` and `-`, and begins with a letter or a digit
  |
2 |   \"a b\": {image: a}
  |   ^^^^^");
}

#[test]
fn what_is_asked_for() {
    let refused = |request: &Request, expected: &str| {
        let error = load(request).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    };
    let whole = "services: {a: {image: a}}";
    refused(
        &Request {
            files: vec![],
            ..request(whole)
        },
        "no compose file is given",
    );
    refused(
        &Request {
            stack: String::new(),
            ..request(whole)
        },
        "the stack has no name",
    );
    refused(
        &Request {
            stack: "a b".to_owned(),
            ..request(whole)
        },
        "`a b` is no name of a stack",
    );
    refused(
        &Request {
            env_file: Some("none.env".into()),
            ..request(whole)
        },
        "read /nonexistent/none.env: there is no such file",
    );
    refused(
        &Request {
            files: vec![Source::File("none.yml".into())],
            ..request(whole)
        },
        "read none.yml: there is no such file",
    );
    refused(
        &request("services: {a: {image: a, extends: b}}"),
        "there is no service `b`",
    );
    refused(
        &request("services: {a: {extends: b}, b: {extends: a}}"),
        "a -> b -> a",
    );
    refused(
        &request("include: [x.yml]\nservices: {a: {image: a}}"),
        "read /nonexistent/x.yml",
    );
    refused(
        &request("include: [https://x/y.yml]"),
        "only files of this machine",
    );
    refused(
        &request("services: {a: {image: a, profiles: [p]}, b: {image: b, depends_on: [a]}}"),
        "add --profile p",
    );
}

#[test]
fn values_of_a_service() {
    service("image2: x", "image2", "did you mean `image`?");
    service(
        "environment: {A: [1]}",
        "environment.A",
        "must be a single value, and is a list",
    );
    service("environment: [{A: 1}]", "environment[0]", "write `A=1`");
    service(
        "environment: A=1",
        "environment",
        "must be a mapping or a list of `NAME=value`",
    );
    service(
        "healthcheck: {test: [CND, x]}",
        "healthcheck.test",
        "must begin with `CMD`",
    );
    service(
        "healthcheck: {interval: 10}",
        "healthcheck.interval",
        "`10` is no duration; write it like 10s",
    );
    service(
        "healthcheck: {retires: 1}",
        "healthcheck.retires",
        "did you mean `retries`?",
    );
    service("tty: perhaps", "tty", "neither true nor false");
    service("command: echo 'x", "command", "no closing '");
    service(
        "network_mode: service:x",
        "network_mode",
        "cannot share a network namespace",
    );
    service(
        "network_mode: host\nnetworks: [front]",
        "network_mode",
        "not both",
    );
    service(
        "networks: [frnt]",
        "networks.frnt",
        "there is no network `frnt`: add it to `networks` at the top level; did you mean `front`?",
    );
    service(
        "networks: {front: {alias: [x]}}",
        "networks.front.alias",
        "did you mean `aliases`?",
    );
    service(
        "volumes: [dta:/x]",
        "volumes[0].source",
        "there is no volume `dta`",
    );
    service(
        "volumes: [data:x]",
        "volumes[0]",
        "the target `x` is no absolute path",
    );
    service(
        "volumes: [{type: blind, target: /x}]",
        "volumes[0].type",
        "did you mean `bind`?",
    );
    service("secrets: [kye]", "secrets[0].source", "did you mean `key`?");
    service(
        "secrets: [{source: key, mode: 0999}]",
        "secrets[0].mode",
        "no file mode",
    );
    service(
        "configs: [none]",
        "configs[0].source",
        "there is no config `none`",
    );
    service(
        "ports: [{target: 80, published: 8080, mode: hst}]",
        "ports[0].mode",
        "did you mean `host`?",
    );
    service(
        "ports: ['80:80', '80:81']",
        "ports",
        "port 80 is published twice",
    );
    service(
        "ulimits: {nofiles: 1}",
        "ulimits.nofiles",
        "did you mean `nofile`?",
    );
    service(
        "ulimits: {nofile: {soft: 2, hard: 1}}",
        "ulimits.nofile",
        "above the hard one",
    );
    service("restart: sometimes", "restart", "must be no or always");
    service(
        "restart: on-failure:x",
        "restart",
        "`x` is no number of attempts",
    );
    service("platform: a/b/c/d", "platform", "no platform");
    service("pid: service:x", "pid", "cannot share a namespace");
    service("oom_score_adj: 2000", "oom_score_adj", "from -1000 to 1000");
    service("mem_limit: 1x", "mem_limit", "`1x` is no size");
    service("tmpfs: run", "tmpfs[0]", "no absolute path");
    service(
        "env_file: none.env",
        "env_file[0].path",
        "there is no such file",
    );
    service(
        "extra_hosts: [db]",
        "extra_hosts[0]",
        "must be `NAME:ADDRESS`",
    );
    service(
        "depends_on: [wbe]",
        "depends_on.wbe",
        "there is no service `wbe`; did you mean `web`?",
    );
    service(
        "depends_on: [web]",
        "depends_on.web",
        "dependency cycle detected: web -> web",
    );
    service(
        "depends_on: {web: {condition: healthy}}",
        "depends_on.web.condition",
        "must be service_started or service_healthy",
    );
}

#[test]
fn values_of_a_deployment() {
    service(
        "deploy: {replica: 1}",
        "deploy.replica",
        "did you mean `replicas`?",
    );
    service(
        "deploy: {replicas: -1}",
        "deploy.replicas",
        "must be a whole number from 0 on, and is `-1`",
    );
    service(
        "deploy: {replicas: 1}\nscale: 2",
        "scale",
        "two different numbers",
    );
    service(
        "deploy: {mode: global, replicas: 1}",
        "deploy.replicas",
        "one task on each node",
    );
    service(
        "deploy: {mode: globl}",
        "deploy.mode",
        "did you mean `global`?",
    );
    service(
        "deploy: {update_config: {order: first}}",
        "deploy.update_config.order",
        "must be start-first or stop-first",
    );
    service(
        "deploy: {update_config: {max_failure_ratio: 2}}",
        "deploy.update_config.max_failure_ratio",
        "from 0 to 1",
    );
    service(
        "deploy: {rollback_config: {failure_action: rollback}}",
        "deploy.rollback_config.failure_action",
        "must be pause or continue",
    );
    service(
        "deploy: {endpoint_mode: dnsrr}\nports: ['80:80']",
        "ports",
        "publish with `mode: host`",
    );
    service(
        "deploy: {placement: {constraints: [node.role = manager]}}",
        "deploy.placement.constraints[0]",
        "is no constraint",
    );
    service(
        "deploy: {placement: {preferences: [{over: x}]}}",
        "deploy.placement.preferences[0].over",
        "means nothing here",
    );
    service(
        "deploy: {resources: {limits: {cpus: 1, memory: 1G}, reservations: {memory: 2G}}}",
        "deploy.resources",
        "more is set aside",
    );
    service(
        "deploy: {resources: {limits: {memory: 1G}}}\nmem_limit: 2G",
        "mem_limit",
        "`deploy.resources` says something else",
    );
    service(
        "deploy: {restart_policy: {condition: always}}",
        "deploy.restart_policy.condition",
        "must be any or on-failure or none",
    );
}

#[test]
fn values_of_extensions() {
    service("x-gate: never", "x-gate", "must be always");
    service(
        "x-min-healthy: 2",
        "x-min-healthy",
        "2 tasks can never be healthy",
    );
    service(
        "deploy: {x-gate-timeout: 5}",
        "deploy.x-gate-timeout",
        "no duration",
    );
    service(
        "x-schedule: '* * * * *'",
        "x-schedule",
        "only a job has a schedule",
    );
    service(
        "x-schedule: '* * * *'\ndeploy: {mode: replicated-job}",
        "x-schedule",
        "has 4 fields",
    );
    service("x-rebalance: often", "x-rebalance", "often");
    service("x-autoscale: {max: 3}", "x-autoscale", "must have a target");
    service(
        "x-autoscale: {min: 3, max: 2, cpu: 60%}",
        "x-autoscale",
        "`max` at least `min`",
    );
    service(
        "x-autoscale: {max: 2, cpu: 60}",
        "x-autoscale.cpu",
        "write it like 60%",
    );
    service(
        "x-autoscale: {max: 2, cpu: 60%}\nscale: 5",
        "scale",
        "5 is not between `min` and `max`",
    );
    service(
        "x-autoscale: {max: 2, cpu: 60%}\ndeploy: {mode: global}",
        "x-autoscale",
        "only a replicated service",
    );
}

#[test]
fn conditions_that_cannot_come_true() {
    let check = |dependency: &str, condition: &str, expected: &str| {
        let text = format!(
            "services:\n  a:\n    image: a\n    depends_on: {{b: {{condition: {condition}}}}}\n  b: {{image: b, {dependency}}}\n"
        );
        let error = load(&request(&text)).expect_err(&text).to_string();
        assert!(
            error.starts_with("stdin:4:18: services.a.depends_on.b: "),
            "{error}"
        );
        assert!(error.contains(expected), "{error}");
    };
    check(
        "healthcheck: {disable: true}",
        "service_healthy",
        "`b` can never be healthy",
    );
    check(
        "healthcheck: {test: [NONE]}",
        "service_healthy",
        "`b` can never be healthy",
    );
    check(
        "restart: always",
        "service_completed_successfully",
        "`b` never completes",
    );
    check(
        "deploy: {restart_policy: {condition: any}}",
        "service_completed_successfully",
        "`b` never completes",
    );
}

#[test]
fn objects_at_the_top_level() {
    let check = |text: &str, expected: &str| {
        let whole = format!("services: {{a: {{image: a, secrets: [s], networks: [n]}}}}\n{text}\n");
        let error = load(&request(&whole)).expect_err(text).to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(
        "networks: {n: {}}\nsecrets: {s: {}}",
        "secrets.s: must say what the secret is",
    );
    check(
        "networks: {n: {}}\nsecrets: {s: {file: a, content: b}}",
        "and has several",
    );
    check(
        "networks: {n: {}}\nsecrets: {s: {environment: NOT_SET}}",
        "NOT_SET must be set: it is the secret",
    );
    check(
        "networks: {n: {}}\nsecrets: {s: {fiel: a}}",
        "did you mean `file`?",
    );
    check(
        "networks: {n: {}}\nsecrets: {s: {file: a}}",
        "read /nonexistent/a: there is no such file",
    );
    check(
        "networks: {n: {internl: true}}\nsecrets: {s: {content: x}}",
        "did you mean `internal`?",
    );
    check(
        "networks: {n: {ipam: {config: [{subnet: x}]}}}\nsecrets: {s: {content: x}}",
        "`x` is no range of addresses",
    );
    let large = format!(
        "networks: {{n: {{}}}}\nsecrets: {{s: {{content: {}}}}}",
        "x".repeat(600 << 10)
    );
    check(&large, "larger than 500 KiB");
}

#[test]
fn files_that_would_grow_without_measure() {
    let mut laughs =
        String::from("x-0: &a0 {k0: v, k1: v, k2: v, k3: v, k4: v, k5: v, k6: v, k7: v}\n");
    for level in 1..20_000 {
        let uses: Vec<String> = (0..8).map(|i| format!("k{i}: *a{}", level - 1)).collect();
        laughs.push_str(&format!("x-{level}: &a{level} {{{}}}\n", uses.join(", ")));
    }
    assert!(laughs.len() > 1 << 20);
    let error = load(&request(&laughs)).expect_err("refused").to_string();
    assert!(
        error.starts_with("stdin:6:") && error.contains("the anchors of this file repeat too much"),
        "{error}"
    );

    let mut many = String::from("services:\n  a:\n    image: a\n    environment:\n");
    for index in 0..40_000 {
        many.push_str(&format!("      - NAME_{index}=value\n"));
    }
    assert!(many.len() > 1 << 20 >> 1);
    assert!(load(&request(&many)).is_ok());
}
