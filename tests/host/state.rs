//! The verbs that look: `ps`, `inspect`, `top`, `stats`, `port`, `version`, `system`.

use serde_json::{Value, json};

#[test]
fn ps_shows_what_runs_and_with_a_what_ran() {
    let mut host = tests::host!();
    let image = host.busybox();
    let id = host
        .minictl(format!(
            "run -d --name up --label tier=front --network none {image} sleep 1000"
        ))
        .ok()
        .text();
    host.minictl(format!(
        "run --name down --network none {image} sh -c 'exit 3'"
    ))
    .code(3);
    let running = host.minictl(["ps"]).ok();
    let heading: Vec<&str> = running
        .stdout
        .lines()
        .next()
        .unwrap_or_default()
        .split("  ")
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect();
    assert_eq!(
        heading,
        [
            "CONTAINER ID",
            "IMAGE",
            "COMMAND",
            "CREATED",
            "STATUS",
            "PORTS",
            "NAMES"
        ],
        "{running}"
    );
    assert_eq!(running.lines().len(), 2, "{running}");
    assert!(
        running.stdout.contains(&id[..12])
            && running.stdout.contains("\"sleep 1000\"")
            && running.stdout.contains("Up "),
        "{running}"
    );
    let all = host.minictl("ps -a").ok();
    assert!(
        all.stdout.contains("Exited (3)") && all.lines().len() == 3,
        "{all}"
    );
    host.minictl("ps -q").ok().prints(&id[..12]);
    host.minictl("ps -q --no-trunc").ok().prints(&id);
    host.minictl("ps -a --format {{.Names}}")
        .ok()
        .prints("down\nup");
    host.minictl("ps --filter label=tier=front --format '{{.Names}} {{.Image}}'")
        .ok()
        .prints(&format!("up {image}"));
    host.minictl("ps -aq --filter status=exited --format {{.Names}}")
        .ok()
        .prints("down");
    let rows = host.minictl("ps -a --format json").ok();
    let rows: Vec<Value> = rows
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("one object a line"))
        .collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (rows[0]["Names"].as_str(), rows[1]["State"].as_str()),
        (Some("down"), Some("running"))
    );
    host.minictl("rm -f up down").ok();
}

#[test]
fn inspect_tells_everything_or_what_is_asked() {
    let mut host = tests::host!();
    let image = host.busybox();
    let id = host
        .minictl(format!(
            "run -d --name seen -e A=1 -w /srv -m 64m {image} sleep 1000"
        ))
        .ok()
        .text();
    for (pointer, expected) in [
        ("/Id", json!(id)),
        ("/Name", json!("/seen")),
        ("/State/Running", json!(true)),
        ("/State/OOMKilled", json!(false)),
        ("/Config/Image", json!(image)),
        ("/Config/WorkingDir", json!("/srv")),
        ("/Config/Cmd", json!(["sleep", "1000"])),
        ("/HostConfig/Memory", json!(64 << 20)),
    ] {
        assert_eq!(host.inspect("seen", pointer), expected, "{pointer}");
    }
    let env = host.inspect("seen", "/Config/Env");
    assert!(
        env.as_array()
            .is_some_and(|env| env.contains(&json!("A=1"))),
        "{env}"
    );
    let address = host
        .minictl("inspect -f {{.NetworkSettings.IPAddress}} seen")
        .ok()
        .text();
    host.minictl([
        "exec",
        "seen",
        "sh",
        "-c",
        &format!("ip address show eth0 | grep -c 'inet {address}/'"),
    ])
    .ok()
    .prints("1");
    let pid = host
        .inspect("seen", "/State/Pid")
        .as_i64()
        .expect("a process id");
    assert!(
        std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
            .expect("the process")
            .contains("sleep")
    );
    host.minictl("inspect -f '{{.State.Status}} {{.Config.Hostname}}' seen")
        .ok()
        .prints(&format!("running {}", &id[..12]));
    host.minictl("inspect seen nobody")
        .refused(1, &["nobody"])
        .has("/seen");
    host.minictl(format!("inspect {image}")).ok().has("sha256:");
    host.minictl("rm -f seen").ok();
}

#[test]
fn top_stats_and_port() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl(format!(
        "run -d --name busy -p 127.0.0.1:8080:80 {image} sleep 1000"
    ))
    .ok();
    host.minictl("top busy").ok().has("sleep 1000");
    let stats = host
        .minictl("stats --no-stream --format '{{.Name}} {{.PIDs}}' busy")
        .ok();
    assert_eq!(stats.text(), "busy 1");
    host.minictl("port busy")
        .ok()
        .prints("80/tcp -> 127.0.0.1:8080");
    host.minictl("port busy 80").ok().prints("127.0.0.1:8080");
    host.minictl("ps --format {{.Ports}}")
        .ok()
        .prints("127.0.0.1:8080->80/tcp");
    host.minictl("rm -f busy").ok();
}

#[test]
fn prune_takes_what_nothing_uses() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl(format!("run --name over --network none {image} true"))
        .ok();
    host.minictl("network create unused").ok();
    host.minictl("volume create kept").ok();
    host.minictl(format!(
        "run -d --name up --network none {image} sleep 1000"
    ))
    .ok();
    host.minictl("system prune -f")
        .ok()
        .has("Total reclaimed space");
    host.minictl("ps -a --format {{.Names}}").ok().prints("up");
    host.minictl("network ls --format {{.Name}}")
        .ok()
        .prints("bridge\nhost\nnone");
    host.minictl("volume ls -q").ok().prints("kept");
    host.minictl("images -q").ok();
    host.minictl("rm -f up").ok();
    host.minictl("system prune -af").ok();
    host.minictl("images -q").ok().prints("");
    let blobs = host
        .sh(&format!(
            "find {} -path '*/blobs/*' -type f | wc -l",
            host.data().join("images").display()
        ))
        .ok();
    assert_eq!(blobs.text(), "0", "nothing of the image is left");
}

#[test]
fn version_and_help_need_no_root_nor_state() {
    let host = tests::host!();
    host.minictl(["version"]).ok().has("0.1.0");
    host.minictl(["--version"]).ok().has("0.1.0");
    host.minictl("version --format json").ok().json();
    host.minictl(["--help"]).ok().has("minictl run");
    for verb in [
        "run", "ps", "logs", "exec", "stop", "kill", "rm", "wait", "inspect", "pull", "images",
        "rmi",
    ] {
        host.minictl(format!("{verb} --help")).ok().has("Usage:");
    }
    assert!(!host.data().join("containers").exists() || host.containers().is_empty());
    host.minictl(["nosuch"]).refused(1, &["nosuch"]);
    host.minictl("run --nosuch x").refused(125, &["--nosuch"]);
    host.minictl(["run"]).refused(125, &["image"]);
    host.minictl(["info"]).ok();
}

#[test]
fn an_unprivileged_person_is_told_so() {
    let host = tests::host!();
    let binaries = tests::host::binary("minictl");
    let copied = host.path("minictl");
    std::fs::copy(binaries, &copied).expect("a copy that anyone may run");
    let done = host.sh(&format!(
        "chmod 755 {0}; setpriv --reuid 65534 --regid 65534 --clear-groups {0}/minictl ps; ",
        host.directory().display()
    ));
    done.refused(1, &["root"]);
}
