//! Labs of a fake daemon, on the kernel that is here. As root; otherwise each test says that it was skipped.

#![forbid(unsafe_code)]

mod room;

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use lab::{Condition, Error, Lab, Labs, Spec};

use room::{FAKE, Quiet, Room, hierarchies, parent, processes};

/// Names of links and of routes of the namespace that the calling thread is in.
fn own_network() -> (Vec<String>, String) {
    let text = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let names = text.lines().filter_map(|line| line.split_once(':'));
    let names = names.map(|(name, _)| name.trim().to_owned()).collect();
    (
        names,
        fs::read_to_string("/proc/thread-self/net/route").unwrap(),
    )
}

/// From one node to another's echo; the connection, or what kind of failure.
fn call(lab: &Lab, from: &str, to: &str, patience: u64) -> Result<TcpStream, ErrorKind> {
    let target = SocketAddr::from((lab.plan().node(to).unwrap().address, 7000));
    let patience = Duration::from_millis(patience);
    lab.inside(from, || TcpStream::connect_timeout(&target, patience))
        .unwrap()
        .map_err(|error| error.kind())
}

fn echoes(stream: &mut TcpStream, patience: u64) -> Result<(), ErrorKind> {
    let patience = Duration::from_millis(patience);
    stream.set_read_timeout(Some(patience)).unwrap();
    stream.write_all(b"x").map_err(|error| error.kind())?;
    let mut byte = [0];
    stream.read_exact(&mut byte).map_err(|error| error.kind())
}

fn conditions(lab: &Lab) -> Vec<String> {
    let nodes = lab.nodes().unwrap().into_iter();
    nodes.map(|view| view.condition.to_string()).collect()
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, Error>, expected: &str) {
    let error = result.unwrap_err().to_string();
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn five_hosts_come_up_fast_talk_and_leave_nothing() {
    let Some(room) = Room::new() else { return };
    let before = own_network();
    let begun = Instant::now();
    let lab = room.up(3, 2);
    let took = begun.elapsed();
    println!("up in {took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");

    let nodes = lab.nodes().unwrap();
    let lines: Vec<String> = nodes
        .iter()
        .map(|n| {
            format!(
                "{} {} {} {}",
                n.node.name, n.node.role, n.node.address, n.condition
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "node1 manager 10.66.0.11 running",
            "node2 manager 10.66.0.12 running",
            "node3 manager 10.66.0.13 running",
            "node4 worker 10.66.0.14 running",
            "node5 worker 10.66.0.15 running",
        ]
    );
    for from in &nodes {
        for to in &nodes {
            echoes(
                &mut call(&lab, &from.node.name, &to.node.name, 2000).unwrap(),
                2000,
            )
            .unwrap();
        }
    }
    // Every host has namespaces of its own, and no process has them once the lab is down.
    let spaces = |kind: &str| -> BTreeSet<u64> {
        let inode = |pid| {
            fs::metadata(format!("/proc/{pid}/ns/{kind}"))
                .unwrap()
                .ino()
        };
        nodes.iter().map(|n| inode(n.pid.unwrap())).collect()
    };
    let net = spaces("net");
    assert_eq!(
        (net.len(), spaces("mnt").len(), spaces("uts").len()),
        (5, 5, 5)
    );

    assert_eq!(own_network(), before, "the machine's own network");
    let begun = Instant::now();
    room.labs().down(&room.name).unwrap();
    println!("down in {:?}", begun.elapsed());
    room.assert_clean();
    let left = processes().into_iter().filter(|pid| {
        fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|meta| net.contains(&meta.ino()))
    });
    assert_eq!(left.count(), 0);
    assert_eq!(own_network(), before, "the machine's own network");
    assert_refused(
        room.labs().down(&room.name),
        &format!("lab `{}` is not up: there is no ", room.name),
    );
}

#[test]
fn the_cluster_is_formed_over_the_daemons_sockets() {
    let Some(room) = Room::new() else { return };
    let up = Command::new(FAKE)
        .arg("up")
        .arg(room.root.path())
        .args([room.name.as_str(), "2", "1"])
        .output()
        .unwrap();
    assert!(up.status.success(), "{up:?}");
    let lab = room.labs().open(&room.name).unwrap();
    fn check(lab: &Lab, node: &str, expected: &str) {
        let mut out = Vec::new();
        lab::copy_log(&lab.plan().log(node), false, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
    check(&lab, "node1", "node1 listens\ninit 10.66.0.11\n");
    check(
        &lab,
        "node2",
        "node2 listens\njoin 10.66.0.12 node1-manager 10.66.0.11\n",
    );
    check(
        &lab,
        "node3",
        "node3 listens\njoin 10.66.0.13 node1-worker 10.66.0.11,10.66.0.12\n",
    );
    assert_eq!(
        conditions(&lab),
        ["running"; 3],
        "they outlive who made them"
    );
}

#[test]
fn a_partition_is_silent_and_heals() {
    let Some(room) = Room::new() else { return };
    let mut lab = room.up(3, 1);
    let mut across = call(&lab, "node1", "node3", 2000).unwrap();
    let mut beside = call(&lab, "node1", "node2", 2000).unwrap();

    let names = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    lab.partition(&names("node1,node2"), None).unwrap();
    assert_eq!(echoes(&mut across, 300), Err(ErrorKind::WouldBlock));
    assert_eq!(echoes(&mut beside, 2000), Ok(()));
    for (from, to, whole) in [
        ("node1", "node2", true),
        ("node3", "node4", true),
        ("node1", "node3", false),
        ("node3", "node1", false),
        ("node4", "node2", false),
    ] {
        let called = call(&lab, from, to, if whole { 2000 } else { 300 });
        let expected = if whole {
            Ok(())
        } else {
            Err(ErrorKind::TimedOut)
        };
        assert_eq!(called.map(drop), expected, "{from} {to}");
    }
    let again = room.labs().open(&room.name).unwrap();
    assert_eq!(again.nodes().unwrap()[2].cut_off_from, ["node1", "node2"]);

    lab.heal().unwrap();
    // The first byte is on its way still: it arrives when TCP sends it again.
    assert_eq!(echoes(&mut across, 10_000), Ok(()));
    assert!(call(&lab, "node4", "node2", 2000).is_ok());
    assert!(
        lab.nodes()
            .unwrap()
            .iter()
            .all(|n| n.cut_off_from.is_empty())
    );

    // Two groups lose each other and nobody else; partitions add up.
    lab.partition(&names("node1"), Some(&names("node2")))
        .unwrap();
    lab.partition(&names("node4"), Some(&names("node3")))
        .unwrap();
    assert!(call(&lab, "node2", "node1", 300).is_err());
    assert!(call(&lab, "node3", "node4", 300).is_err());
    assert!(call(&lab, "node1", "node3", 2000).is_ok());
    assert_refused(lab.partition(&names("node9"), None), "lab `");
}

#[test]
fn daemons_are_killed_started_paused_and_let_go_on() {
    let Some(room) = Room::new() else { return };
    let lab = room.up(1, 1);
    let first = lab.nodes().unwrap()[1].pid.unwrap();
    assert_refused(lab.start("node2"), "node2 is running");
    lab.kill("node2").unwrap();
    assert!(
        !Path::new(&format!("/proc/{first}")).exists(),
        "it is reaped"
    );
    assert_eq!(conditions(&lab), ["running", "killed"]);
    assert_eq!(
        call(&lab, "node1", "node2", 2000).map(drop),
        Err(ErrorKind::ConnectionRefused)
    );
    assert_refused(
        lab.kill("node2"),
        "node2 was killed by signal 9; start it again with `minictl lab start`",
    );
    // Its orphans live on, as a machine's containers do; they are children of the holder now, which reaps them.
    let holder = parent(lab.nodes().unwrap()[0].pid.unwrap());
    let program = |pid: i32| fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    let traces = room.traces().into_iter();
    let orphans: Vec<String> = traces
        .filter(|trace| trace.ends_with(" sleep 1000 "))
        .collect();
    assert_eq!(orphans.len(), 2, "{orphans:?}");
    for trace in orphans {
        let parent = parent(trace.split(' ').nth(1).unwrap().parse().unwrap());
        assert_eq!(program(parent), program(holder));
    }

    lab.start("node2").unwrap();
    assert_eq!(conditions(&lab), ["running", "running"]);
    let mut stream = call(&lab, "node1", "node2", 2000).unwrap();
    lab.pause("node2").unwrap();
    assert_eq!(conditions(&lab), ["running", "paused"]);
    assert_eq!(echoes(&mut stream, 200), Err(ErrorKind::WouldBlock));
    assert_refused(lab.pause("node2"), "node2 is paused");
    lab.unpause("node2").unwrap();
    assert_eq!(conditions(&lab), ["running", "running"]);
    assert_eq!(echoes(&mut stream, 2000), Ok(()));
    lab.pause("node2").unwrap();
    lab.kill("node2").unwrap();

    fs::write(lab.plan().data("node2").join("refuse"), "").unwrap();
    assert_refused(
        lab.start("node2"),
        "the daemon of node2 exited with code 3 right after its start; its log ends with:\n",
    );
    assert_eq!(lab.nodes().unwrap()[1].condition, Condition::Exited(3));
    // One that is paused dies with its lab like any other.
    lab.pause("node1").unwrap();
    room.labs().down(&room.name).unwrap();
    room.assert_clean();
}

#[test]
fn a_command_runs_on_a_node() {
    let Some(room) = Room::new() else { return };
    let lab = room.up(1, 1);
    let plan = lab.plan();
    assert_eq!(
        room.said("node2", "hostname; pwd").lines().next(),
        Some("node2")
    );
    let here = std::env::current_dir().unwrap();
    assert_eq!(room.said("node2", "pwd"), here.display().to_string());
    let expected = format!(
        "unix://{} {} {} mini-{}-node2",
        plan.socket("node2").display(),
        plan.data("node2").display(),
        plan.run("node2").display(),
        room.name
    );
    let variables = "echo $MINI_HOST $MINI_DATA_ROOT $MINI_RUN_ROOT $MINI_CGROUP_PARENT";
    assert_eq!(room.said("node2", variables), expected);
    assert!(
        room.said("node2", "command -v lab-fake")
            .ends_with("lab-fake"),
        "it finds itself"
    );
    let address = room.said("node2", "ip -4 -br address show eth0");
    assert!(address.contains("10.66.0.12/24"), "{address}");
    let talk = r#"bash -c 'exec 3<>/dev/tcp/10.66.0.11/7000; echo hello >&3; read -t 2 word <&3; echo $word'"#;
    assert_eq!(room.said("node2", talk), "hello");
    // What it mounts is seen on that node alone.
    let target = plan.data("node2");
    room.said(
        "node2",
        &format!("mount -t tmpfs none {} && touch {0}/x", target.display()),
    );
    assert!(!target.join("x").exists());
    assert_eq!(room.said("node2", &format!("ls {}", target.display())), "x");
    assert_eq!(room.said("node1", &format!("ls {}", target.display())), "");
    assert!(
        room.said("switch", "nft list tables; ip -br link show type bridge")
            .contains("switch")
    );
    assert_eq!(room.exec("node2", "exit 7").status.code(), Some(7));
    assert!(!room.exec("node3", "true").status.success());

    // One that still runs when the lab goes, goes too; and it cannot take the lab down itself.
    let down = format!("lab-fake down {} {}", room.root.path().display(), room.name);
    let refused = String::from_utf8(room.exec("node2", &down).stderr).unwrap();
    assert!(
        refused.contains("cannot be taken down from within"),
        "{refused}"
    );
    let mut command = Command::new(FAKE);
    command.arg("exec").arg(room.root.path());
    let mut shell = command
        .args([room.name.as_str(), "node1", "sleep", "1000"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_millis(100));
    room.labs().down(&room.name).unwrap();
    shell.wait().unwrap();
    room.assert_clean();
}

#[test]
fn containers_go_with_their_lab_even_frozen() {
    let Some(room) = Room::new() else { return };
    room.up(1, 0);
    // Those of version 1 that take a process as it is, and the unified one.
    let fit = |path: &PathBuf| {
        let of_v2 = path.join("cgroup.controllers").exists();
        of_v2 || path.ends_with("pids") || path.ends_with("freezer")
    };
    let parent = format!("mini-{}-node1", room.name);
    let groups: Vec<PathBuf> = hierarchies().into_iter().filter(fit).collect();
    assert!(!groups.is_empty());
    let mut script = "sleep 1000 > /dev/null 2>&1 & pid=$!\n".to_owned();
    for hierarchy in &groups {
        let group = hierarchy.join(&parent).join("container");
        script += &format!(
            "mkdir -p {0}/below; echo $pid > {0}/cgroup.procs\n\
             if [ -e {0}/freezer.state ]; then echo FROZEN > {0}/freezer.state; fi\n\
             if [ -e {0}/cgroup.freeze ]; then echo 1 > {0}/cgroup.freeze; fi\n",
            group.display()
        );
    }
    room.said("node1", &script);
    let cgroups = room.traces().into_iter();
    let cgroups = cgroups.filter(|trace| trace.starts_with("cgroup"));
    assert_eq!(cgroups.count(), groups.len() + 1, "and the switch's");
    room.labs().down(&room.name).unwrap();
    room.assert_clean();
}

#[test]
fn two_labs_live_side_by_side_and_each_name_once() {
    let (Some(room), Some(other)) = (Room::new(), Room::new()) else {
        return;
    };
    let (one, two) = (room.up(1, 1), other.up(1, 1));
    assert_refused(
        room.labs().up(&room.spec(1, 0), Some(&Quiet)),
        &format!(
            "lab `{0}` is up already; take it down with `minictl lab down --name {0}`",
            room.name
        ),
    );
    let elsewhere = Labs::new(other.root.path(), vec![FAKE.into(), "host".into()]).unwrap();
    assert_refused(
        elsewhere.up(&room.spec(1, 0), Some(&Quiet)),
        &format!("a lab `{}` runs with another --root", room.name),
    );
    assert_refused(
        elsewhere.down(&room.name),
        &format!("lab `{}` is not up", room.name),
    );
    for lab in [&one, &two] {
        call(lab, "node1", "node2", 2000).unwrap();
    }
    room.labs().down(&room.name).unwrap();
    room.assert_clean();
    call(&two, "node1", "node2", 2000).unwrap();
    room.up(1, 0);
    assert_eq!(conditions(&two), ["running", "running"]);
}

#[test]
fn a_lab_that_fails_says_why_and_is_taken_down() {
    let Some(room) = Room::new() else { return };
    // One daemon: of several that end at once, either may be seen first.
    let spec = |minid: &str| Spec {
        minid: minid.into(),
        ..room.spec(1, 0)
    };
    assert_refused(
        room.labs().up(&spec("/nowhere/minid"), Some(&Quiet)),
        "invalid daemon \"/nowhere/minid\": no such file",
    );
    room.assert_clean();
    assert_refused(
        room.labs().up(&spec("/bin/false"), Some(&Quiet)),
        "the daemon of node1 exited with code 1 right after its start; its log is empty",
    );
    assert!(room.labs().up(&spec("/bin/false"), Some(&Quiet)).is_err());
    room.labs().down(&room.name).unwrap();
    room.assert_clean();

    // A holder that says no.
    let labs = Labs::new(room.root.path(), vec!["/bin/echo".into(), "no,".into()]).unwrap();
    assert_refused(
        labs.up(&room.spec(1, 0), Some(&Quiet)),
        "make host node1: no, ",
    );
    labs.down(&room.name).unwrap();
    room.assert_clean();

    // A host whose holder was killed: the daemon and all else still goes.
    let lab = room.up(1, 1);
    let holder = parent(lab.nodes().unwrap()[1].pid.unwrap());
    let holder = nix::unistd::Pid::from_raw(holder);
    nix::sys::signal::kill(holder, nix::sys::signal::Signal::SIGKILL).unwrap();
    thread::sleep(Duration::from_millis(50));
    assert_eq!(conditions(&lab), ["running", "lost"]);
    assert_refused(lab.kill("node2"), "host node2 is gone");
    room.labs().down(&room.name).unwrap();
    room.assert_clean();
}

#[test]
fn a_lab_killed_at_any_moment_is_taken_down() {
    let Some(room) = Room::new() else { return };
    let mut halves = 0;
    for delay in (0..80).step_by(3) {
        let mut up = Command::new(FAKE)
            .arg("up")
            .arg(room.root.path())
            .args([room.name.as_str(), "3", "2"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(delay));
        let ended = up.try_wait().unwrap().is_some();
        up.kill().unwrap();
        up.wait().unwrap();
        match room.labs().down(&room.name) {
            Ok(()) => halves += u32::from(!ended),
            // It had not come as far as to make anything.
            Err(Error::NotUp { .. }) => {}
            Err(error) => panic!("after {delay} ms: {error}"),
        }
        room.assert_clean();
    }
    println!("taken down half-way: {halves}");
    room.up(1, 0);
}
