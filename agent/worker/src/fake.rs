//! An executor without containers: it remembers what it was asked for, and does what a test says.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use api::v1::{ExecInput, ExecOutput, ExecSpec};
use model::{Health, TaskAddress};
use tokio::sync::{mpsc, oneshot, watch};

use crate::executor::{Container, Executor, LogLine, LogOptions, Logs, Reading};
use crate::failure::Failure;
use crate::step::Seen;
use crate::work::Work;

#[derive(Debug)]
pub(crate) struct Fake {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    /// By task.
    containers: BTreeMap<String, Seen>,
    done: Vec<String>,
    refused: BTreeMap<String, String>,
    health: Health,
}

impl Default for Fake {
    fn default() -> Self {
        Fake {
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }
}

pub(crate) fn ended(exit_code: i32) -> Seen {
    Seen::Ended {
        exit_code,
        out_of_memory: false,
        error: String::new(),
    }
}

fn id(task: &str) -> String {
    format!("c-{task}")
}

impl Fake {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The container of a task is so from now on.
    pub(crate) fn set(&self, task: &str, seen: Seen) {
        self.state().containers.insert(task.to_owned(), seen);
        self.changed.send_replace(());
    }

    /// Containers are said to have this health when they are started.
    pub(crate) fn set_health(&self, health: Health) {
        self.state().health = health;
    }

    /// The task cannot be prepared.
    pub(crate) fn refuse(&self, task: &str, why: &str) {
        self.state().refused.insert(task.to_owned(), why.to_owned());
    }

    /// What was done so far.
    pub(crate) fn done(&self) -> Vec<String> {
        self.state().done.clone()
    }

    pub(crate) fn seen(&self, task: &str) -> Option<Seen> {
        self.state().containers.get(task).cloned()
    }

    fn note(&self, what: &str, task: &str) {
        self.state().done.push(format!("{what} {task}"));
    }

    fn container(&self, container: &str) -> Container {
        let task = container.trim_start_matches("c-");
        let seen = self.seen(task).unwrap_or(Seen::Nothing);
        let address = TaskAddress {
            network: "front".to_owned(),
            address: "10.0.0.2".to_owned(),
        };
        Container {
            id: container.to_owned(),
            addresses: match seen {
                Seen::Live(_) => vec![address],
                _ => Vec::new(),
            },
            seen,
        }
    }
}

#[tonic::async_trait]
impl Executor for Fake {
    async fn find(&self) -> Result<BTreeMap<String, Container>, Failure> {
        let tasks: Vec<String> = self.state().containers.keys().cloned().collect();
        Ok(tasks
            .into_iter()
            .map(|task| (task.clone(), self.container(&id(&task))))
            .collect())
    }

    async fn prepare(&self, work: &Work) -> Result<Container, Failure> {
        let task = &work.task.id;
        self.note("prepare", task);
        tokio::time::sleep(Duration::from_millis(1)).await;
        let refused = self.state().refused.get(task).cloned();
        if let Some(why) = refused {
            return Err(Failure::Invalid(why));
        }
        if self.seen(task).is_none() {
            self.set(task, Seen::Made);
        }
        Ok(self.container(&id(task)))
    }

    async fn start(&self, work: &Work, container: &str) -> Result<Container, Failure> {
        let task = &work.task.id;
        self.note("start", task);
        if self.seen(task) == Some(Seen::Made) {
            let health = self.state().health;
            let command = work.revision.task.container.command.as_ref();
            let script = command.and_then(|words| words.words.last());
            match script.and_then(|script| script.split("exit ").nth(1)) {
                Some(code) => self.set(task, ended(code.parse().unwrap())),
                None => self.set(task, Seen::Live(health)),
            }
        }
        Ok(self.container(container))
    }

    async fn next(&self, container: &str, before: &Seen) -> Result<Container, Failure> {
        let mut changed = self.changed.subscribe();
        loop {
            let now = self.container(container);
            if now.seen != *before {
                return Ok(now);
            }
            changed.changed().await.unwrap();
        }
    }

    async fn stop(&self, container: &str, _: Option<Duration>) -> Result<Container, Failure> {
        let task = container.trim_start_matches("c-");
        self.note("stop", task);
        if matches!(self.seen(task), Some(Seen::Live(_))) {
            self.set(task, ended(143));
        }
        Ok(self.container(container))
    }

    async fn remove(&self, task: &str, _: Option<&str>) -> Result<(), Failure> {
        self.note("remove", task);
        self.state().containers.remove(task);
        self.changed.send_replace(());
        Ok(())
    }

    async fn usage(&self, containers: Vec<String>) -> BTreeMap<String, Reading> {
        let living = containers
            .into_iter()
            .filter(|id| matches!(self.container(id).seen, Seen::Live(_)));
        living
            .map(|id| {
                let at_nanoseconds = jiff::Timestamp::now().as_nanosecond() as u64;
                let reading = Reading {
                    cpu_nanoseconds: at_nanoseconds / 2,
                    at_nanoseconds,
                    memory_bytes: 7,
                };
                (id, reading)
            })
            .collect()
    }

    async fn logs(&self, container: &str, options: LogOptions) -> Result<Logs, Failure> {
        let (lines, read) = mpsc::channel(4);
        let (end, ended) = oneshot::channel();
        let line = LogLine {
            at_ns: 1,
            stderr: false,
            data: "hello\n".into(),
        };
        self.note("log", container);
        lines.send(Ok(line)).await.unwrap();
        if options.follow {
            tokio::spawn(async move {
                let _: Result<(), _> = ended.await;
                drop(lines);
            });
        }
        Ok(Logs {
            lines: read,
            _end: end,
        })
    }

    async fn exec(
        &self,
        _: &str,
        spec: &ExecSpec,
        mut input: mpsc::Receiver<ExecInput>,
        output: mpsc::Sender<ExecOutput>,
    ) -> Result<(), Failure> {
        let print = |data: Vec<u8>| ExecOutput {
            stdout: data.into(),
            ..ExecOutput::default()
        };
        match spec.command.first().map(String::as_str) {
            Some("echo") => {
                let line = spec.command[1..].join(" ") + "\n";
                output.send(print(line.into_bytes())).await.unwrap();
            }
            Some("cat") => {
                while let Some(typed) = input.recv().await {
                    if !typed.stdin.is_empty() {
                        output.send(print(typed.stdin.to_vec())).await.unwrap();
                    }
                    if typed.stdin_closed {
                        break;
                    }
                }
            }
            _ => return Err(Failure::Invalid("there is no such command".to_owned())),
        }
        let last = ExecOutput {
            exit_code: Some(0),
            ..ExecOutput::default()
        };
        output.send(last).await.unwrap();
        Ok(())
    }
}
