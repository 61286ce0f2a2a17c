//! Where stacks are tried out: a lab whose nodes serve an image, a directory that all containers share, and words for what is seen.
//!
//! A container is made healthy, ended or let go by a file in that directory (a *flag*), and writes there what it does (the *story*).
//! No test depends on how quick anything is.

use std::fs;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use tests::{Cluster, Done, Running};

/// The stack of every test that has no other.
pub(crate) const STACK: &str = "shop";

/// What every compose file begins with; `FLAGS` is the shared directory.
const HEAD: &str = r#"
x-task: &task
  image: 127.0.0.1:5000/busybox
  volumes: ["FLAGS:/flags"]
  stop_grace_period: 5s
x-probe: &probe
  interval: 200ms
  retries: 2
  start_period: 100s
  start_interval: 100ms
"#;

/// `run NAME [SECONDS]`: tells when it starts, when it is told to end, and, so much later, when it does; the flag `crash-NAME` ends
/// it with 1.
const RUN: &str = r#"
trap 'echo "down $1" >>/flags/story; sleep "${2:-0}"; echo "gone $1" >>/flags/story; exit 0' TERM
echo "up $1" >>/flags/story
until rm "/flags/crash-$1" 2>/dev/null; do sleep 0.1; done
echo "crash $1" >>/flags/story
exit 1
"#;

/// `work NAME`: waits for the flag `work-NAME`, and ends with the code that is written in it.
const WORK: &str = r#"
echo "up $1" >>/flags/story
until read -r code <"/flags/work-$1"; do sleep 0.1; done 2>/dev/null
echo "end $1" >>/flags/story
exit "$code"
"#;

/// A lab to try stacks on.
#[derive(Debug)]
pub(crate) struct Scene {
    cluster: Cluster,
    /// Compose files written so far.
    files: AtomicU32,
}

impl Deref for Scene {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl Scene {
    /// A cluster, every node of which has the image at hand. Nothing without root.
    pub(crate) fn start(managers: usize, workers: usize) -> Option<Scene> {
        let mut cluster = Cluster::start(managers, workers)?;
        let nodes: Vec<String> = (1..=managers + workers)
            .map(|number| format!("node{number}"))
            .collect();
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        cluster.registry(&nodes);
        cluster.host().file("flags/run", RUN);
        cluster.host().file("flags/work", WORK);
        cluster.host().file("flags/story", "");
        Some(Scene {
            cluster,
            files: AtomicU32::new(0),
        })
    }

    /// Writes a compose file, and returns its path.
    pub(crate) fn compose(&self, text: &str) -> String {
        let flags = self.path("flags").display().to_string();
        let text = format!("{HEAD}{text}").replace("FLAGS", &flags);
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let file = self.host().file(&format!("{number}/compose.yml"), text);
        file.display().to_string()
    }

    /// `stack up` to its end, asked on `node1`; 40 s are its limit unless `more` says otherwise.
    #[track_caller]
    pub(crate) fn up(&self, text: &str, more: &[&str]) -> Done {
        self.begin_up(text, more).wait()
    }

    /// The same without staying; it must be taken.
    #[track_caller]
    pub(crate) fn up_only(&self, text: &str) {
        self.up(text, &["--detach"]).ok();
    }

    /// `stack up` beside the test.
    #[track_caller]
    pub(crate) fn begin_up(&self, text: &str, more: &[&str]) -> Running {
        self.begin_up_on("node1", text, more)
    }

    /// The same, asked on that node.
    #[track_caller]
    pub(crate) fn begin_up_on(&self, node: &str, text: &str, more: &[&str]) -> Running {
        let file = self.compose(text);
        let mut words = vec!["stack", "up", "-c", &file];
        if !more.contains(&"--wait-timeout") {
            words.extend(["--wait-timeout", "40s"]);
        }
        words.extend(more);
        words.push(STACK);
        self.spawn(node, words)
    }

    /// `stack plan`, to its end.
    #[track_caller]
    pub(crate) fn plan(&self, text: &str) -> Done {
        let file = self.compose(text);
        self.on("node1", ["stack", "plan", "-c", &file, STACK])
    }

    /// `stack down`, which must succeed.
    #[track_caller]
    pub(crate) fn down(&self) -> Done {
        let words = ["stack", "down", "--wait-timeout", "40s", STACK];
        self.on("node1", words).ok()
    }

    /// Sets a flag.
    pub(crate) fn flag(&self, name: &str) {
        self.flag_with(name, "");
    }

    /// Sets a flag with something written in it.
    pub(crate) fn flag_with(&self, name: &str, content: &str) {
        // In one step: who looks for it finds it whole.
        let whole = self.host().file(&format!("flags/.{name}"), content);
        fs::rename(whole, self.path("flags").join(name)).expect("set a flag");
    }

    /// Takes a flag away.
    pub(crate) fn unflag(&self, name: &str) {
        fs::remove_file(self.path("flags").join(name)).expect("the flag is set");
    }

    /// What the containers have told so far.
    pub(crate) fn story(&self) -> Vec<String> {
        let story = fs::read_to_string(self.path("flags/story")).expect("the story");
        story.lines().map(str::to_owned).collect()
    }

    /// How often a line has been told.
    pub(crate) fn told(&self, line: &str) -> usize {
        self.story().iter().filter(|told| *told == line).count()
    }

    /// Waits until a line has been told so often.
    #[track_caller]
    pub(crate) fn until_told(&self, line: &str, times: usize) {
        self.until(&format!("{line:?} is told {times} times"), || {
            self.told(line) >= times
        });
    }

    /// Asserts that the story has these lines in that order, whatever lies between.
    #[track_caller]
    pub(crate) fn has_story(&self, lines: &[&str]) {
        let story = self.story();
        let mut left = story.iter();
        for line in lines {
            assert!(
                left.any(|told| told == line),
                "{line:?} should be told in the order of {lines:?}: {story:?}"
            );
        }
    }

    /// What `stack ps` shows, one object for each task, the newest of a slot first.
    #[track_caller]
    pub(crate) fn tasks(&self) -> Vec<Value> {
        let told = self.on("node1", ["stack", "ps", "--format", "{{json .}}", STACK]);
        let lines = told.lines();
        lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The newest tasks of the slots of a service, as `stack ps` shows them.
    #[track_caller]
    pub(crate) fn tasks_of(&self, service: &str) -> Vec<Value> {
        let mut tasks = self.tasks();
        let mut seen = Vec::new();
        tasks.retain(|task| {
            let new = !seen.contains(&task["Name"]);
            seen.push(task["Name"].clone());
            new && task["Service"] == format!("{STACK}_{service}")
        });
        tasks
    }

    /// Waits until all slots of a service, so many, show a state that begins so.
    #[track_caller]
    pub(crate) fn until_state(&self, service: &str, count: usize, state: &str) {
        self.until(&format!("{count} of {service} show {state:?}"), || {
            let tasks = self.tasks_of(service);
            let shows = |task: &Value| text(&task["CurrentState"]).starts_with(state);
            tasks.len() == count && tasks.iter().all(shows)
        });
    }

    /// What `service inspect` tells.
    #[track_caller]
    pub(crate) fn service(&self, service: &str) -> Value {
        let name = format!("{STACK}_{service}");
        let told = self.on("node1", ["service", "inspect", &name]).ok();
        told.json()[0].clone()
    }

    /// Waits until something has come about; fails with what the stack looks like then.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut is: impl FnMut() -> bool) {
        let limit = Duration::from_secs(30);
        if tests::wait::within(limit, || is().then_some(())).is_some() {
            return;
        }
        let tasks = self.on("node1", ["stack", "ps", "--no-trunc", STACK]);
        let story = self.story();
        panic!("it never came about: {what}\n{tasks}\n{story:?}");
    }

    /// Ids of all containers on a node, whatever their state.
    #[track_caller]
    pub(crate) fn containers(&self, node: &str) -> Vec<String> {
        self.on(node, ["ps", "-aq"]).ok().lines()
    }

    /// Asserts that nothing of the stack is left: no task, container, network, secret, configuration, on any of these nodes.
    #[track_caller]
    pub(crate) fn is_gone(&self, nodes: &[&str]) {
        let on = |words: &str| self.on("node1", words).ok().lines();
        assert_eq!(on("stack ls -q"), [""; 0]);
        assert_eq!(on("service ls -q"), [""; 0]);
        assert_eq!(on("secret ls -q"), [""; 0]);
        assert_eq!(on("config ls -q"), [""; 0]);
        for node in nodes {
            // The nodes tidy up when they have told the end of the task.
            self.until(&format!("nothing is left on {node}"), || {
                let links = self.sh(node, "ip -br link show type bridge").ok().text();
                let secrets = "find $MINI_RUN_ROOT/secrets -type f 2>/dev/null || true";
                self.containers(node).is_empty()
                    && links.is_empty()
                    && self.sh(node, secrets).ok().text().is_empty()
            });
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.host().path(name)
    }
}

/// A JSON string as it is, nothing for anything else.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A [`Scene`], or the end of the test.
macro_rules! scene {
    ($managers:expr, $workers:expr) => {
        match $crate::scene::Scene::start($managers, $workers) {
            Some(scene) => scene,
            None => return,
        }
    };
}
pub(crate) use scene;
