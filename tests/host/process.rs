//! What a container runs, and as whom: entrypoint and command, environment, user, working directory, host name, standard streams.

use serde_json::json;
use tests::Host;
use tests::image::{Compression, Image, busybox_layer};

/// Runs `minictl run --rm OPTION... IMAGE COMMAND...` and returns what it prints.
#[track_caller]
fn prints(host: &Host, options: &[&str], image: &str, command: &[&str], expected: &str) {
    let mut line = vec!["run", "--rm", "--network", "none"];
    line.extend(options);
    line.push(image);
    line.extend(command);
    host.minictl(line).ok().prints(expected);
}

#[test]
fn the_exit_code_is_passed_on() {
    let mut host = tests::host!();
    let image = host.busybox();
    for (command, code) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("exit 255", 255),
        ("kill -9 $$", 137),
        ("kill -TERM $$; sleep 1", 143),
    ] {
        // The shell is a child: the first process of a pid namespace is deaf to its own signals.
        let script = format!("(sh -c '{command}'); exit $?");
        host.minictl([
            "run",
            "--rm",
            "--network",
            "none",
            &image,
            "sh",
            "-c",
            &script,
        ])
        .code(code);
    }
}

#[test]
fn entrypoint_and_command_follow_the_image() {
    let mut host = tests::host!();
    let base = Image::new().layer(busybox_layer(), Compression::Gzip);
    let registry = host.registry();
    let both = registry.push(
        "both",
        "1",
        &base
            .clone()
            .configured(json!({"Entrypoint": ["echo", "entry"], "Cmd": ["cmd"]})),
    );
    let command = registry.push(
        "command",
        "1",
        &base.clone().configured(json!({"Cmd": ["echo", "cmd"]})),
    );
    let neither = registry.push("neither", "1", &base.configured(json!({"Cmd": null})));
    prints(&host, &[], &both, &[], "entry cmd");
    prints(&host, &[], &both, &["a", "-b", "--c"], "entry a -b --c");
    prints(&host, &["--entrypoint", "echo"], &both, &[], "");
    prints(&host, &["--entrypoint", "echo"], &both, &["own"], "own");
    prints(
        &host,
        &["--entrypoint", ""],
        &both,
        &["echo", "bare"],
        "bare",
    );
    prints(&host, &[], &command, &[], "cmd");
    prints(&host, &[], &command, &["echo", "own"], "own");
    prints(&host, &[], &neither, &["echo", "own"], "own");
    host.minictl(format!("run --rm {neither}"))
        .refused(125, &["command"]);
}

#[test]
fn a_command_that_cannot_run_says_why() {
    let mut host = tests::host!();
    let image = host.busybox();
    for (command, code, word) in [
        ("nosuch", 127, "nosuch"),
        ("/no/such", 127, "/no/such"),
        ("/bin/notexec", 126, "/bin/notexec"),
        ("/etc", 126, "/etc"),
    ] {
        host.minictl(["run", "--rm", &image, command])
            .refused(code, &[word]);
        host.minictl(["run", "-d", "--name", "kept", &image, command])
            .refused(code, &[word]);
        // As in Docker: what could not start is kept, to be looked at.
        assert_eq!(host.inspect("kept", "/State/ExitCode"), json!(code));
        host.minictl("rm kept").ok();
    }
}

#[test]
fn environment_comes_from_image_command_line_and_file() {
    let mut host = tests::host!();
    let image = Image::busybox().configured(json!({"Env": ["PATH=/bin", "A=image", "B=image"]}));
    let image = host.registry().push("env", "1", &image);
    host.set("PASSED", "from outside");
    let file = host
        .file("variables", "# a comment\nC=file\nB=file\n\nPASSED\n")
        .display()
        .to_string();
    let script = "echo $A,$B,$C,$D,$PASSED,$HOME";
    prints(
        &host,
        &[],
        &image,
        &["sh", "-c", script],
        "image,image,,,,/root",
    );
    prints(
        &host,
        &["-e", "A=line", "-e", "D=x=y"],
        &image,
        &["sh", "-c", script],
        "line,image,,x=y,,/root",
    );
    prints(
        &host,
        &["-e", "PASSED", "-e", "UNSET"],
        &image,
        &["sh", "-c", script],
        "image,image,,,from outside,/root",
    );
    prints(
        &host,
        &["--env-file", &file, "-e", "C=line"],
        &image,
        &["sh", "-c", script],
        "image,file,line,,from outside,/root",
    );
    prints(
        &host,
        &["--hostname", "h1"],
        &image,
        &["sh", "-c", "echo $HOSTNAME"],
        "h1",
    );
    prints(
        &host,
        &["-u", "alice"],
        &image,
        &["sh", "-c", "echo $HOME"],
        "/home/alice",
    );
}

#[test]
fn users_are_those_of_the_image() {
    let mut host = tests::host!();
    let image = host.busybox();
    let script = "echo $(id -u):$(id -g) $(id -G)";
    for (user, expected) in [
        ("", "0:0 0"),
        ("root", "0:0 0"),
        ("alice", "1000:1000 1000 50"),
        ("1000", "1000:1000 1000 50"),
        ("alice:staff", "1000:50 50"),
        ("1234", "1234:0 0"),
        ("1234:5678", "1234:5678 5678"),
        (":50", "0:50 50"),
    ] {
        prints(
            &host,
            &["-u", user],
            &image,
            &["sh", "-c", script],
            expected,
        );
    }
    prints(
        &host,
        &["-u", "alice", "--group-add", "7"],
        &image,
        &["sh", "-c", "id -G | tr ' ' '\\n' | sort -n | xargs"],
        "7 50 1000",
    );
    let configured = host.registry().push(
        "alice",
        "1",
        &Image::busybox().configured(json!({"User": "alice"})),
    );
    prints(&host, &[], &configured, &["id", "-un"], "alice");
    prints(&host, &["-u", "root"], &configured, &["id", "-un"], "root");
    for user in ["nosuch", "alice:nosuch", "-1", "4294967295", "a b"] {
        let option = format!("--user={user}");
        let done = host.minictl(["run", "--rm", &option, &image, "id"]);
        assert_eq!(done.code, 125, "{user}: {done}");
    }
    assert!(host.containers().is_empty());
}

#[test]
fn the_working_directory_is_made() {
    let mut host = tests::host!();
    let image = host.busybox();
    prints(&host, &[], &image, &["pwd"], "/");
    prints(
        &host,
        &["-w", "/made/for/it"],
        &image,
        &["pwd"],
        "/made/for/it",
    );
    prints(
        &host,
        &["-w", "/srv/data"],
        &image,
        &["cat", "seed"],
        "from the image",
    );
    let configured = host.registry().push(
        "workdir",
        "1",
        &Image::busybox().configured(json!({"WorkingDir": "/srv/own"})),
    );
    prints(&host, &[], &configured, &["pwd"], "/srv/own");
    host.minictl(format!("run --rm -w relative {image} pwd"))
        .refused(125, &["relative"]);
}

#[test]
fn it_has_a_name_of_its_own() {
    let mut host = tests::host!();
    let image = host.busybox();
    let named = |options: &[&str], script: &str| {
        let mut line = vec!["run", "--rm", "--hostname", "web1"];
        line.extend(options);
        line.extend([image.as_str(), "sh", "-c", script]);
        host.minictl(line).ok().text()
    };
    let script = "hostname; cat /etc/hostname; grep -c web1 /etc/hosts";
    assert_eq!(named(&[], script), "web1\nweb1\n1");
    let script =
        "hostname; grep -c 'web1.example.test' /etc/hosts; cat /proc/sys/kernel/domainname";
    let full = named(&["--domainname", "example.test"], script);
    assert_eq!(full, "web1\n1\nexample.test");
    prints(
        &host,
        &["--add-host", "far:203.0.113.9"],
        &image,
        &["sh", "-c", "grep far /etc/hosts | tr '\\t' ' '"],
        "203.0.113.9 far",
    );
    let id = host
        .minictl(format!("run -d --name own {image} hostname"))
        .ok()
        .text();
    host.minictl("wait own").ok();
    host.minictl("logs own").ok().prints(&id[..12]);
    host.minictl("rm own").ok();
    prints(
        &host,
        &[],
        &image,
        &[
            "sh",
            "-c",
            "grep localhost /etc/hosts | head -1 | tr '\\t' ' '",
        ],
        "127.0.0.1 localhost",
    );
}

#[test]
fn standard_streams_are_connected() {
    let mut host = tests::host!();
    let image = host.busybox();
    let done = host
        .minictl(format!(
            "run --rm --network none {image} sh -c 'echo out; echo err >&2'"
        ))
        .ok();
    assert_eq!(
        (done.stdout.as_str(), done.stderr.as_str()),
        ("out\n", "err\n")
    );
    let mut cat = host.spawn(format!("run --rm -i --network none {image} cat"));
    cat.write("one\ntwo\n");
    cat.close_stdin();
    cat.wait().ok().prints("one\ntwo");
    let mut deaf = host.spawn(format!("run --rm --network none {image} cat"));
    deaf.write("unheard\n");
    deaf.wait().ok().prints("");
    let big = host
        .minictl(format!(
            "run --rm --network none {image} sh -c 'seq 1 200000'"
        ))
        .ok();
    assert_eq!(big.lines().len(), 200_000);
    assert!(
        big.stdout.ends_with("\n200000\n"),
        "the end of a long output"
    );
}

#[test]
fn a_large_input_reaches_it_whole() {
    let mut host = tests::host!();
    let image = host.busybox();
    let mut count = host.spawn(format!("run --rm -i --network none {image} wc -c"));
    count.write(&"0123456789abcdef".repeat(200_000));
    count.close_stdin();
    count.wait().ok().prints("3200000");
}

#[test]
fn signals_to_the_client_reach_the_container() {
    let mut host = tests::host!();
    let image = host.busybox();
    let probe = format!("{}:/probe:ro", tests::host::binary("probe").display());
    let client = host.spawn(format!(
        "run --rm --network none -v {probe} {image} /probe hold"
    ));
    tests::eventually("the container is ready", || {
        client.stdout().contains("ready").then_some(())
    });
    client.signal(libc::SIGTERM);
    client.wait().ok().prints("ready\ngraceful");
}

#[test]
fn an_init_reaps_and_passes_signals_on() {
    let mut host = tests::host!();
    let image = host.busybox();
    prints(
        &host,
        &["--init"],
        &image,
        &["sh", "-c", "test $$ != 1 && echo not first"],
        "not first",
    );
    host.minictl(format!(
        "run --rm --init --network none {image} sh -c 'exit 9'"
    ))
    .code(9);
    host.minictl(format!(
        "run -d --init --name held --network none {image} sleep 100"
    ))
    .ok();
    let stopped = host.minictl("stop -t 5 held").ok();
    assert!(
        stopped.took.as_secs() < 4,
        "SIGTERM ends it at once: {stopped}"
    );
    assert_eq!(host.inspect("held", "/State/ExitCode"), json!(143));
    host.minictl("rm held").ok();
}

#[test]
fn an_init_tells_of_its_command_and_is_not_overwritten() {
    let mut host = tests::host!();
    let image = host.busybox();
    for (command, code) in [("nosuch", 127), ("/bin/notexec", 126), ("/etc", 126)] {
        host.minictl(format!("run --rm --init --network none {image} {command}"))
            .refused(code, &[command]);
    }
    let orphan = "(sleep 0.1 &); sleep 0.5; grep -l 'State:.Z' /proc/[0-9]*/status || echo none";
    prints(&host, &["--init"], &image, &["sh", "-c", orphan], "none");
    for file in ["/proc/1/exe", "/sbin/minirun-init"] {
        // While it runs, the kernel says "text file busy" to a writer before it looks at the mount; to chmod it doesn't.
        let write = format!(
            "(: >>{file}) 2>/dev/null && echo written; chmod 755 {file} 2>&1 | grep -o 'Read-only file system'"
        );
        let command = ["sh", "-c", &write];
        prints(
            &host,
            &["--init"],
            &image,
            &command,
            "Read-only file system",
        );
    }
    let options = ["--init", "--read-only", "--user", "1000"];
    prints(&host, &options, &image, &["id", "-u"], "1000");
}
