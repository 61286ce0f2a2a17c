//! The verbs that move a container from state to state.

use std::time::Duration;

use serde_json::json;
use tests::Host;

fn detached(host: &Host, name: &str, image: &str, command: &[&str]) -> String {
    let mut line = vec!["run", "-d", "--name", name, "--network", "none", image];
    line.extend(command);
    host.minictl(line).ok().text()
}

#[test]
fn detached_it_prints_its_id_and_outlives_the_command() {
    let mut host = tests::host!();
    let image = host.busybox();
    let cidfile = host.path("cid");
    let id = host
        .minictl([
            "run",
            "-d",
            "--cidfile",
            &cidfile.display().to_string(),
            "--network",
            "none",
            &image,
            "sleep",
            "1000",
        ])
        .ok()
        .text();
    assert!(
        id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{id}"
    );
    assert_eq!(
        std::fs::read_to_string(cidfile)
            .expect("the id in a file")
            .trim(),
        id
    );
    assert_eq!(host.inspect(&id[..6], "/State/Status"), "running");
    host.minictl(["rm", "-f", &id[..8]]).ok().prints(&id[..8]);
}

#[test]
fn with_rm_nothing_remains_of_it() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl(format!(
        "run -d --rm --name brief --network none {image} sleep 0.2"
    ))
    .ok();
    host.minictl("wait brief");
    tests::eventually("it is removed by itself", || {
        host.containers().is_empty().then_some(())
    });
}

#[test]
fn stop_asks_first_and_insists_later() {
    let mut host = tests::host!();
    let image = host.busybox();
    let probe = format!("{}:/probe:ro", tests::host::binary("probe").display());
    for (question, name) in [("hold", "polite"), ("ignore", "deaf")] {
        host.minictl(format!(
            "run -d --name {name} --network none -v {probe} {image} /probe {question}"
        ))
        .ok();
        host.until_logged(name, "ready");
    }
    host.minictl("stop polite").ok().prints("polite");
    assert_eq!(host.inspect("polite", "/State/ExitCode"), json!(0));
    host.minictl("logs polite").ok().has("graceful");
    let insisted = host.minictl("stop -t 1 deaf").ok();
    assert!(
        insisted.took >= Duration::from_millis(900) && insisted.took < Duration::from_secs(5),
        "{insisted}"
    );
    assert_eq!(host.inspect("deaf", "/State/ExitCode"), json!(137));
    host.minictl("stop deaf").ok();
    host.minictl("rm polite deaf").ok().prints("polite\ndeaf");
    host.minictl("stop nobody").refused(1, &["nobody"]);
}

#[test]
fn the_stop_signal_is_the_images_or_the_persons() {
    let mut host = tests::host!();
    let image = tests::image::Image::busybox().configured(json!({"StopSignal": "SIGUSR1"}));
    let image = host.registry().push("usr1", "1", &image);
    let script = "trap 'echo usr1; exit 1' USR1; trap 'echo usr2; exit 2' USR2; echo ready; while :; do sleep 0.05; done";
    detached(&host, "by-image", &image, &["sh", "-c", script]);
    host.minictl([
        "run",
        "-d",
        "--name",
        "by-person",
        "--stop-signal",
        "USR2",
        "--network",
        "none",
        &image,
        "sh",
        "-c",
        script,
    ])
    .ok();
    for (name, code) in [("by-image", 1), ("by-person", 2)] {
        host.until_logged(name, "ready");
        host.minictl(format!("stop {name}")).ok();
        assert_eq!(host.inspect(name, "/State/ExitCode"), json!(code), "{name}");
    }
    host.minictl("rm by-image by-person").ok();
}

#[test]
fn kill_sends_what_is_asked() {
    let mut host = tests::host!();
    let image = host.busybox();
    detached(&host, "victim", &image, &["sleep", "1000"]);
    host.minictl("kill victim").ok().prints("victim");
    host.minictl("wait victim").ok().prints("137");
    host.minictl("kill victim")
        .refused(1, &["victim", "not running"]);
    host.minictl("rm victim").ok();
    let script = "trap 'echo hup' HUP; echo ready; while :; do sleep 0.05; done";
    detached(&host, "hears", &image, &["sh", "-c", script]);
    host.until_logged("hears", "ready");
    for signal in ["HUP", "SIGHUP", "1"] {
        host.minictl(format!("kill -s {signal} hears")).ok();
        std::thread::sleep(Duration::from_millis(150));
    }
    tests::eventually("three signals heard", || {
        (host.minictl("logs hears").stdout.matches("hup").count() == 3).then_some(())
    });
    host.minictl("kill -s NOSUCH hears").refused(1, &["NOSUCH"]);
    host.minictl("rm -f hears").ok();
}

#[test]
fn a_running_container_is_removed_only_by_force() {
    let mut host = tests::host!();
    let image = host.busybox();
    detached(&host, "busy", &image, &["sleep", "1000"]);
    host.minictl("rm busy").refused(1, &["busy", "running"]);
    assert_eq!(host.inspect("busy", "/State/Running"), json!(true));
    host.minictl("rm -f busy").ok().prints("busy");
    host.minictl("rm busy").refused(1, &["busy"]);
    host.minictl("rm -f busy").ok();
}

#[test]
fn wait_waits_and_tells_the_code() {
    let mut host = tests::host!();
    let image = host.busybox();
    detached(&host, "three", &image, &["sh", "-c", "sleep 0.4; exit 3"]);
    detached(&host, "four", &image, &["sh", "-c", "exit 4"]);
    host.minictl("wait three four").ok().prints("3\n4");
    host.minictl("rm three four").ok();
}

#[test]
fn a_stopped_container_starts_again_with_what_it_wrote() {
    let mut host = tests::host!();
    let image = host.busybox();
    let script = "echo run >> /kept; cat /kept";
    host.minictl([
        "create",
        "--name",
        "again",
        "--network",
        "none",
        &image,
        "sh",
        "-c",
        script,
    ])
    .ok();
    assert_eq!(host.inspect("again", "/State/Status"), "created");
    host.minictl("start -a again").ok().prints("run");
    host.minictl("start -a again").ok().prints("run\nrun");
    host.minictl("start again").ok().prints("again");
    host.minictl("wait again").ok();
    host.minictl("logs again")
        .ok()
        .prints("run\nrun\nrun\nrun\nrun\nrun");
    host.minictl("rm again").ok();
}

#[test]
fn restart_pause_and_rename() {
    let mut host = tests::host!();
    let image = host.busybox();
    detached(&host, "one", &image, &["sleep", "1000"]);
    let before = host.inspect("one", "/State/StartedAt");
    host.minictl("restart -t 0 one").ok();
    assert_eq!(host.inspect("one", "/State/Status"), "running");
    assert_ne!(host.inspect("one", "/State/StartedAt"), before);
    host.minictl("pause one").ok();
    assert_eq!(host.inspect("one", "/State/Status"), "paused");
    host.minictl("unpause one").ok();
    assert_eq!(host.inspect("one", "/State/Status"), "running");
    host.minictl("rename one two").ok();
    assert_eq!(host.inspect("two", "/Name"), "/two");
    host.minictl("inspect one").refused(1, &["one"]);
    host.minictl("pause two").ok();
    host.minictl("rm -f two").ok();
}

#[test]
fn names_are_unique_and_well_formed() {
    let mut host = tests::host!();
    let image = host.busybox();
    detached(&host, "taken", &image, &["sleep", "1000"]);
    host.minictl(format!("run -d --name taken {image} true"))
        .refused(125, &["taken", "in use"]);
    host.minictl("rename taken taken").refused(1, &["taken"]);
    for name in ["a", "-a", "a/b", "..", "a b", "ä"] {
        let option = format!("--name={name}");
        let done = host.minictl(["run", "--rm", &option, &image, "true"]);
        assert!(
            done.code == 125 && done.stderr.contains("name"),
            "{name:?}: {done}"
        );
    }
    host.minictl("rm -f taken").ok();
    let made_up = host
        .minictl(format!("run -d --network none {image} true"))
        .ok()
        .text();
    let name = host.inspect(&made_up, "/Name");
    assert!(name.as_str().is_some_and(|name| name.len() > 3), "{name}");
    host.minictl(format!("rm -f {made_up}")).ok();
}
