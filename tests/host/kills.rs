//! `kill -9` in the middle of things. Whatever was left is healed by the next command.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;
use tests::Host;
use tests::fake::{Fake, Fault};
use tests::image::{Compression, Image, busybox_layer};

/// Kills `minictl LINE` after each of a range of delays, from at once to when it would be done; after each the host is asked
/// whether it still works, and `after` cleans up.
fn at_every_moment(host: &Host, before: impl Fn(), line: &[&str], after: impl Fn()) {
    before();
    let whole = host.minictl(line);
    after();
    let steps = 16;
    for step in 0..steps {
        before();
        let victim = host.spawn(line);
        sleep(whole.took.min(Duration::from_secs(2)) * step / steps);
        victim.kill9();
        // The next command heals, and every list can be read.
        host.minictl("ps -a").ok();
        after();
    }
    let left: Vec<String> = host.leaks();
    assert!(
        left.is_empty(),
        "left after kill -9 of {line:?}:\n{}",
        left.join("\n")
    );
}

/// Waits until no container of the host is half-way (its monitor may still be at work after `minictl` was killed).
fn remove_all(host: &Host) {
    tests::eventually("all containers can be removed", || {
        let all = host.containers();
        if all.is_empty() {
            return Some(());
        }
        host.minictl(format!("rm -f {}", all.join(" ")));
        None
    });
}

#[test]
fn in_a_pull() {
    let host = tests::host!();
    let fake = Fake::start(&host);
    let image = Image::new().layer(busybox_layer(), Compression::Plain);
    let layer = image.layer_digests()[0].clone();
    let reference = fake.push("app", "1", &image);
    fake.fault(&layer, Fault::Slow(20_000, Duration::from_millis(10)), 1);
    let pull = host.spawn(format!("pull -q {reference}"));
    tests::eventually("the layer is asked for", || {
        (fake.gets(&layer) == 1).then_some(())
    });
    sleep(Duration::from_millis(300));
    pull.kill9();
    host.minictl("images -q").ok().prints("");
    host.minictl(format!("pull -q {reference}")).ok();
    let resumed = fake
        .requests()
        .iter()
        .any(|request| request.path.contains(&layer) && request.headers.contains_key("range"));
    assert!(
        resumed,
        "the second pull goes on where the first was killed"
    );
    host.minictl(format!(
        "run --rm --network none {reference} cat /srv/data/seed"
    ))
    .ok()
    .prints("from the image");
}

#[test]
fn at_every_moment_of_a_pull() {
    let mut host = tests::host!();
    let image = host.registry().push("busybox", "latest", &Image::busybox());
    at_every_moment(
        &host,
        || (),
        &["pull", "-q", &image],
        || {
            host.minictl(format!("pull -q {image}")).ok();
            host.minictl(format!(
                "run --rm --network none {image} cat /srv/data/seed"
            ))
            .ok()
            .prints("from the image");
            host.minictl(format!("rmi {image}")).ok();
        },
    );
}

#[test]
fn in_create() {
    let mut host = tests::host!();
    let image = host.busybox();
    at_every_moment(
        &host,
        || (),
        &["create", "--name", "xx", "-v", "v:/v", &image, "true"],
        || {
            remove_all(&host);
            host.minictl(format!("create --name xx --network none {image} true"))
                .ok();
            host.minictl("rm xx").ok();
        },
    );
    host.minictl("volume rm v");
}

#[test]
fn in_run() {
    let mut host = tests::host!();
    let image = host.busybox();
    at_every_moment(
        &host,
        || (),
        &[
            "run", "-d", "--name", "xx", "-p", "8080:80", &image, "sleep", "1000",
        ],
        || {
            remove_all(&host);
            host.minictl(format!("run --rm --name xx -p 8080:80 {image} true"))
                .ok();
        },
    );
}

#[test]
fn in_start() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl("network create own").ok();
    let make = || {
        host.minictl(format!(
            "create --name xx --network own -p 8080:80 {image} sleep 1000"
        ))
        .ok();
    };
    at_every_moment(&host, make, &["start", "xx"], || {
        // Either it runs or it can be started.
        let state = host.inspect("xx", "/State/Status");
        assert!(
            ["created", "running", "exited"]
                .iter()
                .any(|status| state == *status),
            "{state}"
        );
        tests::eventually("it starts", || {
            (host.minictl("start xx").code == 0).then_some(())
        });
        remove_all(&host);
    });
    host.minictl("network rm own").ok();
}

#[test]
fn in_stop_and_remove() {
    let mut host = tests::host!();
    let image = host.busybox();
    let make = || {
        host.minictl(format!("run -d --name xx -p 8080:80 {image} sleep 1000"))
            .ok();
    };
    for verb in [&["stop", "-t", "0", "xx"][..], &["rm", "-f", "xx"]] {
        at_every_moment(&host, make, verb, || remove_all(&host));
    }
}

#[test]
fn of_the_client_in_the_foreground() {
    let mut host = tests::host!();
    let image = host.busybox();
    let client = host.spawn(format!(
        "run --name xx {image} sh -c 'echo ready; while :; do echo tick; sleep 0.05; done'"
    ));
    tests::eventually("the container prints", || {
        client.stdout().contains("tick").then_some(())
    });
    client.kill9();
    // As with Docker: the container does not depend on who started it.
    sleep(Duration::from_millis(300));
    assert_eq!(host.inspect("xx", "/State/Running"), json!(true));
    host.minictl("exec xx true").ok();
    host.minictl("rm -f xx").ok();
}

#[test]
fn of_the_monitor() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl(format!("run -d --name xx -p 8080:80 {image} sleep 1000"))
        .ok();
    let pid = host
        .inspect("xx", "/State/Pid")
        .as_i64()
        .expect("a process id");
    kill_parent(pid);
    tests::eventually("the container dies with its monitor", || {
        (!PathBuf::from(format!("/proc/{pid}")).exists()).then_some(())
    });
    host.minictl("ps -q").ok().prints("");
    assert_eq!(host.inspect("xx", "/State/Status"), "exited");
    assert_eq!(host.inspect("xx", "/State/ExitCode"), json!(137));
    // Its port and its address are free again, and it can be started again.
    host.minictl(format!("run --rm -p 8080:80 {image} true"))
        .ok();
    host.minictl("start xx").ok();
    assert_eq!(host.inspect("xx", "/State/Running"), json!(true));
    let pid = host
        .inspect("xx", "/State/Pid")
        .as_i64()
        .expect("a process id");
    kill_parent(pid);
    host.minictl("rm -f xx").ok();
}

#[test]
fn of_the_monitor_of_a_container_that_removes_itself() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl(format!("run -d --rm --name xx {image} sleep 1000"))
        .ok();
    let pid = host
        .inspect("xx", "/State/Pid")
        .as_i64()
        .expect("a process id");
    kill_parent(pid);
    tests::eventually("the next command removes it", || {
        host.containers().is_empty().then_some(())
    });
}

#[test]
fn of_the_resolver() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl("network create own").ok();
    for name in ["one", "two"] {
        host.minictl(format!(
            "run -d --name {name} --network own {image} sleep 1000"
        ))
        .ok();
    }
    host.minictl("exec one ping -c1 -w3 two").ok();
    for pid in host.watched().processes() {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if line.contains("resolver") {
            // SAFETY: kill has no memory effects; the process is one of this host's own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    }
    // The next command that connects something brings it back.
    host.minictl(format!("run --rm --network own {image} ping -c1 -w3 two"))
        .ok();
    host.minictl("exec one ping -c1 -w3 two").ok();
    host.minictl("rm -f one two").ok();
    host.minictl("network rm own").ok();
}

/// `kill -9` of the process that `pid` is a child of: the container's monitor.
fn kill_parent(pid: i64) {
    let stat =
        std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the container's process");
    let parent: i32 = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.split(' ').nth(1))
        .and_then(|text| text.parse().ok())
        .expect("a parent");
    let name = std::fs::read_to_string(format!("/proc/{parent}/cmdline")).expect("the parent");
    assert!(
        name.contains("minirun"),
        "the parent of a container is its monitor, not {name:?}"
    );
    // SAFETY: kill has no memory effects; the process was just seen to be this container's monitor.
    unsafe { libc::kill(parent, libc::SIGKILL) };
}
