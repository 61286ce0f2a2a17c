//! A stack's life in the words of a person: planned, deployed, changed, returned, pruned, all of it twice.

use crate::scene::{STACK, scene};

/// `web` of a version, whose configuration says `word`, with another service beside it or not.
fn version(number: u32, word: &str, beside: bool) -> String {
    let other = "
  other:
    <<: *task
    command: sh /flags/run other
";
    format!(
        "
services:
  web:
    <<: *task
    command: [sh, -c, 'echo has $$(cat /word) >>/flags/story; exec sh /flags/run web{number}']
    configs: [{{source: word, target: /word}}]
    deploy: {{replicas: 2, update_config: {{monitor: 100ms, parallelism: 0}}}}{}
configs:
  word: {{content: {word}}}
",
        if beside { other } else { "" }
    )
}

#[test]
fn a_plan_changes_nothing_and_what_it_planned_is_done_once() {
    let scene = scene!(1, 1);
    let first = version(1, "apple", true);
    let planned = scene.plan(&first).code(2);
    for line in [
        "+ create service shop_web",
        "+ create service shop_other",
        "+ create network shop_default",
        "+ create config shop_word",
    ] {
        assert!(planned.stdout.contains(line), "{line:?}: {planned}");
    }
    assert_eq!(scene.plan(&first).code(2).stdout, planned.stdout);
    let on = |words: &str| scene.on("node1", words).ok().lines();
    assert_eq!(on("service ls -q"), [""; 0]);
    assert_eq!(on("config ls -q"), [""; 0]);
    let dry = scene.up(&first, &["--dry-run"]).code(2);
    assert_eq!(dry.stdout, planned.stdout);

    scene
        .up(&first, &["-q"])
        .ok()
        .has("deployed (deployment 1)");
    scene.plan(&first).ok().prints("nothing would change");
    let seen = || (scene.tasks(), scene.service("web"), scene.story().len());
    let before = seen();
    scene
        .up(&first, &["-q"])
        .ok()
        .has("nothing to change (deployment 1)");
    scene.plan(&first).ok().prints("nothing would change");
    let after = seen();
    assert_eq!(before.1["Version"], after.1["Version"]);
    assert_eq!(before.2, after.2, "nothing was started or stopped");

    // What replaces no task says so.
    let scaled = first.replace("replicas: 2", "replicas: 3");
    scene
        .plan(&scaled)
        .code(2)
        .has("~ adjust service shop_web")
        .has("replicas: 2 -> 3");
    scene.up(&scaled, &["-q"]).ok();
    assert_eq!(scene.told("up web1"), 3);
    assert_eq!(scene.told("down web1"), 0);
    scene
        .plan(&version(2, "apple", true).replace("replicas: 2", "replicas: 3"))
        .code(2)
        .has("~ update service shop_web");
}

#[test]
fn what_was_deployed_can_be_returned_to() {
    let scene = scene!(1, 0);
    scene.up(&version(1, "apple", false), &["-q"]).ok();
    scene.up(&version(2, "pear", false), &["-q"]).ok();
    scene.up(&version(3, "pear", true), &["-q"]).ok();
    assert_eq!(scene.told("has pear"), 4, "a changed file is a new file");
    let numbers = || {
        let words = "stack history --format '{{.Deployment}}' shop";
        scene.on("node1", words).ok().lines()
    };
    assert_eq!(numbers(), ["3", "2", "1"]);
    let roll_back = |more: &[&str]| {
        let mut words = vec!["stack", "rollback", "-q", "--wait-timeout", "40s"];
        words.extend(more);
        words.push(STACK);
        scene.on("node1", words)
    };
    roll_back(&["--to", "17"]).refused(1, &["17"]);
    roll_back(&["--dry-run"])
        .code(2)
        .has("~ update service shop_web")
        .has("- remove service shop_other");
    assert_eq!(numbers(), ["3", "2", "1"]);

    roll_back(&[]).ok().has("deployment 4");
    scene.until_told("gone other", 1);
    scene.until_told("up web2", 4);
    roll_back(&["--to", "1"]).ok().has("deployment 5");
    scene.until_told("up web1", 4);
    assert_eq!(scene.told("has apple"), 4, "the files come back too");
    assert_eq!(numbers(), ["5", "4", "3", "2", "1"]);
    scene
        .plan(&version(1, "apple", false))
        .ok()
        .prints("nothing would change");
    // One can go forward again.
    roll_back(&["--to", "3"]).ok();
    scene.until_told("up web3", 4);
    scene.until_told("up other", 2);
    scene.until_state("web", 2, "Running");
    scene.down();
    scene.is_gone(&["node1"]);
}

#[test]
fn services_that_the_files_lost_stay_until_they_are_pruned() {
    let scene = scene!(1, 0);
    scene.up(&version(1, "apple", true), &["-q"]).ok();
    let fewer = version(1, "apple", false);
    scene.up(&fewer, &["-q"]).ok();
    scene.until_state("other", 1, "Running");
    scene.up(&fewer, &["-q", "--prune"]).ok();
    scene.until_told("gone other", 1);
    let services = || {
        let words = "stack services --format '{{.Name}}' shop";
        scene.on("node1", words).ok().lines()
    };
    scene.until("other is gone", || services() == ["shop_web"]);
    assert_eq!(scene.told("up web1"), 2, "web was left alone");
}

#[test]
fn of_two_deployments_at_once_one_is_the_last() {
    let scene = scene!(3, 0);
    let (pears, plums) = (version(1, "pear", false), version(2, "plum", true));
    let first = scene.begin_up_on("node1", &pears, &["-q"]);
    let second = scene.begin_up_on("node2", &plums, &["-q"]);
    let third = scene.begin_up_on("node3", &plums, &["-q"]);
    for running in [first, second, third] {
        let done = running.wait();
        assert!(
            done.code == 0 || done.stderr.contains("at the same time"),
            "it is done, or says what was in its way: {done}"
        );
    }
    let args = scene.service("web")["Spec"]["TaskTemplate"]["ContainerSpec"]["Args"].to_string();
    let (word, text) = match args.contains("web1") {
        true => ("web1", &pears),
        false => ("web2", &plums),
    };
    scene.up(text, &["-q"]).ok().has("nothing to change");
    scene.until_state("web", 2, "Running");
    let running = scene.told(&format!("up {word}")) - scene.told(&format!("down {word}"));
    assert_eq!(running, 2, "{:?}", scene.story());
    let networks = scene.on("node1", "network ls --format '{{.Name}}'").ok();
    let made = networks.lines();
    let made = made.iter().filter(|name| *name == "shop_default");
    assert_eq!(made.count(), 1, "{networks}");
}
