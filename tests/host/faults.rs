//! What goes wrong on a host that is full, lost or crowded: a clear message, nothing half-made, and the next command works.

use std::time::Duration;

use serde_json::json;
use tests::Host;
use tests::image::Image;

/// Puts the data root on a file system of so many mebibytes.
fn small_disk(host: &Host, mebibytes: u32) {
    host.sh(&format!(
        "mount -t tmpfs -o size={mebibytes}m none {}",
        host.data().display()
    ))
    .ok();
}

/// Takes that file system away again.
fn large_disk(host: &Host) {
    host.sh(&format!("umount {}", host.data().display())).ok();
}

#[test]
fn a_full_disk_in_a_pull() {
    let mut host = tests::host!();
    let image = host.registry().push("busybox", "latest", &Image::busybox());
    small_disk(&host, 2);
    host.minictl(format!("pull -q {image}"))
        .refused(1, &["no space"]);
    host.minictl(format!("run --rm {image} true"))
        .refused(125, &["no space"]);
    host.minictl("images -q").ok().prints("");
    host.sh(&format!(
        "mount -o remount,size=64m {}",
        host.data().display()
    ))
    .ok();
    host.minictl(format!("run --rm --network none {image} echo room"))
        .ok()
        .prints("room");
    assert!(
        host.leaks().iter().all(|leak| leak.contains("mount ")),
        "{:?}",
        host.leaks()
    );
    large_disk(&host);
}

#[test]
fn a_full_disk_in_create() {
    let mut host = tests::host!();
    let image = host.registry().push("busybox", "latest", &Image::busybox());
    small_disk(&host, 16);
    host.minictl(format!("pull -q {image}")).ok();
    host.sh(&format!(
        "dd if=/dev/zero of={}/filler bs=1k 2>/dev/null || true",
        host.data().display()
    ))
    .ok();
    host.minictl(format!("run --name never {image} true"))
        .refused(125, &["no space"]);
    host.minictl(format!("create --name never {image} true"))
        .refused(125, &["no space"]);
    host.minictl("volume create never")
        .refused(1, &["no space"]);
    host.minictl("ps -aq").ok().prints("");
    host.sh(&format!("rm {}/filler", host.data().display()))
        .ok();
    host.minictl(format!(
        "run --rm --name never --network none {image} echo room"
    ))
    .ok()
    .prints("room");
    assert!(
        host.leaks().iter().all(|leak| leak.contains("mount ")),
        "{:?}",
        host.leaks()
    );
    large_disk(&host);
}

#[test]
fn a_limit_the_kernel_refuses() {
    let mut host = tests::host!();
    let image = host.busybox();
    // More than this machine has.
    host.minictl(format!("run --rm --cpuset-cpus 0-9999 {image} true"))
        .refused(125, &["cpuset"]);
    host.minictl(format!("run -d --name xx --cpuset-mems 77 {image} true"))
        .refused(125, &["77"]);
    host.minictl("rm -f xx");
    assert!(host.containers().is_empty());
}

#[test]
fn a_resource_limit_above_the_hosts() {
    let mut host = tests::host!();
    let image = host.busybox();
    let script = format!(
        "ulimit -n 1024; exec setpriv --bounding-set -sys_resource --inh-caps -sys_resource {} run --rm --network none --ulimit nofile=4096:4096 {image} true",
        tests::host::binary("minictl").display()
    );
    host.sh(&script).refused(125, &["nofile", "4096"]);
    let script = script.replace("nofile=4096:4096", "nofile=512:1024");
    host.sh(&script).ok();
}

#[test]
fn two_of_one_name_at_once() {
    let mut host = tests::host!();
    let image = host.busybox();
    for _ in 0..5 {
        let both: Vec<_> = (0..2)
            .map(|_| {
                host.spawn(format!(
                    "run -d --name same --network none {image} sleep 1000"
                ))
            })
            .collect();
        let done: Vec<_> = both.into_iter().map(|run| run.wait()).collect();
        let mut codes: Vec<i32> = done.iter().map(|done| done.code).collect();
        codes.sort_unstable();
        assert_eq!(codes, [0, 125], "{} {}", done[0], done[1]);
        let loser = done.iter().find(|done| done.code == 125).expect("a loser");
        assert!(loser.stderr.contains("same"), "{loser}");
        assert_eq!(host.containers().len(), 1);
        host.minictl("rm -f same").ok();
    }
}

#[test]
fn fifty_at_once() {
    let mut host = tests::host!();
    let image = host.busybox();
    let runs: Vec<_> = (0..50)
        .map(|number| {
            (
                number,
                host.spawn([
                    "run",
                    "--rm",
                    &image,
                    "sh",
                    "-c",
                    &format!(
                        "ip -o -4 address show eth0 | tr -s ' ' | cut -d' ' -f4; exit {number}"
                    ),
                ]),
            )
        })
        .collect();
    let mut addresses = Vec::new();
    for (number, run) in runs {
        let done = run.wait_for(Duration::from_secs(100)).code(number);
        assert!(done.text().ends_with("/16"), "{done}");
        addresses.push(done.text());
    }
    assert_eq!(addresses.len(), 50);
    host.minictl("ps -aq").ok().prints("");
}

#[test]
fn fifty_that_stay() {
    let mut host = tests::host!();
    let image = host.busybox();
    let runs: Vec<_> = (0..50)
        .map(|number| {
            host.spawn([
                "run",
                "-d",
                "--name",
                &format!("c{number}"),
                "-p",
                &format!("{}:80", 9000 + number),
                &image,
                "sleep",
                "1000",
            ])
        })
        .collect();
    for run in runs {
        run.wait_for(Duration::from_secs(100)).ok();
    }
    assert_eq!(host.minictl("ps -q").ok().lines().len(), 50);
    let addresses: std::collections::BTreeSet<String> = (0..50)
        .map(|number| {
            host.minictl([
                "inspect",
                "-f",
                "{{.NetworkSettings.IPAddress}}",
                &format!("c{number}"),
            ])
            .ok()
            .text()
        })
        .collect();
    assert_eq!(addresses.len(), 50, "each has an address of its own");
    let names: Vec<String> = (0..50).map(|number| format!("c{number}")).collect();
    host.minictl(format!("rm -f {}", names.join(" "))).ok();
}

#[test]
fn the_run_root_is_lost_as_by_a_reboot() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl("network create own").ok();
    host.minictl(format!("run -d --name kept --network own -p 8080:80 -v store:/store {image} sh -c 'echo run >> /kept; cat /kept; sleep 1000'"))
    .ok();
    host.minictl(format!(
        "run -d --rm --name gone --network none {image} sleep 1000"
    ))
    .ok();
    host.until_logged("kept", "run");
    host.reboot();
    host.minictl("ps -q").ok().prints("");
    host.minictl("ps -a --format {{.Names}}")
        .ok()
        .prints("kept");
    assert_eq!(host.inspect("kept", "/State/Status"), "exited");
    host.minictl("start kept").ok();
    host.until_logged("kept", "run\nrun");
    host.minictl("rm -f kept").ok();
    host.minictl("volume rm store").ok();
    host.minictl("network rm own").ok();
}

#[test]
fn a_record_that_is_damaged_is_told_of_and_removable() {
    let mut host = tests::host!();
    let image = host.busybox();
    let id = host
        .minictl(format!("create --name hurt --network none {image} true"))
        .ok()
        .text();
    let record = host
        .data()
        .join("containers")
        .join(&id)
        .join("container.json");
    std::fs::write(&record, "{").expect("damage the record");
    host.minictl(format!("create --name fine --network none {image} true"))
        .ok();
    let listed = host.minictl("ps -a").ok();
    assert!(
        listed.stdout.contains("fine") && listed.stderr.contains("damaged"),
        "{listed}"
    );
    host.minictl("rm fine").ok();
    host.minictl(format!(
        "run --rm --network none {image} echo 'others work'"
    ))
    .ok()
    .prints("others work");
    host.minictl("rm hurt").refused(1, &["damaged", "rm -f"]);
    host.minictl("rm -f hurt").ok();
    host.minictl(format!("create --name hurt --network none {image} true"))
        .ok();
    assert_eq!(host.inspect("hurt", "/State/Status"), json!("created"));
    host.minictl("rm -f hurt").ok();
}
