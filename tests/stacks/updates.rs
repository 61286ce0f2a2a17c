//! Stacks that change: in waves, without what cannot be, and down again in the other order.

use std::time::Duration;

use crate::scene::scene;

/// `db`, `web` that waits for its health, `proxy` that waits for `web`; the flag `dbN` makes `db` healthy.
fn version(number: u32, more: &str) -> String {
    format!(
        "
services:
  proxy:
    <<: *task
    command: sh /flags/run proxy{number}
    depends_on: [web]
    deploy: {{update_config: {{monitor: 100ms}}}}
  web:
    <<: *task
    command: sh /flags/run web{number}
    depends_on: {{db: {{condition: service_healthy}}}}
    deploy: {{replicas: 2, update_config: {{monitor: 100ms, parallelism: 1}}}}
  db:
    <<: *task
    command: sh /flags/run db{number}
    healthcheck: {{<<: *probe, test: [CMD, test, -e, /flags/db{number}], {more}}}
    deploy:
      restart_policy: {{delay: 100ms}}
      update_config: {{monitor: 300ms, failure_action: pause}}
"
    )
}

#[test]
fn gate_point_04_changed_services_move_in_waves() {
    let scene = scene!(1, 0);
    scene.flag("db1");
    scene.up(&version(1, "retries: 2"), &["-q"]).ok();
    scene.has_story(&["up db1", "up web1", "up web1"]);
    let plan = scene.plan(&version(2, "retries: 2")).code(2);
    let lines = plan.lines();
    let place = |words: &str| {
        let found = lines.iter().position(|line| line.contains(words));
        found.unwrap_or_else(|| panic!("{words:?} should be planned: {plan}"))
    };
    let order = ["service shop_db", "service shop_web", "service shop_proxy"].map(place);
    assert!(order.is_sorted(), "{plan}");

    // The gate asks for the new revision: who depends on it stays what it is until then.
    let running = scene.begin_up(&version(2, "retries: 2"), &[]);
    scene.until_told("up db2", 1);
    scene.until("web waits for the new db", || {
        let waits = scene.service("web")["Waiting"]["Message"].clone();
        waits == "db service_healthy 0/1 (updating)"
    });
    assert_eq!(scene.told("down web1") + scene.told("up web2"), 0);
    assert_eq!(scene.service("web")["ServiceStatus"]["RunningTasks"], 2);
    scene.flag("db2");
    running.wait().ok();
    scene.has_story(&["up db2", "up web2", "up web2", "up proxy2"]);
    assert_eq!((scene.told("up web2"), scene.told("up proxy2")), (2, 1));

    // A rollout that stops leaves its dependents where they are, running.
    scene
        .up(&version(3, "start_period: 0s"), &[])
        .refused(1, &["db", "stack shop failed"]);
    assert_eq!(scene.told("up web3") + scene.told("down web2"), 0);
    assert_eq!(scene.service("web")["ServiceStatus"]["RunningTasks"], 2);
    let waits = scene.service("web")["Waiting"]["Message"].clone();
    assert_eq!(waits, "db service_healthy 0/1 (its update is paused)");
    let state = scene.on("node1", "stack ls --format '{{.State}}'").ok();
    state.prints("degraded");

    // What follows goes through.
    scene.flag("db4");
    scene.up(&version(4, "retries: 2"), &["-q"]).ok();
    scene.has_story(&["up db4", "up web4", "up proxy4"]);
    assert_eq!(scene.told("up web3"), 0);
}

#[test]
fn gate_point_04_a_dependency_that_goes_back_keeps_its_dependents() {
    let scene = scene!(1, 0);
    scene.flag("db1");
    scene.up(&version(1, "retries: 2"), &["-q"]).ok();
    let bad = version(2, "start_period: 0s").replace("pause", "rollback");
    scene.up(&bad, &[]).refused(3, &["db", "rolled back"]);
    scene.until_state("db", 1, "Running");
    assert_eq!(scene.told("up db1"), 2, "the old one is back");
    assert_eq!(scene.told("up web2") + scene.told("down web1"), 0);
    let waits = scene.service("web")["Waiting"]["Message"].clone();
    assert_eq!(waits, "db service_healthy 1/1 (its update was rolled back)");
}

#[test]
fn gate_point_07_dependents_restart_with_a_rollout_and_not_with_a_crash() {
    let scene = scene!(1, 0);
    let text = |number: u32| {
        let text = version(number, "retries: 2").replace("web{number}", "web");
        let text = text.replace(&format!("run web{number}"), "run web");
        let text = text.replace(&format!("run proxy{number}"), "run proxy");
        text.replace(
            "condition: service_healthy",
            "condition: service_healthy, restart: true",
        )
    };
    scene.flag("db1");
    scene.flag("db2");
    scene.up(&text(1), &["-q"]).ok();
    scene.flag("crash-db1");
    scene.until_told("up db1", 2);
    scene.until_state("db", 1, "Running");
    scene.up(&text(1), &["-q"]).ok().has("nothing to change");
    assert_eq!((scene.told("up web"), scene.told("down web")), (2, 0));
    scene.up(&text(2), &["-q"]).ok();
    scene.until_told("up web", 4);
    scene.until_told("down web", 2);
    // One after the other, as web's own update config says, and after db.
    scene.has_story(&["up db2", "up web", "up web"]);
    assert_eq!(scene.told("up proxy"), 1, "proxy did not ask for it");
    let web = scene.service("web");
    let latches = web["Latches"].as_array().expect("latches").clone();
    let mut revisions = latches
        .iter()
        .map(|latch| (&latch["Revision"], &latch["DependencyRevision"]));
    assert!(revisions.any(|of| of.0 == 2 && of.1 == 2), "{latches:?}");
    assert_eq!(web["Revision"], 2);
}

#[test]
fn gate_point_10_what_has_no_room_for_two_is_found_when_it_is_planned() {
    let scene = scene!(1, 0);
    let check = |name: &str, limit: &str, reason: &str| {
        let text = |number: u32| {
            format!(
                "
services:
  {name}:
    <<: *task
    command: sh /flags/run {name}{number}
    {limit}
    deploy:
      placement: {{max_replicas_per_node: {}}}
      update_config: {{order: start-first, monitor: 100ms}}
",
                u32::from(limit.is_empty())
            )
        };
        scene.up(&text(1), &["-q"]).ok();
        let words = [
            &format!("service `shop_{name}` cannot be updated start-first"),
            reason,
            "--allow-dip",
        ];
        scene.plan(&text(2)).refused(1, &words);
        scene.up(&text(2), &[]).refused(1, &words);
        assert_eq!(scene.told(&format!("down {name}1")), 0);
        let done = scene.up(&text(2), &["--allow-dip", "-q"]).ok();
        let warned = format!("service `shop_{name}` is updated stop-first, not start-first");
        assert!(done.stderr.contains(&warned), "{done}");
        scene.has_story(&[&format!("gone {name}1"), &format!("up {name}2")]);
    };
    check("lone", "", "a node may have one task of it");
    let port = "ports: [{target: 80, published: 8099, mode: host}]";
    check("port", port, "port 8099 of a node is only one task's");
}

#[test]
fn gate_point_11_a_stack_goes_against_the_order_in_which_it_came() {
    let scene = scene!(1, 1);
    scene
        .up(
            r#"
services:
  deaf:
    <<: *task
    command: ["sh", "-c", "trap '' TERM; echo up deaf >>/flags/story; sleep 1000"]
    stop_grace_period: 1s
    depends_on: [proxy]
  proxy:
    <<: *task
    command: sh /flags/run proxy 0.5
    depends_on: [web]
  web:
    <<: *task
    command: sh /flags/run web 0.5
    depends_on: [db]
    deploy: {replicas: 3}
  db:
    <<: *task
    command: sh /flags/run db 0.5
    secrets: [key]
    configs: [{source: settings, target: /settings}]
    tmpfs: /scratch
secrets:
  key: {file: ../flags/run}
configs:
  settings: {content: "a = b"}
"#,
            &["-q"],
        )
        .ok();
    scene.has_story(&["up db", "up web", "up proxy", "up deaf"]);
    let down = scene.down();
    assert!(
        down.took > Duration::from_secs(1) && down.took < Duration::from_secs(20),
        "what does not listen is given its grace, and no more: {down}"
    );
    let ends = [
        "down web", "gone web", "gone web", "gone web", "down db", "gone db",
    ];
    scene.has_story(&["down proxy", "gone proxy"]);
    scene.has_story(&["gone proxy", "down web"]);
    scene.has_story(&ends);
    scene.is_gone(&["node1", "node2"]);
    scene.on("node1", "stack ps shop").refused(1, &["no stack"]);
}
