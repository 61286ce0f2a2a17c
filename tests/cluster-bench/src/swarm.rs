//! One node that is given fifty tasks, and told to end them, beside Docker Swarm (Debian's docker.io) with the same image and command.
//! Neither publishes a port or has a network of the cluster: each task is on its engine's own bridge.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use api::v1::control_client::ControlClient;
use api::v1::{RemoveServiceRequest, UpdateServiceRequest};
use model::{Replicated, ServiceMode, TaskState};

use crate::cleanup;
use crate::group::log;
use crate::lab::{IMAGE, Lab, Space, registry_line, run};
use crate::measure::median;
use crate::services::{ENDS_WHEN_TOLD, Watching, create, sleeper};
use crate::table::{Bar, Row};

const ROUNDS: usize = 3;
const MANY: u64 = 50;
/// How often it is looked whether the containers are gone.
const LOOK: Duration = Duration::from_millis(10);

pub(crate) async fn rows(directory: &Path) -> Vec<Row> {
    let lab = Lab::up(directory, 1, 0);
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let (mut their_up, mut their_down) = (Vec::new(), Vec::new());
    let swarm = Swarm::start(&directory.join("docker"));
    if let Err(reason) = &swarm {
        eprintln!(
            "cluster-bench: Docker Swarm cannot be measured here (elsewhere: 12.1-15.9 s up, 17-19.5 s down): {reason}"
        );
    }
    for _ in 0..ROUNDS {
        let took = ours(&lab).await;
        up.push(took.0);
        down.push(took.1);
        if let Ok(swarm) = &swarm {
            let took = swarm.round();
            their_up.push(took.0);
            their_down.push(took.1);
        }
    }
    let row = |work: &str, mut ours: Vec<f64>, mut theirs: Vec<f64>| Row {
        work: work.to_owned(),
        rounds: format!("median of {ROUNDS}"),
        ours: median(&mut ours),
        peer: (!theirs.is_empty()).then(|| median(&mut theirs)),
        unit: "s",
        bar: Bar::AtMost(0.1),
    };
    vec![
        row("scale 1 -> 50 on one node", up, their_up),
        row(
            "remove 50, processes that end on SIGTERM, to the last container gone",
            down,
            their_down,
        ),
    ]
}

async fn ours(lab: &Lab) -> (f64, f64) {
    let mut control = ControlClient::new(lab.socket("node1"));
    let mut watching = Watching::begin(&mut control).await;
    let mut spec = sleeper("web");
    let id = create(&mut control, spec.clone()).await;
    let mut running = BTreeSet::new();
    let mut until = async |wanted: u64| {
        let all = watching.until("the tasks run", |heard| {
            let task = heard.task()?;
            if task.status.state() == TaskState::Running {
                running.insert(task.slot);
            }
            (running.len() as u64 == wanted).then_some(heard.at)
        });
        all.await
    };
    until(1).await;
    std::thread::sleep(Duration::from_secs(1));
    spec.mode = Some(ServiceMode::Replicated(Replicated { replicas: MANY }));
    let began = Instant::now();
    let asked = UpdateServiceRequest {
        service: id.clone(),
        version: 0,
        spec: Some(spec),
    };
    control.update_service(asked).await.expect("scaled");
    let up = until(MANY).await.duration_since(began);
    std::thread::sleep(Duration::from_secs(1));
    let began = Instant::now();
    let asked = RemoveServiceRequest { service: id };
    control.remove_service(asked).await.expect("removed");
    let containers = lab.home("node1").join("data/containers");
    let gone = || std::fs::read_dir(&containers).is_ok_and(|mut left| left.next().is_none());
    watching
        .until("the service is gone", |heard| {
            heard.removed_service().map(drop)
        })
        .await;
    wait(gone);
    (up.as_secs_f64(), began.elapsed().as_secs_f64())
}

/// A daemon of Docker that is a swarm of its own.
struct Swarm {
    space: Space,
    daemon: Child,
    directory: PathBuf,
}

impl Swarm {
    fn start(directory: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(directory).expect("a directory");
        let config = directory.join("daemon.json");
        std::fs::write(&config, "{}").expect("a configuration");
        let space = Space::new();
        let mut command = space.command("dockerd");
        for (option, file) in [
            ("--config-file", "daemon.json"),
            ("--data-root", "data"),
            ("--exec-root", "exec"),
            ("--pidfile", "pid"),
        ] {
            command.arg(option).arg(directory.join(file));
        }
        command
            .arg("--host")
            .arg(format!("unix://{}/socket", directory.display()))
            .args(["--cgroup-parent", "/mini-bench-docker"])
            .args(["--exec-opt", "native.cgroupdriver=cgroupfs"])
            // Its own default is above what a machine without CAP_SYS_RESOURCE allows.
            .args(["--default-ulimit", "nofile=1000:4000"])
            .args(["--default-ulimit", "nproc=1000:4000"])
            .stdout(Stdio::null())
            .stderr(log(&directory.join("log")));
        let daemon = command
            .spawn()
            .map_err(|error| format!("dockerd: {error}"))?;
        cleanup::expect_process(daemon.id());
        let swarm = Swarm {
            space,
            daemon,
            directory: directory.to_owned(),
        };
        let end = Instant::now() + Duration::from_secs(60);
        while !swarm
            .docker(&["version"])
            .status()
            .is_ok_and(|done| done.success())
        {
            if Instant::now() > end {
                let log = std::fs::read_to_string(directory.join("log")).unwrap_or_default();
                return Err(format!("dockerd does not answer: {log}"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let mut registry = swarm.space.command("sh");
        let line = format!("exec env {}", registry_line());
        let registry = registry.args(["-c", &line]).spawn();
        let mut registry = registry.expect("a registry");
        cleanup::expect_process(registry.id());
        let pulled = || swarm.ask(&["pull", "--quiet", IMAGE]);
        while pulled().is_err() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(100));
        }
        let begun =
            pulled().and_then(|()| swarm.ask(&["swarm", "init", "--advertise-addr", "127.0.0.1"]));
        let _ = registry.kill();
        let _ = registry.wait();
        begun.map(|()| swarm)
    }

    fn docker(&self, words: &[&str]) -> Command {
        // Debian's own: a newer client may stand before it in PATH.
        let mut command = self.space.command("/usr/bin/docker");
        command
            .arg("--host")
            .arg(format!("unix://{}/socket", self.directory.display()))
            .args(words)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn ask(&self, words: &[&str]) -> Result<(), String> {
        let done = self.docker(words).stderr(Stdio::piped()).output();
        let done = done.map_err(|error| format!("docker: {error}"))?;
        let said = String::from_utf8_lossy(&done.stderr);
        let failed = || format!("docker {}: {}", words.join(" "), said.trim());
        done.status.success().then_some(()).ok_or_else(failed)
    }

    /// What its API says, asked without a program that takes time itself.
    fn get(&self, path: &str) -> String {
        let socket = self.directory.join("socket");
        let mut stream = UnixStream::connect(socket).expect("dockerd's socket");
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("asked");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Seconds up and down.
    fn round(&self) -> (f64, f64) {
        let service = ["service", "create", "--detach", "--name", "web", IMAGE];
        let line = [&service[..], &["sh", "-c", ENDS_WHEN_TOLD]].concat();
        self.ask(&line).expect("a service");
        let running = |count: u64| {
            let told = self.get("/v1.41/services?status=true");
            told.contains(&format!("\"RunningTasks\":{count},"))
        };
        wait(|| running(1));
        std::thread::sleep(Duration::from_secs(1));
        let began = Instant::now();
        let scale = format!("web={MANY}");
        self.ask(&["service", "scale", "--detach", &scale])
            .expect("scaled");
        wait(|| running(MANY));
        let up = began.elapsed().as_secs_f64();
        std::thread::sleep(Duration::from_secs(1));
        let began = Instant::now();
        self.ask(&["service", "rm", "web"]).expect("removed");
        wait(|| {
            self.get("/v1.41/containers/json?all=1")
                .trim_end()
                .ends_with("\r\n\r\n[]")
        });
        (up, began.elapsed().as_secs_f64())
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        let _ = self.ask(&["swarm", "leave", "--force"]);
        run(Command::new("kill").arg(self.daemon.id().to_string()));
        let _ = self.daemon.wait();
        for hierarchy in std::fs::read_dir("/sys/fs/cgroup")
            .into_iter()
            .flatten()
            .flatten()
        {
            // Dockerd leaves it; most hierarchies of a host with cgroup v2 are none.
            let _ = std::fs::remove_dir(hierarchy.path().join("mini-bench-docker"));
        }
    }
}

/// Looks until it is so, for two minutes.
fn wait(mut so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(120);
    while !so() {
        assert!(Instant::now() < end, "it never came about");
        std::thread::sleep(LOOK);
    }
}
