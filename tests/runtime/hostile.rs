//! Bundles and containers that mean harm. The number is the year and number of the CVE that showed the way.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;
use tests::Host;
use tests::bundle::{Bundle, minirun};

/// A directory of the host that an attack would write into, and a check that it did not.
fn prey(host: &Host) -> String {
    let path = host.path("prey");
    fs::create_dir(&path).expect("a directory");
    path.display().to_string()
}

#[track_caller]
fn untouched(prey: &str) {
    let found: Vec<_> = fs::read_dir(prey)
        .expect("the directory")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert!(found.is_empty(), "written on the host: {found:?}");
}

/// 2019-5736: the runtime's own program, opened through /proc from inside, can't be written.
#[test]
fn the_runtimes_program_cannot_be_overwritten() {
    let host = tests::host!();
    let copy = host.path("minirun");
    fs::copy(tests::host::binary("minirun"), &copy).expect("a copy to attack");
    let before = fs::read(&copy).expect("the program");
    let script = "for i in $(seq 200); do for p in /proc/[0-9]*; do (echo bad > $p/exe) 2>/dev/null; done; done; echo tried";
    let bundle = Bundle::new(&host, "c1", script);
    bundle.write();
    let root = host.run_root().join("runtime");
    let line = format!("{} --root {}", copy.display(), root.display());
    host.sh(&format!(
        "{line} create --bundle {} c1 </dev/null >{}/out 2>&1",
        bundle.directory().display(),
        bundle.directory().display()
    ))
    .ok();
    host.sh(&format!("{line} start c1")).ok();
    for _ in 0..20 {
        host.sh(&format!("{line} exec c1 /bin/true || true"));
    }
    bundle.verb_with("delete", &["--force"], &[]).ok();
    // `#!/proc/self/exe` makes the runtime execute itself inside.
    let reexec =
        Bundle::new(&host, "c2", "").set("/process/args", json!(["/proc/self/exe", "--version"]));
    reexec.write();
    host.sh(&format!(
        "{line} run --bundle {} c2 || true",
        reexec.directory().display()
    ));
    assert!(
        fs::read(&copy).expect("the program") == before,
        "the program was changed"
    );
}

/// 2019-16884, 2023-27561: /proc or /sys of the root file system is a link.
#[test]
fn a_proc_that_is_a_link_is_refused() {
    let host = tests::host!();
    let prey = prey(&host);
    for name in ["proc", "sys", "dev"] {
        let bundle = Bundle::new(&host, name, "ls /proc/1 >/dev/null && echo ran").mount(
            json!({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]}),
        );
        let path = bundle.rootfs().join(name);
        fs::remove_dir(&path).expect("an empty directory");
        symlink(&prey, &path).expect("a link");
        let done = bundle.run();
        assert!(!done.stderr.contains("panicked"), "{done}");
        if name == "proc" {
            assert!(done.code != 0, "{done}");
        }
        untouched(&prey);
    }
}

/// 2021-30465, 2024-45310: a mount target that leads out of the root file system.
#[test]
fn mount_targets_stay_inside() {
    let host = tests::host!();
    let prey = prey(&host);
    for (id, link, destination) in [
        ("a", "out", "/out/sub/dir"),
        ("b", "up", "/up/sub"),
        ("c", "out", "/out"),
    ] {
        let bundle = Bundle::new(&host, id, "true")
            .mount(json!({"destination": destination, "type": "tmpfs", "source": "tmpfs"}));
        let target = if link == "up" {
            format!("../../../../../../../../..{prey}")
        } else {
            prey.clone()
        };
        symlink(target, bundle.rootfs().join(link)).expect("a link");
        let done = bundle.run();
        assert!(!done.stderr.contains("panicked"), "{done}");
        untouched(&prey);
    }
    let bundle = Bundle::new(&host, "d", "true").mount(json!({"destination": format!("../../../../../..{prey}/x"), "type": "tmpfs", "source": "tmpfs"}));
    bundle.run();
    untouched(&prey);
}

/// 2021-30465, racing: a directory of a shared volume is swapped with a link while containers are made.
#[test]
fn a_swapped_mount_target_stays_inside() {
    let host = tests::host!();
    let prey = prey(&host);
    let volume = host.path("volume").display().to_string();
    host.sh(&format!("mkdir -p {volume}/target")).ok();
    let bundle = Bundle::new(&host, "c1", "true")
        .mount(json!({"destination": "/volume", "type": "bind", "source": volume, "options": ["rbind"]}))
        .mount(json!({"destination": "/volume/target/made", "type": "tmpfs", "source": "tmpfs"}));
    fs::create_dir(bundle.rootfs().join("volume")).expect("a directory");
    let script = format!(
        "cd {volume}; while :; do mv target t1; ln -s {prey} target; rm target; mv t1 target; done"
    );
    let mut swapper = host.command("/bin/sh");
    swapper.args(["-c", &script]);
    let swapper = tests::Running::start(swapper);
    for _ in 0..30 {
        let done = bundle.run();
        assert!(!done.stderr.contains("panicked"), "{done}");
        untouched(&prey);
    }
    swapper.kill9();
}

/// 2024-21626: a working directory that is a descriptor of the host.
#[test]
fn a_working_directory_outside_is_refused() {
    let host = tests::host!();
    for number in 3..12 {
        let bundle = Bundle::new(
            &host,
            "c1",
            "cat etc/shadow 2>/dev/null || cat ../../../../etc/hostname",
        )
        .set("/process/cwd", json!(format!("/proc/self/fd/{number}")));
        let done = bundle.run();
        assert!(done.code != 0 && done.stdout.is_empty(), "{number}: {done}");
    }
    let bundle = Bundle::new(&host, "c2", "sleep 1000");
    bundle.create().ok();
    bundle.verb("start", &[]).ok();
    for number in 3..12 {
        let done = bundle.verb_with(
            "exec",
            &["--cwd", &format!("/proc/self/fd/{number}")],
            &["ls"],
        );
        assert!(done.code != 0 && done.stdout.is_empty(), "{number}: {done}");
    }
    bundle.verb_with("delete", &["--force"], &[]).ok();
}

/// 2025-31133: the container's /dev/null is something else when paths are masked.
#[test]
fn masking_does_not_trust_the_containers_null() {
    let host = tests::host!();
    let mut bundle = Bundle::new(&host, "c1", "cat /proc/keys | wc -c")
        .set("/linux/maskedPaths", json!(["/proc/keys"]));
    // No tmpfs on /dev: the devices are those of the image.
    bundle.config["mounts"] = json!([{"destination": "/proc", "type": "proc", "source": "proc"}]);
    symlink(
        "/proc/sys/kernel/core_pattern",
        bundle.rootfs().join("dev/null"),
    )
    .expect("a link");
    let before =
        fs::read_to_string("/proc/sys/kernel/core_pattern").expect("a setting of the host");
    let done = bundle.run();
    assert!(
        done.code != 0 || ["", "0"].contains(&done.text().as_str()),
        "masked or refused: {done}"
    );
    assert_eq!(
        fs::read_to_string("/proc/sys/kernel/core_pattern").expect("a setting of the host"),
        before
    );
}

/// 2025-52881: writes to /proc end where they should though something else is mounted there.
#[test]
fn a_false_proc_takes_no_setting() {
    let host = tests::host!();
    let fake = host.path("fake");
    fs::create_dir_all(fake.join("sys/kernel")).expect("a directory");
    fs::write(fake.join("sys/kernel/msgmax"), "untouched").expect("a file");
    let mut bundle =
        Bundle::new(&host, "c1", "true").set("/linux/sysctl", json!({"kernel.msgmax": "4096"}));
    bundle.config["mounts"] =
        json!([{"destination": "/proc", "type": "bind", "source": fake, "options": ["rbind"]}]);
    let done = bundle.run();
    assert!(!done.stderr.contains("panicked"), "{done}");
    assert_eq!(
        fs::read_to_string(fake.join("sys/kernel/msgmax")).expect("the file"),
        "untouched"
    );
}

/// 2026-30892 and before: users that are not numbers.
#[test]
fn users_are_strict() {
    let host = tests::host!();
    let bundle = Bundle::new(&host, "c1", "sleep 1000");
    bundle.create().ok();
    bundle.verb("start", &[]).ok();
    for user in [
        "1000:",
        "-1",
        "4294967295",
        "4294967296",
        "root",
        "0:x",
        "",
        " 0",
        "0x0",
    ] {
        let done = bundle.verb_with("exec", &[&format!("--user={user}")], &["id", "-u"]);
        assert!(
            done.code != 0 && !done.stderr.is_empty(),
            "{user:?}: {done}"
        );
    }
    bundle.verb_with("delete", &["--force"], &[]).ok();
}

/// A container whose first process dies at once, whose bundle vanishes, whose creator is killed: nothing stays.
#[test]
fn half_made_containers_are_removed() {
    let host = tests::host!();
    let bundle = Bundle::new(&host, "gone", "sleep 1000");
    bundle.create().ok();
    fs::remove_dir_all(bundle.directory()).expect("the bundle is deleted after create");
    minirun(&host, ["delete", "--force", "gone"]).ok();
    let bundle = Bundle::new(&host, "killed", "sleep 1000");
    bundle.create().ok();
    let pid = bundle.verb("state", &[]).ok().json()["pid"]
        .as_i64()
        .expect("a process id");
    host.sh(&format!("kill -9 {pid}")).ok();
    tests::eventually("it is stopped", || {
        (bundle.verb("state", &[]).ok().json()["status"] == "stopped").then_some(())
    });
    bundle.verb("start", &[]).refused(1, &["killed"]);
    bundle.verb("delete", &[]).ok();
    for step in 0..15_u32 {
        let bundle = Bundle::new(&host, &format!("step{step}"), "true");
        let run = bundle.spawn();
        std::thread::sleep(std::time::Duration::from_micros(u64::from(step) * 700));
        run.kill9();
        tests::eventually("it can be deleted", || {
            (minirun(&host, ["delete", "--force", bundle.id()]).code == 0).then_some(())
        });
    }
}

/// Someone else's terminal: characters pushed into it would be typed commands.
#[test]
fn no_character_is_pushed_into_the_callers_terminal() {
    let host = tests::host!();
    let bundle =
        Bundle::new(&host, "c1", "").set("/process/args", json!(["/bin/probe", "tiocsti"]));
    bundle.write();
    let line = format!(
        "{} --root {}/runtime run --bundle {} c1",
        tests::host::binary("minirun").display(),
        host.run_root().display(),
        bundle.directory().display()
    );
    let mut script = host.command("/usr/bin/script");
    script
        .args(["-qec", &line, "/dev/null"])
        .env("SHELL", "/bin/sh");
    let done = tests::command::run(script);
    assert!(!done.stdout.contains("ok"), "{done}");
}
