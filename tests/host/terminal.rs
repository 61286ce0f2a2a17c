//! Terminals: `-t`, window size, detaching, raw input.

#[test]
fn a_terminal_is_one() {
    let mut host = tests::host!();
    let image = host.busybox();
    let done = host.terminal(
        &[
            "run",
            "-it",
            "--rm",
            "--network",
            "none",
            &image,
            "sh",
            "-c",
            "tty; stty size; echo $TERM; test -t 0 && test -t 1 && test -t 2 && echo all",
        ],
        &[],
    );
    let said = done.stdout.replace('\r', "");
    for line in ["/dev/pts/0", "40 132", "xterm", "all"] {
        assert!(said.contains(line), "{line} in {done}");
    }
    assert_eq!(done.code, 0, "{done}");
}

#[test]
fn what_is_typed_is_heard_and_the_code_comes_back() {
    let mut host = tests::host!();
    let image = host.busybox();
    let done = host.terminal(
        &["run", "-it", "--rm", "--network", "none", &image, "sh"],
        &[("# ", "echo typed-$((40+2))\n"), ("typed-42", "exit 5\n")],
    );
    assert!(done.stdout.contains("typed-42"), "{done}");
    assert_eq!(done.code, 5, "{done}");
}

#[test]
fn a_terminal_without_one_is_refused() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl(format!("run -it --rm {image} true"))
        .refused(1, &["tty"]);
    // Without -i nothing is wrong: Docker makes a terminal for the container's output alone.
    host.minictl(format!(
        "run -t --rm --network none {image} sh -c 'test -t 1 && echo yes'"
    ))
    .ok()
    .has("yes");
}

#[test]
fn control_p_control_q_leaves_it_running() {
    let mut host = tests::host!();
    let image = host.busybox();
    let left = host.terminal(
        &[
            "run",
            "-it",
            "--name",
            "left",
            "--network",
            "none",
            &image,
            "sh",
        ],
        &[("# ", "\u{10}\u{11}")],
    );
    assert_eq!(left.code, 0, "{left}");
    assert_eq!(
        host.inspect("left", "/State/Running"),
        serde_json::json!(true)
    );
    let back = host.terminal(&["attach", "left"], &[("", "\n"), ("# ", "exit 3\n")]);
    assert_eq!(back.code, 3, "{back}");
    host.minictl("rm -f left").ok();
}

#[test]
fn exec_has_a_terminal_too() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl(format!(
        "run -d --name there --network none {image} sleep 1000"
    ))
    .ok();
    let done = host.terminal(
        &["exec", "-it", "there", "sh", "-c", "tty; stty size; exit 4"],
        &[],
    );
    assert!(done.stdout.contains("/dev/pts/"), "{done}");
    assert!(done.stdout.contains("40 132"), "{done}");
    assert_eq!(done.code, 4, "{done}");
    host.minictl("rm -f there").ok();
}

#[test]
fn without_asking_the_terminal_is_kept_out() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl(format!(
        "run -d --name there --network none {image} sleep 1000"
    ))
    .ok();
    let script = "for n in 0 1 2; do test -t $n && echo terminal $n; done; cat; exit 5";
    for options in [&["exec"][..], &["exec", "-i"]] {
        let line = [options, &["there", "sh", "-c", script]].concat();
        // Without -i there is nothing to read; with it, what is typed is, up to the end.
        let talk: &[_] = if options.len() == 1 {
            &[]
        } else {
            &[("", "typed\n\u{4}")]
        };
        let done = host.terminal(&line, talk);
        assert_eq!(done.code, 5, "{done}");
        assert!(!done.stdout.contains("terminal"), "{done}");
        assert_eq!(
            done.stdout.matches("typed").count(),
            2 * talk.len(),
            "{done}"
        );
    }
    host.minictl("rm -f there").ok();
}
