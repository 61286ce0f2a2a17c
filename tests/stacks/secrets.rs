//! What is secret is in the memory of the nodes that need it, and nowhere else.

use std::fs;
use std::path::Path;

use crate::scene::{Scene, scene};

const FIRST: &str = "velvet-harbour-4711";
const SECOND: &str = "copper-lantern-0815";

const TEXT: &str = r#"
services:
  web:
    <<: *task
    command: [sh, -c, 'echo key $$(md5sum </run/secrets/key) >>/flags/story; cat /run/secrets/other >/dev/null; exec sh /flags/run web']
    secrets: [key, {source: key, target: other, mode: 0400}]
    deploy:
      placement: {constraints: ["node.hostname == node2"]}
      update_config: {monitor: 100ms}
secrets:
  key: {environment: KEY}
"#;

fn up(scene: &Scene, secret: &str, verb: &[&str]) -> tests::Done {
    let file = scene.compose(TEXT);
    let words = [verb, &["-c", &file, "shop"]].concat();
    let mut command = scene.command("node1", "minictl");
    command.env("KEY", secret).args(words);
    tests::Running::start(command).wait()
}

/// Files below a directory that hold any of these words, as they are or in base64.
fn holding(directory: &Path, words: &[&str], found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let kind = entry.file_type().expect("the type of a file");
        if kind.is_dir() {
            holding(&path, words, found);
        }
        if !kind.is_file() {
            continue;
        }
        let bytes = fs::read(&path).unwrap_or_default();
        let holds = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
        if words.iter().any(|word| holds(word.as_bytes())) {
            found.push(path.display().to_string());
        }
    }
}

/// `words`, and what their first bytes are in base64 and in hex.
fn spelled(words: &[&str]) -> Vec<String> {
    let base64 = |word: &str| {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let groups = word.as_bytes().chunks_exact(3).map(|group| {
            let bits = group
                .iter()
                .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
            [18, 12, 6, 0].map(|shift| char::from(letters[bits >> shift & 63]))
        });
        groups.flatten().collect::<String>()
    };
    let hex = |word: &str| {
        word.bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let mut all = Vec::new();
    for word in words {
        all.extend([(*word).to_owned(), base64(word), hex(word)]);
    }
    all
}

#[test]
fn secrets_are_in_the_memory_of_the_node_that_needs_them_alone() {
    let scene = scene!(1, 2);
    let words = spelled(&[FIRST, SECOND]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let is_hidden = |text: &str, place: &str| {
        let shown = words.iter().find(|word| text.contains(**word));
        assert_eq!(shown, None, "{place} shows a secret: {text}");
    };
    let planned = up(&scene, FIRST, &["stack", "plan"]).code(2);
    is_hidden(&planned.to_string(), "stack plan");
    let done = up(&scene, FIRST, &["stack", "up"]).ok();
    is_hidden(&done.to_string(), "stack up");
    let sum = |secret: &str| {
        let sum = scene
            .host()
            .sh(&format!("printf %s {secret} | md5sum"))
            .ok();
        format!("key {}", sum.text().split("  ").next().unwrap_or_default())
    };
    scene.until("the container has read it", || {
        scene
            .story()
            .iter()
            .any(|line| line.starts_with(&sum(FIRST)))
    });

    // Only there, and it is memory.
    let found = |node: &str, word: &str| {
        let script = format!("grep -rlF {word} $MINI_RUN_ROOT $MINI_DATA_ROOT || true");
        scene.sh(node, &script).ok().lines()
    };
    let memory = found("node2", FIRST);
    assert!(!memory.is_empty(), "the node that runs it has it");
    for file in &memory {
        let kind = scene.sh("node2", &format!("stat -f -c %T {file}"));
        assert_eq!(kind.ok().text(), "tmpfs", "{file}");
        let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups cat";
        let refused = scene.sh("node2", &format!("{nobody} {file}"));
        refused.refused(1, &["permission denied"]);
    }
    for node in ["node1", "node3"] {
        assert_eq!(found(node, FIRST), [""; 0], "{node} does not need it");
    }
    // Another one who becomes a manager gets all that the cluster knows, sealed.
    scene.on("node1", "node promote node3").ok();
    scene.eventually("node3 is a manager", || {
        let status = scene.on("node3", "cluster status");
        status.stdout.contains("2 managers").then_some(())
    });

    // Rotated: the old one goes, the new one is there, and the container was replaced.
    up(&scene, FIRST, &["stack", "plan"]).code(0);
    let planned = up(&scene, SECOND, &["stack", "plan"]).code(2);
    is_hidden(&planned.to_string(), "stack plan");
    assert!(
        planned.stdout.contains("~ update service shop_web"),
        "{planned}"
    );
    up(&scene, SECOND, &["stack", "up"]).ok();
    scene.until("the container has read the new one", || {
        scene
            .story()
            .iter()
            .any(|line| line.starts_with(&sum(SECOND)))
    });
    assert_eq!(found("node2", SECOND).len(), 2, "both files are new");
    scene.until("the node forgets the old one with its task's end", || {
        found("node2", FIRST).is_empty()
    });

    // Nobody is told.
    for line in [
        "secret ls",
        "service inspect shop_web",
        "service inspect --pretty shop_web",
        "service logs shop_web",
        "stack history shop",
        "stack ps --no-trunc shop",
    ] {
        is_hidden(&scene.on("node1", line).ok().to_string(), line);
    }
    for line in [
        "for id in $(minictl secret ls -q); do minictl secret inspect $id; done",
        "for id in $(minictl stack ps -q shop); do minictl task inspect $id; done",
    ] {
        let told = scene.sh("node1", line).ok();
        assert!(told.stdout.contains("shop"), "{told}");
        is_hidden(&told.to_string(), line);
    }
    let events = scene.spawn("node1", "events --since 1 --format json");
    scene.until("events are told", || events.stdout().contains("shop_key"));
    is_hidden(&events.kill9().to_string(), "events");
    let config = up(&scene, SECOND, &["stack", "config"]).ok();
    is_hidden(&config.to_string(), "stack config");
    let inspected = scene.sh("node2", "minictl inspect $(minictl ps -aq)").ok();
    is_hidden(&inspected.to_string(), "inspect");

    // As the disk is seen from outside of the hosts: data roots, logs of daemons, Raft's log and snapshots.
    let mut files = Vec::new();
    holding(&scene.host().path("labs"), &words, &mut files);
    assert_eq!(files, [""; 0], "on disk");
    let raft = fs::metadata(scene.host().path("labs"));
    assert!(raft.is_ok(), "the labs are where they were looked for");
    scene.down();
    scene.is_gone(&["node1", "node2", "node3"]);
    for secret in [FIRST, SECOND] {
        assert_eq!(found("node2", secret), [""; 0]);
    }
}
