//! The rows of the table.

use std::path::PathBuf;

use tests::bundle::Bundle;
use tests::command::run;
use tests::host::binary;
use tests::spaces::Spaces;
use tests::{Host, Running};

use crate::docker::Docker;
use crate::measure::{Candidate, in_turns, median, proportional_memory};
use crate::table::{Bar, Row};

const ROUNDS: usize = 20;

type Measure = fn(&Bench<'_>) -> Vec<Row>;

/// Every row, by the name that selects it.
pub(crate) const ALL: [(&str, Measure); 5] = [
    ("none", none),
    ("bridge", bridge),
    ("memory", memory),
    ("pull", pull),
    ("runtime", runtime),
];

/// Both engines with the small image, on one fresh file system.
pub(crate) struct Bench<'a> {
    host: &'a Host,
    docker: Docker,
    small: String,
    large: String,
    disk: PathBuf,
}

impl Bench<'_> {
    /// Starts Docker and a registry, and gives both engines the small image.
    pub(crate) fn prepare(host: &mut Host) -> Bench<'_> {
        let small = host
            .registry()
            .push("busybox", "latest", &tests::image::Image::busybox());
        let large = host.registry().serve("blog-app");
        let disk = host.path("disk");
        // A file system of its own, the same for both: what else the disk does shows less.
        host.sh(&format!(
            "mkdir {0}; truncate -s 12G {0}.img; mkfs.ext4 -q -F {0}.img; mount -o loop {0}.img {0} || echo 'bench: no loop device, measuring on the disk itself' >&2",
            disk.display()
        ))
        .ok();
        host.set("MINI_DATA_ROOT", disk.join("mini").display().to_string());
        let docker = Docker::start(host, &disk.join("docker"));
        docker.ok(host, &["pull", "--quiet", &small]);
        host.minictl(format!("pull -q {small}")).ok();
        Bench {
            host,
            docker,
            small,
            large,
            disk,
        }
    }

    /// Takes everything down.
    pub(crate) fn finish(mut self) {
        self.docker.stop();
        self.host.watched().kill_everything();
        self.host.sh(&format!(
            "umount {} 2>/dev/null || true",
            self.disk.display()
        ));
    }

    fn minictl(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.host.command(binary("minictl"));
        command.args(arguments);
        command
    }

    fn run_and_remove(&self, network: &str, work: &str) -> Row {
        let line = ["run", "--rm", "--network", network, &self.small, "true"];
        let ours = Candidate::new(|| self.minictl(&line));
        let docker = Candidate::new(|| self.docker.client(self.host, &line));
        let times = in_turns(ROUNDS, &[ours, docker]);
        Row {
            work: work.to_owned(),
            rounds: ROUNDS,
            peer_name: "docker",
            ours: times[0] * 1e3,
            peer: times[1] * 1e3,
            unit: "ms",
            bar: Bar::Ratio(0.1),
        }
    }
}

fn none(bench: &Bench<'_>) -> Vec<Row> {
    vec![bench.run_and_remove("none", "run --rm --network none busybox true")]
}

fn bridge(bench: &Bench<'_>) -> Vec<Row> {
    vec![bench.run_and_remove("bridge", "run --rm busybox true, on the default bridge")]
}

/// The memory of what stays beside an idle container: the parent of its first process.
fn memory(bench: &Bench<'_>) -> Vec<Row> {
    let host = bench.host;
    let beside = |pid: i32| {
        let stat =
            std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the container's process");
        let parent = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(1))
            .and_then(|text| text.parse().ok());
        proportional_memory(parent.expect("a parent"))
    };
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    let names: Vec<String> = (0..ROUNDS).map(|number| format!("idle{number}")).collect();
    for name in &names {
        let line = ["run", "-d", "--name", name, &bench.small, "sleep", "1000"];
        run(bench.minictl(&line)).ok();
        bench.docker.ok(host, &line);
    }
    // What a start has allocated is given back a little later.
    std::thread::sleep(std::time::Duration::from_secs(3));
    for name in &names {
        let question = ["inspect", "-f", "{{.State.Pid}}", name];
        ours.push(beside(
            run(bench.minictl(&question))
                .ok()
                .text()
                .parse()
                .expect("a process id"),
        ));
        theirs.push(beside(
            bench
                .docker
                .ok(host, &question)
                .text()
                .parse()
                .expect("a process id"),
        ));
    }
    for name in &names {
        run(bench.minictl(&["rm", "-f", name])).ok();
        bench.docker.ok(host, &["rm", "-f", name]);
    }
    vec![Row {
        work: "memory beside an idle container (PSS)".to_owned(),
        rounds: ROUNDS,
        peer_name: "docker's shim",
        ours: median(ours),
        peer: median(theirs),
        unit: "MB",
        bar: Bar::Below(0.5),
    }]
}

fn pull(bench: &Bench<'_>) -> Vec<Row> {
    let host = bench.host;
    let settle = || {
        host.sh("sync").ok();
    };
    let ours = Candidate::new(|| bench.minictl(&["pull", "-q", &bench.large])).after(|| {
        run(bench.minictl(&["rmi", &bench.large]));
        settle();
    });
    let theirs = Candidate::new(|| {
        bench
            .docker
            .ctr(host, &["images", "pull", "--plain-http", &bench.large])
    })
    .after(|| {
        run(bench
            .docker
            .ctr(host, &["images", "rm", "--sync", &bench.large]));
        settle();
    });
    let times = in_turns(ROUNDS, &[ours, theirs]);
    run(bench.minictl(&["rmi", &bench.large]));
    vec![Row {
        work: "pull and unpack of the 4-layer demo image (120 MB compressed)".to_owned(),
        rounds: ROUNDS,
        peer_name: "ctr",
        ours: times[0],
        peer: times[1],
        unit: "s",
        bar: Bar::Ratio(0.5),
    }]
}

/// The runtimes alone, on one bundle.
fn runtime(bench: &Bench<'_>) -> Vec<Row> {
    let host = bench.host;
    let bundle =
        Bundle::new(host, "bench", "").set("/process/args", serde_json::json!(["/bin/true"]));
    bundle.write();
    let directory = bundle.directory().display().to_string();
    // crun refuses a hybrid of cgroup v1 and v2: it gets namespaces of its own in which there is v1 alone.
    let spaces = Spaces::new();
    spaces.enter(|| {
        let _ = std::process::Command::new("umount")
            .arg("/sys/fs/cgroup/unified")
            .stderr(std::process::Stdio::null())
            .status();
    });
    let call = |program: PathBuf, crun: bool| {
        let mut command = if crun {
            let mut command = std::process::Command::new(&program);
            spaces.place(&mut command);
            command
        } else {
            host.command(&program)
        };
        let root = host.path(format!(
            "runtime-{}",
            program.file_name().unwrap_or_default().to_string_lossy()
        ));
        command
            .arg("--root")
            .arg(root)
            .args(["run", "--bundle", &directory, "bench"]);
        command
    };
    let works = |command: std::process::Command| Running::start(command).wait().code == 0;
    let mut rows = Vec::new();
    for peer in ["runc", "crun"] {
        let is_crun = peer == "crun";
        if !works(call(peer.into(), is_crun)) {
            eprintln!("bench: {peer} does not run here, its row is left out");
            continue;
        }
        let ours = Candidate::new(|| call(binary("minirun"), false));
        let theirs = Candidate::new(|| call(peer.into(), is_crun));
        let times = in_turns(ROUNDS, &[ours, theirs]);
        rows.push(Row {
            work: "one bundle, run /bin/true (minirun)".to_owned(),
            rounds: ROUNDS,
            peer_name: peer,
            ours: times[0] * 1e3,
            peer: times[1] * 1e3,
            unit: "ms",
            bar: Bar::None,
        });
    }
    rows
}
