//! What a task finds in its container: secrets, configs, variables, volumes, limits.

use tests::cluster_registry::BUSYBOX;

use crate::kit::{STAYS, cluster, create, running, tasks};

#[test]
fn secrets_configs_and_variables_are_what_was_asked_for() {
    let Some(cluster) = cluster(1, 1) else {
        return;
    };
    let on = |words: &str| cluster.on("node1", words);
    let keep = |noun: &str, name: &str, text: &str| {
        cluster
            .sh(
                "node1",
                &format!("printf '{text}' | minictl {noun} create {name} -"),
            )
            .ok();
    };
    keep("secret", "password", "hunter-of-secrets");
    keep("config", "settings", "colour = blue");
    let flags = "--secret password --secret source=password,target=own,uid=1000,gid=50,mode=0400 \
                 --config source=settings,target=/etc/app/settings.conf,mode=0440 --config settings \
                 -e NAME={{.Service.Name}}/{{.Task.Slot}}/{{.Node.Hostname}} --hostname {{.Service.Name}}-{{.Task.Slot}} \
                 -l tier=front --container-label tier=back --constraint node.hostname==node2 --user 1000";
    create(&cluster, "app", flags, &STAYS).ok();
    let asked = |script: &str| {
        let words = ["service", "exec", "-u", "0", "app", "sh", "-c", script];
        cluster.on("node1", words).ok().text()
    };
    assert_eq!(asked("cat /run/secrets/password"), "hunter-of-secrets");
    let stat = "stat -c '%u:%g %a' /run/secrets/password /run/secrets/own /etc/app/settings.conf /settings";
    assert_eq!(asked(stat), "0:0 444\n1000:50 400\n0:0 440\n0:0 444");
    assert_eq!(asked("cat /etc/app/settings.conf"), "colour = blue");
    assert_eq!(asked("echo $NAME"), "app/1/node2");
    assert_eq!(asked("hostname"), "app-1");
    on("service exec app sh -c 'echo x >/run/secrets/own'").code(1);
    on("service exec app id -u").ok().prints("1000");
    // In memory only: no file on a disk of the node's, nothing where people look.
    let found = "for d in $MINI_DATA_ROOT $MINI_RUN_ROOT; do \
                 find $d -xdev -type f -exec grep -laF hunter-of-secrets {} +; done || true";
    for node in ["node1", "node2"] {
        assert_eq!(
            cluster.sh(node, found).ok().text(),
            "",
            "{node} keeps it on disk"
        );
        assert!(!cluster.log(node).contains("hunter-of-secrets"));
    }
    for words in [
        "secret inspect password",
        "service inspect app",
        "task inspect app.1",
    ] {
        let told = on(words).ok();
        assert!(!told.stdout.contains("hunter-of-secrets"), "{told}");
    }
    on("secret rm password").refused(1, &["password", "app"]);
    on("config rm settings").refused(1, &["settings", "app"]);
    on("service rm app").ok();
    cluster.eventually("what is not used can go", || {
        (on("secret rm password").code == 0).then_some(())
    });
    on("config rm settings").ok();
}

#[test]
fn limits_hold_and_volumes_stay() {
    let Some(cluster) = cluster(1, 0) else {
        return;
    };
    let on = |words: &str| cluster.on("node1", words);
    let flags = "--limit-memory 48m --limit-pids 40 --limit-cpu 0.5 --mount type=volume,source=data,target=/data \
                 --mount type=tmpfs,target=/scratch --read-only --ulimit nofile=100:200 --cap-drop ALL";
    create(&cluster, "tight", flags, &STAYS).ok();
    // Where the kernel has them, whichever hierarchy that is.
    let limit = |files: &str| {
        let script = format!(
            "id=$(minictl ps -q --no-trunc); for f in {files}; do \
             found=$(find /sys/fs/cgroup -path \"*/$id/$f\"); test -z \"$found\" || cat $found; done"
        );
        cluster.sh("node1", &script).ok().text()
    };
    assert_eq!(
        limit("memory.max memory.limit_in_bytes"),
        (48 << 20).to_string()
    );
    assert_eq!(limit("pids.max"), "40");
    let asked =
        |script: &str| cluster.on("node1", ["service", "exec", "tight", "sh", "-c", script]);
    asked("echo kept >/data/file; echo lost >/scratch/file").ok();
    asked("echo x >/etc/x").code(1);
    asked("ulimit -n; grep CapEff /proc/1/status")
        .ok()
        .has("100")
        .has("0000000000000000");
    on("service update -q --update-monitor 1ms --force tight").ok();
    asked("cat /data/file").ok().prints("kept");
    asked("cat /scratch/file").code(1);
    // Too much memory: the task is told to have died of it.
    let eat = "x=$(head -c 100000000 /dev/zero | tr '\\0' x); sleep 1";
    create(
        &cluster,
        "greedy",
        "-d --limit-memory 16m --restart-condition none",
        &[BUSYBOX, "sh", "-c", eat],
    )
    .ok();
    let ended = cluster.eventually("it is killed", || {
        let rows = tasks(&cluster, "greedy");
        rows.into_iter().find(|row| row.state.starts_with("Failed"))
    });
    assert!(
        ended.error.contains("memory") || ended.error.contains("137"),
        "{ended:?}"
    );
    assert_eq!(running(&cluster, "tight").len(), 1);
}
