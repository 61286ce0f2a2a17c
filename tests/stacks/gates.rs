//! The gate itself: what it holds, what opens it, how long it waits, and what is shown meanwhile.

use serde_json::Value;

use crate::scene::{scene, text};

/// `web` waits until `db` is healthy, which the flag `db` says.
const WEB_ON_DB: &str = r#"
services:
  db:
    <<: *task
    command: sh /flags/run db
    healthcheck: {<<: *probe, test: [CMD, test, -e, /flags/db]}
  web:
    <<: *task
    command: sh /flags/run web
    depends_on: {db: {condition: service_healthy}}
    deploy:
      replicas: 2
      restart_policy: {delay: 100ms}
"#;

#[test]
fn gate_point_01_a_gate_holds_the_start_and_nothing_before_it() {
    let scene = scene!(1, 0);
    scene.up_only(WEB_ON_DB);
    scene.until_state("web", 2, "Ready (waiting: db service_healthy 0/1");
    scene.until_told("up db", 1);
    assert_eq!(scene.story(), ["up db"]);
    let made = scene.containers("node1");
    assert_eq!(made.len(), 3, "its containers are made: {made:?}");
    let before = scene.service("web")["Version"]["Index"].as_u64();
    scene.flag("db");
    scene.until_told("up web", 2);
    let mut left = scene.containers("node1");
    left.retain(|id| !made.contains(id));
    assert_eq!(left, [""; 0], "those that were made are those that run");
    let web = scene.service("web");
    let latch = &web["Latches"][0];
    assert_eq!(latch["Dependency"], "shop_db", "{web:#}");
    assert_eq!(latch["DependencyRevision"], 1);
    assert!(
        latch["JudgedAt"].as_u64() > before,
        "it says upon what it was judged: {latch}"
    );
    assert_eq!(web.get("Waiting"), None);
    scene.down();
    scene.is_gone(&["node1"]);
}

#[test]
fn gate_point_05_06_what_was_let_through_waits_no_more() {
    let scene = scene!(1, 0);
    scene.flag("db");
    scene.up(WEB_ON_DB, &["-q"]).ok();
    assert_eq!(scene.service("db")["ServiceStatus"]["Converged"], true);
    // 5: ill health of the dependency stops nothing, and is shown.
    scene.unflag("db");
    scene.until("the illness of db shows at web", || {
        let shown = scene.service("web")["ServiceStatus"]["Reasons"].to_string();
        shown.contains("db service_healthy 0/1")
    });
    assert_eq!(scene.told("down web"), 0);
    let status = scene.service("web")["ServiceStatus"].clone();
    assert_eq!(status["RunningTasks"], 2, "{status}");
    // 6: nor does it hold what takes a task's place, or stands beside it.
    scene.flag("crash-web");
    scene.until_told("up web", 3);
    scene.on("node1", "service scale -d shop_web=3").ok();
    scene.until_told("up web", 4);
    scene.until_state("web", 3, "Running");
    assert_eq!(scene.service("db")["ServiceStatus"]["RunningTasks"], 0);
}

#[test]
fn gate_point_06_a_gate_that_always_counts_holds_whatever_takes_a_place() {
    let scene = scene!(1, 0);
    let text = &WEB_ON_DB.replace("depends_on:", "x-gate: always\n    depends_on:");
    scene.flag("db");
    scene.up(text, &["-q"]).ok();
    scene.unflag("db");
    scene.until("db is ill", || {
        scene.service("db")["ServiceStatus"]["RunningTasks"] == 0
    });
    scene.flag("crash-web");
    scene.until("its successor waits at the gate", || {
        let tasks = scene.tasks_of("web");
        let waits = tasks
            .iter()
            .map(|task| crate::scene::text(&task["CurrentState"]));
        waits
            .filter(|state| state.starts_with("Ready (waiting: db service_healthy 0/1"))
            .count()
            == 1
    });
    assert_eq!((scene.told("up web"), scene.told("down web")), (2, 0));
    scene.flag("db");
    scene.until_told("up web", 3);
}

#[test]
fn gate_point_09_a_wait_ends_at_its_deadline_and_it_is_never_too_late() {
    let scene = scene!(1, 0);
    let text = &WEB_ON_DB.replace("depends_on:", "x-gate-timeout: 2s\n    depends_on:");
    let failed = scene.up(text, &[]);
    failed.refused(
        1,
        &[
            "web: gave up to wait after 00:02: db service_healthy 0/1",
            "stack shop failed",
        ],
    );
    scene.until_state(
        "web",
        2,
        "Ready (waiting: gave up to wait after 00:02: db service_healthy 0/1",
    );
    assert_eq!(scene.service("web")["Waiting"]["Expired"], true);
    scene
        .on("node1", "stack ls --format '{{.State}}'")
        .ok()
        .prints("degraded");
    assert_eq!(scene.told("up web"), 0);
    scene.flag("db");
    scene.until_told("up web", 2);
    // Once more, nothing having changed.
    scene.up(text, &[]).ok().has("nothing to change");
}

#[test]
fn gate_point_09_a_deadline_stands_still_while_nobody_leads() {
    let scene = scene!(1, 0);
    let text = &WEB_ON_DB.replace("depends_on:", "x-gate-timeout: 8s\n    depends_on:");
    scene.up_only(text);
    scene.until_state("web", 2, "Ready (waiting: db");
    let deadline = |scene: &crate::scene::Scene| {
        let told = scene.service("web")["Waiting"]["Deadline"].clone();
        assert_eq!(scene.service("web")["Waiting"]["Expired"], false);
        told
    };
    let first = deadline(&scene);
    scene.lab("kill", "node1").ok();
    // Longer than the whole wait, and than what may pass uncounted.
    std::thread::sleep(std::time::Duration::from_secs(12));
    scene.lab("start", "node1").ok();
    scene.eventually("the manager leads again", || {
        (scene.on("node1", "service ls").code == 0).then_some(())
    });
    scene.until("what is left of the time is counted anew", || {
        text_of(&deadline(&scene)) > text_of(&first)
    });
    assert_eq!(scene.told("up db"), 1, "nothing was started again");
    scene.flag("db");
    scene.until_told("up web", 2);
}

fn text_of(value: &Value) -> String {
    text(value).to_owned()
}

#[test]
fn gate_point_12_what_waits_says_for_what_and_until_when() {
    let scene = scene!(1, 0);
    let job = "
  load:
    <<: *task
    command: sh /flags/work load
    depends_on: {db: {condition: service_healthy}}
    deploy: {mode: replicated-job}
";
    let text = &format!("{WEB_ON_DB}{job}");
    let running = scene.begin_up(text, &[]);
    scene.until_state("web", 2, "Ready (waiting: db service_healthy 0/1, 00:0");
    let table = scene.on("node1", "stack ps shop").ok();
    let waits = "Ready (waiting: db service_healthy 0/1, 00:0";
    assert_eq!(table.stdout.matches(waits).count(), 3, "{table}");
    assert!(table.stdout.contains(", deadline 04:5"), "{table}");
    scene.until("the tree tells it", || {
        let tree = running.stderr();
        tree.contains("web: 0/2 waiting") && tree.contains("waiting: db service_healthy 0/1")
    });
    scene.flag("db");
    scene.until_told("up load", 1);
    scene.until_state("web", 2, "Running");
    let mut running = running;
    assert!(!running.has_ended(), "the job is not done");
    scene.flag_with("work-load", "0\n");
    let done = running.wait().ok();
    for line in ["db: 1/1 running", "web: 2/2 running", "load: "] {
        assert!(done.stderr.contains(line), "{line:?}: {done}");
    }
    scene.until_state("load", 1, "Complete");
}

#[test]
fn gate_point_12_exit_codes_tell_how_it_ended() {
    let scene = scene!(1, 0);
    let version = |number: u32, probe: &str| {
        format!(
            "
services:
  web:
    <<: *task
    command: sh /flags/run web{number}
    healthcheck: {{test: [CMD, {probe}], interval: 100ms, retries: 1}}
    deploy:
      restart_policy: {{delay: 100ms}}
      update_config: {{failure_action: FAILURE, monitor: 500ms}}
"
        )
    };
    // 0: converged.
    let good = version(1, "'true'").replace("FAILURE", "rollback");
    scene.up(&good, &[]).ok();
    // 3: rolled back.
    let back = version(2, "'false'").replace("FAILURE", "rollback");
    scene
        .up(&back, &[])
        .refused(3, &["stack shop was rolled back"]);
    scene.until_state("web", 1, "Running");
    assert!(scene.told("up web2") >= 1);
    // 1: failed.
    let paused = version(3, "'false'").replace("FAILURE", "pause");
    scene
        .up(&paused, &[])
        .refused(1, &["unhealthy", "stack shop failed"]);
    // 2: timed out.
    let slow = version(4, "'false'")
        .replace("FAILURE", "continue")
        .replace("retries: 1", "retries: 100");
    scene
        .up(&slow, &["--wait-timeout", "1500ms"])
        .refused(2, &["is not there yet; it goes on"]);
    // 130: left.
    let running = scene.begin_up(&slow, &[]);
    scene.until("it stays", || running.stderr().contains("web"));
    running.signal(2);
    running.wait().refused(130, &["goes on without us"]);
}
