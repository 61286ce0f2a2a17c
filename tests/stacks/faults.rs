//! What goes wrong while a stack is deployed: the leader, the registry, the image, the service itself.

use std::time::Duration;

use tests::image::Image;

use crate::scene::{scene, text};

#[test]
fn a_leader_that_is_killed_in_the_middle_loses_neither_latch_nor_deadline() {
    let scene = scene!(3, 1);
    let leader = scene.leader("node1");
    let asked = ["node1", "node2", "node3"]
        .into_iter()
        .find(|node| *node != leader);
    let asked = asked.expect("three managers");
    let yaml = r#"
x-deploy: &deploy
  placement: {constraints: [node.role == worker]}
services:
  cache: {<<: *task, command: sh /flags/run cache, deploy: *deploy}
  api:
    <<: *task
    command: sh /flags/run api
    depends_on: [cache]
    deploy: *deploy
  db:
    <<: *task
    command: sh /flags/run db
    healthcheck: {<<: *probe, test: test -e /flags/db}
    deploy: *deploy
  web:
    <<: *task
    command: sh /flags/run web
    depends_on: {db: {condition: service_healthy}}
    x-gate-timeout: 50s
    deploy: *deploy
"#;
    let mut running = scene.begin_up_on(asked, yaml, &["--wait-timeout", "55s"]);
    let inspect = |service: &str| {
        let told = scene.on(asked, ["service", "inspect", &format!("shop_{service}")]);
        (told.code == 0).then(|| told.json()[0].clone())
    };
    let known = || {
        let (api, web) = (inspect("api")?, inspect("web")?);
        let latches = api["Latches"].clone();
        let wait = web.get("Waiting")?.clone();
        (latches[0].is_object()).then(|| (latches, wait["Since"].clone(), wait["Deadline"].clone()))
    };
    scene.until_told("up api", 1);
    let before = scene.eventually("web waits, api does not", known);
    scene.lab("kill", &leader[..]).ok();
    let next = scene.eventually("another leads", || {
        Some(scene.leader(asked)).filter(|next| *next != leader)
    });
    assert_ne!(next, leader);
    let after = scene.eventually("the next leader knows them", known);
    assert_eq!(before, after);
    assert!(!running.has_ended(), "it waits: {}", running.stderr());
    assert_eq!(scene.told("up web"), 0);
    scene.flag("db");
    running.wait().ok();
    for service in ["cache", "api", "db", "web"] {
        let times = (
            scene.told(&format!("up {service}")),
            scene.told(&format!("down {service}")),
        );
        assert_eq!(times, (1, 0), "{service} started once");
    }
    let latches = inspect("api").expect("the service")["Latches"].clone();
    assert_eq!(latches, before.0);
    scene.lab("start", &leader[..]).ok();
    scene.until_ready(asked, &leader);
}

#[test]
fn a_registry_that_goes_away_is_waited_for() {
    let scene = scene!(1, 1);
    let directory = scene.host().path("elsewhere");
    let serve = || scene.registry_on("node2", &directory, 5001, None);
    let registry = serve();
    registry.push("late", "latest", &Image::busybox());
    // Frozen: what is asked of it is never answered.
    let pid = registry.pid();
    signal(pid, nix::sys::signal::Signal::SIGSTOP);
    let yaml = r#"
services:
  web:
    <<: *task
    image: 127.0.0.1:5001/late
    command: sh /flags/run web
    deploy:
      replicas: 2
      placement: {constraints: [node.hostname == node2]}
      restart_policy: {delay: 100ms}
"#;
    let running = scene.begin_up(yaml, &["--resolve-image", "never"]);
    scene.until_state("web", 2, "Preparing");
    drop(registry);
    scene.until("it is told why", || {
        let tasks = scene.tasks();
        let told = tasks.iter().map(|task| text(&task["Error"]));
        told.filter(|error| error.contains("127.0.0.1:5001"))
            .count()
            > 0
    });
    let registry = serve();
    running.wait().ok();
    assert_eq!(scene.told("up web"), 2);
    drop(registry);
}

fn signal(pid: i32, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, signal).expect("the process is there");
}

/// `good`, and `bad` with this in its service and in its restart policy.
fn good_and_bad(bad: &str, restart: &str) -> String {
    format!(
        "
services:
  good: {{<<: *task, command: sh /flags/run good}}
  bad:
    <<: *task
    {bad}
    deploy: {{restart_policy: {{delay: 200ms, {restart}}}}}
"
    )
}

#[test]
fn an_image_that_does_not_exist_is_told_by_name() {
    let scene = scene!(1, 0);
    let image = "127.0.0.1:5000/nosuch:v7";
    let yaml = |restart: &str| {
        good_and_bad(
            &format!("image: {image}\n    command: sh /flags/run bad"),
            restart,
        )
    };
    // Whoever wants no end to it gets none, and the reason all the same.
    scene
        .up(&yaml("condition: any"), &["--wait-timeout", "2s"])
        .refused(2, &["bad", image, "not found"]);
    scene.until_state("good", 1, "Running");
    let tasks = scene.tasks();
    let rejected = |task: &&serde_json::Value| text(&task["CurrentState"]).starts_with("Rejected");
    let rejected = tasks.iter().find(rejected).expect("one that was rejected");
    let error = text(&rejected["Error"]);
    assert!(
        error.contains(image) && error.contains("not found"),
        "{error}"
    );
    scene.down();
    scene.up(&yaml("max_attempts: 1"), &[]).refused(
        1,
        &["bad", image, "restarted 1 of 1 times", "stack shop failed"],
    );
    scene.until_state("bad", 1, "Rejected");
    // What went wrong before is none of what mends it.
    let mended = yaml("max_attempts: 1").replace("nosuch:v7", "busybox");
    scene.up(&mended, &["-q"]).ok();
    assert_eq!((scene.told("up bad"), scene.told("up good")), (1, 2));
}

#[test]
fn what_never_gets_healthy_fails_or_times_out_with_its_reason() {
    let scene = scene!(1, 0);
    let yaml = |restart: &str| {
        let probe = "{test: echo out of order; exit 1, interval: 100ms, retries: 2}";
        good_and_bad(
            &format!("command: sh /flags/run bad\n    healthcheck: {probe}"),
            restart,
        )
    };
    scene
        .up(&yaml("condition: any"), &["--wait-timeout", "2s"])
        .refused(2, &["bad", "unhealthy", "is not there yet"]);
    assert_eq!(scene.told("up good"), 1, "others don't suffer");
    scene.down();
    scene.is_gone(&["node1"]);
    let before = scene.told("up bad");
    scene
        .up(&yaml("max_attempts: 1"), &[])
        .refused(1, &["bad", "unhealthy container", "restarted 1 of 1 times"]);
    assert_eq!(scene.told("up bad") - before, 2, "it was tried once more");
    let ids = "stack ps -q --no-trunc --filter name=shop_bad shop";
    let ids = scene.on("node1", ids).ok().lines();
    let inspected = scene.on("node1", ["task", "inspect", &ids[0]]).ok();
    assert!(
        inspected.stdout.contains("unhealthy container"),
        "{inspected}"
    );
    let mended = yaml("max_attempts: 1").replace("exit 1", "exit 0");
    scene.up(&mended, &["-q"]).ok();
    scene.down();
    scene.is_gone(&["node1"]);
}

#[test]
fn a_crash_loop_is_slowed_down_told_and_remembered_in_part() {
    let scene = scene!(1, 0);
    let yaml = |restart: &str| {
        good_and_bad(
            "command: [sh, -c, 'echo up bad >>/flags/story; exit 3']",
            restart,
        )
    };
    scene
        .up(&yaml("condition: any"), &["--wait-timeout", "4s"])
        .refused(2, &["bad", "non-zero exit (3)", "is not there yet"]);
    // The pauses grow: without that there would be fifteen and more.
    let starts = scene.told("up bad");
    assert!((3..=9).contains(&starts), "{starts} starts");
    let tasks = scene.tasks();
    let bad = || tasks.iter().filter(|task| task["Service"] == "shop_bad");
    assert!(bad().count() <= 6, "{tasks:?}");
    let ended = bad().find(|task| text(&task["CurrentState"]).starts_with("Failed"));
    let error = text(&ended.expect("one that failed")["Error"]);
    assert!(error.contains("non-zero exit (3)"), "{error}");
    assert_eq!(scene.told("up good"), 1, "others don't suffer");
    let down = scene.down();
    assert!(down.took < Duration::from_secs(10), "{down}");

    let before = scene.told("up bad");
    scene.up(&yaml("max_attempts: 2"), &[]).refused(
        1,
        &[
            "bad",
            "non-zero exit (3)",
            "restarted 2 of 2 times",
            "stack shop failed",
        ],
    );
    assert_eq!(scene.told("up bad") - before, 3);
    scene.down();
    scene.is_gone(&["node1"]);
}
