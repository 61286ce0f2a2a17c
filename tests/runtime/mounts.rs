//! Mounts of the specification, default devices, read-only and masked paths.

use serde_json::json;
use tests::Host;
use tests::bundle::Bundle;

fn outside(host: &Host) -> String {
    host.file("outside/file", "outside\n")
        .parent()
        .expect("a directory")
        .display()
        .to_string()
}

#[test]
fn binds_with_their_options() {
    let host = tests::host!();
    let outside = outside(&host);
    let bind = |options: serde_json::Value, command: &str| {
        Bundle::new(&host, "c1", command).mount(json!({"destination": "/in", "type": "bind", "source": outside, "options": options})).run()
    };
    bind(
        json!(["bind"]),
        "cat /in/file; echo x > /in/new; cat /in/new",
    )
    .ok()
    .prints("outside\nx");
    bind(
        json!(["rbind", "ro"]),
        "cat /in/file; echo x > /in/new || echo read-only",
    )
    .ok()
    .prints("outside\nread-only");
    bind(
        json!(["bind", "nosuid", "nodev", "noexec"]),
        "grep ' /in ' /proc/mounts | cut -d' ' -f4",
    )
    .ok()
    .has("nosuid,nodev,noexec");
    let file = format!("{outside}/file");
    Bundle::new(&host, "c2", "cat /etc/made/for/it")
        .mount(json!({"destination": "/etc/made/for/it", "type": "bind", "source": file, "options": ["bind", "ro"]}))
        .run()
        .ok()
        .prints("outside");
    Bundle::new(&host, "c3", "true")
        .mount(json!({"destination": "/in", "type": "bind", "source": format!("{outside}/nosuch"), "options": ["bind"]}))
        .run()
        .refused(1, &["nosuch"]);
}

#[test]
fn propagation_is_as_asked() {
    let host = tests::host!();
    let outside = outside(&host);
    std::fs::create_dir(format!("{outside}/sub")).expect("a directory");
    host.sh(&format!(
        "mount --bind {outside} {outside}; mount --make-shared {outside}"
    ))
    .ok();
    for (option, seen) in [("rprivate", "0"), ("rslave", "1")] {
        let bundle = Bundle::new(&host, option, "sleep 1000").mount(json!({"destination": "/in", "type": "bind", "source": outside, "options": ["rbind", option]}));
        bundle.create().ok();
        bundle.verb("start", &[]).ok();
        host.sh(&format!("mount -t tmpfs none {outside}/sub")).ok();
        bundle
            .verb("exec", &["sh", "-c", "grep -c ' /in/sub ' /proc/mounts"])
            .prints(seen);
        host.sh(&format!("umount {outside}/sub")).ok();
        bundle.verb_with("delete", &["--force"], &[]).ok();
    }
    host.sh(&format!("umount {outside}")).ok();
}

#[test]
fn memory_file_systems_and_devices() {
    let host = tests::host!();
    let script = "ls -1 /dev | grep -v core | xargs; echo x > /dev/null; head -c2 /dev/zero | wc -c; for l in fd stdin ptmx; do readlink /dev/$l; done; stat -c %a /fast; df -k /fast | tail -1 | awk '{print $2}'";
    Bundle::new(&host, "c1", script)
        .mount(json!({"destination": "/fast", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m", "mode=1770"]}))
        .run()
        .ok()
        .prints("fd full null ptmx pts random stderr stdin stdout tty urandom zero\n2\n/proc/self/fd\n/proc/self/fd/0\npts/ptmx\n1770\n1024");
    Bundle::new(&host, "c2", "stat -c '%F %t:%T %a %u' /dev/own")
        .set("/linux/devices", json!([{"path": "/dev/own", "type": "c", "major": 1, "minor": 7, "fileMode": 0o640, "uid": 5, "gid": 0}]))
        .run()
        .ok()
        .prints("character special file 1:7 640 5");
}

#[test]
fn read_only_and_masked_paths() {
    let host = tests::host!();
    Bundle::new(&host, "c1", "cat /proc/kcore | wc -c; ls /proc/bus | wc -l; echo x 2>/dev/null > /proc/sys/kernel/hostname || echo read-only; ls -A /etc | wc -l")
        .set("/linux/maskedPaths", json!(["/proc/kcore", "/proc/bus", "/etc", "/no/such"]))
        .set("/linux/readonlyPaths", json!(["/proc/sys", "/no/such"]))
        .run()
        .ok()
        .prints("0\n0\nread-only\n0");
    Bundle::new(
        &host,
        "c2",
        "echo x 2>/dev/null > /x || echo read-only; echo y > /dev/y && cat /dev/y",
    )
    .set("/root/readonly", json!(true))
    .run()
    .ok()
    .prints("read-only\ny");
}

#[test]
fn an_overlay_may_be_the_root() {
    let host = tests::host!();
    let bundle = Bundle::new(
        &host,
        "c1",
        "cat /etc/above; echo written > /new; grep -c ' / overlay' /proc/mounts",
    );
    let above = host.file("above/etc/above", "above\n");
    let above = above
        .ancestors()
        .nth(2)
        .expect("the layer")
        .display()
        .to_string();
    for name in ["upper", "work"] {
        std::fs::create_dir(host.path(name)).expect("a directory");
    }
    let empty = host.path("root");
    std::fs::create_dir(&empty).expect("an empty directory");
    let options = json!([
        format!("lowerdir={above}:{}", bundle.rootfs().display()),
        format!("upperdir={}", host.path("upper").display()),
        format!("workdir={}", host.path("work").display())
    ]);
    let mut bundle = bundle.set("/root/path", json!(empty.display().to_string()));
    let mounts = bundle.config["mounts"].as_array_mut().expect("mounts");
    mounts.insert(
        0,
        json!({"destination": "/", "type": "overlay", "source": "overlay", "options": options}),
    );
    bundle.run().ok().prints("above\n1");
    assert_eq!(
        std::fs::read_to_string(host.path("upper/new")).expect("in the upper layer"),
        "written\n"
    );
    assert!(!bundle.rootfs().join("new").exists());
}

#[test]
fn without_a_mount_namespace_nothing_is_mounted_on_the_host() {
    let host = tests::host!();
    let mut bundle = Bundle::new(&host, "c1", "true");
    bundle.config["linux"]["namespaces"] = json!([{"type": "pid"}]);
    let done = bundle.run();
    assert!(!done.stderr.contains("panicked"), "{done}");
    // That nothing is mounted is what the host's own check sees.
}

#[test]
fn each_namespace_is_its_own_or_joined() {
    let host = tests::host!();
    let script = "for n in pid mnt uts ipc net cgroup; do readlink /proc/self/ns/$n; done";
    let inside = Bundle::new(&host, "c1", script).run().ok().lines();
    let own = host.sh(script).ok().lines();
    assert!(
        inside.iter().all(|space| !own.contains(space)),
        "{inside:?} {own:?}"
    );
    let mut joined = Bundle::new(&host, "c2", script);
    joined.config["linux"]["namespaces"] = json!([{"type": "mount"}, {"type": "pid"}, {"type": "network", "path": host.spaces().net_path()}]);
    joined
        .config
        .as_object_mut()
        .expect("an object")
        .remove("hostname");
    let joined = joined.run().ok().lines();
    assert_eq!(joined[4], own[4], "the network namespace is joined");
    assert_eq!(joined[2], own[2], "the host name is the host's");
}
