//! Stacks that are large, and files that only look so.

use std::fmt::Write as _;
use std::time::Duration;

use crate::scene::{STACK, scene};

/// How many services.
const MANY: usize = 200;

#[test]
fn a_stack_of_two_hundred_services_converges() {
    let scene = scene!(1, 2);
    let mut yaml = String::from("\nservices:\n");
    for number in 0..MANY {
        let _ = writeln!(
            yaml,
            "  s{number}: {{image: 127.0.0.1:5000/busybox, command: sleep 1000, network_mode: none, stop_signal: SIGKILL{}}}",
            match number {
                0 => String::new(),
                // A tree: each waits for one before it.
                _ => format!(", depends_on: [s{}]", number / 8),
            }
        );
    }
    let done = scene.up(&yaml, &["-q", "--wait-timeout", "58s"]).ok();
    println!("{MANY} services: up in {:.1?}", done.took);
    let tasks = scene.on("node1", "stack ps --filter desired-state=running -q shop");
    assert_eq!(tasks.ok().lines().len(), MANY);
    let spread = ["node1", "node2", "node3"].map(|node| scene.containers(node).len());
    assert_eq!(spread.iter().sum::<usize>(), MANY, "{spread:?}");
    assert!(spread.iter().all(|count| *count >= MANY / 4), "{spread:?}");
    scene.plan(&yaml).ok().prints("nothing would change");
    let down = scene.down();
    println!("{MANY} services: down in {:.1?}", down.took);
    scene.is_gone(&["node1", "node2", "node3"]);
}

#[test]
fn files_that_grow_when_they_are_read_are_refused_at_once() {
    let scene = scene!(1, 0);
    let check = |text: &str, words: &[&str]| {
        let file = scene.host().file("laughs.yml", text);
        let file = file.display().to_string();
        for verb in ["config", "plan", "up"] {
            let done = scene.on("node1", ["stack", verb, "-c", &file, STACK]);
            assert!(
                done.took < Duration::from_secs(5),
                "{verb}: {:?}",
                done.took
            );
            let size = done.stderr.len();
            assert!(size < 4_000, "{verb} says {size} bytes");
            done.refused(1, words);
        }
    };
    let mut laughs = String::from("x-0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for number in 1..12 {
        let of = format!("*a{}", number - 1);
        let _ = writeln!(
            laughs,
            "x-{number}: &a{number} [{}]",
            vec![of; 9].join(", ")
        );
    }
    laughs.push_str("services: {web: {image: busybox, command: *a11}}\n");
    check(&laughs, &["laughs.yml"]);

    // 1 MB in which every anchor holds all anchors before it.
    let mut anchors = String::new();
    let mut number = 0;
    while anchors.len() < 1_000_000 {
        let _ = match number {
            0 => writeln!(anchors, "x-0: &b0 {{a: b}}"),
            _ => writeln!(
                anchors,
                "x-{number}: &b{number} {{<<: *b{}, c: [*b{}, *b0]}}",
                number - 1,
                number - 1
            ),
        };
        number += 1;
    }
    anchors.push_str("services: {web: {image: busybox}}\n");
    check(&anchors, &["laughs.yml"]);

    // Deep, and nothing but deep.
    let deep = format!("services: {}", "[".repeat(1_000_000));
    check(&deep, &["laughs.yml"]);
    let on = |words: &str| scene.on("node1", words).ok().lines();
    assert_eq!(on("stack ls -q"), [""; 0]);
}
