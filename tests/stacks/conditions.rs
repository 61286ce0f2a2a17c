//! What may be asked of a dependency, what is refused, and what is let through all the same.

use crate::scene::{STACK, scene};

#[test]
fn gate_point_02_each_condition_asks_what_it_says() {
    let scene = scene!(1, 0);
    scene.up_only(
        r#"
services:
  db:
    <<: *task
    command: sh /flags/run db
    environment: {SLOT: "{{.Task.Slot}}"}
    healthcheck: {<<: *probe, test: test -e /flags/db-$$SLOT}
    x-min-healthy: 2
    deploy: {replicas: 3}
  cache:
    <<: *task
    command: sh /flags/run cache
    environment: {SLOT: "{{.Task.Slot}}"}
    healthcheck: {<<: *probe, test: test -e /flags/cache-$$SLOT}
    deploy: {replicas: 2}
  none:
    <<: *task
    command: sh /flags/run none
    deploy: {replicas: 0}
  load:
    <<: *task
    command: sh /flags/work load
    deploy: {mode: replicated-job}
  once:
    <<: *task
    command: sh /flags/work once
    deploy: {restart_policy: {condition: on-failure, delay: 100ms}}
  on-started:
    <<: *task
    command: sh /flags/run on-started
    depends_on: {db: {condition: service_started}}
  on-short:
    <<: *task
    command: sh /flags/run on-short
    depends_on: [load]
  on-none:
    <<: *task
    command: sh /flags/run on-none
    depends_on: {none: {condition: service_healthy}}
  on-some:
    <<: *task
    command: sh /flags/run on-some
    depends_on: {db: {condition: service_healthy}}
  on-all:
    <<: *task
    command: sh /flags/run on-all
    depends_on: {cache: {condition: service_healthy}}
  on-load:
    <<: *task
    command: sh /flags/run on-load
    depends_on: {load: {condition: service_completed_successfully}}
  on-once:
    <<: *task
    command: sh /flags/run on-once
    depends_on: {once: {condition: service_completed_successfully}}
"#,
    );
    for started in ["on-started", "on-short", "on-none"] {
        scene.until_told(&format!("up {started}"), 1);
    }
    let waits = |service: &str, line: &str| {
        scene.until_state(service, 1, &format!("Ready (waiting: {line}, "));
        assert_eq!(scene.told(&format!("up {service}")), 0);
    };
    waits("on-some", "db service_healthy 0/2");
    waits("on-all", "cache service_healthy 0/2");
    scene.flag("db-3");
    scene.flag("cache-1");
    waits("on-some", "db service_healthy 1/2");
    waits("on-all", "cache service_healthy 1/2");
    scene.flag("db-1");
    scene.until_told("up on-some", 1);
    scene.flag("cache-2");
    scene.until_told("up on-all", 1);

    waits("on-load", "load service_completed_successfully 0/1");
    waits("on-once", "once service_completed_successfully 0/1");
    // What ends badly has not completed, and is tried again.
    scene.flag_with("work-once", "3\n");
    scene.until_told("end once", 1);
    waits("on-once", "once service_completed_successfully 0/1");
    scene.flag_with("work-once", "0\n");
    scene.flag_with("work-load", "0\n");
    scene.until_told("up on-once", 1);
    scene.until_told("up on-load", 1);
}

#[test]
fn gate_point_02_what_can_never_come_true_is_refused() {
    let scene = scene!(1, 0);
    let on = |condition: &str, db: &str| {
        format!(
            "
services:
  db: {{<<: *task, command: sh /flags/run db, {db}}}
  web: {{<<: *task, command: sh /flags/run web, depends_on: {{db: {{condition: {condition}}}}}}}
"
        )
    };
    let check = |text: &str, words: &[&str]| {
        scene.up(text, &[]).refused(1, words);
        assert_eq!(scene.on("node1", "service ls -q").ok().lines(), [""; 0]);
    };
    check(
        &on("service_healthy", "healthcheck: {disable: true}"),
        &["compose.yml:", "`db` can never be healthy"],
    );
    check(
        &on("service_completed_successfully", "restart: always"),
        &["db", "never completes", "restart: on-failure"],
    );
    check(
        &on("service_well", "tty: false"),
        &["compose.yml:", "service_healthy"],
    );
    let told = scene.up(
        &on("service_started", "healthcheck: {test: 'true'}"),
        &["-d"],
    );
    let told = told.ok();
    assert!(
        told.stderr.contains("say `condition: service_healthy`"),
        "a hint, and no other meaning: {told}"
    );
    scene.until_told("up web", 1);
}

#[test]
fn gate_point_03_what_is_not_required_is_done_without() {
    let scene = scene!(1, 0);
    let text = r#"
services:
  load:
    <<: *task
    command: sh /flags/work load
    deploy: {restart_policy: {condition: none}}
  debug:
    <<: *task
    command: sh /flags/run debug
    profiles: [debug]
  on-missing:
    <<: *task
    command: sh /flags/run on-missing
    depends_on: {debug: {condition: service_started, required: false}}
  on-failed:
    <<: *task
    command: sh /flags/run on-failed
    depends_on: {load: {condition: service_completed_successfully, required: false}}
  needs-failed:
    <<: *task
    command: sh /flags/run needs-failed
    depends_on: {load: {condition: service_completed_successfully}}
"#;
    scene.up_only(text);
    scene.until_told("up on-missing", 1);
    scene.until_state(
        "on-failed",
        1,
        "Ready (waiting: load service_completed_successfully 0/1",
    );
    scene.flag_with("work-load", "1\n");
    scene.until_told("up on-failed", 1);
    let latch = scene.service("on-failed")["Latches"][0].clone();
    let warning = "let through without load service_completed_successfully 0/1";
    assert_eq!(latch["Warning"], warning);
    scene
        .on(
            "node1",
            ["service", "inspect", "--pretty", "shop_on-failed"],
        )
        .ok()
        .has(warning);
    assert_eq!(scene.told("up needs-failed"), 0);
    scene
        .up(text, &[])
        .refused(1, &["load", "stack shop failed"]);
}

#[test]
fn gate_point_08_circles_are_named_by_their_path_and_nothing_is_made() {
    let scene = scene!(1, 0);
    let text = |edges: &[(&str, &str)]| {
        let services = edges.iter().map(|(name, on)| {
            format!("  {name}: {{<<: *task, command: sh /flags/run {name}, depends_on: [{on}]}}\n")
        });
        format!("\nservices:\n{}", services.collect::<String>())
    };
    let check = |edges: &[(&str, &str)], words: &[&str]| {
        scene.up(&text(edges), &[]).refused(1, words);
        scene.plan(&text(edges)).refused(1, words);
    };
    check(
        &[("a", "b"), ("b", "a")],
        &["dependency cycle detected: a -> b -> a"],
    );
    check(
        &[("web", "a"), ("a", "c"), ("c", "b"), ("b", "a")],
        &["dependency cycle detected: ", "c -> b -> a"],
    );
    check(&[("a", "a")], &["dependency cycle detected: a -> a"]);
    check(&[("a", "b")], &["a", "depends", "b"]);
    let on = |words: &str| scene.on("node1", words).ok().lines();
    assert_eq!(on("stack ls -q"), [""; 0]);
    assert_eq!(on("service ls -q"), [""; 0]);
    assert_eq!(scene.containers("node1"), [""; 0]);
    scene
        .on("node1", ["stack", "down", STACK])
        .refused(1, &["no stack"]);
}
