//! What a container has printed, read later or as it comes.

use std::time::Duration;

#[test]
fn both_streams_are_kept_apart_and_in_order() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl(format!("run -d --name two --network none {image} sh -c 'echo one; echo bad >&2; echo two; printf end'"))
    .ok();
    host.minictl("wait two").ok().prints("0");
    let logs = host.minictl("logs two").ok();
    assert_eq!(
        (logs.stdout.as_str(), logs.stderr.as_str()),
        ("one\ntwo\nend", "bad\n")
    );
    let tail = host.minictl("logs --tail 1 two").ok();
    assert_eq!(tail.stdout, "end");
    let stamped = host.minictl("logs -t two").ok();
    let first = stamped.stdout.lines().next().unwrap_or_default();
    assert!(
        first.starts_with("20") && first.contains('T') && first.ends_with(" one"),
        "{stamped}"
    );
    host.minictl("rm two").ok();
    host.minictl("logs two").refused(1, &["two"]);
}

#[test]
fn a_follower_sees_each_line_as_it_comes_and_ends_with_the_container() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl(format!("run -d --name talks --network none {image} sh -c 'echo before; sleep 0.5; echo after; sleep 0.5'"))
    .ok();
    let follower = host.spawn("logs -f talks");
    tests::eventually("the first line", || {
        follower.stdout().contains("before").then_some(())
    });
    follower
        .wait_for(Duration::from_secs(5))
        .ok()
        .prints("before\nafter");
    host.minictl("rm talks").ok();
}

#[test]
fn a_flood_is_kept_whole_or_rotated_as_asked() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl(format!(
        "run -d --name flood --network none {image} seq 1 50000"
    ))
    .ok();
    host.minictl("wait flood").ok();
    assert_eq!(host.minictl("logs flood").ok().lines().len(), 50_000);
    let options = ["--log-opt", "max-size=64k", "--log-opt", "max-file=2"];
    let mut line = vec!["run", "-d", "--name", "small", "--network", "none"];
    line.extend(options);
    line.extend([image.as_str(), "seq", "1", "50000"]);
    host.minictl(line).ok();
    host.minictl("wait small").ok();
    let kept = host.minictl("logs small").ok();
    assert!(
        kept.lines().len() < 10_000,
        "rotated: {} lines",
        kept.lines().len()
    );
    assert!(
        kept.stdout.ends_with("\n50000\n"),
        "the end is what is kept"
    );
    host.minictl("rm flood small").ok();
}
