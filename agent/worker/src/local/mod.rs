//! The executor that runs containers, with the engine of this node. Whatever blocks is done on few threads at once.

#[cfg(test)]
mod engine_tests;
mod exec;
mod health;
mod logs;
mod memory_files;
mod networks;
mod pull;
mod run_spec;
#[cfg(test)]
mod run_spec_tests;
mod template;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api::v1::{ExecInput, ExecOutput, ExecSpec};
use engine::parse::network::NetworkAttach;
use engine::{Config, Engine, ErrorKind, Status, Stdio};
use model::TaskAddress;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::executor::{Container, Executor, LogOptions, Logs, Pulled, Reading};
use crate::failure::Failure;
use crate::step::Seen;
use crate::work::Work;
use memory_files::MemoryFiles;
use networks::Networks;
use pull::Pulls;
use run_spec::{TASK_LABEL, pull_policy, run_spec, volume_labels};
use watch::{Process, Replacements};

/// How many containers are made, started or removed at once.
const AT_ONCE: usize = 8;
/// Seconds that a container may take to end where nothing else was said, as in Docker.
const GRACE: u64 = 10;

/// What tasks may want to know of their node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its id.
    pub id: String,
    /// Its name.
    pub hostname: String,
}

/// Runs containers.
#[derive(Debug)]
pub struct EngineExecutor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Arc<Engine>,
    node: NodeFacts,
    files: MemoryFiles,
    networks: Networks,
    pulls: Pulls,
    replacements: Replacements,
    work: Semaphore,
}

impl EngineExecutor {
    /// Opens the engine, and puts in order what a `kill -9` or a reboot has left. Needs root.
    pub fn open(config: Config, node: NodeFacts) -> Result<Self, Failure> {
        let secrets = config.run_root.join("secrets");
        let engine = Engine::open(config)?;
        match engine.heal() {
            Ok(report) => report
                .problems
                .iter()
                .for_each(|problem| tracing::warn!(problem, "not everything is in order")),
            Err(error) => tracing::warn!(%error, "not everything is in order"),
        }
        Ok(EngineExecutor(Arc::new(Inner {
            engine: Arc::new(engine),
            node,
            files: MemoryFiles::at(secrets),
            networks: Networks::default(),
            pulls: Pulls::default(),
            replacements: Replacements::default(),
            work: Semaphore::new(AT_ONCE),
        })))
    }

    /// Does what blocks, when it is its turn.
    async fn blocking<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Inner) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let inner = self.0.clone();
        let interrupted = |_| Failure::Interrupted(what);
        let _turn = self
            .0
            .work
            .acquire()
            .await
            .map_err(|_| Failure::Interrupted(what))?;
        tokio::task::spawn_blocking(move || work(&inner))
            .await
            .map_err(interrupted)?
    }

    /// The process of a container, and where its health is written. None when there is no process.
    async fn process(
        &self,
        container: &str,
    ) -> Result<Option<(Process, Option<PathBuf>)>, Failure> {
        let id = container.to_owned();
        let look = move |inner: &Inner| {
            let process = absent(inner.engine.process(&id))?.flatten();
            Ok(process.map(|process| (process, health::path(&inner.engine, &id))))
        };
        let found = self.blocking("watching a container", look).await?;
        found
            .map(|(process, path)| Ok((Process::of(process)?, path)))
            .transpose()
    }

    /// Waits until all is noted of a container that has ended, and says what.
    async fn end_of(&self, container: &str) -> Result<Container, Failure> {
        let id = container.to_owned();
        let wait = move |inner: &Inner| {
            absent(inner.engine.wait(&id))?;
            inner.forget_files(&id)?;
            inner.look(&id)
        };
        self.blocking("waiting for a container", wait).await
    }
}

impl Inner {
    fn look(&self, container: &str) -> Result<Container, Failure> {
        match absent(self.engine.container(container))? {
            Some(found) => self.settled(seen(&found)),
            None => Ok(Container {
                id: container.to_owned(),
                seen: Seen::Nothing,
                addresses: Vec::new(),
            }),
        }
    }

    /// What has ended needs its files in memory no more: who starts it writes them again.
    fn forget_files(&self, container: &str) -> Result<(), Failure> {
        let found = absent(self.engine.container(container))?;
        let labels = found.as_ref().map(|found| &found.record.labels);
        match labels.and_then(|labels| labels.get(TASK_LABEL)) {
            Some(task) => self.files.remove(task),
            None => Ok(()),
        }
    }

    /// Between the end of a process and the note of it a container looks as if it was never started: waits for the note.
    fn settled(&self, container: Container) -> Result<Container, Failure> {
        if container.seen != Seen::Made {
            return Ok(container);
        }
        absent(self.engine.wait(&container.id))?;
        Ok(match absent(self.engine.container(&container.id))? {
            Some(found) => seen(&found),
            None => Container {
                seen: Seen::Nothing,
                ..container
            },
        })
    }

    /// The container that a task has already: its name is its own.
    fn known(&self, work: &Work) -> Result<Option<Container>, Failure> {
        let found = absent(self.engine.container(&work.container_name()))?;
        let own = found.filter(|found| found.record.labels.get(TASK_LABEL) == Some(&work.task.id));
        own.map(|found| self.settled(seen(&found))).transpose()
    }

    fn find(&self) -> Result<BTreeMap<String, Container>, Failure> {
        let mut result = BTreeMap::new();
        for found in self.engine.containers(true)? {
            let Some(task) = found.record.labels.get(TASK_LABEL) else {
                continue;
            };
            let networks = found.record.spec.networks.iter();
            let names = networks.filter_map(|attach| match attach {
                NetworkAttach::Network(endpoint) => Some(endpoint.network.as_str()),
                _ => None,
            });
            self.networks.note(task, names);
            result.insert(task.clone(), self.settled(seen(&found))?);
        }
        self.files.sweep(|task| result.contains_key(task))?;
        self.networks.sweep(&self.engine)?;
        Ok(result)
    }

    fn make(&self, work: &Work) -> Result<Container, Failure> {
        if let Some(known) = self.known(work)? {
            return Ok(known);
        }
        self.networks.ensure(&self.engine, work)?;
        let files = self.files.write(work)?;
        let spec = run_spec(work, &self.node, &files)?;
        for (volume, labels) in volume_labels(&spec, &work.revision.task.container) {
            self.engine.create_volume(Some(&volume), labels)?;
        }
        Ok(seen(&self.engine.create(&spec)?))
    }
}

#[tonic::async_trait]
impl Executor for EngineExecutor {
    async fn find(&self) -> Result<BTreeMap<String, Container>, Failure> {
        self.blocking("looking for containers", Inner::find).await
    }

    fn pulled(&self) -> Pulled {
        self.0.pulls.counted()
    }

    async fn prepare(&self, work: &Work) -> Result<Container, Failure> {
        let container = &work.revision.task.container;
        let (engine, policy) = (self.0.engine.clone(), pull_policy(container)?);
        self.0.pulls.pull(engine, container, policy).await?;
        let own = work.clone();
        self.blocking("making a container", move |inner| inner.make(&own))
            .await
    }

    async fn start(&self, work: &Work, container: &str) -> Result<Container, Failure> {
        let (work, id) = (work.clone(), container.to_owned());
        let start = move |inner: &Inner| {
            // They are gone after a reboot.
            inner.files.write(&work)?;
            let started = inner.engine.start(&id, Stdio::Detached)?;
            for warning in started.warnings {
                tracing::warn!(task = work.task.id, warning, "a task was started");
            }
            inner.settled(seen(&started.container))
        };
        self.blocking("starting a container", start).await
    }

    async fn next(&self, container: &str, before: &Seen) -> Result<Container, Failure> {
        loop {
            let Some((process, place)) = self.process(container).await? else {
                return self.end_of(container).await;
            };
            // Watched before it is looked at, so that nothing comes between.
            let health = place.and_then(|path| self.0.replacements.watch(&path).ok());
            let id = container.to_owned();
            let look = move |inner: &Inner| inner.look(&id);
            let now = self.blocking("watching a container", look).await?;
            if now.seen != *before {
                return Ok(now);
            }
            let replaced = async {
                match &health {
                    Some(health) => health.replaced().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ended = process.ended() => {
                    ended?;
                    return self.end_of(container).await;
                }
                () = replaced => {}
            }
        }
    }

    async fn stop(&self, container: &str, grace: Option<Duration>) -> Result<Container, Failure> {
        let Some((process, _)) = self.process(container).await? else {
            return self.end_of(container).await;
        };
        let id = container.to_owned();
        let signal = move |inner: &Inner| {
            let Some(found) = absent(inner.engine.container(&id))? else {
                return Ok(Duration::ZERO);
            };
            let signal = &found.record.process.stop_signal;
            ended_is_fine(inner.engine.kill(&id, Some(signal)))?;
            if found.state.status == Status::Paused {
                // A frozen process can't heed the signal.
                ended_is_fine(inner.engine.unpause(&id))?;
            }
            let own = found.record.spec.stop_timeout;
            Ok(Duration::from_secs(
                own.map_or(GRACE, |own| u64::try_from(own).unwrap_or(GRACE)),
            ))
        };
        let own = self.blocking("stopping a container", signal).await?;
        match timeout(grace.unwrap_or(own), process.ended()).await {
            Ok(ended) => ended?,
            Err(_) => {
                let id = container.to_owned();
                let kill = move |inner: &Inner| ended_is_fine(inner.engine.kill(&id, None));
                self.blocking("killing a container", kill).await?;
            }
        }
        self.end_of(container).await
    }

    async fn remove(&self, task: &str, container: Option<&str>) -> Result<(), Failure> {
        let (task, container) = (task.to_owned(), container.map(str::to_owned));
        let remove = move |inner: &Inner| {
            if let Some(container) = container {
                absent(inner.engine.remove(&container, true, true))?;
            }
            inner.files.remove(&task)?;
            inner.networks.release(&inner.engine, &task)
        };
        self.blocking("removing a container", remove).await
    }

    async fn usage(&self, containers: Vec<String>) -> BTreeMap<String, Reading> {
        let measure = move |inner: &Inner| {
            // One that has ended meanwhile is left out.
            let measured = containers.into_iter().filter_map(|container| {
                let stats = inner.engine.stats(&container).ok()?;
                let reading = Reading {
                    cpu_nanoseconds: stats.cpu_nanoseconds,
                    at_nanoseconds: stats.taken_at_nanoseconds,
                    memory_bytes: stats.memory,
                };
                Some((container, reading))
            });
            Ok(measured.collect())
        };
        let measured = self.blocking("measuring containers", measure).await;
        measured.unwrap_or_default()
    }

    async fn logs(&self, container: &str, options: LogOptions) -> Result<Logs, Failure> {
        logs::read(self.0.engine.clone(), container.to_owned(), options)
    }

    async fn exec(
        &self,
        container: &str,
        spec: &ExecSpec,
        input: mpsc::Receiver<ExecInput>,
        output: mpsc::Sender<ExecOutput>,
    ) -> Result<(), Failure> {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let valued = spec.env.iter().filter(|entry| entry.contains('='));
        let asked = engine::ExecSpec {
            command: spec.command.clone(),
            tty: spec.tty,
            // A terminal is always both ways.
            stdin: spec.stdin || spec.tty,
            env: valued.cloned().collect(),
            user: some(&spec.user),
            workdir: some(&spec.workdir),
            privileged: spec.privileged,
            ..engine::ExecSpec::default()
        };
        let (id, takes_input) = (container.to_owned(), asked.stdin);
        let command = move |inner: &Inner| Ok(inner.engine.exec_command(&id, &asked)?);
        let command = self.blocking("starting a process", command).await?;
        let terminal = spec.tty.then(|| spec.size.unwrap_or_default());
        exec::run(command, terminal, takes_input, input, output).await
    }
}

fn seen(found: &engine::Container) -> Container {
    let state = &found.state;
    let addresses = found.endpoints.iter().map(|endpoint| TaskAddress {
        network: endpoint.network.clone(),
        address: endpoint.ip.to_string(),
    });
    Container {
        id: found.id().to_owned(),
        seen: match state.status {
            Status::Created => Seen::Made,
            Status::Running | Status::Paused => Seen::Live(health::of(state)),
            Status::Exited => Seen::Ended {
                exit_code: state.exit_code.unwrap_or_default(),
                out_of_memory: state.oom_killed,
                error: state.error.clone().unwrap_or_default(),
            },
        },
        addresses: addresses.collect(),
    }
}

/// None for what is not there.
fn absent<T>(result: engine::Result<T>) -> Result<Option<T>, Failure> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// A process that has ended meanwhile needs nothing more.
fn ended_is_fine(result: engine::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => Ok(()),
        other => Ok(other?),
    }
}
