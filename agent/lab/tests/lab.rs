//! Labs of a fake daemon, on the kernel that is here. As root; otherwise each test says that it was skipped.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lab::{Cluster, ClusterResult, Condition, Error, Lab, Labs, Spec, Tokens};

const FAKE: &str = env!("CARGO_BIN_EXE_lab-fake");
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A root of labs for one test. Dropping it takes down what the test has left.
struct Room {
    root: tempfile::TempDir,
    name: String,
}

impl Room {
    /// `None` without root.
    fn new() -> Option<Room> {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: a lab needs root");
            return None;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Some(Room {
            root: tempfile::tempdir().unwrap(),
            name: format!("t{}-{number}", std::process::id()),
        })
    }

    fn labs(&self) -> Labs {
        Labs::new(self.root.path(), vec![FAKE.into(), "host".into()]).unwrap()
    }

    fn spec(&self, managers: usize, workers: usize) -> Spec {
        Spec {
            name: self.name.clone(),
            managers,
            workers,
            subnet: "10.66.0.0/24".parse().unwrap(),
            minid: FAKE.into(),
        }
    }

    fn up(&self, managers: usize, workers: usize) -> Lab {
        self.labs().up(&self.spec(managers, workers), &Quiet).unwrap()
    }

    /// `lab exec` in a process of its own.
    fn exec(&self, node: &str, script: &str) -> Output {
        let mut command = Command::new(FAKE);
        command.arg("exec").arg(self.root.path());
        command.args([self.name.as_str(), node, "sh", "-c", script]);
        command.output().unwrap()
    }

    fn said(&self, node: &str, script: &str) -> String {
        let output = self.exec(node, script);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Everything of the lab that is not a file: processes, cgroups, mounts of the machine.
    fn traces(&self) -> Vec<String> {
        let prefix = format!("mini-{}-", self.name);
        let root = self.root.path().to_str().unwrap();
        let mut found = Vec::new();
        for pid in processes() {
            let read = |file: &str| {
                let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
                String::from_utf8_lossy(&bytes).replace('\0', " ")
            };
            let line = read("cmdline");
            if line.contains(root) || read("cgroup").contains(&prefix) {
                found.push(format!("process {pid} {line}"));
            }
        }
        for hierarchy in hierarchies() {
            let entries = fs::read_dir(&hierarchy).unwrap().flatten();
            let names = entries.map(|entry| entry.file_name().into_string().unwrap());
            found.extend(
                names
                    .filter(|name| name.starts_with(&prefix))
                    .map(|name| format!("cgroup {} {name}", hierarchy.display())),
            );
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mounts = mounts.lines().filter(|line| line.contains(root));
        found.extend(mounts.map(|line| format!("mount {line}")));
        found
    }

    #[track_caller]
    fn assert_clean(&self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while !self.traces().is_empty() {
            assert!(Instant::now() < deadline, "{:#?}", self.traces());
            thread::sleep(Duration::from_millis(5));
        }
        let files: Vec<PathBuf> = fs::read_dir(self.root.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(files.is_empty(), "{files:?}");
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = self.labs().down(&self.name);
    }
}

/// A cluster that forms by itself.
struct Quiet;

impl Cluster for Quiet {
    fn init(&self, _: &Path, _: &str) -> ClusterResult<Tokens> {
        Ok(Tokens {
            manager: "m".to_owned(),
            worker: "w".to_owned(),
        })
    }

    fn join(&self, _: &Path, _: &str, _: &str, _: &[String]) -> ClusterResult<()> {
        Ok(())
    }
}

fn processes() -> Vec<u32> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != own && !is_zombie(*pid)).collect()
}

fn is_zombie(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

fn hierarchies() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let ours = mounts.lines().filter(|line| line.contains(" - cgroup"));
    ours.map(|line| line.split(' ').nth(4).unwrap().into()).collect()
}

/// Names of links and of routes of the namespace that the calling thread is in.
fn own_network() -> (Vec<String>, String) {
    let text = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let names = text.lines().filter_map(|line| line.split_once(':'));
    let names = names.map(|(name, _)| name.trim().to_owned()).collect();
    (names, fs::read_to_string("/proc/thread-self/net/route").unwrap())
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
        .map(|n| format!("{} {} {} {}", n.node.name, n.node.role, n.node.address, n.condition))
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
            echoes(&mut call(&lab, &from.node.name, &to.node.name, 2000).unwrap(), 2000).unwrap();
        }
    }
    // Every host has namespaces of its own, and no process has them once the lab is down.
    let spaces = |kind: &str| -> BTreeSet<u64> {
        let inode = |pid| fs::metadata(format!("/proc/{pid}/ns/{kind}")).unwrap().ino();
        nodes.iter().map(|n| inode(n.pid.unwrap())).collect()
    };
    let net = spaces("net");
    assert_eq!((net.len(), spaces("mnt").len(), spaces("uts").len()), (5, 5, 5));

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
    assert_eq!(conditions(&lab), ["running"; 3], "they outlive who made them");
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
        let expected = if whole { Ok(()) } else { Err(ErrorKind::TimedOut) };
        assert_eq!(called.map(drop), expected, "{from} {to}");
    }
    let again = room.labs().open(&room.name).unwrap();
    assert_eq!(again.nodes().unwrap()[2].cut_off_from, ["node1", "node2"]);

    lab.heal().unwrap();
    // The first byte is on its way still: it arrives when TCP sends it again.
    assert_eq!(echoes(&mut across, 10_000), Ok(()));
    assert!(call(&lab, "node4", "node2", 2000).is_ok());
    assert!(lab.nodes().unwrap().iter().all(|n| n.cut_off_from.is_empty()));

    // Two groups lose each other and nobody else; partitions add up.
    lab.partition(&names("node1"), Some(&names("node2"))).unwrap();
    lab.partition(&names("node4"), Some(&names("node3"))).unwrap();
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
    assert!(!Path::new(&format!("/proc/{first}")).exists(), "it is reaped");
    assert_eq!(conditions(&lab), ["running", "killed"]);
    assert_eq!(call(&lab, "node1", "node2", 2000).map(drop), Err(ErrorKind::ConnectionRefused));
    assert_refused(
        lab.kill("node2"),
        "node2 was killed by signal 9; start it again with `minictl lab start`",
    );
    // Its orphans live on, as a machine's containers do, and are children of the holder now.
    assert_eq!(room.said("node2", "readlink /proc/self/ns/net > /dev/null; hostname"), "node2");

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
    assert_eq!(room.said("node2", "hostname; pwd").lines().next(), Some("node2"));
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
    assert!(room.said("node2", "command -v lab-fake").ends_with("lab-fake"), "it finds itself");
    let reach = "ip -4 -br address show eth0; ping -c 1 -W 2 10.66.0.11 > /dev/null && echo reached";
    let reached = room.said("node2", reach);
    assert!(reached.contains("10.66.0.12/24") && reached.ends_with("reached"), "{reached}");
    // What it mounts is seen on that node alone.
    let target = plan.data("node2");
    room.said("node2", &format!("mount -t tmpfs none {} && touch {0}/x", target.display()));
    assert!(!target.join("x").exists());
    assert_eq!(room.said("node2", &format!("ls {}", target.display())), "x");
    assert_eq!(room.said("node1", &format!("ls {}", target.display())), "");
    assert!(room.said("switch", "nft list tables; ip -br link show type bridge").contains("switch"));
    assert_eq!(room.exec("node2", "exit 7").status.code(), Some(7));
    assert!(!room.exec("node3", "true").status.success());

    // One that still runs when the lab goes, goes too; and it cannot take the lab down itself.
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
fn two_labs_live_side_by_side_and_each_name_once() {
    let (Some(room), Some(other)) = (Room::new(), Room::new()) else {
        return;
    };
    let (one, two) = (room.up(1, 1), other.up(1, 1));
    assert_refused(
        room.labs().up(&room.spec(1, 0), &Quiet),
        &format!(
            "lab `{0}` is up already; take it down with `minictl lab down --name {0}`",
            room.name
        ),
    );
    let elsewhere = Labs::new(other.root.path(), vec![FAKE.into(), "host".into()]).unwrap();
    assert_refused(
        elsewhere.up(&room.spec(1, 0), &Quiet),
        &format!("a lab `{}` runs with another --root", room.name),
    );
    assert_refused(elsewhere.down(&room.name), &format!("lab `{}` is not up", room.name));
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
    let spec = |minid: &str| Spec {
        minid: minid.into(),
        ..room.spec(1, 1)
    };
    assert_refused(
        room.labs().up(&spec("/nowhere/minid"), &Quiet),
        "invalid daemon \"/nowhere/minid\": no such file",
    );
    room.assert_clean();
    assert_refused(
        room.labs().up(&spec("/bin/false"), &Quiet),
        "the daemon of node1 exited with code 1 right after its start; its log is empty",
    );
    assert!(room.labs().up(&spec("/bin/false"), &Quiet).is_err());
    room.labs().down(&room.name).unwrap();
    room.assert_clean();

    // A holder that says no.
    let labs = Labs::new(room.root.path(), vec!["/bin/echo".into(), "no,".into()]).unwrap();
    assert_refused(labs.up(&room.spec(1, 0), &Quiet), "make host node1: no, ");
    labs.down(&room.name).unwrap();
    room.assert_clean();

    // A host whose holder was killed: the daemon and all else still goes.
    let lab = room.up(1, 1);
    let holder = fs::read_to_string(format!("/proc/{}/stat", lab.nodes().unwrap()[1].pid.unwrap()));
    let holder = holder.unwrap();
    let parent = holder.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap();
    let holder = nix::unistd::Pid::from_raw(parent.parse().unwrap());
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
    for delay in (0..150).step_by(6) {
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
