//! create, start, state, kill, delete, exec, run.

use serde_json::json;
use tests::bundle::{Bundle, minirun};

#[test]
fn create_start_state_kill_delete() {
    let host = tests::host!();
    let bundle = Bundle::new(&host, "c1", "echo started; exec sleep 1000");
    bundle.create().ok();
    let state = bundle.verb("state", &[]).ok().json();
    assert_eq!(
        (&state["id"], &state["status"]),
        (&json!("c1"), &json!("created"))
    );
    assert_eq!(state["bundle"], json!(bundle.directory()));
    assert!(
        state["ociVersion"]
            .as_str()
            .is_some_and(|version| version.starts_with("1.")),
        "{state}"
    );
    assert_eq!(
        bundle.output(),
        "",
        "nothing of the person's runs before start"
    );
    let pid = state["pid"].as_i64().expect("a process id");
    bundle.verb("start", &[]).ok();
    tests::eventually("it prints", || {
        (bundle.output() == "started\n").then_some(())
    });
    assert_eq!(bundle.verb("state", &[]).ok().json()["status"], "running");
    bundle.verb("start", &[]).refused(1, &["c1"]);
    bundle.verb("delete", &[]).refused(1, &["c1"]);
    bundle.create().refused(1, &["c1"]);
    bundle.verb("kill", &["KILL"]).ok();
    tests::eventually("it is stopped", || {
        (bundle.verb("state", &[]).ok().json()["status"] == "stopped").then_some(())
    });
    bundle.verb("kill", &["TERM"]).refused(1, &["c1"]);
    bundle.verb("delete", &[]).ok();
    bundle.verb("state", &[]).refused(1, &["c1"]);
    tests::eventually("whoever inherited the process reaps it", || {
        (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    });
}

#[test]
fn run_passes_streams_and_code_on() {
    let host = tests::host!();
    let done = Bundle::new(&host, "c1", "echo out; echo err >&2; exit 5")
        .run()
        .code(5);
    assert_eq!(
        (done.stdout.as_str(), done.stderr.as_str()),
        ("out\n", "err\n")
    );
    let mut cat = Bundle::new(&host, "c2", "cat").spawn();
    cat.write("typed");
    cat.close_stdin();
    cat.wait().ok().prints("typed");
    minirun(&host, ["list"]).ok();
}

#[test]
fn exec_joins_all_that_there_is() {
    let host = tests::host!();
    let bundle = Bundle::new(&host, "c1", "sleep 1000");
    bundle.create().ok();
    bundle.verb("start", &[]).ok();
    let spaces = "for n in pid mnt uts ipc net cgroup; do stat -L -c %i /proc/1/ns/$n /proc/self/ns/$n | uniq | wc -l; done | sort -u";
    bundle.verb("exec", &["sh", "-c", spaces]).ok().prints("1");
    bundle.verb("exec", &["sh", "-c", "exit 7"]).code(7);
    bundle.verb("exec", &["nosuch"]).refused(127, &["nosuch"]);
    bundle
        .verb_with(
            "exec",
            &["--cwd", "/tmp", "--env", "A=1", "--user", "7:8"],
            &["sh", "-c", "echo $(pwd) $A $(id -u):$(id -g)"],
        )
        .ok()
        .prints("/tmp 1 7:8");
    let process = json!({"args": ["sh", "-c", "echo from-file; pwd"], "cwd": "/etc", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}});
    let file = host.file("process.json", process.to_string());
    bundle
        .verb_with("exec", &["--process", &file.display().to_string()], &[])
        .ok()
        .prints("from-file\n/etc");
    bundle.verb_with("delete", &["--force"], &[]).ok();
    bundle.verb("exec", &["true"]).refused(1, &["c1"]);
}

#[test]
fn a_container_is_heard_of_by_a_pid_file_and_a_list() {
    let host = tests::host!();
    let bundle = Bundle::new(&host, "c1", "sleep 1000");
    bundle.write();
    let pid_file = host.path("pid");
    let directory = bundle.directory().display().to_string();
    host.sh(&format!(
        "{} --root {}/runtime create --bundle {directory} --pid-file {} c1 </dev/null >/dev/null 2>&1",
        tests::host::binary("minirun").display(),
        host.run_root().display(),
        pid_file.display()
    ))
    .ok();
    let pid = std::fs::read_to_string(pid_file).expect("the pid file");
    assert_eq!(
        bundle.verb("state", &[]).ok().json()["pid"].to_string(),
        pid.trim()
    );
    let list = minirun(&host, ["list", "--format", "json"]).ok().json();
    assert_eq!(list.pointer("/0/id"), Some(&json!("c1")), "{list}");
    minirun(&host, ["ps", "--format", "json", "c1"])
        .ok()
        .has(pid.trim());
    bundle.verb_with("delete", &["--force"], &[]).ok();
    bundle.verb_with("delete", &["--force"], &[]).ok();
}

#[test]
fn pause_update_and_events() {
    let host = tests::host!();
    let bundle = Bundle::new(&host, "c1", "while :; do echo x; sleep 0.05; done");
    bundle.create().ok();
    bundle.verb("start", &[]).ok();
    tests::eventually("it prints", || (bundle.output().len() > 4).then_some(()));
    bundle.verb("pause", &[]).ok();
    assert_eq!(bundle.verb("state", &[]).ok().json()["status"], "paused");
    let frozen = bundle.output().len();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(bundle.output().len(), frozen);
    bundle.verb("resume", &[]).ok();
    tests::eventually("it prints again", || {
        (bundle.output().len() > frozen).then_some(())
    });
    let resources = host.file("resources.json", json!({"pids": {"limit": 33}}).to_string());
    bundle
        .verb_with(
            "update",
            &["--resources", &resources.display().to_string()],
            &[],
        )
        .ok();
    let file = host
        .cgroup_file("c1", "pids", &["pids.max"])
        .expect("a limit");
    assert_eq!(std::fs::read_to_string(file).expect("a limit").trim(), "33");
    bundle
        .verb_with("events", &["--stats"], &[])
        .ok()
        .has("\"data\"");
    bundle.verb_with("delete", &["--force"], &[]).ok();
}

#[test]
fn hooks_run_where_they_should() {
    let host = tests::host!();
    let log = host.path("hooks");
    let hook = |name: &str| json!([{"path": "/bin/sh", "args": ["sh", "-c", format!("cat >/dev/null; echo {name} >> {}", log.display())]}]);
    let bundle = Bundle::new(&host, "c1", "true").set(
        "/hooks",
        json!({"prestart": hook("prestart"), "createRuntime": hook("createRuntime"), "poststart": hook("poststart"), "poststop": hook("poststop")}),
    );
    bundle.run().ok();
    assert_eq!(
        std::fs::read_to_string(&log).expect("the hooks ran"),
        "prestart\ncreateRuntime\npoststart\npoststop\n"
    );
    let failing = Bundle::new(&host, "c2", "true")
        .set("/hooks", json!({"createRuntime": [{"path": "/bin/false"}]}));
    failing.run().refused(1, &["hook"]);
    minirun(&host, ["state", "c2"]).refused(1, &["c2"]);
}

#[test]
fn a_bundle_that_is_none_is_refused() {
    let host = tests::host!();
    let empty = host.path("empty");
    std::fs::create_dir(&empty).expect("an empty directory");
    minirun(
        &host,
        ["run", "--bundle", &empty.display().to_string(), "x"],
    )
    .refused(1, &["config.json"]);
    let broken = Bundle::new(&host, "c1", "true");
    broken.write();
    std::fs::write(broken.directory().join("config.json"), "{").expect("break it");
    minirun(
        &host,
        [
            "run",
            "--bundle",
            &broken.directory().display().to_string(),
            "c1",
        ],
    )
    .refused(1, &["config.json"]);
    Bundle::new(&host, "c2", "true")
        .set("/root/path", json!("nosuch"))
        .run()
        .refused(1, &["nosuch"]);
    for id in ["..", ".", "a/b", "", "a b"] {
        let done = minirun(&host, ["state", id]);
        assert!(done.code != 0 && !done.stderr.is_empty(), "{id:?}: {done}");
        let done = minirun(
            &host,
            [
                "run",
                "--bundle",
                &broken.directory().display().to_string(),
                id,
            ],
        );
        assert!(done.code != 0 && !done.stderr.is_empty(), "{id:?}: {done}");
    }
}
